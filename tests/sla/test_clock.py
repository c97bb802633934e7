from datetime import UTC, datetime, timedelta

import pytest

from cem_cases.sla import (
    Elapsed,
    Kind,
    NeverOpen,
    Pause,
    Unit,
    at_offset,
    at_percent,
    due,
    elapsed,
    explain,
)
from tests.sla.make import (
    at,
    business_days,
    business_hours,
    calendar,
    calendar_hours,
    pause,
)

HOUR = 3600
OFFICE = calendar()  # Monday to Friday, 9 to 17, Berlin
FRIDAY = "2025-03-28 16:00"  # the clocks go forward on Sunday


@pytest.mark.parametrize(
    ("office", "start", "target", "expected"),
    [
        (OFFICE, FRIDAY, business_hours(2), "2025-03-31 10:00"),  # over a weekend
        (OFFICE, FRIDAY, calendar_hours(2), "2025-03-28 18:00"),  # although closed
        (OFFICE, FRIDAY, business_days(1), "2025-03-31 16:00"),  # at the same time
        (OFFICE, "2025-03-29 12:00", business_days(1), "2025-04-01 09:00"),
        (None, FRIDAY, business_hours(2), "2025-03-28 18:00"),  # around the clock
        (None, FRIDAY, calendar_hours(2), "2025-03-28 18:00"),
        (None, "2025-03-29 22:00", business_hours(24), "2025-03-30 23:00"),  # 23 hours
        (None, FRIDAY, business_hours(0), FRIDAY),  # at once
        (OFFICE, "2025-03-29 16:00", business_hours(0), "2025-03-29 16:00"),  # closed
        (OFFICE, "2025-03-29 16:00", business_days(0), "2025-03-29 16:00"),
    ],
)
def test_due(office, start, target, expected):
    found = due(office, at(start), target)

    assert found == at(expected)
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    ("target", "pauses", "expected"),
    [
        # Two business hours from Friday at 16:00.
        (
            business_hours(2),
            [pause("2025-03-28 16:30", "2025-03-28 16:45")],
            "2025-03-31 10:15",
        ),
        (
            business_hours(2),
            [pause("2025-03-28 16:30", "2025-03-31 09:30")],  # an hour of it is open
            "2025-03-31 11:00",
        ),
        (
            business_hours(2),
            [pause("2025-03-28 17:00", "2025-03-31 09:00")],  # none of it
            "2025-03-31 10:00",
        ),
        (
            business_hours(2),
            [pause("2025-03-01 00:00", "2025-03-28 16:30")],  # began before the start
            "2025-03-31 10:30",
        ),
        (
            business_hours(2),
            [
                pause("2025-03-27 00:00", "2025-03-28 16:00"),  # over at the start
                pause("2025-03-31 10:00", "2025-03-31 12:00"),  # begins when it is due
                pause("2025-03-28 16:30", "2025-03-28 16:30"),  # empty
                pause("2025-03-28 16:45", "2025-03-28 16:30"),  # ends before it begins
            ],
            "2025-03-31 10:00",
        ),
        (
            business_hours(2),
            [  # unsorted, one within another, two that overlap: an hour in all
                pause("2025-03-28 16:40", "2025-03-31 09:20"),
                pause("2025-03-28 16:20", "2025-03-28 16:50"),
                pause("2025-03-28 16:30", "2025-03-28 16:35"),
            ],
            "2025-03-31 11:00",
        ),
        (
            business_hours(2),
            [  # the second begins only because of the first
                pause("2025-03-28 16:30", "2025-03-28 17:00"),
                pause("2025-03-31 10:15", "2025-03-31 11:00"),
            ],
            "2025-03-31 11:15",
        ),
        (
            business_hours(0),
            [pause("2025-03-28 15:00", "2025-03-28 17:00")],  # nothing was left to do
            "2025-03-28 16:00",
        ),
        # All of a pause counts in calendar time.
        (
            calendar_hours(2),
            [pause("2025-03-28 16:30", "2025-03-28 19:00")],
            "2025-03-28 20:30",
        ),
        # The same time on Monday, and then so much open time.
        (
            business_days(1),
            [pause("2025-03-28 16:30", "2025-03-31 10:00")],  # an hour and a half
            "2025-04-01 09:30",
        ),
        (
            business_days(1),
            [
                pause("2025-03-31 15:00", "2025-03-31 15:30"),
                pause("2025-03-31 16:15", "2025-03-31 16:30"),  # not without the first
                pause("2025-03-31 16:45", "2025-03-31 17:00"),  # at the due time
            ],
            "2025-03-31 16:45",
        ),
        (
            business_days(1),
            [pause("2025-03-31 16:00", "2025-03-31 17:00")],  # begins when it is due
            "2025-03-31 16:00",
        ),
    ],
)
def test_pauses_move_the_due_time(target, pauses, expected):
    assert due(OFFICE, at(FRIDAY), target, pauses) == at(expected)


