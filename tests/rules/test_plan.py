from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cem_cases.rules import (
    AddTags,
    AllOf,
    Assign,
    CaseKind,
    Condition,
    Look,
    MarkComplaint,
    Not,
    Notify,
    OpenCase,
    Priority,
    Rule,
    RuleSet,
    SendTemplate,
    SetOwner,
    SetPolicy,
    SetPriority,
    SetTeam,
    Strategy,
    decide,
    deciding,
    read_looks,
    seen,
)
from cem_cases.rules import plan as plan_module
from tests.rules.trees import facts, trees

LOW = Condition("score", "at most", 6)
VIP = Condition("customer.annual_value", "more than", 10_000)
ALWAYS = AllOf()


def rule(key, conditions, *actions, stop=False, version=1):
    return Rule(key, version, f"Rule {key}", conditions, actions, stop)


def decision(rules, known):
    return RuleSet(rules).plan(known).decision


def looks(rules, known, among=None):
    ruleset = RuleSet(rules)
    return read_looks(ruleset.explain(ruleset.plan(known, among), known))


def test_nothing_matches_and_nothing_is_decided():
    found = decision([rule(1, LOW, OpenCase())], {"score": 9})

    assert (found.opened_by, found.priority, found.matched) == (None, None, ())


def test_the_first_rule_that_opens_is_the_one_that_counts():
    first = rule(1, LOW, OpenCase(Priority.LOW, CaseKind.PRAISE))
    second = rule(2, LOW, OpenCase(Priority.URGENT))

    found = decision([first, second], {"score": 1})

    assert (found.opened_by, found.priority, found.kind) == (
        first,
        Priority.LOW,
        CaseKind.PRAISE,
    )
    assert found.matched == (first, second)


def test_a_priority_that_is_set_beats_the_one_of_the_opening_wherever_it_stands():
    opens = rule(1, LOW, OpenCase(Priority.LOW))
    raises = rule(2, VIP, SetPriority(Priority.URGENT))
    known = {"score": 1, "customer.annual_value": 20_000}

    for rules in ([opens, raises], [raises, opens]):
        assert decision(rules, known).priority is Priority.URGENT


def test_without_a_case_a_priority_is_set_only_by_a_rule():
    assert decision([rule(1, ALWAYS, SetTeam("x"))], {}).priority is None
    urgent = rule(1, ALWAYS, SetPriority(Priority.URGENT))
    assert decision([urgent], {}).priority is Priority.URGENT


def test_of_several_the_last_counts_and_of_tags_and_effects_all():
    robin, least = (Assign((s,)) for s in (Strategy.ROUND_ROBIN, Strategy.LEAST_LOADED))
    tell, write = Notify(users=("ada",)), SendTemplate("sorry")
    first = rule(
        1, ALWAYS, OpenCase(), SetTeam("north"), robin, SetOwner("a"),
        SetPolicy("Gold"), AddTags(("x", "y")), tell,
    )  # fmt: skip
    second = rule(
        2, ALWAYS, SetTeam("south"), least, SetOwner("b"), SetPolicy("Base"),
        AddTags(("y", "z")), MarkComplaint(), write,
    )  # fmt: skip

    found = decision([first, second], {})

    assert (found.team, found.assign, found.owner) == ("south", least, "b")
    assert (found.policy, found.is_complaint) == ("Base", True)
    assert found.tags == ("x", "y", "z")
    assert found.effects == ((first, tell), (second, write))


def test_stop_ends_the_looking_where_the_rule_holds():
    rules = [
        rule(1, LOW, OpenCase(), stop=True),
        rule(2, ALWAYS, SetPriority(Priority.URGENT)),
    ]

    assert decision(rules, {"score": 1}).priority is Priority.NORMAL
    assert [look.rule for look in looks(rules, {"score": 1})] == [1]
    assert [look.rule for look in looks(rules, {"score": 9})] == [1, 2]


