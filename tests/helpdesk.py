"""The log of an Italian help desk, and somebody who watches its clocks.

What its columns mean to us is decided here (they are anonymised, and the file names no
zone): timestamps are wall time in Rome, the rarer a seriousness the higher the priority.

`verdicts` knows the events of one case and the promises below, nothing else, and shares
no line with `cem_cases`. It counts open seconds in a table of every minute from 2010 to
2014 and walks from the start of a clock to its due time: by days as long as those do not
suffice, then by hours, by minutes, by seconds.
"""

import csv
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import accumulate, pairwise
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

ROME = ZoneInfo("Europe/Rome")
URGENT, HIGH, NORMAL, LOW = 1, 2, 3, 4
PRIORITIES = {"Value 3": URGENT, "Value 4": HIGH, "Value 2": NORMAL, "Value 1": LOW}

TAKE, WAIT, RESOLVE, CLOSED = (
    "Take in charge ticket",
    "Wait",
    "Resolve ticket",
    "Closed",
)
OPENS = ("Assign seriousness", "Insert ticket")
"""As the first event of a case these say no more than that it was opened."""
ENDS = (RESOLVE, CLOSED)
"""Everything else is work; after one of these it opens the case again."""
LONGEST_WAIT = timedelta(days=90)
"""Twice as long as anybody waited whose case went on."""

FIRST, UPDATE, RESOLUTION = "first contact", "next update", "resolution"
SECONDS, DAYS = "business seconds", "business days"
PROMISES = {
    FIRST: (
        SECONDS,
        {URGENT: 2 * 3600, HIGH: 4 * 3600, NORMAL: 8 * 3600, LOW: 16 * 3600},
    ),
    RESOLUTION: (
        SECONDS,
        {URGENT: 10 * 3600, HIGH: 20 * 3600, NORMAL: 40 * 3600, LOW: 80 * 3600},
    ),
    UPDATE: (DAYS, {URGENT: 1, HIGH: 2, NORMAL: 3, LOW: 5}),
}
HOURS = (("08:00", "12:30"), ("13:30", "18:00"))
"""From Monday to Friday."""
EASTER_MONDAYS = ("2010-04-05", "2011-04-25", "2012-04-09", "2013-04-01", "2014-04-21")
FEASTS = (
    *("01-01", "01-06", "04-25", "05-01", "06-02"),
    *("08-15", "11-01", "12-08", "12-25", "12-26"),
)
HOLIDAYS = {
    date.fromisoformat(day)
    for day in (
        *EASTER_MONDAYS,
        *(f"{year}-{feast}" for year in range(2010, 2015) for feast in FEASTS),
    )
}


# The log


class Event(NamedTuple):
    """Something that happened to a case."""

    case: str
    activity: str
    resource: str
    at: datetime
    priority: int
    customer: str


def read(path: Path) -> tuple[list[Event], int]:
    """Return the events in the order of their times, and how many rows came twice.

    Where two are of the same second, that of the file is kept.
    """
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    once = dict.fromkeys(map(tuple, rows))
    events = [_event(dict(zip(header, row, strict=True))) for row in once]
    return sorted(events, key=lambda event: event.at), len(rows) - len(once)


def _event(row: Mapping[str, str]) -> Event:
    wall = datetime.strptime(row["Complete Timestamp"], "%Y/%m/%d %H:%M:%S.%f")
    return Event(
        case=row["Case ID"],
        activity=row["Activity"],
        resource=row["Resource"],
        at=wall.replace(tzinfo=ROME).astimezone(UTC),
        priority=PRIORITIES[row["seriousness_2"]],
        customer=row["customer"],
    )


def by_case(events: Iterable[Event]) -> dict[str, list[Event]]:
    cases: dict[str, list[Event]] = {}
    for event in events:
        cases.setdefault(event.case, []).append(event)
    return cases


