"""Counting answers, with or without weights."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

_Key = TypeVar("_Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Tally:
    """How many answers there are, what they weigh, and the sum of their squared weights.

    All three are sums, so SQL makes them: `Count`, `Sum("weight")`, `Sum(weight²)`.
    Raises ValueError for anything negative or not finite.
    """

    n: int = 0
    weight: float = 0.0
    squares: float = 0.0

    def __post_init__(self) -> None:
        for name in ("n", "weight", "squares"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise ValueError(f"A tally has no {name} of {value!r}.")

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.n + other.n, self.weight + other.weight, self.squares + other.squares
        )

    @property
    def effective_n(self) -> float:
        """How many equally weighted answers would say as much; 0.0 without any weight.

        Kish's effective sample size, (Σw)² / Σw² (Kish 1965, "Survey Sampling"). It is
        `n` itself when all weights are equal, and never more.
        """
        # Rounded, or equal weights would come to 5.999… answers, a degree of freedom less.
        return round(self.weight**2 / self.squares, 6) if self.squares else 0.0

    @classmethod
    def of(cls, n: int) -> Tally:
        """Return the tally of `n` answers which all weigh 1."""
        return cls(n, float(n), float(n))


def tally(weights: Iterable[float]) -> Tally:
    """Return the tally of answers with these weights.

    Raises ValueError for a weight that is negative or not finite.
    """
    weights = [float(weight) for weight in weights]
    for weight in weights:
        if not 0 <= weight < math.inf:
            raise ValueError(f"{weight!r} is not a weight: 0 or more, and finite.")
    squares = math.fsum(weight * weight for weight in weights)
    return Tally(len(weights), math.fsum(weights), squares)


def tally_by(
    keys: Iterable[_Key], weights: Iterable[float] | None
) -> Mapping[_Key, Tally]:
    """Return the tally of each key; without `weights` every answer weighs 1.

    Raises ValueError when there are not as many weights as keys.
    """
    if weights is None:
        counts: dict[_Key, int] = {}
        for key in keys:
            counts[key] = counts.get(key, 0) + 1
        return {key: Tally.of(n) for key, n in counts.items()}
    groups: dict[_Key, list[float]] = {}
    for key, weight in zip(keys, weights, strict=True):
        groups.setdefault(key, []).append(weight)
    return {key: tally(group) for key, group in groups.items()}
