from datetime import date, datetime, timedelta

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st

from cem_cases.intake.recurrence import WEEKDAYS, RecurrenceRefused, parse

FIRST, LAST = date(2025, 1, 1), date(2027, 12, 31)


def days(rule, start, *, first=FIRST, last=LAST):
    return list(map(str, parse(rule).days(start, first=first, last=last)))


@pytest.mark.parametrize(
    ("rule", "start", "expected"),
    [
        ("FREQ=YEARLY", date(2020, 12, 25), ["2025-12-25", "2026-12-25", "2027-12-25"]),
        # only in leap years, of which these three have none
        ("FREQ=YEARLY", date(2024, 2, 29), []),
        ("FREQ=YEARLY;INTERVAL=2", date(2020, 5, 1), ["2026-05-01"]),
        ("FREQ=YEARLY;UNTIL=20260101", date(2020, 1, 1), ["2025-01-01", "2026-01-01"]),
        ("FREQ=YEARLY;UNTIL=20251231T235959Z", date(2020, 1, 1), ["2025-01-01"]),
        # the first of the three is outside
        ("FREQ=YEARLY;COUNT=3", date(2024, 1, 1), ["2025-01-01", "2026-01-01"]),
        # the last Monday of May, written in two ways
        (
            "FREQ=YEARLY;BYMONTH=5;BYDAY=-1MO",
            date(2020, 5, 25),
            ["2025-05-26", "2026-05-25", "2027-05-31"],
        ),
        (
            "FREQ=YEARLY;BYMONTH=5;BYDAY=MO;BYSETPOS=-1",
            date(2020, 5, 25),
            ["2025-05-26", "2026-05-25", "2027-05-31"],
        ),
        # of the year, not of a month
        ("FREQ=YEARLY;BYDAY=53WE;COUNT=2", date(2020, 1, 1), ["2025-12-31"]),
        ("FREQ=DAILY;COUNT=3", date(2024, 12, 30), ["2025-01-01"]),
        (
            "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU",
            date(2025, 8, 5),
            ["2025-08-05", "2025-08-17", "2025-08-19", "2025-08-31"],
        ),
        ("FREQ=MONTHLY;BYMONTHDAY=-1;COUNT=2", date(2026, 1, 31), ["2026-01-31", "2026-02-28"]),
        ("FREQ=MONTHLY;UNTIL=20260401", date(2026, 1, 31), ["2026-01-31", "2026-03-31"]),
        # never
        ("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", date(2020, 1, 1), []),
        ("FREQ=YEARLY", date(9999, 1, 1), []),
        ("FREQ=YEARLY;UNTIL=00010101", date(1, 1, 1), []),
    ],
)  # fmt: skip
def test_a_rule_falls_on_these_days(rule, start, expected):
    assert days(rule, start) == expected


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("FREQ=SECONDLY", "more often than daily"),
        ("FREQ=HOURLY;COUNT=3", "more often than daily"),
        ("", "FREQ of its repetition cannot be read"),
        ("FREQ=OFTEN", "FREQ"),
        ("FREQ=YEARLY;BYYEARDAY=100", "has BYYEARDAY, which is not read"),
        ("FREQ=YEARLY;BYEASTER=1", "has BYEASTER"),
        ("FREQ=YEARLY;INTERVAL=0", "INTERVAL"),
        ("FREQ=YEARLY;INTERVAL=-1", "INTERVAL"),
        ("FREQ=YEARLY;INTERVAL=1,2", "INTERVAL"),
        ("FREQ=YEARLY;COUNT=99999999999", "COUNT"),
        ("FREQ=YEARLY;BYMONTH=13", "BYMONTH"),
        ("FREQ=YEARLY;BYMONTH=", "BYMONTH"),
        ("FREQ=YEARLY;BYMONTHDAY=0", "BYMONTHDAY"),
        ("FREQ=YEARLY;BYMONTHDAY=²", "BYMONTHDAY"),
        ("FREQ=YEARLY;BYDAY=0MO", "BYDAY"),
        ("FREQ=YEARLY;BYDAY=MONDAY", "BYDAY"),
        ("FREQ=WEEKLY;BYDAY=1MO", "BYDAY"),
        ("FREQ=YEARLY;UNTIL=tomorrow", "UNTIL"),
        ("FREQ=YEARLY;UNTIL=20260230", "UNTIL"),
        ("FREQ=YEARLY;WKST=XX", "WKST"),
        ("FREQ=YEARLY;BYSETPOS=" + "1," * 1000 + "1", "too long"),
    ],
)
def test_what_is_not_read_is_refused_by_name(rule, reason):
    with pytest.raises(RecurrenceRefused, match=reason):
        parse(rule)


# dateutil takes "1MO,TU" for what both hold of, begins weeks in their middle, and walks
# to the year 9999 where a rule never falls: rules are drawn of which none of it is true.
months = st.lists(st.integers(1, 12), max_size=3)
weekdays = st.lists(st.sampled_from(WEEKDAYS), max_size=3)


@st.composite
def rules(draw):
    frequency = draw(st.sampled_from(["YEARLY", "MONTHLY", "WEEKLY", "DAILY"]))
    parts = {"FREQ": frequency, "INTERVAL": draw(st.integers(1, 3))}
    parts["BYMONTH"] = ",".join(map(str, draw(months)))
    which = ""
    if frequency in ("YEARLY", "MONTHLY"):
        which = draw(st.sampled_from(["", "1", "2", "4", "-1", "-2"]))
    parts["BYDAY"] = ",".join(which + day for day in draw(weekdays))
    parts["WKST"] = draw(st.sampled_from(WEEKDAYS))
    if parts["BYDAY"] and frequency in ("YEARLY", "MONTHLY"):
        parts["BYSETPOS"] = draw(st.sampled_from(["", "1", "-1"]))
    end = draw(st.sampled_from(["", "COUNT=7", "UNTIL=20260701"]))
    text = ";".join(f"{name}={value}" for name, value in parts.items() if value)
    return f"{text};{end}".strip(";")


@settings(max_examples=60, deadline=None)
@given(rules(), st.dates(date(2015, 1, 1), date(2026, 12, 31)))
def test_the_days_are_those_of_dateutil(rule, start):
    theirs = rrulestr(rule, dtstart=datetime(start.year, start.month, start.day))
    expected = theirs.between(
        datetime(FIRST.year, 1, 1) - timedelta(1), datetime(LAST.year, 12, 31), inc=True
    )

    assert days(rule, start) == [
        str(at.date()) for at in expected if at.date() >= FIRST
    ]
