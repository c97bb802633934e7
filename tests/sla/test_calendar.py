from dataclasses import FrozenInstanceError
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from cem_cases.sla import Calendar, NeverOpen, Opening
from tests.sla.make import ALWAYS, at, calendar, openings, utc

HOUR = 3600
OFFICE = calendar()  # Monday to Friday, 9 to 17, Berlin
LUNCH = calendar("09:00-12:00 13:00-17:00")
SHOP = calendar(
    closed=["2025-04-18", "2025-04-21", "2025-12-24"],  # Good Friday, Easter Monday
    special={
        "2025-12-24": "09:00-12:00",  # a short day, though it is also closed
        "2025-04-26": "10:00-14:00",  # an open Saturday
        "2025-12-31": "",  # special and never open
    },
)


@pytest.mark.parametrize(
    ("office", "start", "hours", "due"),
    [
        # Weekdays: 3 March 2025 is a Monday.
        (OFFICE, "2025-03-03 09:00", 1, "2025-03-03 10:00"),  # from the opening on
        (OFFICE, "2025-03-04 16:30", 1, "2025-03-05 09:30"),  # Tuesday into Wednesday
        (OFFICE, "2025-03-05 07:00", 1, "2025-03-05 10:00"),  # before the opening
        (OFFICE, "2025-03-06 20:00", 1, "2025-03-07 10:00"),  # after the closing
        (OFFICE, "2025-03-07 16:00", 2, "2025-03-10 10:00"),  # Friday over the weekend
        (OFFICE, "2025-03-08 12:00", 1, "2025-03-10 10:00"),  # on a Saturday
        (OFFICE, "2025-03-09 12:00", 1, "2025-03-10 10:00"),  # on a Sunday
        (OFFICE, "2025-03-03 09:00", 40, "2025-03-07 17:00"),  # a whole week
        (OFFICE, "2025-03-03 09:00", 400, "2025-05-09 17:00"),  # ten weeks
        # Closing time.
        (OFFICE, "2025-03-07 16:00", 1, "2025-03-07 17:00"),  # stays on Friday
        (
            OFFICE,
            "2025-03-07 16:00",
            3601 / HOUR,
            "2025-03-10 09:00:01",
        ),  # a second more
        (OFFICE, "2025-03-07 17:00", 1, "2025-03-10 10:00"),  # begins when closed
        # Several openings a day.
        (LUNCH, "2025-03-03 11:00", 1, "2025-03-03 12:00"),  # ends when lunch begins
        (LUNCH, "2025-03-03 11:00", 2, "2025-03-03 14:00"),  # goes on after lunch
        (LUNCH, "2025-03-03 12:30", 1, "2025-03-03 14:00"),  # begins at lunch
        # Closed and special dates.
        (SHOP, "2025-04-17 16:00", 2, "2025-04-22 10:00"),  # over Easter
        (SHOP, "2025-04-25 16:00", 2, "2025-04-26 11:00"),  # the open Saturday
        (SHOP, "2025-12-23 16:00", 3, "2025-12-24 11:00"),  # special wins over closed
        (SHOP, "2025-12-23 16:00", 5, "2025-12-25 10:00"),  # only three hours that day
        (SHOP, "2025-12-30 16:00", 2, "2026-01-01 10:00"),  # special without openings
        # Over midnight and over the year.
        (ALWAYS, "2025-12-31 20:00", 8, "2026-01-01 04:00"),  # day and night
        (
            calendar(
                "00:00-06:00 22:00-24:00", range(7)
            ),  # a night shift, in two parts
            "2025-03-03 23:00",
            6,
            "2025-03-04 05:00",
        ),
        (calendar("16:00-24:00"), "2025-03-03 23:00", 1, "2025-03-04 00:00"),  # 24:00
    ],
)
def test_due(office, start, hours, due):
    seconds = round(hours * HOUR)

    assert office.add(at(start), seconds) == at(due)
    assert office.between(at(start), at(due)) == seconds


