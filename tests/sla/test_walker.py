"""The arithmetic against somebody who watches the clock, minute by minute.

The walker shares nothing with the calendar: it finds instants by trying the offsets in
use around them, never by `fold`; it counts minutes instead of searching intervals, and
pauses are looked at when they come, never sorted or merged.
"""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cem_cases.sla import (
    Calendar,
    Kind,
    Opening,
    Pause,
    Target,
    Unit,
    at_offset,
    at_percent,
    due,
    elapsed,
    explain,
)

DAY = 86_400
MICROS = 1_000_000
MINUTE = 60 * MICROS
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
AROUND = 16  # days that the walker sees before and after an instant
FIRST, LAST = date(2010, 1, 1), date(2035, 12, 31)

ZONES = [
    "UTC",
    "Europe/Berlin",
    "Europe/London",
    "America/New_York",
    "America/St_Johns",  # half an hour off; until 2011, changes a minute after midnight
    "America/Nuuk",  # changes in the evening, which makes midnight happen once
    "America/Sao_Paulo",  # at midnight, until 2019
    "America/Asuncion",  # at midnight, until 2024
    "America/Havana",  # forward at midnight, back to midnight
    "America/Santiago",  # at 24:00
    "Australia/Lord_Howe",  # by half an hour
    "Australia/Sydney",
    "Pacific/Apia",  # without 30 December 2011
    "Pacific/Chatham",  # three quarters of an hour off
    "Asia/Kathmandu",  # a quarter of an hour off
    "Asia/Beirut",  # at midnight
    "Asia/Tehran",  # at midnight, until 2022
    "Asia/Gaza",  # four times a year
    "Africa/Cairo",  # at midnight; four times in 2014, never from 2015 to 2022
    "Africa/Casablanca",  # back for Ramadan
]


def walking(examples):
    # Walking takes its time, and more on a busy machine.
    return settings(deadline=None, max_examples=examples)


@lru_cache
def changes(zone):
    """The dates around which a zone's offset is another one."""
    days = [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days)]
    noons = [datetime(day.year, day.month, day.day, 12, tzinfo=UTC) for day in days]
    offsets = [noon.astimezone(ZoneInfo(zone)).utcoffset() for noon in noons]
    moved = [
        day
        for day, (before, after) in zip(days[1:], pairwise(offsets), strict=True)
        if before != after
    ]
    return moved or [FIRST + timedelta(days=366)]


@st.composite
def offices(draw):
    """A calendar, and an instant, rather often near a change of the clocks."""
    zone = draw(st.sampled_from(ZONES))
    day = draw(st.one_of(st.sampled_from(changes(zone)), st.dates(FIRST, LAST)))
    near = st.integers(-4, 6).map(lambda n: day + timedelta(days=n))
    calendar = Calendar(
        ZoneInfo(zone),
        draw(st.dictionaries(st.integers(0, 6), openings(), min_size=1)),
        closed=draw(st.frozensets(near, max_size=2)),
        special=draw(st.dictionaries(near, openings(), max_size=2)),
    )
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    return calendar, noon + draw(durations(-3, 3))


def openings():
    """None to three openings, or a whole day."""
    ends = st.lists(st.integers(0, 1440), unique=True, max_size=6).map(sorted)
    parts = ends.map(lambda e: tuple(map(Opening, e[::2], e[1::2])))
    return st.one_of(st.just((Opening(0, 1440),)), parts)


def durations(least, most):
    """So many days, in whole seconds or to the microsecond."""
    return st.builds(
        timedelta,
        seconds=st.integers(least * DAY, most * DAY),
        microseconds=st.one_of(st.just(0), st.integers(0, MICROS - 1)),
    )


def pauses(start):
    """Up to five, in any order; they overlap, are empty or lie elsewhere."""
    ends = st.tuples(durations(-2, 6), durations(0, 2))
    return st.lists(
        ends.map(lambda e: Pause(start + e[0], start + e[0] + e[1])), max_size=5
    )


@st.composite
def clocks(draw):
    """A calendar, when the clock starts, and its pauses."""
    calendar, start = draw(offices())
    return calendar, start, draw(pauses(start))


@st.composite
def working(draw):
    """The same, of a calendar that opens every Wednesday."""
    calendar, start, paused = draw(clocks())
    hours = {**calendar.hours, 2: (*calendar.hours.get(2, ()), Opening(61, 600))}
    office = Calendar(calendar.zone, hours, calendar.closed, calendar.special)
    return office, start, paused


