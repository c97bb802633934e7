"""Sentences of rules: each has one meaning."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cem_cases.rules import (
    CATALOGUE,
    FAMILIES,
    AllOf,
    AnyOf,
    Condition,
    Not,
    Trigger,
    in_words,
    parse_actions,
    sentence,
    words,
)
from cem_cases.rules.operators import OPERATORS
from cem_cases.rules.parse import ACTIONS

LOW = Condition("score", "at most", 6)
SMS = Condition("channel", "is", "sms")
VIP = Condition("wants_contact", "is", True)

CONDITIONS = [
    (LOW, "score is at most 6"),
    (SMS, "channel is “sms”"),
    (VIP, "wants contact is yes"),
    (Condition("score", "in", (1, 2)), "score is one of (1, 2)"),
    (Condition("score", "in", (1,)), "score is one of 1"),
    (Condition("sentiment", "less than", Decimal("-0.5")), "sentiment is below -0.5"),
    (
        Condition("customer.tenure_days", "at least", 365),
        "customer for is at least 365 days",
    ),
    (
        Condition("customer.annual_value", "more than", 10_000.5, "EUR"),
        "annual value is above 10,000.5 EUR",
    ),
    (Condition("clock.percent", "at least", 75), "used up is at least 75 %"),
    (Condition("channel", "is empty"), "channel is empty"),
    # not to be mistaken for the one before
    (Condition("channel", "is", "empty"), "channel is “empty”"),
    (
        Condition("comment", "contains any word", ("a", "b or c")),
        "comment contains any of the words (“a”, “b or c”)",
    ),
    (Condition("answer.why", "is", "late"), "the answer to “why” is “late”"),
    (Condition("customer.attribute.plan", "is", 3), "the attribute “plan” is 3"),
    (
        Condition("history.cases_in_days.90", "more than", 1),
        "cases in the 90 days before is above 1",
    ),
    (
        Condition("score", "in", tuple(range(12))),
        "(0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more)",
    ),
    (Condition("channel", "is", "x" * 200), f"“{'x' * 59}…”"),
    # groups
    (AllOf(()), "always"),
    (AnyOf(()), "never"),
    (AllOf((LOW, SMS)), "score is at most 6 and channel is “sms”"),
    (
        AllOf((LOW, AnyOf((SMS, VIP)))),
        "score is at most 6 and (channel is “sms” or wants contact is yes)",
    ),
    (AllOf((LOW, AnyOf((SMS,)))), "score is at most 6 and channel is “sms”"),
    (
        AnyOf((LOW, AnyOf((AllOf((SMS, VIP)),)))),
        "score is at most 6 or (channel is “sms” and wants contact is yes)",
    ),
    (Not(LOW), "not (score is at most 6)"),
    (Not(AnyOf((LOW, SMS))), "not (score is at most 6 or channel is “sms”)"),
    (Not(AnyOf((Not(LOW),))), "not (not (score is at most 6))"),
]


@pytest.mark.parametrize(("node", "said"), CONDITIONS, ids=lambda case: str(case)[:40])
def test_conditions_in_words(node, said):
    assert in_words(node).endswith(said)


RULES = [
    ("response received", AllOf(), {}, "For every response: mark it as a complaint."),
    ("response received", LOW, {}, "When score is at most 6: mark"),
    ("case opened", AllOf(), {}, "When a case is opened: mark"),
    (
        "case changed",
        AnyOf((LOW, SMS)),
        {},
        "When a case changes, if score is at most 6 or channel is “sms”: mark",
    ),
    (
        "no update",
        AllOf(),
        {"quiet_hours": 8},
        "When a case had no update for 8 business hours: mark",
    ),
]


@pytest.mark.parametrize(("trigger", "node", "more", "said"), RULES)
def test_rules_in_words(trigger, node, more, said):
    done = parse_actions([{"do": "mark as complaint"}], trigger=trigger)

    assert sentence(trigger, node, done, **more).startswith(said)


@pytest.mark.parametrize("trigger", Trigger)
def test_every_trigger_has_its_words(trigger):
    assert sentence(trigger, LOW, ()).startswith(("When a c", "When score"))


DONE = [
    ({"do": "open case", "priority": "high"}, "open a case with high priority"),
    (
        {"do": "open case", "kind": "praise"},
        "open a case of praise with normal priority",
    ),
    ({"do": "set priority", "priority": "low"}, "set its priority to low"),
    ({"do": "set team", "team": "care"}, "put it into team “Customer Care”"),
    ({"do": "set team", "team": "gone"}, "put it into team gone"),
    ({"do": "set owner", "user": "ada"}, "give it to ada"),
    ({"do": "add tags", "tags": ["a", "b c", "d"]}, "tag it a, “b c” and d"),
    ({"do": "set SLA policy", "policy": "Gold"}, "put it under the SLA policy Gold"),
    ({"do": "assign", "by": "round robin"}, "give it to whoever is next in turn"),
    (
        {
            "do": "assign",
            "by": ["account owner", "least loaded"],
            "skills": ["german", "legal"],
        },
        "give it to the customer's account owner, or else to whoever has the fewest "
        "cases (must know german and legal)",
    ),
    ({"do": "mark as complaint"}, "mark it as a complaint"),
    (
        {"do": "notify", "who": ["owner", "leads"], "users": ["ada"]},
        "notify the owner, the team's leads and ada",
    ),
    ({"do": "send template", "template": "sorry"}, "send the template sorry"),
    ({"do": "call webhook", "webhook": "crm"}, "call the webhook crm"),
    ({"do": "invite to survey", "survey": "nps"}, "invite to the survey nps"),
    (
        {"do": "invite to survey", "survey": "nps", "in_days": 1},
        "invite to the survey nps in 1 day",
    ),
]


@pytest.mark.parametrize(("raw", "said"), DONE)
def test_actions_in_words(raw, said):
    (action,) = parse_actions([raw])

    assert words.does(action, names={("team", "care"): "Customer Care"}) == said


def test_every_action_is_said():
    assert {raw["do"] for raw, _ in DONE} == set(ACTIONS)


def test_every_operator_and_fact_has_words():
    assert set(words.OPERATORS) <= set(OPERATORS)
    for fact in (*CATALOGUE.values(), *FAMILIES.values()):
        assert words.label_of(fact)
        assert words.group_of(fact) in words.GROUPS


LEAVES = st.sampled_from([LOW, SMS, VIP])
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: AllOf(tuple(parts))),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: AnyOf(tuple(parts))),
        inner.map(Not),
    ),
    max_leaves=8,
)


@given(TREES, TREES)
def test_trees_that_differ_are_said_differently(one, other):
    assert (in_words(one) == in_words(other)) is (one == other)


@given(TREES)
def test_a_sentence_read_as_logic_means_the_tree(tree):
    """Python's `and` and `or` never stand beside each other without brackets."""
    for facts in (
        {"score": score, "channel": channel, "wants_contact": wants}
        for score in (1, 9)
        for channel in ("sms", "web")
        for wants in (True, False)
    ):
        text = in_words(tree)
        for leaf in (LOW, SMS, VIP):
            text = text.replace(in_words(leaf), str(leaf.holds(facts)))
        assert eval(text) is tree.holds(facts)  # noqa: S307
