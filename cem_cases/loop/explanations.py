"""Why the rules decided so: one text for all answers to which the same happened."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cem_cases import rules
from cem_cases.loop import bulk
from cem_cases.models import Case, Explanation, Rule


@dataclass(frozen=True, slots=True)
class Look:
    """That a rule was looked at, for people to read."""

    rule: int
    version: int
    name: str | None
    """As it is called now; None: it is not there any more."""
    matched: bool
    because: str
    """What decided, with the values seen."""


def digest(looks: str) -> str:
    """Return the SHA-256 of an explanation, in hexadecimal: what the audit keeps of it."""
    return hashlib.sha256(looks.encode()).hexdigest()


def keep(texts: Iterable[str]) -> Mapping[str, int]:
    """Return the keys of these explanations, by text; writes those that are new.

    The last thing of a batch: who writes the same at the same time waits until the other
    is through.
    """
    by_digest = {digest(text): text for text in sorted(set(texts))}
    found = _known(by_digest)
    new = sorted(by_digest.keys() - found.keys())
    if new:
        bulk.add_missing(
            Explanation, ["digest", "looks"], [(d, by_digest[d]) for d in new]
        )
        found |= _known(new)
    return {by_digest[d]: key for d, key in found.items()}


def read(texts: Iterable[str]) -> Mapping[str, Sequence[Look]]:
    """Return what these explanations say, by text, in one query.

    A text that somebody spoiled in the database says nothing.
    """
    found = {text: _looks(text) for text in set(texts)}
    keys = {look.rule for looks in found.values() for look in looks}
    names: dict[int, str] = {}
    if keys:
        names = dict(Rule.objects.filter(pk__in=keys).values_list("pk", "name"))
    return {
        text: [
            Look(
                rule=look.rule,
                version=look.version,
                name=names.get(look.rule),
                matched=look.matched,
                because=look.because,
            )
            for look in looks
        ]
        for text, looks in found.items()
    }


def of_opening(case: Case) -> Mapping[str, Sequence[Look]]:
    """Return the rules looked at when this case was opened, by the digest of the text.

    The event `case.opened` has the digest: a text that was changed since is not found.
    """
    opening = case.opening_response
    kept = None if opening is None else opening.explanation
    if kept is None:
        return {}
    return {digest(kept.looks): read([kept.looks])[kept.looks]}


def _looks(text: str) -> list[rules.Look]:
    try:
        found = rules.read_looks(text)
    except (TypeError, ValueError, RecursionError):
        return []
    return found if all(_is_key(look.rule) for look in found) else []


def _is_key(value: object) -> bool:
    return isinstance(value, int) and 0 <= value < 1 << 63


def _known(digests: Iterable[str]) -> dict[str, int]:
    rows = Explanation.objects.filter(bulk.any_of("digest", list(digests)))
    return dict(rows.values_list("digest", "pk"))
