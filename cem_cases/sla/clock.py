"""The instants of one clock: when it is due, when to warn, how long it has run.

A clock counts open time, less its pauses. Without a calendar (`None`), and for a target
in calendar seconds, it is always open. Pauses may be given in any order, overlap, be
empty and lie outside the clock; a pause that is not over yet ends when it is asked about.
Everything is exact to the microsecond, comes out in UTC, and naive datetimes and negative
amounts are refused with ValueError.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from cem_cases.sla.calendar import Calendar, Span


class Unit(StrEnum):
    """What the amount of a target is counted in."""

    BUSINESS_SECONDS = "business seconds"
    CALENDAR_SECONDS = "calendar seconds"
    BUSINESS_DAYS = "business days"


class Target(NamedTuple):
    """How much of `unit` a clock may take: 8 business hours are 28800 business seconds."""

    amount: int
    unit: Unit


class Pause(NamedTuple):
    """A clock does not count from `start` to `end`; `label` says why."""

    start: datetime
    end: datetime
    label: str = ""


class Elapsed(NamedTuple):
    """How long something took, in whole seconds: what counted, and altogether."""

    business_seconds: int
    calendar_seconds: int


class Kind(StrEnum):
    """What a clock does during a segment. It counts while open."""

    OPEN = "open"
    CLOSED = "closed"
    PAUSED = "paused"


class Segment(NamedTuple):
    """A part of a clock's life, in UTC. `counted` is its length when open, else nothing;
    `label` is that of the pause."""

    start: datetime
    end: datetime
    kind: Kind
    counted: timedelta
    label: str = ""


def due(
    calendar: Calendar | None,
    started_at: datetime,
    target: Target,
    pauses: Collection[Pause] = (),
) -> datetime:
    """Return the first instant at which the target is used up.

    A pause moves it on by its open part only. Business days end at the same wall time
    (`Calendar.add_business_days`); then each pause that begins before the due time moves
    that on.

    >>> day = Target(86_400, Unit.CALENDAR_SECONDS)
    >>> f"{due(None, datetime(2025, 3, 29, 22, tzinfo=UTC), day):%d %H:%M}"
    '30 22:00'

    Raises ValueError for business days without a calendar, `NeverOpen` for a target
    which the calendar never reaches.
    """
    time = _time(calendar, target)
    ends = _without_pauses(time, started_at, target)
    return _moved(time, ends, _merged(pauses, started_at)) if pauses else ends


def at_percent(
    calendar: Calendar | None,
    started_at: datetime,
    target: Target,
    percent: int,
    pauses: Collection[Pause] = (),
) -> datetime:
    """Return the instant at which `percent` of the target are used up; 100 is due.

    Business days are taken for the open time between start and due time. Parts of a
    second are dropped: better warned early. Less than 100 percent is never after the due
    time, more is never before it. Raises as `due` does, and ValueError for a percentage
    that is not positive.
    """
    if percent <= 0:
        raise ValueError(f"A percentage of the target is positive, not {percent}.")
    time, merged = _time(calendar, target), _merged(pauses, started_at)
    ends = _without_pauses(time, started_at, target)
    due_at = _moved(time, ends, merged)
    if percent == 100:
        return due_at
    seconds = time.open_time(started_at, ends) * percent // 100 // _SECOND
    at = _moved(time, time.add(started_at, seconds), merged)
    return min(at, due_at) if percent < 100 else max(at, due_at)


def at_offset(
    calendar: Calendar | None,
    started_at: datetime,
    target: Target,
    seconds: int,
    pauses: Collection[Pause] = (),
) -> datetime:
    """Return the instant `seconds` after the due time, or before it when negative.

    They are seconds of this clock: business seconds, or calendar seconds when the target
    is in those, and pauses are left out. Never before the start. Before the due time it
    is the last such instant: an hour before Monday at ten is Monday at nine rather than
    Friday at closing time. Raises as `due` does.
    """
    time = _time(calendar, target)
    due_at = due(calendar, started_at, target, pauses)
    if seconds >= 0:
        return _moved(time, time.add(due_at, seconds), _merged(pauses, due_at))
    if timedelta(seconds=-seconds) > _counted(time, started_at, due_at, pauses):
        return _utc(started_at)
    at = time.subtract(due_at, -seconds)
    for pause in reversed(_merged(pauses, started_at, due_at)):
        if pause.end <= at:
            break
        at = time.subtract(at, *_parts(time.open_time(pause.start, pause.end)))
    return at


def elapsed(
    calendar: Calendar | None,
    started_at: datetime,
    ended_at: datetime,
    pauses: Collection[Pause] = (),
) -> Elapsed:
    """Return the time from `started_at` to `ended_at`; nothing when that is backwards.

    Business seconds are what counts against us: open time less the open part of the
    pauses; without a calendar, all seconds less the pauses. Calendar seconds are what
    the customer waited: from start to end, pauses included. A clock with a target in
    calendar seconds is asked about without a calendar.
    """
    took = max(_utc(ended_at) - _utc(started_at), timedelta(0))
    counted = _counted(calendar or _ALWAYS, started_at, ended_at, pauses)
    return Elapsed(counted // _SECOND, took // _SECOND)


def explain(
    calendar: Calendar | None,
    started_at: datetime,
    until: datetime,
    target: Target,
    pauses: Collection[Pause] = (),
) -> tuple[Segment, ...]:
    """Return what the clock did from `started_at` to `until`, without gaps.

    The due time ends a segment, unless it falls into a pause; what was counted up to it
    is the target (of business days, the open time until then). What is closed during a
    pause belongs to the pause; where pauses overlap, to the one that began first. Raises
    as `due` does.
    """
    time = _time(calendar, target)
    due_at = due(calendar, started_at, target, pauses)
    at, end = _utc(started_at), _utc(until)
    segments: list[Segment] = []
    for pause in _disjoint(pauses, at, end):
        segments += _running(time, at, pause.start, due_at)
        segments.append(
            Segment(pause.start, pause.end, Kind.PAUSED, timedelta(0), pause.label)
        )
        at = pause.end
    return (*segments, *_running(time, at, end, due_at))


class _Always:
    """A calendar that is always open."""

    def add(self, start: datetime, seconds: int, microseconds: int = 0) -> datetime:
        try:
            return _utc(start) + timedelta(0, seconds, microseconds)
        except OverflowError:
            raise ValueError("This target ends after the year 9999.") from None

    def subtract(self, end: datetime, seconds: int, microseconds: int = 0) -> datetime:
        return _utc(end) - timedelta(0, seconds, microseconds)

    def open_time(self, start: datetime, end: datetime) -> timedelta:
        return max(_utc(end) - _utc(start), timedelta(0))

    def add_business_days(self, start: datetime, days: int) -> datetime:
        raise ValueError("Business days need a calendar.")

    def spans(self, start: datetime, end: datetime) -> Iterator[Span]:
        if start < end:
            yield Span(start, end, is_open=True)


_ALWAYS = _Always()
_SECOND = timedelta(seconds=1)
_FOREVER = datetime.max.replace(tzinfo=UTC)


def _time(calendar: Calendar | None, target: Target) -> Calendar | _Always:
    if target.amount < 0:
        raise ValueError("A target is not negative.")
    if calendar is None or target.unit is Unit.CALENDAR_SECONDS:
        return _ALWAYS
    return calendar


def _without_pauses(
    time: Calendar | _Always, started_at: datetime, target: Target
) -> datetime:
    if target.unit is Unit.BUSINESS_DAYS:
        return time.add_business_days(started_at, target.amount)
    return time.add(started_at, target.amount)


def _moved(
    time: Calendar | _Always, ends: datetime, pauses: Iterable[Pause]
) -> datetime:
    """Return the end of what these pauses (disjoint, in order) hold up."""
    for pause in pauses:
        if pause.start >= ends:
            break
        ends = time.add(ends, *_parts(time.open_time(pause.start, pause.end)))
    return ends


def _counted(
    time: Calendar | _Always,
    start: datetime,
    end: datetime,
    pauses: Collection[Pause],
) -> timedelta:
    """Return the open time from `start` to `end`, less that of the pauses."""
    return time.open_time(start, end) - sum(
        (time.open_time(p.start, p.end) for p in _merged(pauses, start, end)),
        timedelta(0),
    )


def _running(
    time: Calendar | _Always, start: datetime, end: datetime, due_at: datetime
) -> Iterator[Segment]:
    """Yield the segments between pauses, parted at the due time."""
    due_at = max(start, min(due_at, end))
    for span in (*time.spans(start, due_at), *time.spans(due_at, end)):
        yield (
            Segment(span.start, span.end, Kind.OPEN, span.end - span.start)
            if span.is_open
            else Segment(span.start, span.end, Kind.CLOSED, timedelta(0))
        )


def _merged(
    pauses: Iterable[Pause], start: datetime, end: datetime = _FOREVER
) -> list[Pause]:
    """Return the pauses from `start` to `end` in order; those that touch are one."""
    merged: list[Pause] = []
    for pause in _disjoint(pauses, start, end):
        if merged and merged[-1].end == pause.start:
            merged[-1] = merged[-1]._replace(end=pause.end)
        else:
            merged.append(pause)
    return merged


def _disjoint(
    pauses: Iterable[Pause], start: datetime, end: datetime
) -> Iterator[Pause]:
    """Yield the pauses from `start` to `end` in order, in UTC, each from the end of the
    one before it; none is empty."""
    at = _utc(start)
    for pause in sorted(
        (_utc(each.start), _utc(each.end), each.label) for each in pauses
    ):
        begins, ends, label = max(pause[0], at), min(pause[1], end), pause[2]
        if begins < ends:
            yield Pause(begins, ends, label)
            at = ends


def _parts(duration: timedelta) -> tuple[int, int]:
    """Return whole seconds and microseconds."""
    return duration // _SECOND, duration.microseconds


def _utc(at: datetime) -> datetime:
    if at.utcoffset() is None:
        raise ValueError(f"{at!r} is not an aware datetime.")
    return at.astimezone(UTC)
