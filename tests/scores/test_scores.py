import pytest
from hypothesis import given
from hypothesis import strategies as st

from cem_cases.scores import (
    Tally,
    ces,
    ces_from_counts,
    ces_from_tallies,
    csat,
    csat_from_counts,
    csat_from_tallies,
    nps,
    nps_from_counts,
    nps_from_tallies,
    tally,
)

counts = st.integers(0, 5_000)
weights = st.floats(0.01, 100)


@pytest.mark.parametrize(
    ("promoters", "passives", "detractors", "score"),
    [
        (1436, 968, 342, 39.8398),  # SFO 2017, to four decimals
        (10, 0, 0, 100.0),  # all love it
        (0, 10, 0, 0.0),  # all are passive
        (0, 0, 10, -100.0),  # all leave
        (5, 0, 5, 0.0),  # they balance, which is not the same as passive
        (1, 0, 0, 100.0),  # one answer
    ],
)
def test_nps_from_counts(promoters, passives, detractors, score):
    found = nps_from_counts(
        promoters=promoters, passives=passives, detractors=detractors
    )

    assert found.score == pytest.approx(score, abs=5e-5)
    assert found.low <= found.score <= found.high
    assert found.high > found.low
    assert found.n == promoters + passives + detractors


def test_nps_of_answers():
    found = nps([10, 9, 8, 3])

    assert (found.promoters, found.passives, found.detractors) == (2, 1, 1)
    assert found.score == 25
    assert (found.low, found.high) == pytest.approx((-44.1599, 72.7313), abs=1e-3)


def test_nps_with_weights():
    found = nps([10, 8, 0], [2, 1, 1])

    assert found.score == 25  # (2 - 1) / 4
    assert (found.n, found.weight_sum) == (3, 4)
    assert found.effective_n == pytest.approx(16 / 6)


@pytest.mark.parametrize(
    "score",
    [
        nps([]),  # nobody answered
        nps([], []),
        nps([9, 2], [0, 0]),  # nobody's answer counts
        csat([]),
        csat([1], weights=[0]),
        ces([]),
        ces([1], weights=[0]),
    ],
)
def test_without_any_weight_there_is_no_score(score):
    assert (score.score, score.low, score.high) == (None, None, None)
    assert score.weight_sum == score.effective_n == 0


def test_an_answer_without_weight_is_counted_but_does_not_count():
    found = nps([10, 0], [1, 0])

    assert (found.n, found.detractors, found.score) == (2, 1, 100)


@given(counts, counts, counts.filter(bool))
def test_swapping_promoters_and_detractors_mirrors_nps(a, b, c):
    one = nps_from_counts(promoters=a, passives=b, detractors=c)
    other = nps_from_counts(promoters=c, passives=b, detractors=a)

    assert -100 <= one.low <= one.score <= one.high <= 100
    assert other.score == pytest.approx(-one.score)
    assert (other.low, other.high) == pytest.approx((-one.high, -one.low))


@given(st.lists(st.integers(0, 10), min_size=1), weights)
def test_equal_weights_change_nothing_in_nps(scores, weight):
    assert_same_score(nps(scores), nps(scores, [weight] * len(scores)))


@given(st.lists(st.integers(1, 5), min_size=1), weights)
def test_equal_weights_change_nothing_in_csat(scores, weight):
    assert_same_score(csat(scores), csat(scores, weights=[weight] * len(scores)))


@given(st.lists(st.integers(1, 7), min_size=2), weights)
def test_equal_weights_change_nothing_in_ces(scores, weight):
    weighted = ces(scores, weights=[weight] * len(scores))

    assert weighted.score == pytest.approx(ces(scores).score)
    assert weighted.easy_percent == pytest.approx(ces(scores).easy_percent)
    assert_same_score(ces(scores), weighted)


def assert_same_score(one, other):
    assert (other.score, other.low, other.high) == pytest.approx(
        (one.score, one.low, one.high), abs=1e-6
    )
    assert other.effective_n == pytest.approx(one.n)


@given(st.lists(st.tuples(st.integers(0, 10), st.integers(0, 5)), min_size=1))
def test_sums_made_elsewhere_give_the_same_nps(answers):
    scores, ws = zip(*answers, strict=True)
    promoters, passives, detractors = (
        tally(w for score, w in answers if low <= score <= high)
        for low, high in ((9, 10), (7, 8), (0, 6))
    )

    assert nps(scores, ws) == nps_from_tallies(
        promoters=promoters, passives=passives, detractors=detractors
    )


def test_csat_is_the_share_of_the_top_two_boxes():
    found = csat([5, 5, 5, 5, 4, 4, 4, 4, 3, 1])

    assert found.score == pytest.approx(80)
    assert (found.satisfied, found.neutral, found.dissatisfied) == (8, 1, 1)
    assert (found.low, found.high) == pytest.approx((49.0162, 94.3318), abs=1e-3)
    assert found == csat_from_counts(satisfied=8, neutral=1, dissatisfied=1)


def test_csat_with_weights_and_another_scale():
    found = csat([10, 9, 8], scale_min=1, scale_max=10, weights=[1, 1, 2])

    assert found.score == 50
    assert found == csat_from_tallies(
        satisfied=Tally.of(2), neutral=tally([2]), dissatisfied=Tally()
    )


@given(counts, counts, counts.filter(bool))
def test_csat_is_a_percentage_within_its_interval(a, b, c):
    found = csat_from_counts(satisfied=a, neutral=b, dissatisfied=c)

    assert 0 <= found.low <= found.score <= found.high <= 100


def test_ces_is_the_mean_and_the_share_that_found_it_easy():
    found = ces([7, 6, 5, 2])

    assert (found.score, found.easy_percent) == (5, 75)
    assert (found.easy, found.neutral, found.difficult) == (3, 0, 1)
    # 5 ± 3.182·√(14/3 / 4), cut at the end of the scale
    assert (found.low, found.high) == pytest.approx((1.56305, 7), abs=1e-4)
    assert found == ces_from_counts({7: 1, 6: 1, 5: 1, 2: 1})


def test_one_answer_has_a_ces_but_no_interval():
    found = ces([4])

    assert (found.score, found.low, found.high, found.neutral) == (4, None, None, 1)


def test_ces_with_weights():
    found = ces([7, 1], weights=[3, 1])

    assert (found.score, found.easy_percent) == (5.5, 75)
    assert found.effective_n == pytest.approx(1.6)
    assert found == ces_from_tallies({7: tally([3]), 1: tally([1])})


@given(st.dictionaries(st.integers(0, 10), counts.filter(bool), min_size=1))
def test_ces_lies_within_its_interval_on_the_scale(answers):
    found = ces_from_counts(answers, scale_min=0, scale_max=10)

    assert 0 <= found.score <= 10
    if found.low is not None:
        assert 0 <= found.low <= found.score + 1e-9
        assert found.score - 1e-9 <= found.high <= 10


@pytest.mark.parametrize(
    "refused",
    [
        lambda: nps([11]),  # off the scale
        lambda: csat([0]),
        lambda: ces([8]),
        lambda: ces_from_counts({8: 1}),
        lambda: nps([9], [-1]),  # a negative weight
        lambda: nps([9, 9], [1]),  # a weight is missing
        lambda: nps_from_counts(promoters=-1, passives=0, detractors=0),
    ],
)
def test_wrong_answers_are_refused_rather_than_counted(refused):
    with pytest.raises(ValueError):  # noqa: PT011 - each says something else
        refused()
