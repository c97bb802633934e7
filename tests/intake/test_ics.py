import random
from datetime import date

import icalendar
import pytest
import recurring_ical_events

from cem_cases.intake import ics
from cem_cases.intake.refusals import FileRefused

FIRST, LAST = date(2025, 1, 1), date(2031, 12, 31)


def file(*events):
    """A calendar file with these events, each a text of lines."""
    within = "".join(f"BEGIN:VEVENT\n{event}\nEND:VEVENT\n" for event in events)
    text = f"BEGIN:VCALENDAR\nVERSION:2.0\n{within}END:VCALENDAR\n"
    return text.replace("\n", "\r\n").encode()


def read(*events):
    return ics.read(file(*events), first=FIRST, last=LAST)


def days(*events):
    return [(str(entry.day), entry.name) for entry in read(*events).entries]


def reasons(*events):
    return [refused.reason for refused in read(*events).refused]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ("DTSTART;VALUE=DATE:20260501\nSUMMARY:May Day", [("2026-05-01", "May Day")]),
        # many programs leave the parameter out, or write another one
        ("DTSTART:20260501", [("2026-05-01", "")]),
        ('DTSTART;X="a:b;c";VALUE=DATE:20260501', [("2026-05-01", "")]),
        ("dtstart:20260501\nsummary:low", [("2026-05-01", "low")]),
        # the end does not belong to it
        (
            "DTSTART:20261231\nDTEND:20270102\nSUMMARY:Ball",
            [("2026-12-31", "Ball"), ("2027-01-01", "Ball")],
        ),
        ("DTSTART:20261231\nDTEND:20261231", [("2026-12-31", "")]),
        ("DTSTART:20261231\nDURATION:P2D", [("2026-12-31", ""), ("2027-01-01", "")]),
        # only what lies in the years asked for
        ("DTSTART:20311231\nDTEND:20320105", [("2031-12-31", "")]),
        ("DTSTART:20241230\nDTEND:20250102", [("2025-01-01", "")]),
        ("DTSTART:20260501\nSUMMARY:a\\, b\\; c\\nd\\\\", [("2026-05-01", "a, b; c d\\")]),
        # folded in the middle of a word, and once by a tab
        ("DTSTART:2026\n 0501\nSUMMARY:May\n\t Day", [("2026-05-01", "May Day")]),
        ("DTSTART:20260501\nSUMMARY:a\x00b\x1b[31m\u202ec", [("2026-05-01", "a b [31m c")]),
        ("DTSTART:20260501\nSUMMARY:😀 שָׁלוֹם", [("2026-05-01", "😀 שָׁלוֹם")]),
        (
            "DTSTART:20260501\nBEGIN:VALARM\nDTSTART:20270101\nSUMMARY:x\nEND:VALARM",
            [("2026-05-01", "")],
        ),
    ],
)  # fmt: skip
def test_an_event_of_whole_days_names_them(event, expected):
    assert days(event) == expected


def test_a_yearly_event_is_laid_out_over_the_years():
    found = days("DTSTART:20200101\nRRULE:FREQ=YEARLY\nSUMMARY:New Year")

    assert found == [(f"{year}-01-01", "New Year") for year in range(2025, 2032)]


def test_a_repetition_of_several_days_may_begin_before_the_years():
    found = days("DTSTART:20231231\nDTEND:20240102\nRRULE:FREQ=YEARLY;UNTIL=20251231")

    assert [day for day, _ in found] == ["2025-01-01", "2025-12-31", "2026-01-01"]


def test_days_are_taken_out_of_a_repetition_and_put_to_it():
    found = days(
        "UID:1\nDTSTART:20250601\nRRULE:FREQ=YEARLY;COUNT=4\nSUMMARY:Fair\n"
        "EXDATE;VALUE=DATE:20260601\nRDATE;VALUE=DATE:20300105,20300106",
        # in 2027 it was moved; in 2028 it only has another name
        "UID:1\nRECURRENCE-ID;VALUE=DATE:20270601\nDTSTART:20270603\nSUMMARY:Fair",
        "UID:1\nRECURRENCE-ID;VALUE=DATE:20280601\nDTSTART:20280601\nSUMMARY:Big fair",
        "DTSTART:20270601\nSUMMARY:Another",
    )

    assert found == [
        ("2025-06-01", "Fair"),
        ("2027-06-01", "Another"),
        ("2027-06-03", "Fair"),
        ("2028-06-01", "Big fair"),
        ("2030-01-05", "Fair"),
        ("2030-01-06", "Fair"),
    ]


