from datetime import date
from zoneinfo import ZoneInfo

import pytest

from cem_cases.sla import WEEKDAYS, Calendar, InvalidCalendar, parse_calendar
from tests.sla.make import openings

NINE_TO_FIVE = ["09:00", "17:00"]
OFFICE = {"zone": "Europe/Berlin", "hours": {"mon": [NINE_TO_FIVE]}}


def test_a_whole_calendar():
    raw = {
        "zone": "Europe/Berlin",
        "hours": {"mon": [["13:00", "24:00"], ["09:00", "12:30"]], "sun": []},
        "closed": ["2026-12-25"],
        "special": {"2026-12-24": [["09:00", "12:00"]], "2026-12-31": []},
    }

    assert parse_calendar(raw) == Calendar(
        ZoneInfo("Europe/Berlin"),
        {0: openings("09:00-12:30 13:00-24:00"), 6: ()},
        closed=frozenset({date(2026, 12, 25)}),
        special={date(2026, 12, 24): openings("09:00-12:00"), date(2026, 12, 31): ()},
    )


def test_every_weekday_has_its_number():
    hours = parse_calendar({"zone": "UTC", "hours": dict.fromkeys(WEEKDAYS, ())}).hours

    assert list(hours) == list(range(7))


def test_openings_may_touch():
    touching = [["12:00", "17:00"], ["09:00", "12:00"]]

    parsed = parse_calendar({"zone": "UTC", "hours": {"mon": touching}})

    assert parsed.hours[0] == openings("09:00-12:00 12:00-17:00")


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        # The whole.
        ([], "calendar: must be an object"),
        (OFFICE | {"holidays": []}, "holidays: unknown, choose from zone, hours, "),
        (OFFICE | {7: []}, "7: unknown"),
        # The zone.
        ({"hours": {}}, "zone: None is not a time zone such as Europe/Berlin"),
        (OFFICE | {"zone": 1}, "zone: 1 is not"),
        (OFFICE | {"zone": ["UTC"]}, r"zone: \['UTC'\] is not"),  # not hashable
        (OFFICE | {"zone": ""}, "zone: '' is not"),
        (OFFICE | {"zone": "Europe"}, "zone: 'Europe' is not"),  # a directory
        (OFFICE | {"zone": "europe/berlin"}, "zone: 'europe/berlin' is not"),  # case
        (OFFICE | {"zone": "../../etc/passwd"}, r"zone: '../../etc/passwd' is not"),
        (OFFICE | {"zone": "/etc/localtime"}, "zone: '/etc/localtime' is not"),
        (OFFICE | {"zone": "localtime"}, "zone: localtime is not"),  # the machine's
        (OFFICE | {"zone": "UTC\0"}, r"zone: 'UTC\\x00' is not"),
        (OFFICE | {"zone": "x" * 10**6}, r"zone: 'x{40}' is not"),  # cut
        (OFFICE | {"zone": [1] * 10**6}, r"zone: \[1, .*\.\.\. is not"),  # cut
        # Weekdays.
        (OFFICE | {"hours": []}, "hours: must be an object"),
        (OFFICE | {"hours": {"monday": []}}, "hours.monday: unknown, .* mon, tue, wed"),
        (OFFICE | {"hours": {"\n": []}}, r"hours.'\\n': unknown"),
        (OFFICE | {"hours": {"mon": None}}, "hours.mon: must be a list of openings"),
        # Openings.
        (
            OFFICE | {"hours": {"mon": ["09:00", "17:00"]}},
            r"hours.mon\[0\]: .* two times",
        ),
        (OFFICE | {"hours": {"mon": [["09:00"]]}}, r"hours.mon\[0\]: .* two times"),
        (
            OFFICE | {"hours": {"mon": [["09:00", 17]]}},
            r"hours.mon\[0\]: 17 is not a time",
        ),
        (OFFICE | {"hours": {"mon": [["9:00", "17:00"]]}}, "'9:00' is not a time"),
        (OFFICE | {"hours": {"mon": [["09:00", "24:01"]]}}, "'24:01' is not a time"),
        (OFFICE | {"hours": {"mon": [["09:60", "17:00"]]}}, "'09:60' is not a time"),
        (OFFICE | {"hours": {"mon": [["09:00\n", "17:00"]]}}, "is not a time"),
        (
            OFFICE | {"hours": {"mon": [["\u0660\u0669:\u0660\u0660", "17:00"]]}},
            "is not a time",
        ),  # digits too
        (
            OFFICE | {"hours": {"fri": [["22:00", "06:00"]]}},
            r"fri\[0\]: 22:00-06:00 must end",
        ),
        (
            OFFICE | {"hours": {"fri": [["09:00", "09:00"]]}},
            r"fri\[0\]: .* must end after",
        ),
        (
            OFFICE | {"hours": {"fri": [["24:00", "24:00"]]}},
            r"fri\[0\]: .* must end after",
        ),
        (
            OFFICE | {"hours": {"mon": [NINE_TO_FIVE, ["16:59", "18:00"]]}},
            r"^hours.mon\[1\]: overlaps 09:00-17:00$",
        ),
        (
            OFFICE
            | {"hours": {"mon": [["18:00", "19:00"], NINE_TO_FIVE, NINE_TO_FIVE]}},
            r"^hours.mon\[2\]: overlaps 09:00-17:00$",  # twice the same
        ),
        # Dates.
        (OFFICE | {"closed": "2026-12-25"}, "closed: must be a list of dates"),
        (
            OFFICE | {"closed": ["2026-12-25", "25.12."]},
            r"closed\[1\]: '25.12.' is not a date",
        ),
        (OFFICE | {"closed": ["2026-02-30"]}, r"closed\[0\]: 2026-02-30 is not a date"),
        (OFFICE | {"closed": ["20261225"]}, r"closed\[0\]: 20261225 is not a date"),
        (OFFICE | {"closed": [20261225]}, r"closed\[0\]: 20261225 is not a date"),
        (OFFICE | {"special": []}, "special: must be an object"),
        (OFFICE | {"special": {"xmas": []}}, "special.xmas: xmas is not a date"),
        (
            OFFICE | {"special": {"2026-12-24": [["12:00", "09:00"]]}},
            r"special.2026-12-24\[0\]: .* must end after",
        ),
    ],
)
def test_the_wrong_entry_is_named(raw, message):
    with pytest.raises(InvalidCalendar, match=message) as refused:
        parse_calendar(raw)

    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(
    "raw",
    [
        {"zone": "UTC"},  # no hours at all
        {"zone": "UTC", "hours": {"mon": []}},  # none on the only day
        {"zone": "UTC", "special": {"2027-01-02": [NINE_TO_FIVE]}},  # a day too late
        {"zone": "UTC", "special": {"2025-12-31": [NINE_TO_FIVE]}},  # a day too early
    ],
)
def test_a_calendar_without_an_opening_in_the_year_is_refused_when_asked(raw):
    with pytest.raises(
        InvalidCalendar, match=r"^hours: no opening in the year from 2026-01-01$"
    ):
        parse_calendar(raw, opens_within_year_of=date(2026, 1, 1))

    assert parse_calendar(raw).zone.key == "UTC"


def test_one_opening_in_the_year_is_enough():
    raw = {"zone": "Pacific/Apia", "special": {"2027-01-01": [["23:59", "24:00"]]}}

    assert parse_calendar(raw, opens_within_year_of=date(2026, 1, 1)).special