def rounds(events: Iterable[Event]) -> list[list[Event]]:
    """Return the work on a case: each round up to the end of it, if it has one.

    What comes between an end and the next work belongs to none: a second resolving of
    what is resolved, the closing.
    """
    found: list[list[Event]] = [[]]
    for event in events:
        if found[-1] and found[-1][-1].activity in ENDS:
            if event.activity in ENDS:
                continue
            found.append([])
        found[-1].append(event)
    return found


# The watcher: instants are whole seconds since 2010 began, in UTC


EPOCH = datetime(2010, 1, 1, tzinfo=UTC)
YEARS = 5
HOUR, DAY = 3600, 86_400
Span = tuple[int, int]


class Verdict(NamedTuple):
    """What became of one clock."""

    started_at: datetime
    due_at: datetime
    completed_at: datetime | None
    cancelled_at: datetime | None
    business_elapsed: int | None
    calendar_elapsed: int | None
    breach_cause: str


class Watched(NamedTuple):
    """A clock as the log has it, before anything is counted."""

    metric: str
    start: int
    end: int | None
    how: str = ""
    """How it ended: completed or cancelled."""
    halted: bool = False
    """Whether the case still waited when it ended."""


def verdicts(
    events: Sequence[Event], now: datetime
) -> Iterator[tuple[str, int, Verdict]]:
    """Yield metric, cycle and verdict of every clock of this case, as of then."""
    work = rounds(events)
    counted = [event for events in work for event in events]
    pauses = list(_waits(counted))
    changes = [
        (_second(after.at), after.priority)
        for before, after in pairwise(counted)
        if before.priority != after.priority
    ]
    cycles: dict[str, int] = {}
    for clock in _watched(work):
        cycles[clock.metric] = cycles.get(clock.metric, 0) + 1
        verdict = _verdict(clock, events[0].priority, changes, pauses, _second(now))
        yield clock.metric, cycles[clock.metric], verdict


def _watched(work: Sequence[Sequence[Event]]) -> Iterator[Watched]:
    first = next((e for e in work[0] if e.activity in (TAKE, *ENDS)), None)
    opened = _second(work[0][0].at)
    yield Watched(FIRST, opened, first and _second(first.at), "completed")
    for events in work:
        opened, end, halted = _second(events[0].at), None, False
        if events[-1].activity in ENDS:
            end = _second(events[-1].at)
            halted = len(events) > 1 and events[-2].activity == WAIT
        yield Watched(RESOLUTION, opened, end, "completed", halted)
        said = [opened] if events is not work[0] else []
        said += [_second(event.at) for event in events if event.activity == TAKE]
        for start, following in pairwise(said):
            yield Watched(UPDATE, start, following, "completed")
        if said:
            yield Watched(UPDATE, said[-1], end, "cancelled", halted)


def _waits(events: Sequence[Event]) -> Iterator[Span]:
    """Yield from when to when the case waited; one Wait after the other is one wait."""
    since = None
    for event, following in zip(events, (*events[1:], None), strict=True):
        if event.activity != WAIT:
            since = None
            continue
        since = _second(event.at) if since is None else since
        if following is None or following.activity != WAIT:
            until = event.at + LONGEST_WAIT
            until = min(until, following.at) if following else until
            yield since, _second(until)


def _verdict(
    clock: Watched,
    priority: int,
    changes: Sequence[tuple[int, int]],
    pauses: Sequence[Span],
    now: int,
) -> Verdict:
    stop = now if clock.end is None else clock.end
    halts = [
        (since, min(until, stop))
        for since, until in pauses
        if clock.metric != FIRST and since < stop and until > clock.start
    ]
    dues = [
        (max(since, clock.start), due(clock.metric, aim, clock.start, halts))
        for since, aim in [(clock.start, priority), *changes]
        if since <= stop
    ]
    ticked_until = halts[-1][0] if clock.halted and halts else stop
    ended = None if clock.end is None else _instant(clock.end)
    is_done = clock.how == "completed" and ended is not None
    return Verdict(
        started_at=_instant(clock.start),
        due_at=_instant(dues[-1][1]),
        completed_at=ended if is_done else None,
        cancelled_at=None if is_done else ended,
        business_elapsed=open_seconds(clock.start, stop, halts) if is_done else None,
        calendar_elapsed=stop - clock.start if is_done else None,
        breach_cause=_breach(dues, halts, ticked_until),
    )


