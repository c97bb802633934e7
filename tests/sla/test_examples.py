from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from cem_cases.sla import Metric, parse_terms
from cem_cases.sla.examples import Occasion, dues, moments
from tests.sla.make import ALWAYS, at, calendar, utc

SUNDAY = at("2026-11-22T09:12")
NOW, FRIDAY, HOLIDAY, CHANGE = Occasion
XMAS = {"closed": ["2026-12-25", "2026-12-26"]}


def found(occasion, of=ALWAYS, now=SUNDAY):
    return next(moment for moment in moments(of, now) if moment.occasion == occasion)


def test_there_is_one_moment_of_each_occasion_in_this_order():
    assert [m.occasion for m in moments(calendar(), SUNDAY)] == list(Occasion)


def test_now_is_told_in_the_zone_of_the_calendar():
    now = found(NOW, calendar(zone="Asia/Tokyo"), utc("2026-11-22T20:00"))

    assert f"{now.at:%a %H:%M}" == "Mon 05:00"


@pytest.mark.parametrize(
    ("now", "friday"),
    [
        ("2026-11-22T09:12", "2026-11-27T18:30"),  # a Sunday
        ("2026-11-27T09:00", "2026-11-27T18:30"),  # on Friday, still ahead
        ("2026-11-27T18:30", "2026-11-27T18:30"),  # this very instant
        ("2026-11-27T18:31", "2026-12-04T18:30"),  # over: the next one
        ("2026-11-28T00:00", "2026-12-04T18:30"),  # a Saturday
    ],
)
def test_friday_evening_is_the_next_one(now, friday):
    assert found(FRIDAY, now=at(now)).at == at(friday)


@pytest.mark.parametrize(
    ("dates", "now", "eve", "day"),
    [
        # Christmas Day 2026 is a Friday; the 26th is a Saturday, closed anyway.
        (XMAS, "2026-11-22T09:12", "2026-12-24T15:00", "2026-12-25"),
        (XMAS, "2026-12-24T15:00", "2026-12-24T15:00", "2026-12-25"),
        (XMAS, "2026-12-24T15:01", None, None),  # the eve is over
        (XMAS, "2026-12-25T09:00", None, None),  # today is not ahead
        ({"closed": ["2026-12-27"]}, "2026-11-22T09:12", None, None),  # a Sunday
        ({}, "2026-11-22T09:12", None, None),
        # What has hours of its own is open, whatever else is said of the day...
        (
            {"closed": ["2026-12-24"], "special": {"2026-12-24": "09:00-12:00"}},
            "2026-11-22T09:12",
            None,
            None,
        ),
        # ... and with hours of its own that are none, it is closed.
        (
            {"special": {"2026-12-31": ""}},
            "2026-11-22T09:12",
            "2026-12-30T15:00",
            "2026-12-31",
        ),
        ({"closed": ["0001-01-01"]}, "2026-11-22T09:12", None, None),  # no day before
    ],
)
def test_the_holiday_is_the_next_that_closes_an_open_day(dates, now, eve, day):
    moment = found(HOLIDAY, calendar(**dates), at(now))

    assert moment.at == (eve and at(eve))
    assert moment.day == (day and date.fromisoformat(day))


@pytest.mark.parametrize(
    ("zone", "now", "eve", "day", "hours"),
    [
        # Sunday at two: the Saturday before
        ("Europe/Berlin", "2026-11-22T09:12", "2027-03-27T12:00", "2027-03-28", 1),
        ("Europe/Berlin", "2027-03-28T04:00", "2027-10-30T12:00", "2027-10-31", -1),
        # in the afternoon before, the next change is the one to look at
        ("Europe/Berlin", "2027-03-27T12:01", "2027-10-30T12:00", "2027-10-31", -1),
        ("America/New_York", "2026-11-22T09:12", "2027-03-13T12:00", "2027-03-14", 1),
        # by half an hour
        (
            "Australia/Lord_Howe",
            "2026-11-22T09:12",
            "2027-04-03T12:00",
            "2027-04-04",
            -0.5,
        ),
        # at midnight: the day that begins an hour late
        ("America/Havana", "2027-01-01T09:00", "2027-03-13T12:00", "2027-03-14", 1),
        # on a Friday
        ("Africa/Cairo", "2027-01-01T09:00", "2027-04-29T12:00", "2027-04-30", 1),
    ],
)
def test_the_clock_change_is_the_next_of_the_zone(zone, now, eve, day, hours):
    moment = found(CHANGE, calendar(zone=zone), at(now, zone))

    assert moment.at == at(eve, zone)
    assert moment.day == date.fromisoformat(day)
    assert moment.shift == timedelta(hours=hours)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
def test_a_zone_may_never_change_its_clocks(zone):
    assert found(CHANGE, calendar(zone=zone)).at is None


def test_the_change_is_found_whatever_the_second_of_now():
    for second in range(0, 86_400, 7_919):
        now = SUNDAY + timedelta(seconds=second, microseconds=second)
        assert found(CHANGE, now=now).day == date(2027, 3, 28)


def test_without_a_calendar_the_zone_is_that_of_now():
    berlin, fixed = moments(None, SUNDAY), moments(None, utc("2026-11-22T09:12"))

    assert berlin[0].at == SUNDAY
    assert berlin[3].at == at("2027-03-27T12:00")
    assert fixed[3].at is None
    assert [m.at for m in (berlin[2], fixed[2])] == [None, None]


def test_an_evening_that_the_clocks_skip_moves_on():
    # Samoa left out Friday, 30 December 2011
    samoa = ZoneInfo("Pacific/Apia")
    moment = moments(None, datetime(2011, 12, 28, tzinfo=samoa))[1]

    assert f"{moment.at:%a %d %H:%M}" == "Sat 31 18:30"


def test_naive_moments_are_refused():
    with pytest.raises(ValueError, match="not an aware"):
        moments(None, datetime(2026, 11, 22))


WEEKDAYS = ("mon", "tue", "wed", "thu", "fri")


def terms(*targets, days=WEEKDAYS):
    hours = {day: [["09:00", "17:00"]] for day in days}
    return parse_terms(
        {
            "calendar": {"zone": "Europe/Berlin", "hours": hours},
            "targets": [
                {"metric": metric, "priority": 3, "amount": amount, "unit": unit}
                for metric, amount, unit in targets
            ],
        }
    )


def test_each_promise_of_the_priority_is_due_in_its_unit():
    promised = terms(
        ("resolution", 2, "business days"),
        ("first contact", 3600, "business seconds"),
        ("statutory", 86_400, "calendar seconds"),
    )

    assert dues(promised, 3, at("2027-03-27T12:00")) == {
        Metric.FIRST_CONTACT: at("2027-03-29T10:00"),
        Metric.RESOLUTION: at("2027-03-31T09:00"),
        Metric.STATUTORY: at("2027-03-28T13:00"),  # that night has one hour less
    }
    assert dues(promised, 1, SUNDAY) == {}


def test_what_the_calendar_never_reaches_is_due_never():
    never = terms(("first contact", 60, "business seconds"), days=())

    assert dues(never, 3, SUNDAY) == {Metric.FIRST_CONTACT: None}
