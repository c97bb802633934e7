"""On which days a repetition of whole days falls (RFC 5545, RRULE).

A repetition is asked about a stretch of days and walks these one by one. So a rule that
never falls, such as 30 February, costs no more than any other; libraries that look for
the next day instead look for it until the year 9999.
"""

from __future__ import annotations

import re
from calendar import isleap, monthrange
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import groupby

WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
MAX_RULE = 500


class RecurrenceRefused(ValueError):
    """The rule is wrong, or asks for what is not read here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurrence:
    """A rule such as `FREQ=YEARLY;BYMONTH=11;BYDAY=4TH`.

    >>> thanksgiving = parse("FREQ=YEARLY;BYMONTH=11;BYDAY=4TH")
    >>> [str(day) for day in thanksgiving.days(
    ...     date(2020, 11, 26), first=date(2025, 1, 1), last=date(2026, 12, 31)
    ... )]
    ['2025-11-27', '2026-11-26']
    """

    frequency: str
    interval: int = 1
    count: int | None = None
    until: date | None = None
    months: frozenset[int] = frozenset()
    month_days: frozenset[int] = frozenset()
    weekdays: frozenset[tuple[int, int]] = frozenset()
    """(which one, weekday): (-1, 0) is the last Monday, (0, 0) each."""
    positions: tuple[int, ...] = ()
    """Which of the days of each period, counted from 1, or from -1 backwards."""
    week_start: int = 0

    def days(self, start: date, *, first: date, last: date) -> Iterator[date]:
        """Yield, in their order, the days from `first` to `last` on which it falls.

        `start` is where the repetition begins; only with COUNT is it walked from there.
        """
        if self.until is not None:
            last = min(last, self.until)
        rule, taken = self._completed(start), 0
        walked = _years_around(start if self.count else max(start, first), last)
        fitting = (day for day in walked if rule._fits(day, start))
        for _, period in groupby(fitting, key=lambda day: rule._period(day, start)):
            for day in rule._chosen(list(period)):
                taken += day >= start
                if day > last or (self.count and taken > self.count):
                    return
                if day >= max(start, first):
                    yield day

    def _completed(self, start: date) -> Recurrence:
        """Return the rule with what it leaves out: the first day says it."""
        if self.month_days or self.weekdays:
            return self
        if self.frequency == "WEEKLY":
            return replace(self, weekdays=frozenset({(0, start.weekday())}))
        if self.frequency == "DAILY":
            return self
        months = self.months
        if self.frequency == "YEARLY" and not months:
            months = frozenset({start.month})
        return replace(self, months=months, month_days=frozenset({start.day}))

    def _fits(self, day: date, start: date) -> bool:
        if self.months and day.month not in self.months:
            return False
        if self.month_days:
            backwards = day.day - monthrange(day.year, day.month)[1] - 1
            if not self.month_days & {day.day, backwards}:
                return False
        if self.weekdays and self.weekdays.isdisjoint(self._names(day)):
            return False
        return self._period(day, start) % self.interval == 0

    def _names(self, day: date) -> Sequence[tuple[int, int]]:
        """Return what a rule may call this day: a Monday, the third, the last but one."""
        if self.frequency == "YEARLY" and not self.months:
            nth, length = day.timetuple().tm_yday, 365 + isleap(day.year)
        else:
            nth, length = day.day, monthrange(day.year, day.month)[1]
        which = (0, (nth - 1) // 7 + 1, -((length - nth) // 7 + 1))
        return [(n, day.weekday()) for n in which]

    def _period(self, day: date, start: date) -> int:
        """Return how many years, months, weeks or days after the first one this is."""
        if self.frequency == "YEARLY":
            return day.year - start.year
        if self.frequency == "MONTHLY":
            return (day.year - start.year) * 12 + day.month - start.month
        if self.frequency == "WEEKLY":
            into_week = (start.weekday() - self.week_start) % 7
            return (day.toordinal() - start.toordinal() + into_week) // 7
        return day.toordinal() - start.toordinal()

    def _chosen(self, period: Sequence[date]) -> Sequence[date]:
        if not self.positions:
            return period
        size = len(period)
        indexes = {n - 1 if n > 0 else size + n for n in self.positions}
        return [period[i] for i in sorted(indexes) if 0 <= i < size]


def parse(text: str) -> Recurrence:
    """Return the rule which an RRULE says.

    >>> parse("FREQ=HOURLY")
    Traceback (most recent call last):
    cem_cases.intake.recurrence.RecurrenceRefused: It repeats more often than daily.

    Raises RecurrenceRefused.
    """
    if len(text) > MAX_RULE:
        raise RecurrenceRefused("Its repetition is too long.")
    parts = dict(_part(part) for part in text.upper().split(";") if part)
    if parts.get("FREQ") in ("HOURLY", "MINUTELY", "SECONDLY"):
        raise RecurrenceRefused("It repeats more often than daily.")
    for name in parts:
        if name not in _PARTS:
            raise RecurrenceRefused(
                f"Its repetition has {name[:20]}, which is not read."
            )
    rule = Recurrence(
        frequency=_one_of(parts, "FREQ", ("YEARLY", "MONTHLY", "WEEKLY", "DAILY")),
        interval=_number(parts, "INTERVAL") or 1,
        count=_number(parts, "COUNT"),
        until=_until(parts),
        months=frozenset(_numbers(parts, "BYMONTH", range(1, 13))),
        month_days=frozenset(_numbers(parts, "BYMONTHDAY", _either_way(31))),
        weekdays=frozenset(_weekdays(parts)),
        positions=_numbers(parts, "BYSETPOS", _either_way(366)),
        week_start=_week_start(parts),
    )
    if rule.frequency in ("WEEKLY", "DAILY") and any(n for n, _ in rule.weekdays):
        raise _wrong("BYDAY")
    return rule


_PARTS = (
    "FREQ",
    "INTERVAL",
    "COUNT",
    "UNTIL",
    "BYMONTH",
    "BYMONTHDAY",
    "BYDAY",
    "BYSETPOS",
    "WKST",
)
_WEEKDAY = re.compile(rf"([+-]?[0-9]{{1,2}})?({'|'.join(WEEKDAYS)})")
_NUMBER = re.compile(r"[+-]?[0-9]{1,4}")
_UNTIL = re.compile(r"([0-9]{8})(T[0-9]{6}Z?)?")


def as_date(digits: str) -> date:
    """Return the date of eight digits; raises ValueError.

    >>> str(as_date("20261224"))
    '2026-12-24'
    """
    return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))


def _years_around(first: date, last: date) -> Iterator[date]:
    """Yield the days of all years that these two lie in, and a week on either side.

    So each period is walked as a whole: its last Monday is then the last one.
    """
    begins = date(first.year, 1, 1).toordinal() - 7
    ends = date(last.year, 12, 31).toordinal() + 7
    return map(date.fromordinal, range(begins, ends + 1))


def _part(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name.strip(), value.strip()


def _wrong(name: str) -> RecurrenceRefused:
    return RecurrenceRefused(f"The {name} of its repetition cannot be read.")


def _one_of(parts: Mapping[str, str], name: str, known: Sequence[str]) -> str:
    if parts.get(name) not in known:
        raise _wrong(name)
    return parts[name]


def _week_start(parts: Mapping[str, str]) -> int:
    return WEEKDAYS.index(_one_of({"WKST": "MO", **parts}, "WKST", WEEKDAYS))


def _number(parts: Mapping[str, str], name: str) -> int | None:
    found = _numbers(parts, name, range(1, 10_000))
    if len(found) > 1:
        raise _wrong(name)
    return found[0] if found else None


def _numbers(
    parts: Mapping[str, str], name: str, allowed: Sequence[int]
) -> tuple[int, ...]:
    if name not in parts:
        return ()
    found = parts[name].split(",")
    if not all(_NUMBER.fullmatch(n) and int(n) in allowed for n in found):
        raise _wrong(name)
    return tuple(map(int, found))


def _either_way(most: int) -> Sequence[int]:
    return [*range(-most, 0), *range(1, most + 1)]


def _weekdays(parts: Mapping[str, str]) -> Iterator[tuple[int, int]]:
    for text in parts["BYDAY"].split(",") if "BYDAY" in parts else ():
        found = _WEEKDAY.fullmatch(text)
        if not found or (found[1] and int(found[1]) == 0):
            raise _wrong("BYDAY")
        yield int(found[1] or 0), WEEKDAYS.index(found[2])


def _until(parts: Mapping[str, str]) -> date | None:
    if "UNTIL" not in parts:
        return None
    found = _UNTIL.fullmatch(parts["UNTIL"])
    try:
        return as_date(found[1] if found else "")
    except ValueError:
        raise _wrong("UNTIL") from None
