from collections import Counter

import pytest

from cem_cases.rules import Candidate, Strategy, choose


def candidate(number, load=0, capacity=None, last=0, **fields):
    return Candidate(number, f"user-{number}", load, capacity, last, **fields)


@pytest.mark.parametrize("strategy", Strategy)
def test_nobody_is_chosen_who_may_not_take_a_case(strategy):
    candidates = [
        candidate(1, absent=True),
        candidate(2, inactive=True),
        candidate(3, load=2, capacity=2),
        candidate(4, capacity=0),
    ]

    choice = choose(candidates, strategy)

    assert choice.winner is None
    assert [(v.verdict, v.rank) for v in choice.verdicts] == [
        ("absent", None),
        ("inactive", None),
        ("at capacity", None),
        ("at capacity", None),
    ]


def test_least_loaded_breaks_ties_by_the_longest_wait_then_by_id():
    candidates = [candidate(1, load=1, last=5), candidate(2, load=1, last=3)]
    assert choose(candidates, Strategy.LEAST_LOADED).winner is candidates[1]

    candidates = [candidate(2, load=1), candidate(1, load=1)]
    assert choose(candidates, Strategy.LEAST_LOADED).winner is candidates[1]


def test_round_robin_goes_round_whatever_the_load():
    candidates = [candidate(n, load=n) for n in (1, 2, 3)]

    taken = Counter()
    for number in range(1, 32):
        winner = choose(candidates, Strategy.ROUND_ROBIN).winner
        winner.take(number)
        taken[winner.user] += 1

    assert max(taken.values()) - min(taken.values()) <= 1


def test_least_loaded_fills_up_evenly_and_stops_at_capacity():
    candidates = [candidate(1, capacity=3), candidate(2, load=2), candidate(3)]

    for number in range(1, 9):
        choose(candidates, Strategy.LEAST_LOADED).winner.take(number)

    assert [c.load for c in candidates] == [3, 4, 3]


def test_every_candidate_gets_a_verdict_and_the_eligible_a_rank():
    choice = choose(
        [candidate(1, load=2), candidate(2, absent=True), candidate(3)],
        Strategy.LEAST_LOADED,
    )

    assert {v.user: v.rank for v in choice.verdicts} == {
        "user-3": 1,
        "user-1": 2,
        "user-2": None,
    }