def _breach(
    dues: Sequence[tuple[int, int]], halts: Sequence[Span], ticked_until: int
) -> str:
    """Say why it was too late, if it was: `dues` are the due times, each since when.

    A clock that stands still is not late, and what happens at the very due second is in
    time.
    """
    for (_, before), (at, after) in pairwise(dues):
        if any(since < at < until for since, until in halts):
            continue
        if at > min(before, after):
            return "late" if at > before else "target changed"
    return "late" if ticked_until > dues[-1][1] else ""


def due(metric: str, priority: int, start: int, pauses: Sequence[Span] = ()) -> int:
    """Return the first second at which the promise is used up."""
    unit, amounts = PROMISES[metric]
    if unit == SECONDS:
        return walk(start, amounts[priority], pauses)
    ends = _days_on(start, amounts[priority])
    for since, until in pauses:
        if since < ends:
            ends = walk(ends, open_seconds(max(since, start), until))
    return ends


def walk(at: int, amount: int, pauses: Sequence[Span] = ()) -> int:
    """Return the first second until which so many open ones have passed since `at`."""
    if not amount:
        return at
    for step in (DAY, HOUR, 60, 1):
        while (found := open_seconds(at, at + step, pauses)) < amount:
            at, amount = at + step, amount - found
    return at + 1  # the last one


def open_seconds(start: int, end: int, pauses: Sequence[Span] = ()) -> int:
    """Count the seconds that are open, and in none of these pauses."""
    found = _passed(end) - _passed(start)
    for since, until in pauses:
        since, until = max(since, start), min(until, end)
        if since < until:
            found -= _passed(until) - _passed(since)
    return found


def _passed(second: int) -> int:
    minutes, passed = table()
    minute, rest = divmod(second, 60)
    return passed[minute] * 60 + rest * minutes[minute]


@cache
def table() -> tuple[bytearray, Sequence[int]]:
    """Return for each minute whether it is open, and how many before it are."""
    shown = [f"{hour:02}:{minute:02}" for hour in range(24) for minute in range(60)]
    working = bytes(any(a <= at < b for a, b in HOURS) for at in shown)
    minutes = bytearray()
    for hour in range(YEARS * 366 * 24):
        wall = (EPOCH + timedelta(hours=hour)).astimezone(ROME)  # moved by whole hours
        begins = wall.hour * 60
        works = _is_business_day(wall.date())
        minutes += working[begins : begins + 60] if works else bytes(60)
    return minutes, array("I", accumulate(minutes, initial=0))


def _is_business_day(day: date) -> bool:
    return day.weekday() < 5 and day not in HOLIDAYS


def _days_on(start: int, days: int) -> int:
    """Return the same wall time so many business days later, from the next opening."""
    minutes, _ = table()
    while not minutes[start // 60]:
        start += 60 - start % 60
    wall = _instant(start).astimezone(ROME)
    day = wall.date()
    while days:
        day += timedelta(days=1)
        days -= _is_business_day(day)
    return _second(datetime.combine(day, wall.time(), ROME))


def _second(at: datetime) -> int:
    whole, rest = divmod(at - EPOCH, timedelta(seconds=1))
    assert not rest, "The log is in whole seconds, and so is the watcher."
    return whole


def _instant(second: int) -> datetime:
    return EPOCH + timedelta(seconds=second)


def second(text: str) -> int:
    """Return the second at which the clocks in Rome show this."""
    return _second(datetime.fromisoformat(text).replace(tzinfo=ROME))