def test_pauses_in_business_days_that_touch_are_one():
    shop = calendar(special={"2025-03-31": "12:00-17:00"})
    start = at("2025-03-28 10:00")  # due on Monday at 10:00, when it is closed
    night = pause("2025-03-30 10:00", "2025-03-31 11:00")
    noon = pause("2025-03-31 11:00", "2025-03-31 13:00")

    assert due(shop, start, business_days(1), [night]) == at("2025-03-31 10:00")
    assert due(shop, start, business_days(1), [noon]) == at("2025-03-31 10:00")
    assert due(shop, start, business_days(1), [night, noon]) == at("2025-03-31 13:00")


def test_the_due_time_is_exact_to_the_microsecond():
    start = at("2025-03-28 16:00:00.000001")
    pauses = [
        Pause(at("2025-03-28 16:10:00.1"), at("2025-03-28 16:10:00.7")),
        Pause(at("2025-03-28 16:20:00.2"), at("2025-03-28 16:20:00.600003")),
    ]

    # 0.6 + 0.400003 s of pauses
    assert due(OFFICE, start, business_hours(1 / 2), pauses) == at(
        "2025-03-28 16:30:01.000004"
    )
    assert due(OFFICE, start, business_hours(1), pauses) == at(
        "2025-03-31 09:00:01.000004"
    )


@pytest.mark.parametrize(
    ("office", "target", "percent", "expected"),
    [
        (OFFICE, business_hours(2), 50, "2025-03-28 17:00"),  # still at closing time
        (
            OFFICE,
            business_hours(2),
            75,
            "2025-03-31 09:30",
        ),  # goes on after the weekend
        (OFFICE, business_hours(2), 100, "2025-03-31 10:00"),  # when it is due
        (OFFICE, business_hours(2), 150, "2025-03-31 11:00"),  # an hour late
        (None, business_hours(2), 75, "2025-03-28 17:30"),
        (None, calendar_hours(2), 33, "2025-03-28 16:39:36"),  # 2376 of 7200 seconds
        (OFFICE, calendar_hours(2), 75, "2025-03-28 17:30"),
        (OFFICE, business_days(1), 75, "2025-03-31 14:00"),  # of 8 hours until Monday
        (OFFICE, business_days(1), 100, "2025-03-31 16:00"),
        (OFFICE, business_days(1), 200, "2025-04-01 16:00"),
        (OFFICE, business_hours(0), 75, FRIDAY),
    ],
)
def test_at_a_percentage_of_the_target(office, target, percent, expected):
    assert at_percent(office, at(FRIDAY), target, percent) == at(expected)


def test_parts_of_a_second_are_dropped_from_a_percentage():
    start = at(FRIDAY)

    found = at_percent(None, start, business_hours(5 / HOUR), 50)

    assert found == start + timedelta(seconds=2)


@pytest.mark.parametrize(
    ("percent", "expected"),
    [(50, "2025-03-28 17:00"), (75, "2025-03-31 10:00"), (150, "2025-03-31 11:30")],
)
def test_pauses_move_a_percentage_when_they_come_before_it(percent, expected):
    half_an_hour = [pause("2025-03-31 09:00", "2025-03-31 09:30")]

    found = at_percent(OFFICE, at(FRIDAY), business_hours(2), percent, half_an_hour)

    assert found == at(expected)


@pytest.mark.parametrize("percent", [99, 100, 101])
def test_percentages_keep_their_side_of_a_due_time_when_it_is_closed(percent):
    shop = calendar(special={"2025-03-31": "12:00-17:00"})
    start = at("2025-03-28 10:00")
    due_at = due(shop, start, business_days(1))

    found = at_percent(shop, start, business_days(1), percent)

    assert due_at == at("2025-03-31 10:00")
    assert (found > due_at) - (found < due_at) == (percent > 100) - (percent < 100)


def test_a_percentage_that_rounds_to_the_target_is_not_before_it():
    shop = calendar(special={"2025-03-31": "12:00-17:00", "2025-03-28": "10:00-10:01"})
    start = at("2025-03-28 10:00")  # one minute of which 101 % are 60.6 seconds

    found = at_percent(shop, start, business_days(1), 101)

    assert found == at("2025-03-31 10:00")


@pytest.mark.parametrize("percent", [0, -5])
def test_a_percentage_is_positive(percent):
    with pytest.raises(ValueError, match="positive"):
        at_percent(OFFICE, at(FRIDAY), business_hours(1), percent)


