import doctest
from datetime import timedelta

import pytest

from cem_cases.admin import words
from cem_cases.models import Case, Clock, Rule
from tests import make


def test_the_examples_hold():
    assert doctest.testmod(words).failed == 0


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (timedelta(0), ("overdue by less than a minute", "late")),
        (timedelta(hours=-3), ("overdue by 3 h", "late")),
        (timedelta(minutes=125), ("due in 2 h 5 min", "soon")),
        (timedelta(hours=5), ("due in 5 h", "later")),
        (timedelta(days=1, hours=4), ("due in 1 d 4 h", "later")),
        (timedelta(days=9, hours=4), ("due in 9 d", "later")),
    ],
)
def test_due_in_words(left, said):
    case = Case(status="open", due_at=make.MONDAY + left)

    assert words.due(case, make.MONDAY) == words.Said(*said)


@pytest.mark.parametrize("case", [Case(status="new"), Case(status="resolved")])
def test_a_case_without_a_running_clock_is_not_due(case):
    assert words.due(case, make.MONDAY) == words.Said("—", "none")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"cancelled_at": make.MONDAY}, ("cancelled", "quiet")),
        (
            {"cancelled_at": make.MONDAY, "cancel_cause": "no complaint"},
            ("cancelled (no complaint)", "quiet"),
        ),
        ({"completed_at": make.MONDAY}, ("done in time", "good")),
        ({"completed_at": make.MONDAY + 3 * make.HOUR}, ("done late", "late")),
        (
            # late with the target it had then, and in time with a later one
            {
                "completed_at": make.MONDAY,
                "breached_at": make.MONDAY,
                "breach_cause": "target changed",
            },
            ("done late (target changed)", "late"),
        ),
        (
            {"completed_at": make.MONDAY, "paused_at": make.MONDAY},
            ("done in time, ended while paused", "good"),
        ),
        ({}, ("due in 2 h", "soon")),
        (
            {"breached_at": make.MONDAY, "breach_cause": "target changed"},
            ("due in 2 h, was overdue before", "late"),
        ),
        ({"paused_at": make.MONDAY}, ("paused", "paused")),
        (
            {"paused_at": make.MONDAY, "breached_at": make.MONDAY},
            ("paused, was overdue before", "late"),
        ),
        ({"paused_at": make.MONDAY + 3 * make.HOUR}, ("overdue, paused", "late")),
    ],
)
def test_a_clock_in_words(fields, said):
    clock = Clock(due_at=make.MONDAY + 2 * make.HOUR, **fields)

    assert words.clock(clock, make.MONDAY) == words.Said(*said)


def test_a_case_of_which_no_clock_ticks_says_until_when_it_waits():
    case = Case(status="pending", waiting_until=make.MONDAY + make.DAY)

    assert words.due(case, make.MONDAY).text == "waits until Tue 4 Mar, 09:00"


def test_a_moment_of_another_year_says_so():
    assert words.when(make.MONDAY, make.MONDAY + 365 * make.DAY) == (
        "Mon 3 Mar 2025, 09:00"
    )


@pytest.mark.parametrize(
    ("hours", "said"),
    [
        (2, "Mon 3 Mar, 09:00 \N{EN DASH} 11:00"),
        (24, "Mon 3 Mar, 09:00 \N{EN DASH} Tue 4 Mar, 09:00"),
    ],
)
def test_a_stretch_says_its_day_once(hours, said):
    end = make.MONDAY + hours * make.HOUR

    assert words.stretch(make.MONDAY, end, make.MONDAY) == said


def test_every_band_has_a_tone():
    from cem_cases.rules.facts import BANDS

    assert set(words.TONES) == set(BANDS)


def test_a_response_without_a_score():
    assert words.band(None, "") == words.Said("—", "none")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (None, "—"),
        (True, "yes"),
        ({"a": [1, False]}, "a: 1, no"),
    ],
)
def test_values_as_people_write_them(found, said):
    assert words.value(found) == said


def test_a_badge_is_inert():
    assert "<script>" not in words.Said("<script>", "bad").badge()


def test_a_rule_that_cannot_be_read_says_so():
    assert words.rule_sentence(Rule(conditions={"fact": "scor"})) == (
        "Cannot be read: conditions.fact: 'scor' is not a fact. Did you mean 'score'?"
    )