targets = st.one_of(
    st.builds(Target, st.integers(0, 30 * DAY), st.just(Unit.BUSINESS_SECONDS)),
    st.builds(Target, st.integers(0, 30 * DAY), st.just(Unit.CALENDAR_SECONDS)),
    st.builds(Target, st.integers(0, 30), st.just(Unit.BUSINESS_DAYS)),
)
seconds = st.integers(0, 90 * DAY)


def micros(instant):
    return (instant - EPOCH) // MICROSECOND


def instant(micros):
    return EPOCH + micros * MICROSECOND


def opened(calendar, around):
    """Yield the first minute since 1970 of each opening, and that at which it ends."""
    for n in range(-AROUND, AROUND):
        day = around.date() + timedelta(days=n)
        weekly = () if day in calendar.closed else calendar.hours.get(day.weekday(), ())
        for opening in calendar.special.get(day, weekly):
            yield tuple(
                minute_of(calendar.zone, day, minutes)
                for minutes in (opening.opens, opening.closes)
            )


def open_minutes(calendar, around):
    found = set()
    for ends in opened(calendar, around):
        found.update(range(*ends))
    return found


def minute_of(zone, day, minutes):
    """Return the first minute at which the zone's clocks show this wall time, or, when
    they never do, the one at which they would have, had they not been moved."""
    wall = datetime(day.year, day.month, day.day) + timedelta(minutes=minutes)
    as_utc = wall.replace(tzinfo=UTC)
    before, after = (
        (as_utc + timedelta(hours=hours)).astimezone(zone).utcoffset()
        for hours in (-36, 36)
    )
    shown = [
        as_utc - offset
        for offset in (before, after)
        if (as_utc - offset).astimezone(zone).replace(tzinfo=None) == wall
    ]
    return (min(shown, default=as_utc - before) - EPOCH) // timedelta(minutes=1)


def steps(minutes, start, paused):
    """Yield from where to where, in microseconds, a clock counts or does not."""
    edges = sorted({edge for pause in paused for edge in pause if edge > start})
    at = start
    while True:
        ends = at - at % MINUTE + MINUTE
        while edges and edges[0] <= at:
            edges.pop(0)
        if edges:
            ends = min(ends, edges[0])
        is_open = minutes is None or at // MINUTE in minutes
        yield at, ends, is_open and not any(a <= at < b for a, b in paused)
        at = ends


def walk(minutes, start, amount, paused=()):
    """Return the first microsecond at which so many of them were counted since `start`,
    or None after twelve days. No minutes mean all."""
    at = start
    for begins, ends, counts in steps(minutes, start, paused):
        if not amount or begins > start + 12 * DAY * MICROS:
            break
        step = min(ends - begins, amount) if counts else ends - begins
        amount -= step if counts else 0
        at = begins + step
    return None if amount else at


def walk_back(minutes, end, amount, paused=()):
    """The same in a mirror: return the last microsecond from which so many are counted
    until `end`."""
    mirrored = {-1 - minute for minute in minutes}
    at = walk(mirrored, -end, amount, [(-b, -a) for a, b in paused])
    return None if at is None else -at


def count(minutes, start, end, paused):
    """Return how many microseconds from `start` to `end` were counted."""
    counted = 0
    for begins, ends, counts in steps(minutes, start, paused):
        if begins >= end:
            return counted
        counted += min(ends, end) - begins if counts else 0


def in_micros(paused):
    return [(micros(pause.start), micros(pause.end)) for pause in paused]


@walking(300)
@given(clocks(), st.integers(0, 3 * DAY))
def test_due_is_what_the_walker_finds(clock, amount):
    calendar, start, paused = clock
    minutes = open_minutes(calendar, start)

    found = walk(minutes, micros(start), amount * MICROS, in_micros(paused))

    assume(found is not None)
    target = Target(amount, Unit.BUSINESS_SECONDS)
    assert due(calendar, start, target, paused) == instant(found)


@walking(75)
@given(clocks(), st.integers(0, 3 * DAY))
def test_due_in_calendar_time_is_what_the_walker_finds(clock, amount):
    calendar, start, paused = clock

    found = walk(None, micros(start), amount * MICROS, in_micros(paused))

    target = Target(amount, Unit.CALENDAR_SECONDS)
    assert due(calendar, start, target, paused) == instant(found)