@pytest.mark.parametrize(
    ("office", "start", "end", "hours"),
    [
        (OFFICE, "2025-03-03 10:00", "2025-03-03 12:00", 2),  # within a day
        (OFFICE, "2025-03-03 07:00", "2025-03-03 20:00", 8),  # around a day
        (OFFICE, "2025-03-03 18:00", "2025-03-04 08:00", 0),  # a night
        (OFFICE, "2025-03-08 00:00", "2025-03-10 00:00", 0),  # a weekend
        (OFFICE, "2025-03-03 10:00", "2025-03-03 10:00", 0),  # no time
        (OFFICE, "2025-03-04 10:00", "2025-03-03 10:00", 0),  # backwards
        (OFFICE, "2026-01-05 10:00", "2020-01-06 10:00", 0),  # years backwards
        (LUNCH, "2025-03-03 11:30", "2025-03-03 13:30", 1),  # over lunch
        (SHOP, "2025-12-23 17:00", "2025-12-25 09:00", 3),  # a special day
        (ALWAYS, "2020-01-01 00:00", "2030-01-01 00:00", 24 * 3653),  # ten years
    ],
)
def test_open_seconds_between(office, start, end, hours):
    assert office.between(at(start), at(end)) == hours * HOUR


@pytest.mark.parametrize(
    ("office", "end", "hours", "since"),
    [
        (OFFICE, "2025-03-03 17:00", 1, "2025-03-03 16:00"),  # within a day
        (OFFICE, "2025-03-10 10:00", 2, "2025-03-07 16:00"),  # over the weekend
        (OFFICE, "2025-03-10 10:00", 1, "2025-03-10 09:00"),  # at an opening: that day
        (OFFICE, "2025-03-10 09:00", 1, "2025-03-07 16:00"),  # nothing was open yet
        (OFFICE, "2025-03-09 12:00", 8, "2025-03-07 09:00"),  # from a Sunday
        (OFFICE, "2025-03-07 17:00", 400, "2024-12-30 09:00"),  # ten weeks
        (LUNCH, "2025-03-03 14:00", 1, "2025-03-03 13:00"),  # when lunch ends
        (SHOP, "2025-12-25 10:00", 4, "2025-12-24 09:00"),  # the short day
        (ALWAYS, "2025-03-31 12:00", 48, "2025-03-29 11:00"),  # the clocks show 49
    ],
)
def test_the_last_instant_from_which_it_is_open_for_so_long(office, end, hours, since):
    found = office.subtract(at(end), hours * HOUR)

    assert found == at(since)
    assert found.tzinfo is UTC
    assert office.between(found, at(end)) == hours * HOUR


def test_an_instant_long_before_can_be_years_away():
    rare = calendar(
        days=(), special={"2025-03-03": "09:00-10:00", "2028-01-03": "09:00-10:00"}
    )

    assert rare.subtract(at("2028-01-03 09:30"), HOUR) == at("2025-03-03 09:30")


def test_microseconds_are_counted_both_ways():
    start = at("2025-03-07 16:59:59.25")

    assert OFFICE.add(start, 0, 750_000) == at("2025-03-07 17:00")
    assert OFFICE.add(start, 0, 750_001) == at("2025-03-10 09:00:00.000001")
    assert OFFICE.add(start, 1, 999_999) == at("2025-03-10 09:00:01.249999")
    end = at("2025-03-10 09:00:00.25")
    assert OFFICE.subtract(end, 0, 250_000) == at("2025-03-10 09:00")
    assert OFFICE.subtract(end, 0, 250_001) == at("2025-03-07 16:59:59.999999")
    assert OFFICE.subtract(end, 1, 999_999) == at("2025-03-07 16:59:58.250001")
    assert OFFICE.open_time(start, end) == timedelta(seconds=1)
    assert OFFICE.open_time(start, end - timedelta(microseconds=1)) == timedelta(
        microseconds=999_999
    )


