"""The instants of one clock. Targets are business seconds; without a calendar
(`None`) every second counts, day and night.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from cem_cases.sla.calendar import Calendar


class Elapsed(NamedTuple):
    """How long something took, in whole seconds: while open, and altogether."""

    business_seconds: int
    calendar_seconds: int


def due(
    calendar: Calendar | None, started_at: datetime, target_seconds: int
) -> datetime:
    """Return the first instant, in UTC, at which the target is used up.

    >>> f"{due(None, datetime(2025, 3, 29, 22, tzinfo=UTC), 86_400):%d %H:%M}"
    '30 22:00'

    Raises ValueError for a naive start or a negative target, `NeverOpen` for a target
    which the calendar never reaches.
    """
    if calendar is not None:
        return calendar.add(started_at, target_seconds)
    if target_seconds < 0:
        raise ValueError("A target is not negative.")
    try:
        return _utc(started_at) + timedelta(seconds=target_seconds)
    except OverflowError:
        raise ValueError("This target ends after the year 9999.") from None


def warn_at(
    calendar: Calendar | None, started_at: datetime, target_seconds: int, percent: int
) -> datetime:
    """Return the instant, in UTC, at which `percent` of the target are used up.

    Parts of a second are dropped: better warned early. Raises as `due` does, and
    ValueError for a percentage that is not between 1 and 100.
    """
    if not 1 <= percent <= 100:
        raise ValueError(f"Warn at 1 to 100 percent of the target, not at {percent}.")
    return due(calendar, started_at, target_seconds * percent // 100)


def elapsed(
    calendar: Calendar | None, started_at: datetime, ended_at: datetime
) -> Elapsed:
    """Return the time from `started_at` to `ended_at`; nothing when that is backwards.

    Raises ValueError for naive datetimes.
    """
    took = max(_utc(ended_at) - _utc(started_at), timedelta(0)) // timedelta(seconds=1)
    if calendar is None:
        return Elapsed(took, took)
    return Elapsed(calendar.between(started_at, ended_at), took)


def _utc(at: datetime) -> datetime:
    if at.utcoffset() is None:
        raise ValueError(f"{at!r} is not an aware datetime.")
    return at.astimezone(UTC)
