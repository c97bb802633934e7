import pytest
from hypothesis import given

from cem_cases.rules import AllOf, AnyOf, Condition, Not, deciding
from cem_cases.rules.compiled import KEPT, compile_node
from tests.rules.trees import facts, trees


def outcome(node, known):
    conditions = []
    holds, places = compile_node(node, conditions)(known.get)
    return holds, [conditions[place] for place in places]


@given(trees(), facts, facts)
def test_what_is_compiled_says_what_the_tree_says(tree, known, other):
    conditions = []
    run = compile_node(tree, conditions)

    for seen in (known, other, known):  # the second time from memory
        holds, places = run(seen.get)
        assert holds is tree.holds(seen)
        assert all(conditions[place].holds(seen) is holds for place in places)
        decided = [str(conditions[place]) for place in places]
        assert decided == [str(c) for c in deciding(tree, seen)]


LOW = Condition("score", "at most", 6)
VIP = Condition("customer.annual_value", "more than", 100, "EUR")
SAD = Condition("comment", "contains", "sad")


@pytest.mark.parametrize(
    ("node", "known", "holds", "decided"),
    [
        (LOW, {"score": 6}, True, [LOW]),
        (Not(LOW), {"score": 6}, False, [Not(LOW)]),
        (Not(Not(LOW)), {"score": 6}, True, [LOW]),
        (AllOf(), {}, True, []),
        (AnyOf(), {}, False, []),
        (Not(AllOf()), {}, False, []),
        (AllOf((LOW, VIP, SAD)), {"score": 9}, False, [LOW]),
        (AllOf((LOW, VIP, SAD)), {"score": 1}, False, [VIP]),
        (AllOf((Not(LOW), Not(SAD))), {}, True, [Not(LOW), Not(SAD)]),
        (Not(AnyOf((LOW, SAD))), {}, True, [Not(LOW), Not(SAD)]),
        (AnyOf((AllOf((LOW, SAD)), VIP)), {"score": 1}, False, [SAD, VIP]),
        (AnyOf((AllOf((LOW,)), VIP)), {"score": 1}, True, [LOW]),
    ],
    ids=str,
)
def test_the_deciding_conditions_are_those_that_settled_it(node, known, holds, decided):
    assert outcome(node, known) == (holds, decided)


def test_money_is_compared_in_its_currency():
    holds = compile_node(VIP, [])

    for unit, expected in [("EUR", True), ("USD", False), (None, False)]:
        known = {"customer.annual_value": 500, "customer.currency": unit}
        assert holds(known.get)[0] is expected


def test_what_is_remembered_is_bounded():
    run = compile_node(LOW, [])

    for score in range(KEPT + 500):
        assert run({"score": score}.get)[0] is (score <= 6)
    assert run({"score": KEPT + 400}.get)[0] is False


@pytest.mark.parametrize("odd", [[1], {"a": 1}, True, "yes", 1, (), 2.0])
def test_an_answer_may_be_anything(odd):
    node = Condition("answer.q", "is", True)

    for found in (1, odd, True, odd):
        assert outcome(node, {"answer.q": found})[0] is node.holds({"answer.q": found})
