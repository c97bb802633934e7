"""The calendar against somebody who watches the clock, minute by minute.

The walker shares nothing with the calendar: it finds instants by trying the offsets in
use around them, never by `fold`, and it counts minutes instead of searching intervals.
"""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cem_cases.sla import Calendar, Opening

DAY = 86_400
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Walking takes its time, and more on a busy machine.
unhurried = settings(deadline=None)

# A zone, and a day on which something happens there.
PLACES = [
    ("Europe/Berlin", date(2025, 3, 30)),  # an hour forward at 02:00
    ("Europe/Berlin", date(2025, 10, 26)),  # an hour back at 03:00
    ("America/New_York", date(2025, 3, 9)),
    ("America/Sao_Paulo", date(2018, 11, 4)),  # forward at midnight
    ("America/Sao_Paulo", date(2018, 2, 18)),  # back at midnight
    ("Australia/Lord_Howe", date(2025, 4, 6)),  # half an hour
    ("Pacific/Apia", date(2011, 12, 30)),  # a day that did not happen
    ("Asia/Kathmandu", date(2026, 1, 1)),  # a quarter of an hour off; New Year
    ("UTC", date(1970, 1, 1) + timedelta(days=366 * 56)),  # where two stretches meet
]


@st.composite
def offices(draw):
    """A calendar with random openings, and a random instant near the special day."""
    zone, day = draw(st.sampled_from(PLACES))
    near = st.integers(-4, 6).map(lambda n: day + timedelta(days=n))
    calendar = Calendar(
        ZoneInfo(zone),
        draw(st.dictionaries(st.integers(0, 6), openings(), min_size=1)),
        closed=draw(st.frozensets(near, max_size=2)),
        special=draw(st.dictionaries(near, openings(), max_size=2)),
    )
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    return calendar, noon + timedelta(seconds=draw(st.integers(-3 * DAY, 3 * DAY)))


def openings():
    ends = st.lists(st.integers(0, 1440), unique=True, max_size=6).map(sorted)
    parts = ends.map(lambda e: tuple(map(Opening, e[::2], e[1::2])))
    return st.one_of(st.just((Opening(0, 1440),)), parts)


def open_minutes(calendar, around):
    """Return the minutes since 1970 which are open, from 9 days before to 16 after."""
    found = set()
    for n in range(-9, 17):
        day = around.date() + timedelta(days=n)
        weekly = () if day in calendar.closed else calendar.hours.get(day.weekday(), ())
        for opening in calendar.special.get(day, weekly):
            ends = (
                minute_of(calendar.zone, day, minutes)
                for minutes in (opening.opens, opening.closes)
            )
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


def walk(minutes, start, seconds):
    """Return the instant at which `seconds` were open, or None after twelve days."""
    at = first = (start - EPOCH) // timedelta(seconds=1)
    while seconds:
        left = 60 - at % 60
        if at // 60 in minutes:
            left = min(left, seconds)
            seconds -= left
        at += left
        if at > first + 12 * DAY:
            return None
    return EPOCH + timedelta(seconds=at)


@unhurried
@given(offices(), st.integers(0, 4 * DAY))
def test_due_is_what_the_walker_finds(office, seconds):
    calendar, start = office

    due = walk(open_minutes(calendar, start), start, seconds)

    assume(due is not None)
    assert calendar.add(start, seconds) == due


@unhurried
@given(offices(), st.integers(0, 5 * DAY))
def test_open_seconds_are_what_the_walker_counts(office, length):
    calendar, start = office
    first = (start - EPOCH) // timedelta(seconds=1)

    counted = sum(
        max(0, min(first + length, minute * 60 + 60) - max(first, minute * 60))
        for minute in open_minutes(calendar, start)
    )

    assert calendar.between(start, start + timedelta(seconds=length)) == counted


@unhurried
@given(offices())
def test_open_is_what_the_walker_sees(office):
    calendar, start = office
    minutes = open_minutes(calendar, start)
    minute = (start - EPOCH) // timedelta(minutes=1)

    later = min((each for each in minutes if each > minute), default=None)

    assert calendar.is_open(start) == (minute in minutes)
    if minute in minutes:
        assert calendar.next_open(start) == start
    elif later is not None:
        assert calendar.next_open(start) == EPOCH + timedelta(minutes=later)


seconds = st.integers(0, 90 * DAY)
micros = st.integers(0, 999_999)


@st.composite
def working(draw):
    """A calendar that opens every Wednesday, and an instant to the microsecond."""
    calendar, start = draw(offices())
    hours = {2: (Opening(61, 600),), **{k: v for k, v in calendar.hours.items() if v}}
    office = Calendar(calendar.zone, hours, calendar.closed, calendar.special)
    return office, start.replace(microsecond=draw(micros))


@unhurried
@given(working(), seconds)
def test_between_undoes_add(office, n):
    calendar, start = office

    assert calendar.between(start, calendar.add(start, n)) == n


@unhurried
@given(working(), seconds, seconds)
def test_adding_twice_is_adding_the_sum(office, n, m):
    calendar, start = office

    assert calendar.add(calendar.add(start, n), m) == calendar.add(start, n + m)


@unhurried
@given(working(), seconds, seconds, st.integers(0, 20 * DAY), micros)
def test_later_and_longer_are_never_due_earlier(office, n, more, delay, micro):
    calendar, start = office
    later = start + timedelta(seconds=delay, microseconds=micro)

    assert calendar.add(start, n) <= calendar.add(later, n + more)
    assert calendar.add(start, n) <= calendar.add(later, n)


@unhurried
@given(working(), st.integers(1, 90 * DAY))
def test_due_is_the_first_such_instant(office, n):
    calendar, start = office

    due = calendar.add(start, n)

    assert calendar.between(start, due - timedelta(microseconds=1)) == n - 1


@unhurried
@given(working(), seconds)
def test_the_zone_of_the_start_does_not_matter(office, n):
    calendar, start = office

    assert calendar.add(start.astimezone(calendar.zone), n) == calendar.add(start, n)