def test_only_the_rules_asked_for_are_looked_at():
    rules = [rule(n, ALWAYS, SetTeam(f"t{n}"), stop=n == 2) for n in (1, 2, 3)]

    assert RuleSet(rules).plan({}, among={1, 3}).decision.team == "t3"
    assert [look.rule for look in looks(rules, {}, among={1, 3})] == [1, 3]
    assert looks(rules, {}, among=()) == []


def test_the_explanation_names_what_decided():
    rules = [
        rule(1, AllOf((LOW, VIP)), OpenCase(), version=7),
        rule(2, ALWAYS, OpenCase()),
    ]

    assert looks(rules, {"score": 3}) == [
        Look(1, 7, False, "customer.annual_value more than 10000 (was missing)"),
        Look(2, 1, True, "always"),
    ]


def test_values_that_differ_are_told_apart_in_explanations():
    ruleset = RuleSet([rule(1, VIP, OpenCase())])
    known = {"customer.annual_value": Decimal(500)}

    for unit in ("EUR", "USD"):
        known |= {"customer.currency": unit}
        said = ruleset.explain(ruleset.plan(known), known)
        assert f"(was 500 {unit})" in said


@pytest.mark.parametrize("name", ["comment", "answer.q", "customer.attribute.a"])
@pytest.mark.parametrize("wanted", ["secret", "other"])
def test_private_values_are_never_in_an_explanation(name, wanted):
    tree = AllOf(
        (Condition(name, "is", "other"), Not(Condition(name, "contains", "x")))
    )
    ruleset = RuleSet([rule(1, tree, OpenCase()), rule(2, Not(tree), OpenCase())])
    known = {name: wanted}

    assert "secret" not in ruleset.explain(ruleset.plan(known), known)


def test_a_rule_set_knows_which_facts_it_asks_for():
    rules = [rule(1, AllOf((LOW, VIP)), OpenCase()), rule(2, ALWAYS, OpenCase())]

    assert RuleSet(rules).facts == {
        "score",
        "customer.annual_value",
        "customer.currency",
    }


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(plan_module, "KEPT", 5)
    ruleset = RuleSet([rule(1, LOW, OpenCase()), rule(2, VIP, OpenCase())])

    for score in range(40):
        known = {"score": score, "customer.annual_value": score * 1_000}
        said = ruleset.explain(ruleset.plan(known), known)
        assert f"(was {score})" in said
    assert sum(map(len, ruleset._said)) <= 5


def reference(rules, known, among):
    """What `RuleSet` says, slowly."""
    looked_at, matched = [], []
    for each in rules:
        if among is not None and each.key not in among:
            continue
        holds = each.conditions.holds(known)
        because = "; ".join(seen(c, known) for c in deciding(each.conditions, known))
        looked_at.append(Look(each.key, each.version, holds, because or "always"))
        if holds:
            matched.append(each)
            if each.stop:
                break
    return decide(matched), looked_at


actions = st.sampled_from(
    [OpenCase(), SetTeam("a"), SetPriority(Priority.HIGH), AddTags(("x",))]
)
rulesets = st.lists(
    st.tuples(trees(max_leaves=4), actions, st.booleans()), max_size=4
).map(
    lambda rows: [
        rule(n, tree, action, stop=stop) for n, (tree, action, stop) in enumerate(rows)
    ]
)


@given(rulesets, st.lists(facts, max_size=3), st.none() | st.sets(st.integers(0, 3)))
def test_plan_and_explanation_are_those_of_the_reference(rules, answers, among):
    ruleset = RuleSet(rules)

    for known in answers:
        expected, looked_at = reference(rules, known, among)
        plan = ruleset.plan(known, among)
        text = ruleset.explain(plan, known)
        assert plan.decision == expected
        assert _plain(read_looks(text)) == _plain(looked_at)


def _plain(looks):
    """Without what equal numbers look like: 5 and 5.00 share a sentence."""
    return [
        (look.rule, look.version, look.matched, look.because.split(" (was")[0])
        for look in looks
    ]