@pytest.mark.parametrize(
    ("text", "is_open", "next_open"),
    [
        ("2025-03-03 08:59:59.999999", False, "2025-03-03 09:00"),  # just before
        ("2025-03-03 09:00", True, "2025-03-03 09:00"),  # the opening belongs to it
        ("2025-03-03 12:00:00.5", True, "2025-03-03 12:00:00.5"),  # within
        ("2025-03-07 16:59:59.999999", True, "2025-03-07 16:59:59.999999"),
        ("2025-03-07 17:00", False, "2025-03-10 09:00"),  # closing time does not
        ("2025-03-09 12:00", False, "2025-03-10 09:00"),  # Sunday
    ],
)
def test_open_or_when(text, is_open, next_open):
    assert OFFICE.is_open(at(text)) is is_open
    assert OFFICE.next_open(at(text)) == at(next_open)
    assert OFFICE.next_open(at(text)).tzinfo is UTC


def test_the_next_opening_can_be_years_away():
    rare = calendar(
        days=(), special={"2025-03-03": "09:00-10:00", "2028-01-03": "09:00-10:00"}
    )

    assert rare.next_open(at("2025-03-03 10:00")) == at("2028-01-03 09:00")
    assert rare.add(at("2025-03-03 09:30"), HOUR) == at("2028-01-03 09:30")


@pytest.mark.parametrize("start", ["2025-03-03 10:00", "2025-03-09 10:00"])
def test_no_time_is_over_at_once_even_when_closed(start):
    due = OFFICE.add(at(start), 0)

    assert due == at(start)
    assert due.tzinfo is UTC


def test_parts_of_a_second_are_kept_while_open_and_dropped_while_closed():
    half_to = at("2025-03-07 16:59:59.5")

    assert OFFICE.add(half_to, 1) == at("2025-03-10 09:00:00.5")
    assert OFFICE.add(at("2025-03-07 17:00:00.5"), 1) == at("2025-03-10 09:00:01")
    assert OFFICE.between(half_to, at("2025-03-10 09:00:00.4")) == 0
    assert OFFICE.between(half_to, at("2025-03-10 09:00:00.5")) == 1


@pytest.mark.parametrize(
    "ask",
    [
        lambda naive: OFFICE.add(naive, 1),
        lambda naive: OFFICE.add(naive, 0),
        lambda naive: OFFICE.between(naive, at("2025-03-03")),
        lambda naive: OFFICE.between(at("2025-03-03"), naive),
        lambda naive: OFFICE.subtract(naive, 1),
        lambda naive: OFFICE.subtract(naive, 0),
        lambda naive: OFFICE.open_time(naive, at("2025-03-03")),
        lambda naive: OFFICE.add_business_days(naive, 1),
        lambda naive: OFFICE.add_business_days(naive, 0),
        lambda naive: OFFICE.add_business_days(naive, -1),
        lambda naive: list(OFFICE.spans(naive, at("2025-03-03"))),
        lambda naive: list(OFFICE.spans(at("2025-03-03"), naive)),
        lambda naive: OFFICE.is_open(naive),
        lambda naive: OFFICE.next_open(naive),
    ],
)
def test_a_naive_datetime_is_refused(ask):
    with pytest.raises(ValueError, match="not an aware datetime"):
        ask(datetime(2025, 3, 3))


@pytest.mark.parametrize("amount", [(-1,), (-1, 999_999), (5, -1)])
def test_time_is_not_negative(amount):
    with pytest.raises(ValueError, match="not negative"):
        OFFICE.add(at("2025-03-03"), *amount)
    with pytest.raises(ValueError, match="not negative"):
        OFFICE.subtract(at("2025-03-03"), *amount)


@pytest.mark.parametrize(
    ("office", "seconds"),
    [
        (calendar(days=()), 1),  # never
        (calendar(days=(), special={"2025-01-01": "09:00-10:00"}), 1),  # not any more
        (calendar(days=(), special={"2025-03-04": "09:00-10:00"}), 3601),  # not enough
        (calendar(days=(), special={"2040-01-02": "09:00-10:00"}), 1),  # too far away
        (OFFICE, 10**10),  # more than a hundred years of work
        (ALWAYS, 10**15),  # beyond the year 9999
    ],
)
def test_a_target_out_of_reach_is_refused_rather_than_searched_for_ever(
    office, seconds
):
    with pytest.raises(NeverOpen, match="not open for long enough"):
        office.add(at("2025-03-03 10:00"), seconds)


