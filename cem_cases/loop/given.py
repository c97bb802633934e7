"""What people type, checked: each function returns it as it is kept.

All raise InvalidInput, which names the field.
"""

from __future__ import annotations

from collections.abc import Sequence

from cem_cases.exceptions import InvalidInput

MAX_TEXT = 10_000


def one_of(values: Sequence[str], said: str, field: str) -> str:
    """Return what was chosen among these values."""
    if said not in values:
        raise InvalidInput({field: [f"Must be one of: {', '.join(values)}."]})
    return said


def text(said: str, field: str, *, required: bool = True) -> str:
    """Return a text of several lines, without the space around it."""
    return _bounded(said.strip(), field, MAX_TEXT, required)


def line(said: str, field: str, limit: int, *, required: bool = False) -> str:
    """Return a text of one line: header injection ends here."""
    return _bounded(" ".join(said.split()), field, limit, required)


def _bounded(said: str, field: str, limit: int, required: bool) -> str:
    if required and not said:
        raise InvalidInput({field: ["Is missing."]})
    if len(said) > limit:
        raise InvalidInput({field: [f"Must be at most {limit:,} characters."]})
    if "\x00" in said:
        raise InvalidInput({field: ["Must not contain zero characters."]})
    return said
