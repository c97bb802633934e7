import time

import pytest

from cem_cases.rules import (
    AllOf,
    AnyOf,
    Condition,
    Not,
    Notify,
    OpenCase,
    Priority,
    Rule,
    SetPriority,
    SetTeam,
    lint,
)

RECEIVED = "response received"
LOW, LOWER = Condition("score", "at most", 6), Condition("score", "at most", 3)
HIGH = Condition("score", "at least", 9)
TEAM, OPEN, URGENT = SetTeam("a"), OpenCase(), SetPriority(Priority.URGENT)


def rule(key, conditions, *actions, stop=False):
    return Rule(key, 1, f"R{key}", conditions, actions, stop)


def said(*rules, trigger=RECEIVED, about=None):
    found = lint.remarks(rules, trigger, about)
    return [(r.rule.key, r.other and r.other.key, r.matters) for r in found]


@pytest.mark.parametrize(
    ("tree", "where"),
    [
        (AllOf((LOW, HIGH)), "conditions.all[1]"),
        (AllOf((LOW, AllOf((LOWER, HIGH)))), "conditions.all[1].all[1]"),
        (AnyOf((AllOf((LOW, HIGH)), AllOf((LOW, HIGH)))), "conditions.any[0].all[1]"),
        (Not(AllOf()), "conditions"),
        (Condition("history.cases_in_days.9", "less than", 0), "conditions"),
        # only all three exclude each other
        (
            AllOf(
                (
                    AnyOf((LOW, HIGH)),
                    Condition("score", "more than", 6),
                    Condition("score", "less than", 9),
                )
            ),
            "conditions.all",
        ),
    ],
    ids=str,
)
def test_a_contradiction_is_pointed_at(tree, where):
    found = lint.contradiction(tree)

    assert found is not None
    assert found.path == where


def test_alternatives_that_never_hold_are_pointed_at():
    never = AllOf((LOW, HIGH))
    tree = AllOf((AnyOf((LOW, never)), AnyOf((HIGH, AnyOf((LOW, never))))))

    assert lint.contradiction(tree) is None
    assert [found.path for found in lint.dead_branches(tree)] == [
        "conditions.all[0].any[1].all[1]",
        "conditions.all[1].any[1].any[1].all[1]",
    ]


def test_conditions_have_their_paths():
    tree = AllOf((LOW, Not(AnyOf((HIGH, LOWER)))))

    assert list(lint.conditions_at(tree)) == [
        ("conditions.all[0]", LOW),
        ("conditions.all[1].not.any[0]", HIGH),
        ("conditions.all[1].not.any[1]", LOWER),
    ]
    assert list(lint.conditions_at(LOW)) == [("conditions", LOW)]


def test_a_rule_behind_one_that_stops_never_acts():
    stops = rule(1, LOW, OPEN, TEAM, stop=True)

    assert said(stops, rule(2, LOWER, OPEN)) == [(2, 1, True)]
    assert said(stops, rule(2, HIGH, OPEN, TEAM)) == []
    assert said(rule(2, LOWER, OPEN, TEAM), stops) == []
    assert said(stops, rule(2, LOWER, URGENT), trigger="case opened") == [(2, 1, True)]


def test_one_that_never_acts_stops_nobody():
    always = rule(1, AllOf(), OPEN, TEAM, stop=True)
    behind = rule(2, LOW, OPEN, stop=True)
    further = rule(3, LOWER, OPEN)

    assert said(always, behind, further) == [(2, 1, True), (3, 1, True)]


def test_of_two_that_open_only_a_difference_is_told():
    first, same = rule(1, LOW, OPEN, TEAM), rule(2, AllOf(), OPEN, TEAM)
    other = rule(2, AllOf(), OpenCase(Priority.HIGH), TEAM)

    assert said(first, same) == []
    assert said(first, other) == [(2, 1, False)]
    assert said(first, rule(2, LOWER, OPEN, TEAM)) == [(2, 1, True)]
    assert said(first, rule(2, HIGH, OpenCase(Priority.LOW), TEAM)) == []


def test_a_team_may_be_set_by_others():
    opens = rule(1, LOW, OPEN)

    assert said(opens) == [(1, None, True)]
    assert said(opens, rule(2, LOW, TEAM)) == []
    assert said(opens, rule(2, LOWER, TEAM)) == [(1, None, True)]
    stops = rule(1, LOW, OPEN, stop=True)
    assert (1, None, True) in said(stops, rule(2, AllOf(), TEAM))
    assert said(rule(2, AllOf(), TEAM), stops) == []


def test_what_needs_a_case_never_counts_without_one():
    opens = rule(1, LOW, OPEN, TEAM)

    assert said(opens, rule(2, HIGH, URGENT)) == [(2, None, True)]
    assert said(opens, rule(2, HIGH, Notify(users=("a",)))) == []
    assert said(rule(2, HIGH, URGENT), trigger="case opened") == []


def test_only_what_one_rule_is_part_of():
    rules = [rule(1, LOW, OPEN), rule(2, HIGH, OPEN), rule(3, HIGH, OPEN, TEAM)]

    assert said(*rules, about=1) == [(1, None, True)]
    assert said(*rules, about=3) == [(3, 2, True)]


def test_many_rules_are_looked_at_quickly():
    rules = [
        rule(n, AllOf((LOW, Condition("channel", "is", f"c{n}"))), OPEN, TEAM)
        for n in range(200)
    ]

    began = time.process_time()
    assert said(*rules) == []
    assert time.process_time() - began < 10