@pytest.mark.parametrize(
    ("office", "seconds"),
    [
        (calendar(days=()), 1),  # never
        (calendar(days=(), special={"2025-03-04": "09:00-10:00"}), 1),  # not yet
        (calendar(days=(), special={"2010-01-04": "09:00-10:00"}), 1),  # too long ago
        (OFFICE, 10**10),  # more than a hundred years of work
    ],
)
def test_nor_does_the_search_for_an_instant_before_go_on_for_ever(office, seconds):
    with pytest.raises(NeverOpen, match="not open for long enough"):
        office.subtract(at("2025-03-03 10:00"), seconds)


def test_a_calendar_that_never_opens_has_no_next_opening():
    never = calendar(days=())

    assert never.between(utc("2025-01-01"), utc("2026-01-01")) == 0
    with pytest.raises(NeverOpen):
        never.next_open(utc("2025-01-01"))


@pytest.mark.parametrize(
    ("office", "start", "days", "then"),
    [
        (OFFICE, "2025-03-03 10:00", 1, "2025-03-04 10:00"),  # Monday to Tuesday
        (OFFICE, "2025-03-07 10:00", 1, "2025-03-10 10:00"),  # over the weekend
        (OFFICE, "2025-03-03 10:00:00.5", 5, "2025-03-10 10:00:00.5"),  # a week
        (OFFICE, "2025-03-03 07:00", 1, "2025-03-04 09:00"),  # from the opening on
        (OFFICE, "2025-03-03 20:00", 1, "2025-03-05 09:00"),  # from Tuesday on
        (OFFICE, "2025-03-07 17:00", 1, "2025-03-11 09:00"),  # closed from 17:00 on
        (OFFICE, "2025-03-08 12:00", 1, "2025-03-11 09:00"),  # a Saturday, from Monday
        (OFFICE, "2025-03-08 12:00", 0, "2025-03-08 12:00"),  # none: the start itself
        (LUNCH, "2025-03-03 12:30", 1, "2025-03-04 13:00"),  # from the end of lunch on
        (SHOP, "2025-04-17 10:00", 1, "2025-04-22 10:00"),  # over Easter
        (SHOP, "2025-12-23 16:00", 1, "2025-12-24 16:00"),  # closed by then: the same
        (SHOP, "2025-04-25 16:00", 1, "2025-04-26 16:00"),  # the open Saturday counts
        (SHOP, "2025-12-30 10:00", 1, "2026-01-01 10:00"),  # special without openings
        # Backwards: a start outside the openings counts from the closing before.
        (OFFICE, "2025-03-04 10:00", -1, "2025-03-03 10:00"),
        (OFFICE, "2025-03-10 10:00", -1, "2025-03-07 10:00"),
        (OFFICE, "2025-03-10 09:00", -1, "2025-03-07 09:00"),  # an opening is inside
        (OFFICE, "2025-03-10 17:00", -1, "2025-03-07 17:00"),  # a closing is the last
        (OFFICE, "2025-03-08 12:00", -1, "2025-03-06 17:00"),  # from Friday's
        (OFFICE, "2025-03-10 07:00", -5, "2025-02-28 17:00"),
        (calendar("00:00-24:00"), "2025-03-08 12:00", -1, "2025-03-07 00:00"),
        (calendar("00:00-24:00"), "2025-03-10 00:00", -1, "2025-03-07 00:00"),
        # Thursday at noon, from Wednesday at 24:00 to Monday at 24:00.
        (calendar("00:00-24:00", (0, 2)), "2025-03-06 12:00", -1, "2025-03-04 00:00"),
        # Far away.
        (ALWAYS, "2025-03-03 10:00", 9_000, "2049-10-23 10:00"),
        (ALWAYS, "2025-03-03 10:00", -9_000, "2000-07-12 10:00"),
        (OFFICE, "2025-03-03 10:00", 2_500, "2034-10-02 10:00"),
        (OFFICE, "2025-03-03 10:00", -2_500, "2015-08-03 10:00"),
    ],
)
def test_business_days_later_at_the_same_time(office, start, days, then):
    found = office.add_business_days(at(start), days)

    assert found == at(then)
    assert found.tzinfo is UTC


