import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cem_cases.rules import (
    CATALOGUE,
    Assign,
    InvalidRule,
    OpenCase,
    Priority,
    SetPriority,
    SetTeam,
    Strategy,
    dump_conditions,
    parse_actions,
    parse_conditions,
)
from cem_cases.rules.operators import APPLIES, LISTS, UNARY
from cem_cases.rules.facts import Kind


def low(**changes):
    return {"fact": "score", "operator": "at most", "value": 6} | changes


WRONG = [
    # what is wrong, and the beginning of what is said about it
    ([1], "conditions: must be an object"),
    ({"score": 1}, "conditions: must have a fact, or exactly one of"),
    ({"all": [], "any": []}, "conditions: must have a fact"),
    ({"all": []}, "conditions.all: must be a list of at least one"),
    ({"all": "x"}, "conditions.all: must be a list"),
    ({"any": [low(), {"not": low(fact="scor")}]}, "conditions.any[1].not.fact: 'scor'"),
    (low(fact=None), "conditions.fact: must name a fact"),
    (low(fact=["score"]), "conditions.fact: must name a fact"),
    (low(fact="x" * 5000), "conditions.fact: 'xxx"),
    (low(operator="at mots"), "conditions.operator: 'at mots' is not an operator"),
    (low(operator="contains"), "conditions.operator: 'contains' is not an operator"),
    (low(operator=None), "conditions.operator: must name an operator"),
    (low(value="6"), "conditions.value: must be a number"),
    (low(value=True), "conditions.value: must be a number"),
    (low(value=[6]), "conditions.value: must be a number"),
    (low(value={"$gt": 0}), "conditions.value: must be a number"),
    (low(value=float("nan")), "conditions.value: must be a number"),
    (low(value=10**400), "conditions.value: must be a number"),
    (low(extra=1), "conditions: has 'extra'"),
    (low(operator="in", value=6), "conditions.value: must be a list"),
    (low(operator="in", value=[]), "conditions.value: must be a list"),
    (low(operator="in", value=[1, "2"]), "conditions.value[1]: must be a number"),
    (low(operator="in", value=[1] * 10_000), "conditions.value: must be a list of 1"),
    (low(operator="is empty"), "conditions.value: must be left out"),
    (low(fact="band", operator="is", value="bad"), "conditions.value: must be one of"),
    (low(fact="wants_contact", operator="is", value=1), "conditions.value: must be t"),
    (low(fact="comment", operator="contains", value=""), "conditions.value: must be "),
    (low(fact="answer.", operator="is", value="x"), "conditions.fact: 'answer.'"),
    (low(fact="answer.q", operator="contains", value=1), "conditions.value: must be"),
    ({"all": [low()] * 51}, "conditions.all[50]: is one condition more than 50"),
]


@pytest.mark.parametrize(("raw", "message"), WRONG)
def test_a_wrong_condition_is_pointed_at(raw, message):
    with pytest.raises(InvalidRule) as refusal:
        parse_conditions(raw)

    assert str(refusal.value).startswith(message)
    assert len(str(refusal.value)) < 600


def test_conditions_are_nested_within_reason():
    tree = low()
    for _ in range(11):
        tree = {"not": tree}

    with pytest.raises(InvalidRule, match="nested more than 10 deep"):
        parse_conditions(tree)


@pytest.mark.parametrize("nothing", [None, {}, []])
def test_no_conditions_mean_always(nothing):
    assert str(parse_conditions(nothing)) == "always"


def test_a_near_miss_is_named():
    with pytest.raises(InvalidRule, match="Did you mean 'touchpoint'"):
        parse_conditions(low(fact="touchpiont", operator="is", value="x"))


def values(name, operator):
    fact = CATALOGUE[name]
    one = {
        Kind.NUMBER: st.integers(-100, 100),
        Kind.CHOICE: st.sampled_from(fact.choices or ("-",)),
        Kind.BOOLEAN: st.booleans(),
    }.get(fact.kind, st.text(min_size=1, max_size=20))
    if operator in UNARY:
        return st.none()
    return st.lists(one, min_size=1, max_size=3) if operator in LISTS else one


@st.composite
def leaves(draw):
    name = draw(st.sampled_from(sorted(CATALOGUE)))
    operator = draw(st.sampled_from(APPLIES[CATALOGUE[name].kind]))
    value = draw(values(name, operator))
    leaf = {"fact": name, "operator": operator}
    return leaf if value is None else leaf | {"value": value}


trees = st.recursive(
    leaves(),
    lambda parts: st.one_of(
        st.builds(lambda p: {"all": p}, st.lists(parts, min_size=1, max_size=3)),
        st.builds(lambda p: {"any": p}, st.lists(parts, min_size=1, max_size=3)),
        st.builds(lambda p: {"not": p}, parts),
    ),
    max_leaves=8,
)


@given(trees)
def test_what_is_read_is_what_was_written(tree):
    assert dump_conditions(parse_conditions(tree, known=rules.FOR_POLICIES)) == tree


def test_a_rule_on_responses_may_not_ask_about_a_case():
    tree = {"not": {"fact": "case.team", "operator": "is", "value": "care"}}

    with pytest.raises(InvalidRule, match=r"case\.team, which is known only once"):
        parse_conditions(tree)
    assert str(parse_conditions(tree, known=rules.FOR_POLICIES)) == "not case.team is care"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["fact", "operator", "value", "all", "any", "not", "do"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_rubbish_is_refused_and_nothing_else_happens(rubbish):
    for parse in (parse_conditions, parse_actions):
        with suppress(InvalidRule):
            parse(rubbish)


def test_actions_are_read_in_order():
    raw = [
        {"do": "open case", "priority": "high"},
        {"do": "set priority", "priority": "urgent"},
        {"do": "set team", "team": "north"},
        {"do": "assign", "by": "round robin"},
    ]

    assert parse_actions(raw) == (
        OpenCase(Priority.HIGH),
        SetPriority(Priority.URGENT),
        SetTeam("north"),
        Assign(Strategy.ROUND_ROBIN),
    )


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ([], "actions: must be a list of at least one"),
        ("open case", "actions: must be a list"),
        ([{"do": "explode"}], 'actions[0]: must have "do"'),
        ([{"do": ["open case"]}], 'actions[0]: must have "do"'),
        ([{"do": "open case", "priority": "top"}], "actions[0].priority: must be one"),
        ([{"do": "open case", "team": "x"}], "actions[0]: has 'team'"),
        ([{"do": "set priority"}], "actions[0].priority: must be one of"),
        ([{"do": "set team", "team": 1}], "actions[0].team: must be text"),
        ([{"do": "assign", "by": "luck"}], "actions[0].by: must be one of"),
        ([{"do": "open case"}] * 99, "actions: has too many"),
    ],
)
def test_a_wrong_action_is_pointed_at(raw, message):
    with pytest.raises(InvalidRule) as refusal:
        parse_actions(raw)

    assert str(refusal.value).startswith(message)


def test_parsed_rules_survive_json():
    raw = {"all": [low(), {"not": low(fact="language", operator="is", value="de")}]}

    assert dump_conditions(parse_conditions(json.loads(json.dumps(raw)))) == raw
