import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cem_cases.scores import (
    Tally,
    adjusted_wald,
    mean_interval,
    t_quantile,
    tally,
    wilson,
    z_quantile,
)
from cem_cases.scores.tally import tally_by

shares = st.floats(0, 1)
sizes = st.floats(0.5, 1e6)


@pytest.mark.parametrize(
    ("share", "n", "low", "high"),
    [
        (0.8, 10, 0.490162, 0.943318),  # 8 of 10
        (0.5, 4, 0.150039, 0.849961),  # symmetric around one half
        (0.0, 10, 0.0, 0.277533),  # nobody: z² / (n + z²)
        (1.0, 10, 0.722467, 1.0),  # everybody: n / (n + z²)
        (1.0, 1, 0.206549, 1.0),  # one answer
    ],
)
def test_wilson(share, n, low, high):
    assert wilson(share, n) == pytest.approx((low, high), abs=1e-6)


@pytest.mark.parametrize(
    ("up", "down", "n", "low", "high"),
    [
        # (2¾ - 1¾) / 7 ± z·√((4½/7 - 1/49) / 7)
        (0.5, 0.25, 4, -0.441599, 0.727313),
        # All passive: 0 ± z·√(1½/13 / 13)
        (0.0, 0.0, 10, -0.184647, 0.184647),
        # One promoter: (1¾ - ¾) / 4 ± z·¾/2, and 1 itself is kept inside.
        (1.0, 0.0, 1, -0.484987, 1.0),
    ],
)
def test_adjusted_wald(up, down, n, low, high):
    assert adjusted_wald(up, down, n) == pytest.approx((low, high), abs=1e-5)


@pytest.mark.parametrize(
    "interval", [lambda: wilson(0, 0), lambda: adjusted_wald(0, 0, 0)]
)
def test_without_answers_there_is_no_interval(interval):
    with pytest.raises(ValueError, match="without an answer"):
        interval()


@given(shares, sizes)
def test_wilson_contains_the_share_and_stays_a_share(share, n):
    low, high = wilson(share, n)

    assert 0 <= low <= share <= high <= 1


@given(shares, shares, sizes)
def test_adjusted_wald_contains_the_difference_and_stays_within_one(a, b, n):
    up, down = a, (1 - a) * b

    low, high = adjusted_wald(up, down, n)

    assert -1 <= low <= up - down <= high <= 1


@pytest.mark.parametrize(
    ("degrees", "expected"),
    [
        (1, 12.706),  # the first entry of the table
        (30, 2.042),  # its last
        (30.9, 2.042),  # parts of a degree are dropped
        (31, 2.0395),  # the first by expansion
        (60, 2.0003),  # as in every table
        (120, 1.9799),  # as in every table
    ],
)
def test_quantiles_of_student(degrees, expected):
    assert t_quantile(degrees) == pytest.approx(expected, abs=1e-4)


def test_the_quantile_of_student_becomes_that_of_the_normal_distribution():
    assert t_quantile(10**7) == pytest.approx(z_quantile(), abs=1e-6)
    with pytest.raises(ValueError, match="one degree"):
        t_quantile(0.9)


def test_one_answer_says_nothing_about_spread():
    assert mean_interval(5, 0, 1) is None
    assert mean_interval(5, 4, 4) == pytest.approx((1.818, 8.182))


def test_the_effective_number_of_answers():
    assert tally([1, 1, 2]).effective_n == pytest.approx(16 / 6)
    assert tally([3, 3, 3]).effective_n == pytest.approx(3)
    assert Tally.of(7).effective_n == 7
    assert tally([0, 0]) == Tally(2, 0, 0)
    assert tally([0, 0]).effective_n == 0


@pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf])
def test_a_weight_is_finite_and_not_negative(weight):
    with pytest.raises(ValueError, match="not a weight"):
        tally([1, weight])
    with pytest.raises(ValueError, match="no weight of"):
        Tally(1, weight, 1)


def test_there_is_one_weight_for_each_answer():
    with pytest.raises(ValueError, match="zip"):
        tally_by("ab", [1])
