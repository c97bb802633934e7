"""How openings, which are wall time of one zone, become intervals of UTC.

A stretch holds those of 366 days. Stretches are counted from 1970, and all times in
them are whole seconds since then, so that a calendar can search them by bisection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

MINUTES_A_DAY = 24 * 60

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = _EPOCH.toordinal()
_DAYS = 366  # About a year; any fixed number of days gives the same answers.
# Days around a stretch whose openings can fall into it: zones are up to 15 hours from
# UTC, and have skipped up to a whole day.
_MARGIN = 3


@dataclass(frozen=True, slots=True, order=True)
class Opening:
    """Part of a day, in minutes of wall time since midnight: `opens` belongs to it,
    `closes` does not, and is at most 1440, the next midnight.

    Raises ValueError unless 0 <= opens < closes <= 1440.

    >>> print(Opening(9 * 60, 24 * 60))
    09:00-24:00
    """

    opens: int
    closes: int

    def __post_init__(self) -> None:
        if not 0 <= self.opens < self.closes <= MINUTES_A_DAY:
            raise ValueError(
                f"{self} is not a part of a day: it must end after it starts."
            )

    def __str__(self) -> str:
        opens, closes = divmod(self.opens, 60), divmod(self.closes, 60)
        return "{:02}:{:02}-{:02}:{:02}".format(*opens, *closes)


Openings = tuple[Opening, ...]
"""Those of one day, in any order; they may overlap."""


class Span(NamedTuple):
    """From `start` to `end`, in UTC, in which a calendar is open or is not."""

    start: datetime
    end: datetime
    is_open: bool


class Stretch(NamedTuple):
    """The openings of 366 days: UTC seconds since 1970, disjoint and in order.

    `before[i]` is how many open seconds of this stretch precede opening `i`; its last
    entry is their total. `days` are the ordinals of its local dates on which an opening
    begins.
    """

    opens: list[int]
    closes: list[int]
    before: list[int]
    days: list[int]


Run = tuple[list[int], list[int], list[int]]
"""Stretches joined to one: opens, closes and before."""


def locate(at: datetime) -> tuple[int, int, int]:
    """Return the number of the stretch in which this is, its second and microsecond.

    Raises ValueError for a naive datetime.
    """
    try:
        since = at - _EPOCH
    except TypeError:
        raise ValueError(f"{at!r} is not an aware datetime.") from None
    days = since.days
    return days // _DAYS, days * 86_400 + since.seconds, since.microseconds


def locate_day(ordinal: int) -> int:
    """Return the number of the stretch to which this day belongs."""
    return (ordinal - _EPOCH_DAY) // _DAYS


def in_utc(at: datetime) -> datetime:
    """Return the same instant in UTC. Raises ValueError for a naive datetime."""
    locate(at)
    return at.astimezone(UTC)


def lay_out(
    index: int,
    *,
    zone: ZoneInfo,
    hours: Mapping[int, Openings],
    closed: frozenset[date],
    special: Mapping[date, Openings],
) -> Stretch:
    """Return stretch number `index` of the calendar that has these openings.

    `hours` are those of weekdays; a `closed` date has none, a `special` one its own.
    """
    begins, ends = index * _DAYS * 86_400, (index + 1) * _DAYS * 86_400
    stretch = Stretch([], [], [0], [])
    days = set()
    local = _local(index, hours, closed, special)
    for opens, closes in sorted(_intervals(local, zone)):
        if opens < closes:
            days.add(datetime.fromtimestamp(opens, zone).toordinal())
        # Where the clocks skip, an opening can reach into the one after it.
        opens, closes = max(opens, begins), min(closes, ends)
        if stretch.closes:
            opens = max(opens, stretch.closes[-1])
        if opens >= closes:
            continue
        stretch.before.append(stretch.before[-1] + closes - opens)
        stretch.opens.append(opens)
        stretch.closes.append(closes)
    first = _EPOCH_DAY + index * _DAYS
    stretch.days.extend(sorted(days.intersection(range(first, first + _DAYS))))
    return stretch


def join(stretches: Iterator[Stretch], wanted: int) -> Run:
    """Join as many stretches as are open for `wanted` seconds, and at least one."""
    opens, closes, before = map(list, next(stretches)[:3])
    while before[-1] < wanted:
        later, total = next(stretches), before[-1]
        opens += later.opens
        closes += later.closes
        before += [total + seconds for seconds in later.before[1:]]
    return opens, closes, before


def _local(
    index: int,
    hours: Mapping[int, Openings],
    closed: frozenset[date],
    special: Mapping[date, Openings],
) -> Iterator[tuple[int, Openings]]:
    """Yield the local days that can touch the stretch, as ordinals, with their openings."""
    first = _EPOCH_DAY + index * _DAYS - _MARGIN
    last = _EPOCH_DAY + (index + 1) * _DAYS + _MARGIN
    # The ends of the calendar, where a day has no neighbour, are out of reach.
    for ordinal in range(max(first, 2), min(last, date.max.toordinal())):
        day = date.fromordinal(ordinal)
        if day in special:
            yield ordinal, special[day]
        elif day not in closed:
            yield ordinal, hours.get(day.weekday(), ())


def _intervals(
    local: Iterable[tuple[int, Openings]], zone: ZoneInfo
) -> Iterator[tuple[int, int]]:
    """Yield the openings of these days in seconds of UTC, one after the other."""
    for ordinal, openings in local:
        midnight = datetime.fromordinal(ordinal)
        for opening in openings:
            yield (
                _instant(midnight, opening.opens, zone),
                _instant(midnight, opening.closes, zone),
            )


def _instant(midnight: datetime, minutes: int, zone: ZoneInfo) -> int:
    """Return the UTC second at which the zone's clocks show this wall time."""
    wall = midnight + timedelta(minutes=minutes)
    since = wall.replace(tzinfo=zone) - _EPOCH
    return since.days * 86_400 + since.seconds
