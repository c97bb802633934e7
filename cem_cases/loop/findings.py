"""What an examination says: findings, and the words that its looks have in common."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

MOST = 1000
"""How many rows are looked at where only an index scan would know the rest."""
MOST_LETTERS = 400


class Level(StrEnum):
    ERROR = "error"
    """A promise is not kept, or will not be."""
    WARNING = "warning"
    OK = "ok"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, and what it is like."""

    level: Level
    subject: str
    """`time`, `installation`, `policies`, `calendars`, `rules`, `owners`, `sweep`, `answers`,
    `e-mails`, `outgoing` or `audit`; stable, for programs. `database` where it does not answer."""
    says: str
    """One line of plain words; names of rows in quotes."""
    hint: str = ""
    """What to do about it."""

    def __str__(self) -> str:
        return f"{self.level}: {self.subject}: {self.says} {self.hint}".rstrip()


Said = tuple[Level, str, str]
"""What one look says: level, words, hint."""


def error(says: str, hint: str = "") -> Said:
    """Say that a promise is not kept, or will not be."""
    return Level.ERROR, says, hint


def warning(says: str, hint: str = "") -> Said:
    """Say what somebody should see to, before it is an error."""
    return Level.WARNING, says, hint


def ok(says: str) -> Said:
    """Say that this is well."""
    return Level.OK, says, ""


def by_limits(
    value: timedelta, limits: tuple[timedelta, timedelta], says: str, hint: str
) -> Said:
    """Say it as an error above the higher limit, as a warning above the lower."""
    lower, higher = limits
    if value > higher:
        return error(says, hint)
    return warning(says, hint) if value > lower else ok(says)


def span(value: timedelta) -> str:
    """Return a length of time in words.

    >>> span(timedelta(minutes=119)), span(timedelta(hours=50))
    ('119 min', '2 days')
    """
    for unit, least in (("days", 2 * 86_400), ("h", 2 * 3600), ("min", 2 * 60)):
        if value.total_seconds() >= least:
            return f"{value // timedelta(seconds=least // 2)} {unit}"
    return f"{max(value // timedelta(seconds=1), 0)} s"


def count(number: int) -> str:
    """Return a number of rows in words; of more than `MOST` it is not known."""
    return f"{number:,}" + (" or more" if number >= MOST else "")


def line(text: str) -> str:
    """Return one line that cannot steer a terminal, whatever names it quotes."""
    words = "".join(letter if letter.isprintable() else " " for letter in text).split()
    told = " ".join(words)
    return told if len(told) <= MOST_LETTERS else f"{told[: MOST_LETTERS - 1]}…"