@pytest.mark.parametrize(
    ("office", "target", "hours", "expected"),
    [
        (OFFICE, business_hours(3), -1 / 2, "2025-03-31 10:30"),
        (OFFICE, business_hours(3), -2.5, "2025-03-28 16:30"),  # over the weekend
        (OFFICE, business_hours(3), -2, "2025-03-31 09:00"),  # the opening, not 17:00
        (OFFICE, business_hours(3), -3, FRIDAY),
        (OFFICE, business_hours(3), -4, FRIDAY),  # never before the start
        (OFFICE, business_hours(3), 0, "2025-03-31 11:00"),
        (OFFICE, business_hours(3), 7, "2025-04-01 10:00"),  # after the due time
        (OFFICE, calendar_hours(3), -1, "2025-03-28 18:00"),
        (OFFICE, calendar_hours(3), -5, FRIDAY),
        (OFFICE, calendar_hours(3), 12, "2025-03-29 07:00"),
        (None, business_hours(3), -1, "2025-03-28 18:00"),
        (OFFICE, business_days(1), -8, FRIDAY),
        (OFFICE, business_days(1), -7.5, "2025-03-28 16:30"),
        (OFFICE, business_days(1), 2, "2025-04-01 10:00"),
    ],
)
def test_before_and_after_the_due_time(office, target, hours, expected):
    found = at_offset(office, at(FRIDAY), target, round(hours * HOUR))

    assert found == at(expected)
    assert found.tzinfo is UTC


def test_all_of_the_target_before_due_is_the_opening_rather_than_a_closed_start():
    saturday, target = at("2025-03-29 12:00"), business_hours(3)

    assert at_offset(OFFICE, saturday, target, -3 * HOUR) == at("2025-03-31 09:00")
    assert at_offset(OFFICE, saturday, target, -3 * HOUR - 1) == saturday


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        (-1 / 2, "2025-03-31 11:30"),  # due at noon
        (-1, "2025-03-31 11:00"),  # when the second pause ends
        (-1.5, "2025-03-31 10:00"),  # when the first one ends
        (-2, "2025-03-28 16:30"),
        (-2.5, FRIDAY),
        (1.5, "2025-03-31 15:30"),  # later pauses count, too
    ],
)
def test_pauses_are_left_out_of_an_offset(hours, expected):
    pauses = [
        pause("2025-03-31 13:00", "2025-03-31 15:00"),
        pause("2025-03-31 10:30", "2025-03-31 11:00"),
        pause("2025-03-28 17:00", "2025-03-31 10:00"),
    ]
    seconds = round(hours * HOUR)
    target = business_hours(2.5)

    found = at_offset(OFFICE, at(FRIDAY), target, seconds, pauses)

    assert due(OFFICE, at(FRIDAY), target, pauses) == at("2025-03-31 12:00")
    assert found == at(expected)


@pytest.mark.parametrize(
    ("office", "start", "end", "expected"),
    [
        (OFFICE, FRIDAY, "2025-03-31 10:00", (2, 65)),  # 1 hour was skipped
        (None, FRIDAY, "2025-03-31 10:00", (65, 65)),  # around the clock
        (OFFICE, "2025-03-31 10:00", FRIDAY, (0, 0)),  # backwards
        (None, "2025-03-31 10:00", FRIDAY, (0, 0)),
    ],
)
def test_elapsed(office, start, end, expected):
    found = elapsed(office, at(start), at(end))

    assert found == Elapsed(*(hours * HOUR for hours in expected))


@pytest.mark.parametrize(("office", "hours"), [(OFFICE, 1), (None, 23)])
def test_pauses_do_not_count_against_us_but_the_customer_waits(office, hours):
    pauses = [
        pause("2025-03-28 17:00", "2025-03-30 11:00"),  # 41 hours, all closed
        pause("2025-03-27 00:00", "2025-03-28 16:30"),  # half an hour of it is ours
        pause("2025-03-28 16:10", "2025-03-28 16:20"),  # within that
        pause("2025-03-31 09:30", "2025-03-31 12:00"),  # half an hour, until the end
    ]

    found = elapsed(office, at(FRIDAY), at("2025-03-31 10:00"), pauses)

    assert found == Elapsed(hours * HOUR, 65 * HOUR)


def test_elapsed_is_rounded_down_once():
    start, end = at("2025-03-28 16:00"), at("2025-03-28 16:00:10.5")
    tenths = [
        pause(f"2025-03-28 16:00:0{n}", f"2025-03-28 16:00:0{n}.1") for n in range(5)
    ]

    hair = pause("2025-03-28 16:00:06", "2025-03-28 16:00:06.000001")

    assert elapsed(OFFICE, start, end, tenths) == (10, 10)  # 10.5 - 5 * 0.1
    assert elapsed(OFFICE, start, end, [*tenths, hair]) == (9, 10)