@walking(300)
@given(clocks(), durations(0, 5))
def test_elapsed_is_what_the_walker_counts(clock, length):
    calendar, start, paused = clock
    minutes, end = open_minutes(calendar, start), start + length

    counted = count(minutes, micros(start), micros(end), in_micros(paused))

    assert elapsed(calendar, start, end, paused) == (
        counted // MICROS,
        length // timedelta(seconds=1),
    )
    assert calendar.open_time(start, end) == MICROSECOND * count(
        minutes, micros(start), micros(end), ()
    )


@walking(100)
@given(clocks(), durations(0, 5))
def test_elapsed_in_calendar_time_is_what_the_walker_counts(clock, length):
    _, start, paused = clock

    counted = count(None, micros(start), micros(start + length), in_micros(paused))

    assert elapsed(None, start, start + length, paused) == (
        counted // MICROS,
        length // timedelta(seconds=1),
    )


@walking(200)
@given(offices(), st.integers(0, 3 * DAY), st.integers(0, MICROS - 1))
def test_the_instant_before_is_what_the_walker_finds_in_a_mirror(office, amount, rest):
    calendar, end = office

    found = walk_back(open_minutes(calendar, end), micros(end), amount * MICROS + rest)

    assume(found is not None)
    assert calendar.subtract(end, amount, rest) == instant(found)


@walking(150)
@given(clocks(), st.integers(0, 2 * DAY), st.integers(1, 2 * DAY))
def test_before_due_is_what_the_walker_finds_in_a_mirror(clock, amount, offset):
    calendar, start, paused = clock
    minutes, halts = open_minutes(calendar, start), in_micros(paused)
    ends = walk(minutes, micros(start), amount * MICROS, halts)
    assume(ends is not None)

    found = walk_back(minutes, ends, offset * MICROS, halts)

    target = Target(amount, Unit.BUSINESS_SECONDS)
    assume(found is not None or offset > amount)
    expected = start if offset > amount else instant(found)
    assert at_offset(calendar, start, target, -offset, paused) == expected


@walking(200)
@given(offices(), st.integers(-8, 8))
def test_business_days_are_what_the_walker_finds_day_by_day(office, n):
    calendar, start = office
    at, day = start, start.astimezone(calendar.zone).date()
    minutes = open_minutes(calendar, start)
    minute = micros(start) // MINUTE
    since_midnight = start.astimezone(calendar.zone).replace(tzinfo=None) - midnight(
        day
    )
    if n and minute not in minutes:
        sign = 1 if n > 0 else -1
        near = [each for each in minutes if (each - minute) * sign > 0]
        assume(near)
        # For a closing, the minute before it says which day it belongs to.
        at = EPOCH + timedelta(minutes=min(near, key=lambda each: abs(each - minute)))
        shown = at.astimezone(calendar.zone).replace(tzinfo=None)
        day = shown.date()
        since_midnight = shown - midnight(day) + timedelta(minutes=n < 0)
    dates = {
        (EPOCH + timedelta(minutes=opens)).astimezone(calendar.zone).date()
        for opens, closes in opened(calendar, start)
        if opens < closes
    }

    left = abs(n)
    while left:
        day += timedelta(days=1 if n > 0 else -1)
        left -= day in dates
        assume(abs(day - start.date()) < timedelta(days=AROUND - 2))

    whole, rest = divmod(since_midnight, timedelta(minutes=1))
    then = EPOCH + timedelta(minutes=minute_of(calendar.zone, day, whole)) + rest
    assert calendar.add_business_days(start, n) == (then if n else start)


def midnight(day):
    return datetime(day.year, day.month, day.day)


@walking(100)
@given(offices())
def test_open_is_what_the_walker_sees(office):
    calendar, start = office
    minutes = open_minutes(calendar, start)
    minute = micros(start) // MINUTE

    later = min((each for each in minutes if each > minute), default=None)

    assert calendar.is_open(start) == (minute in minutes)
    if minute in minutes:
        assert calendar.next_open(start) == start
    elif later is not None:
        assert calendar.next_open(start) == EPOCH + timedelta(minutes=later)


