from datetime import datetime

import pytest

from cem_cases.sla import Elapsed, due, elapsed, warn_at
from tests.sla.make import at, calendar

HOUR = 3600
OFFICE = calendar()


@pytest.mark.parametrize(
    ("office", "start", "seconds", "expected"),
    [
        (OFFICE, "2025-03-28 16:00", 2 * HOUR, "2025-03-31 10:00"),  # over a weekend
        (None, "2025-03-28 16:00", 2 * HOUR, "2025-03-28 18:00"),  # calendar time
        (None, "2025-03-29 22:00", 24 * HOUR, "2025-03-30 23:00"),  # a day of 23 hours
        (None, "2025-03-28 16:00", 0, "2025-03-28 16:00"),  # at once
        (OFFICE, "2025-03-29 16:00", 0, "2025-03-29 16:00"),  # at once, though closed
    ],
)
def test_due(office, start, seconds, expected):
    assert due(office, at(start), seconds) == at(expected)


@pytest.mark.parametrize(
    ("office", "percent", "expected"),
    [
        (OFFICE, 50, "2025-03-28 17:00"),  # half of two hours
        (OFFICE, 75, "2025-03-31 09:30"),  # goes on after the weekend
        (OFFICE, 100, "2025-03-31 10:00"),  # when it is due
        (None, 75, "2025-03-28 17:30"),  # calendar time
        (None, 33, "2025-03-28 16:39:36"),  # 2376 of 7200 seconds
    ],
)
def test_warn_at(office, percent, expected):
    assert warn_at(office, at("2025-03-28 16:00"), 2 * HOUR, percent) == at(expected)


def test_a_part_of_a_second_is_warned_early():
    start = at("2025-03-28 16:00")

    assert warn_at(None, start, 5, 50) == at("2025-03-28 16:00:02")


@pytest.mark.parametrize("percent", [0, 101, -5])
def test_warn_at_a_percentage(percent):
    with pytest.raises(ValueError, match="1 to 100"):
        warn_at(OFFICE, at("2025-03-28"), HOUR, percent)


@pytest.mark.parametrize(
    ("office", "start", "end", "expected"),
    [
        (OFFICE, "2025-03-28 16:00", "2025-03-31 10:00", (2, 65)),  # 1 hour was skipped
        (None, "2025-03-28 16:00", "2025-03-31 10:00", (65, 65)),  # calendar time
        (OFFICE, "2025-03-31 10:00", "2025-03-28 16:00", (0, 0)),  # backwards
        (None, "2025-03-31 10:00", "2025-03-28 16:00", (0, 0)),
    ],
)
def test_elapsed(office, start, end, expected):
    found = elapsed(office, at(start), at(end))

    assert found == Elapsed(*(hours * HOUR for hours in expected))


@pytest.mark.parametrize(
    "ask",
    [
        lambda naive: due(None, naive, HOUR),
        lambda naive: due(OFFICE, naive, HOUR),
        lambda naive: warn_at(None, naive, HOUR, 50),
        lambda naive: elapsed(None, naive, at("2025-03-28")),
        lambda naive: elapsed(OFFICE, at("2025-03-28"), naive),
    ],
)
def test_a_naive_datetime_is_refused(ask):
    with pytest.raises(ValueError, match="not an aware datetime"):
        ask(datetime(2025, 3, 28))


@pytest.mark.parametrize("seconds", [-1, 10**12, 10**15])
def test_a_target_without_an_instant_is_refused(seconds):
    with pytest.raises(ValueError, match=r"negative|9999"):
        due(None, at("2025-03-28"), seconds)
