"""A calendar of openings, and arithmetic in the seconds for which it is open.

A stretch of 366 days is laid out in UTC (`layout`) once per calendar, so keep calendars:
the second question is one bisection, in both directions. Stretches are joined as far as
targets reach, so a far target costs what a near one does.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from cem_cases.sla import layout
from cem_cases.sla.layout import Opening, Openings, Run, Span, Stretch, locate

__all__ = ["Calendar", "NeverOpen", "Opening", "Span"]

_Interval = tuple[datetime, datetime]
_PATIENCE = 5  # Stretches in a row that may be without an opening, before giving up.
_REACH = 100  # Stretches that one target may span.


class NeverOpen(ValueError):
    """The calendar has no opening within reach, so there is no answer."""


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
    hours: Mapping[int, Openings] = field(hash=False)
    closed: frozenset[date] = frozenset()
    special: Mapping[date, Openings] = field(default_factory=dict, hash=False)
    _stretches: dict[int, Stretch] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _runs: dict[int, Run] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if not set(self.hours) <= set(range(7)):
            raise ValueError("Weekdays are 0 (Monday) to 6 (Sunday).")
        # Own copies: what is laid out must not go stale when the caller's dict changes.
        object.__setattr__(self, "hours", dict(self.hours))
        object.__setattr__(self, "special", dict(self.special))

    def add(self, start: datetime, seconds: int, microseconds: int = 0) -> datetime:
        """Return the first instant, in UTC, at which the calendar has been open for
        `seconds` (business seconds, and microseconds) since `start`.

        With 0 seconds that is `start` itself, open or not; ask `next_open` for the next
        opening. Raises ValueError for a naive start or negative seconds, NeverOpen when
        five years pass without an opening or a hundred do not suffice.
        """
        index, second, micro = locate(start)
        if (seconds <= 0 or microseconds < 0) and not _is_some(seconds, microseconds):
            return start.astimezone(UTC)
        opens, closes, before = self._runs.get(index) or self._run(index)
        # All is counted from the beginning of the stretch to the due instant.
        i = bisect_right(closes, second)
        wanted = before[i] + seconds
        if i < len(opens) and opens[i] <= second:
            wanted += second - opens[i]
        else:
            micro = 0
        if microseconds:
            carried, micro = divmod(micro + microseconds, 1_000_000)
            wanted += carried
        # A fraction of a second needs an opening that reaches beyond the whole one.
        needed = wanted + (micro > 0)
        if needed > before[-1]:
            opens, closes, before = self._run(index, needed)
        i = bisect_left(before, needed) - 1
        due = datetime.fromtimestamp(opens[i] + wanted - before[i], UTC)
        return due + timedelta(0, 0, micro) if micro else due

    def subtract(self, end: datetime, seconds: int, microseconds: int = 0) -> datetime:
        """Return the last instant, in UTC, from which the calendar is open for `seconds`
        (business seconds, and microseconds) until `end`: the mirror image of `add`.

        Exactly at an opening stays on that day; with 0 seconds that is `end` itself.
        `between(subtract(end, n), end) == n`. Raises as `add` does.
        """
        index, at, micro = self._position(end)
        if not _is_some(seconds, microseconds):
            return end.astimezone(UTC)
        carried, micro = divmod(micro - microseconds, 1_000_000)
        wanted = at - seconds + carried
        walk = self._walk(index, -1)
        stretch = next(walk)
        while wanted < 0:
            stretch = next(walk)
            wanted += stretch.before[-1]
        i = bisect_right(stretch.before, wanted) - 1
        at = stretch.opens[i] + wanted - stretch.before[i]
        return datetime.fromtimestamp(at, UTC) + timedelta(0, 0, micro)

    def between(self, start: datetime, end: datetime) -> int:
        """Return for how many whole seconds the calendar is open from `start` to `end`.

        0 when `end` is not after `start`. Undoes `add`: for any start,
        `between(start, add(start, n)) == n`. Raises ValueError for naive datetimes.
        """
        return self.open_time(start, end) // timedelta(seconds=1)

    def open_time(self, start: datetime, end: datetime) -> timedelta:
        """Return for how long the calendar is open from `start` to `end`, exactly.

        Nothing when `end` is not after `start`. Raises ValueError for naive datetimes.
        """
        first, start_at, start_micro = self._position(start)
        last, end_at, end_micro = self._position(end)
        if (last, end_at, end_micro) <= (first, start_at, start_micro):
            return timedelta(0)
        for index in range(first, last):
            end_at += self._stretch(index).before[-1]
        return timedelta(0, end_at - start_at, end_micro - start_micro)

    def add_business_days(self, start: datetime, days: int) -> datetime:
        """Return the instant, in UTC, that many business days after `start` at which the
        zone's clocks show the same time, open then or not.

        A business day is a local date on which an opening begins. A start outside the
        openings counts from the next one; with negative days, from the closing before.
        With 0 days that is `start` itself. A wall time that the clocks skip moves forward
        by the gap, one that happens twice is the first. Raises as `add` does, but takes
        negative days.

        >>> shop = Calendar(ZoneInfo("Europe/Berlin"), {5: (Opening(9 * 60, 17 * 60),)})
        >>> saturday = datetime(2025, 3, 29, 16, tzinfo=shop.zone)
        >>> f"{shop.add_business_days(saturday, 1).astimezone(shop.zone):%a %d %H:%M}"
        'Sat 05 16:00'
        """
        if not days:
            return layout.in_utc(start)
        tick = timedelta(0)
        if days > 0 or self.is_open(start):
            at = self.next_open(start)
        else:
            tick = timedelta(microseconds=1)  # closing at 24:00 is still that day
            at = self._last_close(start) - tick
        wall = at.astimezone(self.zone).replace(tzinfo=None)
        day = wall.toordinal()
        since_midnight = wall - datetime.fromordinal(day) + tick
        then = datetime.fromordinal(self._business_day(day, days)) + since_midnight
        return then.replace(tzinfo=self.zone).astimezone(UTC)

    def spans(self, start: datetime, end: datetime) -> Iterator[Span]:
        """Yield what is open and what is closed from `start` to `end`, by turns.

        Each begins where the last ended; none when `end` is not after `start`. Raises
        ValueError for naive datetimes.
        """
        opened = closed = layout.in_utc(start)
        end = layout.in_utc(end)
        for opens, closes in self._clipped(opened, end):
            if closed < opens:
                if opened < closed:
                    yield Span(opened, closed, is_open=True)
                yield Span(closed, opens, is_open=False)
                opened = opens
            closed = closes
        if opened < closed:
            yield Span(opened, closed, is_open=True)
        if closed < end:
            yield Span(closed, end, is_open=False)

    def is_open(self, at: datetime) -> bool:
        """Return whether `at` lies in an opening; its closing instant does not."""
        index, second, _ = locate(at)
        opens, closes, *_rest = self._stretch(index)
        i = bisect_right(closes, second)
        return i < len(opens) and opens[i] <= second

    def next_open(self, at: datetime) -> datetime:
        """Return `at` itself when the calendar is open, else the next opening; in UTC.

        Raises ValueError for a naive datetime, NeverOpen when no opening comes within
        five years.
        """
        index, second, _ = locate(at)
        walk = self._walk(index, 1)
        opens, closes, *_rest = next(walk)
        while (i := bisect_right(closes, second)) == len(opens):
            opens, closes, *_rest = next(walk)
        if opens[i] <= second:
            return at.astimezone(UTC)
        return datetime.fromtimestamp(opens[i], UTC)

    def _last_close(self, at: datetime) -> datetime:
        """Return the last closing that is not after `at`, in UTC."""
        index, second, _ = locate(at)
        walk = self._walk(index, -1)
        closes = next(walk).closes
        while not (i := bisect_right(closes, second)):
            closes = next(walk).closes
        return datetime.fromtimestamp(closes[i - 1], UTC)

    def _business_day(self, day: int, number: int) -> int:
        """Return the business day that many after a date, or before it when negative."""
        walk = self._walk(layout.locate_day(day), 1 if number > 0 else -1)
        while True:
            days = next(walk).days
            if number > 0:
                i = bisect_right(days, day) + number - 1
            else:
                i = bisect_left(days, day) + number
            if 0 <= i < len(days):
                return days[i]
            number = i - len(days) + 1 if number > 0 else i

    def _clipped(self, start: datetime, end: datetime) -> Iterator[_Interval]:
        """Yield the openings from `start` to `end`, cut off at these; all in UTC."""
        (first, after, _), (last, until, _) = locate(start), locate(end)
        for index in range(first, last + 1):
            opens, closes, *_rest = self._stretch(index)
            these = slice(bisect_right(closes, after), bisect_right(opens, until))
            for pair in zip(opens[these], closes[these], strict=True):
                opened, closed = (datetime.fromtimestamp(at, UTC) for at in pair)
                opened, closed = max(opened, start), min(closed, end)
                if opened < closed:
                    yield opened, closed

    def _position(self, at: datetime) -> tuple[int, int, int]:
        """Return the stretch of `at`, and the open time in it until then: s and µs."""
        index, second, micro = locate(at)
        opens, closes, before, _days = self._stretch(index)
        i = bisect_right(closes, second)
        if i < len(opens) and opens[i] <= second:
            return index, before[i] + second - opens[i], micro
        return index, before[i], 0

    def _stretch(self, index: int) -> Stretch:
        """Return what is laid out once; two threads that both do it come to the same."""
        stretch = self._stretches.get(index)
        if stretch is None:
            stretch = self._stretches[index] = layout.lay_out(
                index,
                zone=self.zone,
                hours=self.hours,
                closed=self.closed,
                special=self.special,
            )
        return stretch

    def _run(self, index: int, wanted: int = 0) -> Run:
        """Join stretches from `index` on until they are open for `wanted` seconds."""
        run = self._runs[index] = layout.join(self._walk(index, 1), wanted)
        return run

    def _walk(self, index: int, step: int) -> Iterator[Stretch]:
        """Yield this stretch, then one after the other, forwards or backwards.

        Raises NeverOpen when too many in a row have no opening, and after a hundred.
        """
        without = 0
        for number in range(_REACH + 1):
            stretch = self._stretch(index + step * number)
            yield stretch
            without = 0 if stretch.opens else without + 1
            if without > _PATIENCE:
                break
        raise NeverOpen(
            "This calendar is not open for long enough to reach the target."
        )


def _is_some(seconds: int, microseconds: int) -> bool:
    """Return whether there is time to count; raise ValueError when it is negative."""
    if seconds < 0 or microseconds < 0:
        raise ValueError("Business time is not negative.")
    return bool(seconds or microseconds)
