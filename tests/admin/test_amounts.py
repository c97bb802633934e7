import doctest

import pytest
from django.core.exceptions import ValidationError

from cem_cases.admin import amounts

OPEN, CALENDAR, DAYS = (unit for unit, _ in amounts.UNITS)


def test_the_examples_hold():
    assert doctest.testmod(amounts).failed == 0


@pytest.mark.parametrize(
    ("text", "unit", "amount"),
    [
        ("4 h", OPEN, 14_400),
        ("4", OPEN, 14_400),  # hours are the unit
        ("4h", OPEN, 14_400),
        ("4 Hours", OPEN, 14_400),
        ("90 min", OPEN, 5_400),
        ("1 h 30 min", OPEN, 5_400),
        ("1h30m", OPEN, 5_400),
        ("1:30", OPEN, 5_400),
        ("1.5 h", OPEN, 5_400),
        ("1,5 h", OPEN, 5_400),
        ("  1   h  ", OPEN, 3_600),
        ("45 s", OPEN, 45),
        ("2 d", CALENDAR, 172_800),
        ("1 d 12 h", CALENDAR, 129_600),
        ("24", CALENDAR, 86_400),
        ("3", DAYS, 3),
        ("3 d", DAYS, 3),
        ("3 business days", DAYS, 3),
        ("1 day", DAYS, 1),
    ],
)
def test_what_is_typed_is_understood(text, unit, amount):
    assert amounts.parse(text, unit) == amount


@pytest.mark.parametrize(
    ("text", "unit", "message"),
    [
        ("soon", OPEN, "such as 4 h, 90 min or 1 h 30 min"),
        ("", OPEN, "such as 4 h"),
        ("-4 h", OPEN, "such as 4 h"),
        ("4 weeks", OPEN, "such as 4 h"),
        ("4 h sharp", OPEN, "such as 4 h"),
        ("1 h 30", OPEN, "what each number counts"),
        ("3 d", OPEN, "choose business days"),
        ("4 h", DAYS, "For hours, choose another unit"),
        ("1.5", DAYS, "whole"),
        ("0", OPEN, "more than 0"),
        ("0 d", DAYS, "more than 0"),
        ("0.0001 s", OPEN, "more than 0"),
        ("100000 h", OPEN, "at most 3660 days"),
        ("3000", DAYS, "at most 2500 days"),
        ("9" * 40, OPEN, "at most 3660 days"),
        ("9" * 10_000, DAYS, "at most 2500 days"),
        ("1" * 39 + "!", OPEN, "such as 4 h"),
        ("٤ h", OPEN, "such as 4 h"),
    ],
)
def test_what_is_not_understood_is_told_how_it_would_be_right(text, unit, message):
    with pytest.raises(ValidationError, match=message):
        amounts.parse(text, unit)


@pytest.mark.parametrize("unit", [OPEN, CALENDAR, DAYS])
@pytest.mark.parametrize("amount", [1, 59, 60, 90, 3_599, 3_600, 5_400, 90_061, 2_500])
def test_what_is_written_is_read_back_exactly(amount, unit):
    if unit == DAYS and amount > 2_500:
        return
    assert amounts.parse(amounts.write(amount, unit), unit) == amount


@pytest.mark.parametrize(
    ("text", "percents"),
    [("", []), ("75", [75]), ("75, 50", [50, 75]), ("50% 75 %", [50, 75])],
)
def test_percentages_are_read_and_written(text, percents):
    assert amounts.parse_percents(text) == percents
    assert amounts.parse_percents(amounts.write_percents(percents)) == percents


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("100", "from 1 to 99"),
        ("0", "from 1 to 99"),
        ("7.5", "from 1 to 99"),
        ("half", "from 1 to 99"),
        ("50, 50", "twice"),
        ("1 2 3 4 5 6", "At most 5"),
    ],
)
def test_percentages_that_are_none_are_refused(text, message):
    with pytest.raises(ValidationError, match=message):
        amounts.parse_percents(text)
