import doctest
from datetime import timedelta

import pytest

from cem_cases.admin import words
from cem_cases.models import Case, Clock
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
        ({"completed_at": make.MONDAY}, ("done in time", "good")),
        ({"completed_at": make.MONDAY + 3 * make.HOUR}, ("done late", "late")),
        ({}, ("due in 2 h", "soon")),
    ],
)
def test_a_clock_in_words(fields, said):
    clock = Clock(due_at=make.MONDAY + 2 * make.HOUR, **fields)

    assert words.clock(clock, make.MONDAY) == words.Said(*said)


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
    assert words.rule_sentence({"fact": "scor"}) == (
        "Cannot be read: conditions.fact: 'scor' is not a fact. Did you mean 'score'?"
    )