@walking(75)
@given(offices(), durations(0, 5))
def test_spans_are_gapless_and_alternate(office, length):
    calendar, start = office
    end = start + length

    spans = list(calendar.spans(start, end))

    assert [start, *(span.end for span in spans)] == [
        *(span.start for span in spans),
        end,
    ]
    assert all(a.is_open != b.is_open for a, b in pairwise(spans))
    assert all(span.start < span.end for span in spans)
    assert sum(
        (span.end - span.start for span in spans if span.is_open), timedelta(0)
    ) == calendar.open_time(start, end)


@walking(100)
@given(working(), targets, durations(0, 5))
def test_what_is_explained_adds_up_to_the_due_time(clock, target, longer):
    calendar, start, paused = clock
    due_at = due(calendar, start, target, paused)

    segments = explain(calendar, start, due_at + longer, target, paused)

    assert [start, *(segment.end for segment in segments)] == [
        *(segment.start for segment in segments),
        due_at + longer,
    ]
    counted = sum((s.counted for s in segments if s.end <= due_at), timedelta(0))
    if target.unit is not Unit.BUSINESS_DAYS:
        assert counted == timedelta(seconds=target.amount)
    for segment in segments:
        is_open = segment.kind is Kind.OPEN
        assert segment.counted == (segment.end - segment.start) * is_open
    around = None if target.unit is Unit.CALENDAR_SECONDS else calendar
    in_all = sum((segment.counted for segment in segments), timedelta(0))
    taken = elapsed(around, start, due_at + longer, paused)
    assert taken.business_seconds == in_all // timedelta(seconds=1)


@walking(50)
@given(working(), seconds)
def test_between_undoes_add(clock, n):
    calendar, start, _ = clock

    assert calendar.between(start, calendar.add(start, n)) == n


@walking(50)
@given(working(), seconds)
def test_between_undoes_subtract(clock, n):
    calendar, end, _ = clock

    assert calendar.between(calendar.subtract(end, n), end) == n


@walking(50)
@given(working(), seconds, seconds)
def test_adding_twice_is_adding_the_sum(clock, n, m):
    calendar, start, _ = clock

    assert calendar.add(calendar.add(start, n), m) == calendar.add(start, n + m)
    assert calendar.subtract(calendar.subtract(start, n), m) == calendar.subtract(
        start, n + m
    )


@walking(50)
@given(working(), seconds, seconds, durations(0, 20))
def test_later_and_longer_are_never_due_earlier(clock, n, more, delay):
    calendar, start, _ = clock
    later = start + delay

    assert calendar.add(start, n) <= calendar.add(later, n + more)
    assert calendar.add(start, n) <= calendar.add(later, n)


@walking(50)
@given(working(), st.integers(1, 90 * DAY))
def test_due_is_the_first_such_instant(clock, n):
    calendar, start, _ = clock

    found = calendar.add(start, n)

    assert calendar.between(start, found - MICROSECOND) == n - 1


@walking(50)
@given(working(), seconds)
def test_the_zone_of_the_start_does_not_matter(clock, n):
    calendar, start, _ = clock

    assert calendar.add(start.astimezone(calendar.zone), n) == calendar.add(start, n)


@walking(100)
@given(working(), targets)
def test_one_more_pause_is_never_due_earlier(clock, target):
    calendar, start, paused = clock

    found = [due(calendar, start, target, paused[:n]) for n in range(len(paused) + 1)]

    assert found == sorted(found)


@walking(50)
@given(working(), targets)
def test_the_order_of_pauses_does_not_matter(clock, target):
    calendar, start, paused = clock

    found = due(calendar, start, target, paused)

    assert due(calendar, start, target, paused[::-1] * 2) == found


@walking(100)
@given(working(), targets, st.sets(st.integers(1, 300), max_size=3))
def test_a_greater_percentage_is_never_earlier(clock, target, percents):
    calendar, start, paused = clock
    percents = sorted({*percents, 100})

    found = [at_percent(calendar, start, target, each, paused) for each in percents]

    assert found == sorted(found)
    assert found[percents.index(100)] == due(calendar, start, target, paused)


@walking(50)
@given(working(), targets, st.lists(st.integers(-DAY, DAY), max_size=3))
def test_a_greater_offset_is_never_earlier(clock, target, offsets):
    calendar, start, paused = clock
    offsets = sorted({*offsets, 0})

    found = [at_offset(calendar, start, target, each, paused) for each in offsets]

    assert found == sorted(found)
    assert found[offsets.index(0)] == due(calendar, start, target, paused)