def test_several_names_of_a_day_are_joined_once_each_and_cut():
    event = "DTSTART:20260501\nSUMMARY:"

    assert days(event + "b", event + "a", event + "b", event) == [
        ("2026-05-01", "b; a")
    ]
    ((_, name),) = days(*(f"{event}{n}{'x' * 90}" for n in range(50)))
    assert len(name) == ics.MAX_NAME


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ("DTSTART:20260501T090000", "It has a time of day; only whole days are taken."),
        ("DTSTART;TZID=Europe/Berlin:20260501T000000", "It has a time of day"),
        ("DTSTART:20260501\nDTEND:20260501T120000Z", "It has a time of day"),
        ("DTSTART:20260501\nDURATION:PT8H", "It does not last for whole days."),
        ("SUMMARY:Some day", "It has no date."),
        ("DTSTART:soon", "Its DTSTART is not a date."),
        ("DTSTART:20260230", "Its DTSTART is not a date."),
        ("DTSTART:00000101", "Its DTSTART is not a date."),
        ("DTSTART;X=\"20260501", "Its DTSTART cannot be read."),
        ("DTSTART:20260501\nDTSTART:20260502", "It has DTSTART twice."),
        ("DTSTART:20260501\nDTEND:20260430", "It ends before it begins."),
        ("DTSTART:20260501\nDTEND:99991231", "It lasts for more than a year."),
        ("DTSTART:20260501\nSTATUS:CANCELLED", "It is cancelled."),
        ("DTSTART:20240501", "It falls on no day from 2025 to 2031."),
        ("DTSTART:20260501\nRRULE:FREQ=SECONDLY", "It repeats more often than daily."),
        ("DTSTART:20260501\nRRULE:FREQ=YEARLY\nEXRULE:FREQ=DAILY", "has EXRULE"),
        ("DTSTART:20260501\nRRULE:FREQ=YEARLY\nRRULE:FREQ=DAILY", "has RRULE twice"),
        ("DTSTART:19000501\nRRULE:FREQ=DAILY;COUNT=3", "counted from before 2010"),
        ("DTSTART:20260501\nRDATE;VALUE=PERIOD:20260501T000000Z/P1D", "Its RDATE is not"),
        (
            "UID:1\nRECURRENCE-ID;RANGE=THISANDFUTURE:20260501\nDTSTART:20260502",
            "It changes a repetition from one day on",
        ),
    ],
)  # fmt: skip
def test_what_names_no_whole_day_is_left_out_with_its_reason(event, reason):
    (found,) = reasons(event)

    assert found.startswith(reason) or reason in found


def test_what_is_left_out_is_named():
    found = read("DTSTART:20260501T090000\nSUMMARY:Breakfast\\, with all")

    assert found.refused[0].name == "Breakfast, with all"


MEGABYTE = 1024 * 1024
MAY = "DTSTART:20260501\nSUMMARY:x"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "does not begin with BEGIN:VCALENDAR"),
        (b"\x00" * 1000, "does not begin"),
        (b"PK\x03\x04", "does not begin"),
        (b"a" * MEGABYTE, "does not begin"),
        (b"/etc/passwd", "does not begin"),
        (random.Random(1).randbytes(MEGABYTE), "not UTF-8"),
        ("BEGIN:VCALENDAR".encode("utf-16"), "not UTF-8"),
        (b"a" * (MEGABYTE + 1), "larger than 1,048,576 bytes"),
        (b"BEGIN:VCALENDAR\n" + b"BEGIN:VEVENT\n" * 70_000, "breaks off"),
        (file(MAY)[:-25], "breaks off"),
        (b"BEGIN:VCALENDAR" + b"\n" * 1_000_000, "no events"),
        (b"BEGIN:VCALENDAR\nX:" + b"\n " * 400_000, "no events"),
        (b"BEGIN:VCALENDAR\nEND:VEVENT\nEND:VCALENDAR", "no events"),
        (file(*[MAY] * 2_001), "more than 2,000 events"),
        (file(*[MAY + "\nRRULE:FREQ=YEARLY"] * 301), "more than 300 repeating"),
        (file(MAY + "\nRRULE:FREQ=DAILY"), "more than 900 days"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.timeout(10)
def test_a_file_that_is_none_or_too_much_is_refused(data, reason):
    with pytest.raises(FileRefused, match=reason):
        ics.read(data, first=FIRST, last=LAST)


@pytest.mark.parametrize(
    ("events", "entries"),
    [
        (["DTSTART;X=" + '"' * 900_000 + ":20260501"], 1),
        (["DTSTART;X=" + '"x":' * 200_000 + ":20260501"], 0),
        (["DTSTART" + ';X="y"' * 140_000 + ":20260501"], 1),
        ([MAY + "\nRDATE:" + "20260501," * 110_000 + "20260501"], 1),
        (["DTSTART:20260501\nSUMMARY:" + "\\" * 1_000_000], 1),
        (["BEGIN:X\n" * 50_000 + "END:X\n" * 50_000 + MAY], 1),
        ([MAY + "\nRRULE:FREQ=YEARLY;BYSETPOS=" + "1," * 400_000 + "1"], 0),
        # 30 February, for which some look until the year 9999
        (["DTSTART:20260501\nRRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"] * 300, 1),
        # a few months each, over and over
        (["DTSTART:20250101\nDTEND:20250601\nRDATE:20250201,20250301"] * 2_000, 210),
    ],
)
@pytest.mark.timeout(10)
def test_hostile_events_cost_little(events, entries):
    assert len(read(*events).entries) == entries


def test_another_reader_finds_the_same_days():
    data = file(
        "UID:1\nDTSTART;VALUE=DATE:20200101\nRRULE:FREQ=YEARLY\nSUMMARY:New Year",
        "UID:2\nDTSTART;VALUE=DATE:20201126\nRRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=4TH",
        "UID:3\nDTSTART;VALUE=DATE:20251227\nDTEND;VALUE=DATE:20260102\nRRULE:FREQ=YEARLY;COUNT=3",
        "UID:4\nDTSTART;VALUE=DATE:20260403\nSUMMARY:Good Friday",
        "UID:1\nRECURRENCE-ID;VALUE=DATE:20270101\nDTSTART;VALUE=DATE:20270104",
    )  # fmt: skip

    events = recurring_ical_events.of(icalendar.Calendar.from_ical(data)).between(
        FIRST, date(2032, 1, 1)
    )

    theirs = {
        date.fromordinal(day)
        for event in events
        for day in range(event.start.toordinal(), event.end.toordinal())
    }
    mine = {entry.day for entry in ics.read(data, first=FIRST, last=LAST).entries}
    assert mine == theirs
