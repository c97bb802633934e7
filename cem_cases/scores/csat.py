"""Customer satisfaction: the share of answers in the top-2 box, in percent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cem_cases.scores.bands import Band, Metric, band
from cem_cases.scores.intervals import wilson
from cem_cases.scores.tally import Tally, tally_by


@dataclass(frozen=True, slots=True, kw_only=True)
class Csat:
    """A share in percent, 0 to 100, with the ends of its 95 % interval (Wilson).

    `score`, `low` and `high` are None when no answer has any weight. The three counts
    are of answers, whatever they weigh; `effective_n` is Kish's.
    """

    score: float | None
    low: float | None
    high: float | None
    n: int
    satisfied: int
    neutral: int
    dissatisfied: int
    weight_sum: float
    effective_n: float


def csat(
    scores: Iterable[int],
    *,
    scale_min: int = 1,
    scale_max: int = 5,
    weights: Iterable[float] | None = None,
) -> Csat:
    """Return the share of satisfied answers (`bands.band` says which are), unrounded.

    >>> csat([5, 4, 3, 1]).score
    50.0

    Raises ValueError for a score off the scale, a wrong weight, or another number of
    weights than of scores.
    """
    bands = (band(Metric.CSAT, score, scale_min, scale_max) for score in scores)
    tallies = tally_by(bands, weights)
    return csat_from_tallies(
        satisfied=tallies.get(Band.SATISFIED, Tally()),
        neutral=tallies.get(Band.NEUTRAL, Tally()),
        dissatisfied=tallies.get(Band.DISSATISFIED, Tally()),
    )


def csat_from_counts(*, satisfied: int, neutral: int, dissatisfied: int) -> Csat:
    """Return the share among this many answers, as SQL counts them."""
    return csat_from_tallies(
        satisfied=Tally.of(satisfied),
        neutral=Tally.of(neutral),
        dissatisfied=Tally.of(dissatisfied),
    )


def csat_from_tallies(*, satisfied: Tally, neutral: Tally, dissatisfied: Tally) -> Csat:
    """Return the share among weighted answers from the sums of each band."""
    total = satisfied + neutral + dissatisfied
    score = low = high = None
    if total.weight:
        share = satisfied.weight / total.weight
        score = 100 * share
        low, high = (100 * end for end in wilson(share, total.effective_n))
    return Csat(
        score=score,
        low=low,
        high=high,
        n=total.n,
        satisfied=satisfied.n,
        neutral=neutral.n,
        dissatisfied=dissatisfied.n,
        weight_sum=total.weight,
        effective_n=total.effective_n,
    )
