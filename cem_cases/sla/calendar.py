"""A calendar of openings, and arithmetic in the seconds for which it is open.

Openings are wall time of one zone. They become UTC intervals a stretch of 366 days at a
time, each with the open seconds before it; both directions are then one bisection. A
stretch is laid out once per calendar, so keep calendars: the second question is cheap.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

MINUTES_A_DAY = 24 * 60


class NeverOpen(ValueError):
    """The calendar has no opening within reach, so there is no answer."""


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


class _Stretch(NamedTuple):
    """The openings of 366 days: UTC seconds since 1970, disjoint and in order.

    `before[i]` is how many open seconds of this stretch precede opening `i`; its last
    entry is their total.
    """

    opens: list[int]
    closes: list[int]
    before: list[int]


@dataclass(frozen=True)
class Calendar:
    """When people work: openings per weekday (Monday is 0), in one zone.

    A `closed` date has no openings; a `special` date has its own instead of its
    weekday's, even if it is also closed. Overlapping openings count once.

    Two hours from Friday at 16:00 end on Monday at 10:00, although the clocks go forward
    on Sunday; exactly at closing time is still Friday:

    >>> office = Calendar(
    ...     ZoneInfo("Europe/Berlin"),
    ...     dict.fromkeys(range(5), (Opening(9 * 60, 17 * 60),)),
    ... )
    >>> friday = datetime(2025, 3, 28, 16, tzinfo=office.zone)
    >>> f"{office.add(friday, 2 * 3600).astimezone(office.zone):%a %H:%M}"
    'Mon 10:00'
    >>> f"{office.add(friday, 1 * 3600).astimezone(office.zone):%a %H:%M}"
    'Fri 17:00'

    A wall time that the clocks skip moves forward by the gap (PEP 495, `fold=0`), and an
    opening which that leaves empty is dropped; a wall time that happens twice is its
    first. So a day which a zone skips altogether (Samoa, 30 December 2011) lends its
    openings to the next. Raises ValueError for a weekday that is not 0 to 6.
    """

    zone: ZoneInfo
    hours: Mapping[int, tuple[Opening, ...]] = field(hash=False)
    closed: frozenset[date] = frozenset()
    special: Mapping[date, tuple[Opening, ...]] = field(
        default_factory=dict, hash=False
    )
    _stretches: dict[int, _Stretch] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if not set(self.hours) <= set(range(7)):
            raise ValueError("Weekdays are 0 (Monday) to 6 (Sunday).")
        # Own copies: what is laid out must not go stale when the caller's dict changes.
        object.__setattr__(self, "hours", dict(self.hours))
        object.__setattr__(self, "special", dict(self.special))

    def add(self, start: datetime, seconds: int) -> datetime:
        """Return the first instant, in UTC, at which the calendar has been open for
        `seconds` (business seconds) since `start`.

        With 0 seconds that is `start` itself, open or not; ask `next_open` for the next
        opening. Raises ValueError for a naive start or negative seconds, NeverOpen when
        five years pass without an opening or a hundred do not suffice.
        """
        day, second, micro = _moment(start)
        if seconds <= 0:
            if seconds < 0:
                raise ValueError("Business time is added forwards only.")
            return start.astimezone(UTC)
        index = day // _DAYS
        opens, closes, before = self._stretches.get(index) or self._lay_out(index)
        # All is counted from the beginning of the stretch to the due instant.
        i = bisect_right(closes, second)
        wanted = before[i] + seconds
        if i < len(opens) and opens[i] <= second:
            wanted += second - opens[i]
        else:
            micro = 0
        # A fraction of a second needs an opening that reaches beyond the whole one.
        if wanted + (micro > 0) > before[-1]:
            wanted, (opens, closes, before) = self._walk(index, wanted, micro)
        i = bisect_left(before, wanted + (micro > 0)) - 1
        due = datetime.fromtimestamp(opens[i] + wanted - before[i], UTC)
        return due.replace(microsecond=micro) if micro else due

    def between(self, start: datetime, end: datetime) -> int:
        """Return for how many whole seconds the calendar is open from `start` to `end`.

        0 when `end` is not after `start`. Undoes `add`: for any start,
        `between(start, add(start, n)) == n`. Raises ValueError for naive datetimes.
        """
        first, start_at, start_micro = self._position(start)
        last, end_at, end_micro = self._position(end)
        if (last, end_at, end_micro) <= (first, start_at, start_micro):
            return 0
        for index in range(first, last):
            end_at += self._stretch(index).before[-1]
        return end_at - start_at - (end_micro < start_micro)

    def is_open(self, at: datetime) -> bool:
        """Return whether `at` lies in an opening; its closing instant does not."""
        day, second, _ = _moment(at)
        opens, closes, _before = self._stretch(day // _DAYS)
        i = bisect_right(closes, second)
        return i < len(opens) and opens[i] <= second

    def next_open(self, at: datetime) -> datetime:
        """Return `at` itself when the calendar is open, else the next opening; in UTC.

        Raises ValueError for a naive datetime, NeverOpen when no opening comes within
        five years.
        """
        day, second, _ = _moment(at)
        stretch = self._stretch(day // _DAYS)
        i = bisect_right(stretch.closes, second)
        if i == len(stretch.opens):
            _, stretch = self._walk(day // _DAYS, 1, 0, passed=True)
            i = 0
        opens = stretch.opens[i]
        return (
            at.astimezone(UTC)
            if opens <= second
            else datetime.fromtimestamp(opens, UTC)
        )

    def _position(self, at: datetime) -> tuple[int, int, int]:
        """Return the stretch of `at`, and the open time in it until then: s and µs."""
        day, second, micro = _moment(at)
        index = day // _DAYS
        opens, closes, before = self._stretch(index)
        i = bisect_right(closes, second)
        if i < len(opens) and opens[i] <= second:
            return index, before[i] + second - opens[i], micro
        return index, before[i], 0

    def _stretch(self, index: int) -> _Stretch:
        return self._stretches.get(index) or self._lay_out(index)

    def _walk(
        self, index: int, wanted: int, micro: int, *, passed: bool = False
    ) -> tuple[int, _Stretch]:
        """Return the later stretch in which `wanted` is reached, and what is left of it.

        With `passed`, nothing of the first stretch counts.
        """
        if not passed:
            wanted -= self._stretch(index).before[-1]
        without = 0
        for later in range(index + 1, index + 1 + _REACH):
            stretch = self._stretch(later)
            total = stretch.before[-1]
            if wanted + (micro > 0) <= total:
                return wanted, stretch
            wanted -= total
            without = 0 if total else without + 1
            if without == _PATIENCE:
                break
        raise NeverOpen(
            "This calendar is not open for long enough to reach the target."
        )

    def _lay_out(self, index: int) -> _Stretch:
        """Lay out stretch number `index` (counted from 1970) and keep it.

        Two threads may both do it; they come to the same.
        """
        begins, ends = index * _DAYS * 86_400, (index + 1) * _DAYS * 86_400
        stretch = _Stretch([], [], [0])
        for opens, closes in sorted(self._intervals(index)):
            # Where the clocks skip, an opening can reach into the one after it.
            opens, closes = max(opens, begins), min(closes, ends)
            if stretch.closes:
                opens = max(opens, stretch.closes[-1])
            if opens >= closes:
                continue
            stretch.before.append(stretch.before[-1] + closes - opens)
            stretch.opens.append(opens)
            stretch.closes.append(closes)
        self._stretches[index] = stretch
        return stretch

    def _intervals(self, index: int) -> Iterator[tuple[int, int]]:
        """Yield the openings of all local days that can touch the stretch, in UTC."""
        first = _EPOCH_DAY + index * _DAYS - _MARGIN
        last = _EPOCH_DAY + (index + 1) * _DAYS + _MARGIN
        # The ends of the calendar, where a day has no neighbour, are out of reach.
        for ordinal in range(max(first, 2), min(last, date.max.toordinal())):
            day = date.fromordinal(ordinal)
            midnight = datetime(day.year, day.month, day.day)
            for opening in self._openings(day):
                yield (
                    self._instant(midnight, opening.opens),
                    self._instant(midnight, opening.closes),
                )

    def _openings(self, day: date) -> tuple[Opening, ...]:
        if day in self.special:
            return self.special[day]
        return () if day in self.closed else self.hours.get(day.weekday(), ())

    def _instant(self, midnight: datetime, minutes: int) -> int:
        """Return the UTC second at which the zone's clocks show this wall time."""
        wall = midnight + timedelta(minutes=minutes)
        since = wall.replace(tzinfo=self.zone) - _EPOCH
        return since.days * 86_400 + since.seconds


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = _EPOCH.toordinal()
_DAYS = 366  # About a year; any fixed number of days gives the same answers.
_PATIENCE = 5  # Stretches in a row without an opening, before giving up.
_REACH = 100  # Stretches that one target may span.
# Days around a stretch whose openings can fall into it: zones are up to 15 hours from
# UTC, and have skipped up to a whole day.
_MARGIN = 3


def _moment(at: datetime) -> tuple[int, int, int]:
    """Return the UTC day, the UTC second (both since 1970) and the microsecond."""
    try:
        since = at - _EPOCH
    except TypeError:
        raise ValueError(f"{at!r} is not an aware datetime.") from None
    return since.days, since.days * 86_400 + since.seconds, since.microseconds