def told(segments):
    """Each segment in a line: until when, what, minutes counted, label."""
    return [
        f"{segment.end.astimezone(OFFICE.zone):%a %H:%M} {segment.kind}"
        f" {segment.counted // timedelta(minutes=1)} {segment.label}".rstrip()
        for segment in segments
    ]


def test_a_clock_explains_itself():
    pauses = [
        pause("2025-03-31 09:30", "2025-03-31 10:00", "pending"),
        pause("2025-03-31 09:45", "2025-03-31 10:15", "on hold"),  # overlaps
        pause("2025-03-28 16:30", "2025-03-29 12:00", "pending"),
    ]

    found = explain(
        OFFICE, at(FRIDAY), at("2025-04-01 10:00"), business_hours(2), pauses
    )

    assert found[0].start == at(FRIDAY)
    assert told(found) == [
        "Fri 16:30 open 30",
        "Sat 12:00 paused 0 pending",  # closed from Friday at 17:00, but paused
        "Mon 09:00 closed 0",
        "Mon 09:30 open 30",
        "Mon 10:00 paused 0 pending",
        "Mon 10:15 paused 0 on hold",
        "Mon 11:15 open 60",  # due
        "Mon 17:00 open 345",
        "Tue 09:00 closed 0",
        "Tue 10:00 open 60",
    ]


@pytest.mark.parametrize(
    ("office", "until", "target", "expected"),
    [
        (
            OFFICE,
            "2025-03-28 16:30",
            business_hours(1),
            ["Fri 16:30 open 30"],
        ),  # not yet
        (
            OFFICE,
            "2025-03-28 18:00",
            calendar_hours(1),
            ["Fri 17:00 open 60", "Fri 18:00 open 60"],
        ),
        (None, "2025-03-28 16:30", business_hours(1), ["Fri 16:30 open 30"]),
        (
            OFFICE,
            "2025-03-31 17:00",
            business_days(1),
            [
                "Fri 17:00 open 60",
                "Mon 09:00 closed 0",
                "Mon 16:00 open 420",
                "Mon 17:00 open 60",
            ],
        ),
        (OFFICE, FRIDAY, business_hours(1), []),  # no time
        (OFFICE, "2025-03-27 12:00", business_hours(1), []),  # backwards
    ],
)
def test_explained_until(office, until, target, expected):
    assert told(explain(office, at(FRIDAY), at(until), target)) == expected


def test_only_open_segments_count():
    found = explain(
        OFFICE,
        at(FRIDAY),
        at("2025-03-31 12:00:00.25"),
        business_hours(2),
        [pause("2025-03-28 16:30:00.5", "2025-03-28 16:45")],
    )

    assert all(
        (each.counted > timedelta(0)) == (each.kind is Kind.OPEN) for each in found
    )
    assert all(each.start.tzinfo is each.end.tzinfo is UTC for each in found)
    upto = [each for each in found if each.end <= at("2025-03-31 10:14:59.5")]
    assert sum((each.counted for each in upto), timedelta(0)) == timedelta(hours=2)


@pytest.mark.parametrize(
    "ask",
    [
        lambda naive: due(None, naive, business_hours(1)),
        lambda naive: due(OFFICE, naive, business_hours(1)),
        lambda naive: due(OFFICE, naive, business_days(1)),
        lambda naive: due(OFFICE, at(FRIDAY), business_hours(1), [Pause(naive, naive)]),
        lambda naive: at_percent(None, naive, business_hours(1), 50),
        lambda naive: at_offset(None, naive, business_hours(1), -60),
        lambda naive: elapsed(None, naive, at(FRIDAY)),
        lambda naive: elapsed(OFFICE, at(FRIDAY), naive),
        lambda naive: elapsed(OFFICE, at(FRIDAY), at(FRIDAY), [Pause(naive, naive)]),
        lambda naive: explain(None, naive, at(FRIDAY), business_hours(1)),
        lambda naive: explain(None, at(FRIDAY), naive, business_hours(1)),
    ],
)
def test_a_naive_datetime_is_refused(ask):
    with pytest.raises(ValueError, match="not an aware datetime"):
        ask(datetime(2025, 3, 28))


@pytest.mark.parametrize(
    "target",
    [
        business_hours(-1),
        business_days(-1),
        calendar_hours(10**9),
        calendar_hours(10**12),
    ],
)
def test_a_target_without_an_instant_is_refused(target):
    with pytest.raises(ValueError, match=r"negative|9999"):
        due(OFFICE, at(FRIDAY), target)


def test_business_days_need_a_calendar():
    with pytest.raises(ValueError, match="need a calendar"):
        due(None, at(FRIDAY), business_days(1))


def test_a_target_that_is_never_reached_is_refused():
    with pytest.raises(NeverOpen):
        due(calendar(days=()), at(FRIDAY), business_hours(1))


def test_units_are_named_in_words():
    assert [*Unit] == ["business seconds", "calendar seconds", "business days"]