@pytest.mark.parametrize("days", [1, -1, 10**6])
def test_business_days_out_of_reach_are_refused(days):
    rare = calendar(days=(), special={"2025-03-03": "09:00-17:00"})

    with pytest.raises(NeverOpen):
        rare.add_business_days(at("2025-03-03 10:00"), days)


def test_a_calendar_that_never_opens_has_no_business_days():
    never = calendar(days=())

    for days in (1, -1):
        with pytest.raises(NeverOpen):
            never.add_business_days(utc("2025-01-01"), days)


@pytest.mark.parametrize(
    ("office", "start", "end", "spans"),
    [
        (
            LUNCH,
            "2025-03-03 08:00",
            "2025-03-03 20:00",
            "closed 09:00 open 12:00 closed 13:00 open 17:00 closed 20:00",
        ),
        (LUNCH, "2025-03-03 10:00", "2025-03-03 11:00", "open 11:00"),
        (LUNCH, "2025-03-03 12:10", "2025-03-03 12:20", "closed 12:20"),
        (LUNCH, "2025-03-03 09:00", "2025-03-03 12:00", "open 12:00"),  # sharp
        (OFFICE, "2025-03-07 16:00", "2025-03-10 09:00", "open 17:00 closed 09:00"),
        (ALWAYS, "2025-03-03 12:00", "2027-03-10 09:00", "open 09:00"),  # one of years
        (calendar(days=()), "2025-03-03 12:00", "2027-03-10 09:00", "closed 09:00"),
        (LUNCH, "2025-03-03 10:00", "2025-03-03 10:00", ""),  # no time
        (LUNCH, "2025-03-04 10:00", "2025-03-03 10:00", ""),  # backwards
    ],
)
def test_what_is_open_and_what_is_closed_by_turns(office, start, end, spans):
    found = list(office.spans(at(start), at(end)))

    words = [
        f"{'open' if span.is_open else 'closed'} {span.end.astimezone(office.zone):%H:%M}"
        for span in found
    ]
    assert " ".join(words) == spans
    assert all(span.start.tzinfo is span.end.tzinfo is UTC for span in found)


@pytest.mark.parametrize(
    "end",
    [utc("0001-01-03"), utc("9999-12-30")],
)
def test_the_ends_of_time_do_no_harm(end):
    assert ALWAYS.is_open(end)
    assert calendar(days=()).between(end, end + timedelta(days=1)) == 0


def test_the_last_day_there_is_never_opens():
    with pytest.raises(NeverOpen):
        OFFICE.add(utc("9999-12-31"), 8 * HOUR)


@pytest.mark.parametrize(
    ("opens", "closes"),
    [
        (540, 540),  # empty
        (600, 540),  # inverted
        (-1, 540),  # before midnight
        (540, 1441),  # after the next
    ],
)
def test_an_opening_is_a_part_of_a_day(opens, closes):
    with pytest.raises(ValueError, match="part of a day"):
        Opening(opens, closes)


def test_weekdays_are_numbered_from_monday():
    with pytest.raises(ValueError, match="Monday"):
        Calendar(ZoneInfo("UTC"), {7: openings("09:00-17:00")})


def test_overlapping_openings_count_once():
    doubled = calendar("09:00-13:00 12:00-17:00 10:00-11:00")

    assert doubled.between(at("2025-03-03 00:00"), at("2025-03-04 00:00")) == 8 * HOUR


def test_a_calendar_is_a_value():
    hours = {0: openings("09:00-17:00")}
    one, other = (Calendar(ZoneInfo("UTC"), hours) for _ in range(2))
    one.is_open(utc("2025-03-03"))
    hours[0] = ()

    assert one == other
    assert hash(one) == hash(other)
    assert one.is_open(utc("2025-03-03 10:00"))
    assert one != Calendar(ZoneInfo("UTC"), hours)
    with pytest.raises(FrozenInstanceError):
        one.closed = frozenset({date(2025, 3, 3)})
