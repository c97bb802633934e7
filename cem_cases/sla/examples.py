"""What a policy promises, shown by example: moments worth trying, and their due times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from typing import NamedTuple

from cem_cases.sla.calendar import Calendar, NeverOpen
from cem_cases.sla.terms import Metric, Terms


class Occasion(StrEnum):
    """Why a moment is worth trying."""

    NOW = "now"
    FRIDAY_EVENING = "friday evening"
    HOLIDAY_EVE = "holiday eve"
    CLOCK_CHANGE = "clock change"


class Moment(NamedTuple):
    """A moment at which a case might be opened, in the zone of the calendar.

    `at` is None where there is no such moment. `day` is the holiday, or the date on which
    the clocks change; `shift` is by how much they do: forward, or back when negative.
    """

    occasion: Occasion
    at: datetime | None
    day: date | None = None
    shift: timedelta = timedelta(0)


def moments(calendar: Calendar | None, now: datetime) -> list[Moment]:
    """Return `now`, and the next moment of each other occasion.

    Those are Friday at 18:30, the day before a holiday at 15:00, and the day before the
    clocks change at 12:00. A holiday counts where it closes a day that would be open.
    Without a calendar there are none, and the zone is that of `now`. Raises ValueError
    for a naive datetime.

    >>> from zoneinfo import ZoneInfo
    >>> berlin = Calendar(ZoneInfo("Europe/Berlin"), {})
    >>> for moment in moments(berlin, datetime(2026, 11, 22, 8, 12, tzinfo=UTC)):
    ...     print(f"{moment.occasion}: {moment.at:%a %d %b %H:%M}" if moment.at else "none")
    now: Sun 22 Nov 09:12
    friday evening: Fri 27 Nov 18:30
    none
    clock change: Sat 27 Mar 12:00
    """
    if now.utcoffset() is None:
        raise ValueError(f"{now!r} is not an aware datetime.")
    here = now.astimezone(calendar.zone) if calendar else now
    return [
        Moment(Occasion.NOW, here),
        Moment(Occasion.FRIDAY_EVENING, _friday_evening(here)),
        _holiday_eve(calendar, here),
        _clock_change(here),
    ]


def dues(terms: Terms, priority: int, at: datetime) -> Mapping[Metric, datetime | None]:
    """Return when each metric that is promised would be due for a clock begun at `at`.

    None for a target that the calendar never reaches.
    """
    found: dict[Metric, datetime | None] = {}
    for metric in Metric:
        if (promise := terms.promise(metric, priority)) is not None:
            try:
                found[metric] = terms.due(promise.target, at)
            except (NeverOpen, ValueError):
                found[metric] = None
    return found


_DAY = timedelta(days=1)
_REACH = 400
"""Days in which a zone that changes its clocks does so."""


def _friday_evening(here: datetime) -> datetime:
    friday = here.date() + _DAY * ((4 - here.weekday()) % 7)
    evening = _at(friday, time(18, 30), here.tzinfo)
    return (
        evening
        if evening >= here
        else _at(friday + 7 * _DAY, time(18, 30), here.tzinfo)
    )


def _holiday_eve(calendar: Calendar | None, here: datetime) -> Moment:
    for day in sorted(_holidays(calendar, here.date())) if calendar else ():
        eve = _at(day - _DAY, time(15), here.tzinfo)
        if eve >= here:
            return Moment(Occasion.HOLIDAY_EVE, eve, day)
    return Moment(Occasion.HOLIDAY_EVE, None)


def _holidays(calendar: Calendar, today: date) -> Iterator[date]:
    """Yield the days after today that are closed, and are a weekday with openings."""
    for day in calendar.closed | calendar.special.keys():
        is_open = bool(calendar.special.get(day))
        if day > today and not is_open and calendar.hours.get(day.weekday()):
            yield day


def _clock_change(here: datetime) -> Moment:
    start = here.astimezone(UTC)
    for n in range(_REACH):
        before, after = start + n * _DAY, start + (n + 1) * _DAY
        old, new = _offset(before, here.tzinfo), _offset(after, here.tzinfo)
        if old == new:
            continue
        day = (_change(before, after, here.tzinfo) + old).date()
        eve = _at(day - _DAY, time(12), here.tzinfo)
        if eve >= here:
            return Moment(Occasion.CLOCK_CHANGE, eve, day, new - old)
    return Moment(Occasion.CLOCK_CHANGE, None)


def _change(before: datetime, after: datetime, zone: tzinfo | None) -> datetime:
    """Return the first second between these two at which the offset is the later one."""
    old = _offset(before, zone)
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) // 2
        if _offset(middle, zone) == old:
            before = middle
        else:
            after = middle
    return after.replace(microsecond=0)


def _offset(at: datetime, zone: tzinfo | None) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta(0)


def _at(day: date, wall: time, zone: tzinfo | None) -> datetime:
    """Return this wall time; one that the clocks skip moves forward by the gap."""
    return datetime.combine(day, wall, zone).astimezone(UTC).astimezone(zone)
