"""Days which have not 24 hours: openings are wall time, durations are real seconds."""

from datetime import UTC

import pytest

from tests.sla.make import ALWAYS, at, calendar

HOUR = 3600
EVERY_DAY = range(7)


@pytest.mark.parametrize(
    ("hours", "zone", "day", "following", "open_seconds"),
    [
        # Berlin, 30 March 2025: 02:00 becomes 03:00.
        ("00:00-24:00", "Europe/Berlin", "2025-03-30", "2025-03-31", 23 * HOUR),
        ("09:00-17:00", "Europe/Berlin", "2025-03-30", "2025-03-31", 8 * HOUR),  # later
        (
            "01:00-04:00",
            "Europe/Berlin",
            "2025-03-30",
            "2025-03-31",
            2 * HOUR,
        ),  # around
        ("02:00-03:00", "Europe/Berlin", "2025-03-30", "2025-03-31", 0),  # the gap
        (
            "02:30-04:00",
            "Europe/Berlin",
            "2025-03-30",
            "2025-03-31",
            HOUR // 2,
        ),  # 03:30
        ("01:30-02:30", "Europe/Berlin", "2025-03-30", "2025-03-31", HOUR),  # to 03:30
        ("02:30-03:15", "Europe/Berlin", "2025-03-30", "2025-03-31", 0),  # turned round
        # Moved openings meet: to 03:45 and from 03:00, counted once.
        (
            "01:00-02:45 03:00-04:00",
            "Europe/Berlin",
            "2025-03-30",
            "2025-03-31",
            2 * HOUR,
        ),
        # Berlin, 26 October 2025: 03:00 becomes 02:00.
        ("00:00-24:00", "Europe/Berlin", "2025-10-26", "2025-10-27", 25 * HOUR),
        ("09:00-17:00", "Europe/Berlin", "2025-10-26", "2025-10-27", 8 * HOUR),
        ("01:00-04:00", "Europe/Berlin", "2025-10-26", "2025-10-27", 4 * HOUR),
        ("02:00-02:30", "Europe/Berlin", "2025-10-26", "2025-10-27", HOUR // 2),  # once
        ("02:30-03:00", "Europe/Berlin", "2025-10-26", "2025-10-27", 3 * HOUR // 2),
        # Los Angeles, 2 April 2006: an opening inside the gap (zendesk/biz).
        ("02:30-03:15", "America/Los_Angeles", "2006-04-02", "2006-04-03", 0),
        # Lord Howe moves by half an hour.
        (
            "00:00-24:00",
            "Australia/Lord_Howe",
            "2025-04-06",
            "2025-04-07",
            49 * HOUR // 2,
        ),
        (
            "00:00-24:00",
            "Australia/Lord_Howe",
            "2025-10-05",
            "2025-10-06",
            47 * HOUR // 2,
        ),
        # São Paulo had no midnight on 4 November 2018, and two 23:30 on 17 February.
        ("00:00-24:00", "America/Sao_Paulo", "2018-11-04", "2018-11-05", 23 * HOUR),
        ("00:00-24:00", "America/Sao_Paulo", "2018-02-17", "2018-02-18", 25 * HOUR),
        # Havana has two midnights on 2 November 2025; the day begins at the first.
        ("00:00-24:00", "America/Havana", "2025-11-02", "2025-11-03", 25 * HOUR),
        # No change at all, a quarter of an hour off.
        ("00:00-24:00", "Asia/Kathmandu", "2025-03-30", "2025-03-31", 24 * HOUR),
        ("09:00-17:00", "Asia/Kathmandu", "2025-03-30", "2025-03-31", 8 * HOUR),
    ],
)
def test_open_seconds_of_a_day(hours, zone, day, following, open_seconds):
    office = calendar(hours, EVERY_DAY, zone)

    assert office.between(at(day, zone), at(following, zone)) == open_seconds


@pytest.mark.parametrize(
    ("start", "hours", "due"),
    [
        ("2025-03-29 22:00", 24, "2025-03-30 23:00"),  # spring: the clocks show 25
        ("2025-10-25 22:00", 24, "2025-10-26 21:00"),  # autumn: the clocks show 23
        ("2025-03-30 01:30", 1, "2025-03-30 03:30"),  # over the gap
        ("2025-10-26 01:30", 2, "2025-10-26 02:30+01:00"),  # over the doubled hour
    ],
)
def test_due_in_real_hours(start, hours, due):
    shown = at(due.removesuffix("+01:00"), fold=due.endswith("+01:00"))

    # In UTC, as no wall time that happens twice equals anything (PEP 495).
    assert ALWAYS.add(at(start), hours * HOUR) == shown.astimezone(UTC)


def test_the_two_halves_of_a_doubled_hour_are_told_apart():
    first, second = (at("2025-10-26 02:30", fold=fold) for fold in (0, 1))

    assert ALWAYS.between(first, second) == HOUR
    assert ALWAYS.add(first, HOUR) == ALWAYS.add(second, 0)


def test_day_and_night_over_the_spring_change_is_absolute():
    # Znuny: Berlin, 24x7, wall clock to wall clock an hour more than it took.
    start, end = at("2016-03-26 22:24:39"), at("2016-03-28 23:24:39")

    assert ALWAYS.between(start, end) == 48 * HOUR


def test_a_day_that_a_zone_skips_lends_its_openings_to_the_next():
    # Samoa went from 29 to 31 December 2011; the 30th was a Friday.
    samoa = calendar("09:00-17:00", range(5), "Pacific/Apia")

    assert samoa.is_open(at("2011-12-31 10:00", "Pacific/Apia"))
    assert samoa.add(at("2011-12-29 16:00", "Pacific/Apia"), 2 * HOUR) == at(
        "2011-12-31 10:00", "Pacific/Apia"
    )


@pytest.mark.parametrize(
    ("start", "days", "then"),
    [
        ("2025-03-29 02:30", 1, "2025-03-30 03:30"),  # skipped: forward by the gap
        ("2025-03-28 02:30", 3, "2025-03-31 02:30"),  # and not for ever
        ("2025-10-25 02:30", 1, "2025-10-26 02:30"),  # twice: the first
        ("2025-10-27 02:30", -1, "2025-10-26 02:30"),
        ("2025-03-29 12:00", 1, "2025-03-30 12:00"),  # 23 hours
    ],
)
def test_business_days_keep_the_wall_time(start, days, then):
    found = ALWAYS.add_business_days(at(start), days)

    assert found == at(then).astimezone(UTC)


def test_the_second_of_a_doubled_hour_is_the_same_time_on_other_days():
    second = at("2025-10-26 02:30", fold=1)

    assert ALWAYS.add_business_days(second, 1) == at("2025-10-27 02:30")


def test_a_day_whose_only_opening_is_skipped_is_no_business_day():
    nights = calendar("02:00-03:00", EVERY_DAY)

    # Nothing is open on Sunday, 30 March 2025.
    found = nights.add_business_days(at("2025-03-29 02:30"), 1)

    assert found == at("2025-03-31 02:30")


def test_a_day_that_a_zone_skips_is_no_business_day():
    samoa = calendar("09:00-17:00", EVERY_DAY, "Pacific/Apia")
    thursday = at("2011-12-29 16:00", "Pacific/Apia")

    assert [samoa.add_business_days(thursday, days) for days in (1, 2)] == [
        at("2011-12-31 16:00", "Pacific/Apia"),
        at("2012-01-01 16:00", "Pacific/Apia"),
    ]
    assert (
        samoa.add_business_days(at("2011-12-31 16:00", "Pacific/Apia"), -1) == thursday
    )
