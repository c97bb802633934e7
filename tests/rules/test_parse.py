import json
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cem_cases.rules import (
    CATALOGUE,
    FOR_POLICIES,
    KNOWN,
    AllOf,
    AnyOf,
    Condition,
    InvalidRule,
    Not,
    Scope,
    Trigger,
    dump_conditions,
    parse_actions,
    parse_conditions,
    parse_rule,
)
from cem_cases.rules.parse import LARGEST, MAX_ACTIONS, WHEN
from tests.rules.trees import trees

EVERYTHING = frozenset(Scope)


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
    (low(value=LARGEST), "conditions.value: must be a number"),
    (low(value=-LARGEST), "conditions.value: must be a number"),
    (low(value=None), "conditions.value: must be a number"),
    (low(value=float("inf")), "conditions.value: must be a number"),
    (low(operator=["at most"]), "conditions.operator: must name an operator"),
    (low(operator={}), "conditions.operator: must name an operator"),
    (
        low(fact="comment", operator="contains", value="a\x00b"),
        "conditions.value: must not have control characters",
    ),
    (
        low(fact="comment", operator="contains any word", value=["a"] * 101),
        "conditions.value: must be a list of 1 to 100",
    ),
    (
        low(fact="comment", operator="contains any word", value=["a", " "]),
        "conditions.value[1]: must be text",
    ),
    (low(fact="answer.q", operator="is", value=None), "conditions.value: must be text"),
    (low(fact="answer.q", operator="is", value=[1]), "conditions.value: must be text"),
    (
        low(fact="answer.q", operator="at most", value="3"),
        "conditions.value: must be a",
    ),
    (low(fact="band", operator="in", value=["detractor", []]), "conditions.value[1]:"),
    (
        low(fact="wants_contact", operator="is", value="yes"),
        "conditions.value: must be",
    ),
    (low(fact="history.cases_in_days.0"), "conditions.fact: 'history.cases_in"),
    (low(operator="is empty"), "conditions.value: must be left out"),
    (
        low(fact="customer.annual_value", operator="is empty", currency="EUR"),
        "conditions.currency: must be left out with 'is empty'",
    ),
    (low(fact="band", operator="is", value="bad"), "conditions.value: must be one of"),
    (low(fact="wants_contact", operator="is", value=1), "conditions.value: must be t"),
    (low(fact="comment", operator="contains", value=""), "conditions.value: must be "),
    (low(fact="answer.", operator="is", value="x"), "conditions.fact: 'answer.'"),
    (low(fact="answer.a\n", operator="is", value="x"), "conditions.fact: 'answer.a"),
    (low(fact="answer.\ud800", operator="is", value=1), "conditions.fact: 'answer."),
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


def as_parsed(tree):
    """The tree as it is read: AllOf without parts is "always", and not within others."""
    match tree:
        case AllOf(parts) | AnyOf(parts):
            found = tuple(map(as_parsed, parts)) or (Condition("score", "is", 1),)
            return type(tree)(found)
        case Not(part):
            return Not(as_parsed(part))
    return tree


@given(trees().map(as_parsed))
def test_what_is_written_is_read_again(tree):
    raw = json.loads(json.dumps(dump_conditions(tree)))

    assert parse_conditions(raw, known=EVERYTHING) == tree
    assert dump_conditions(parse_conditions(raw, known=EVERYTHING)) == raw


def test_always_is_written_as_nothing():
    assert dump_conditions(AllOf()) == {}


def test_a_fact_is_asked_for_only_when_it_is_known():
    tree = {"not": {"fact": "case.team", "operator": "is", "value": "care"}}

    with pytest.raises(InvalidRule, match=r"case\.team, which is not known then"):
        parse_conditions(tree)
    assert str(parse_conditions(tree, known=FOR_POLICIES)) == "not case.team is care"


@pytest.mark.parametrize("trigger", Trigger)
@pytest.mark.parametrize("scope", Scope)
def test_a_trigger_knows_its_facts_and_says_when_others_are_known(trigger, scope):
    fact = next(fact for fact in CATALOGUE.values() if fact.scope is scope)
    tree = {"fact": fact.name, "operator": "is empty"}
    if fact.kind == "yes or no":
        tree = {"fact": fact.name, "operator": "is", "value": True}

    if scope in KNOWN[trigger]:
        parse_rule(trigger, tree, [{"do": "mark as complaint"}])
    else:
        with pytest.raises(InvalidRule) as refusal:
            parse_rule(trigger, tree, [{"do": "mark as complaint"}])
        assert WHEN[scope] in str(refusal.value)


@pytest.mark.parametrize("trigger", set(Trigger) - {Trigger.RESPONSE_RECEIVED})
def test_only_an_answer_opens_a_case(trigger):
    with pytest.raises(InvalidRule, match=r"actions\[1\]: opens a case"):
        parse_rule(trigger, {}, [{"do": "mark as complaint"}, {"do": "open case"}])


@pytest.mark.parametrize("trigger", ["", "full moon", None, 3, ["case opened"], {}])
def test_a_trigger_is_one_of_those_there_are(trigger):
    with pytest.raises(InvalidRule, match="trigger: must be one of"):
        parse_rule(trigger, {}, [{"do": "open case"}])


HUGE = {
    "a list of 10 MB": {
        "fact": "channel",
        "operator": "in",
        "value": ["x" * 100] * 10**5,
    },
    "a text of 10 MB": {
        "fact": "comment",
        "operator": "contains",
        "value": "x" * 10**7,
    },
    "a name of 10 MB": {"fact": "x" * 10**7, "operator": "is", "value": 1},
    "an operator of 10 MB": {"fact": "score", "operator": "x" * 10**7, "value": 1},
    "a key of 10 MB": {"x" * 10**7: 1},
    "another key of 10 MB": {"fact": "score", "x" * 10**7: 1},
    "100,000 conditions": {"all": [{"fact": "score"}] * 10**5},
    "a number of 5,000 digits": {"fact": "score", "operator": "is", "value": 10**5000},
    "a word of 10 MB": {
        "fact": "comment",
        "operator": "contains any word",
        "value": ["x" * 10**7],
    },
}


@pytest.mark.parametrize("raw", HUGE.values(), ids=HUGE)
def test_what_is_huge_is_refused_at_once_in_a_few_words(raw):
    began = time.process_time()
    with pytest.raises(InvalidRule) as refusal:
        parse_conditions(raw)

    assert time.process_time() - began < 0.5
    assert len(str(refusal.value)) < 1_000


def test_what_is_deep_is_refused():
    raw = {"fact": "score"}
    for _ in range(900):
        raw = {"not": raw}

    with pytest.raises(InvalidRule, match="is nested more than 10 deep"):
        parse_conditions(raw)


@pytest.mark.parametrize(
    ("name", "currency", "message"),
    [
        ("customer.annual_value", "EUR", None),
        ("customer.annual_value", "", None),
        ("customer.annual_value", "eur", "must be three capital letters"),
        ("customer.annual_value", "EURO", "must be three capital letters"),
        ("customer.annual_value", "EU\n", "must be three capital letters"),
        ("customer.annual_value", 3, "must be three capital letters"),
        ("customer.annual_value", ["EUR"], "must be three capital letters"),
        ("score", "EUR", "is for money only; score is none"),
    ],
)
def test_only_money_has_a_currency(name, currency, message):
    raw = low(fact=name, currency=currency)

    if message is None:
        assert parse_conditions(raw).currency == currency
    else:
        with pytest.raises(InvalidRule, match=f"conditions.currency: {message}"):
            parse_conditions(raw)


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
        (
            [{"do": "open case"}] * 99,
            f"actions: must have {MAX_ACTIONS} actions at most",
        ),
        ([{"do": "open case", "kind": "x"}], "actions[0].kind: must be one of"),
        ([{"do": "open case"}, None], 'actions[1]: must have "do"'),
        ([{"do": "set team", "team": " "}], "actions[0].team: must be text of 1"),
        ([{"do": "set team", "team": "a\n"}], "actions[0].team: must not have control"),
        ([{"do": "set owner"}], "actions[0].user: must be text"),
        (
            [{"do": "add tags", "tags": []}],
            "actions[0].tags: must be a list of 1 to 20",
        ),
        ([{"do": "add tags", "tags": ["x"] * 21}], "actions[0].tags: must be a list"),
        ([{"do": "add tags", "tags": ["x", 2]}], "actions[0].tags[1]: must be text"),
        ([{"do": "assign"}], "actions[0].by: must be one of"),
        ([{"do": "assign", "by": []}], "actions[0].by: must be some of"),
        (
            [{"do": "assign", "by": ["round robin", "round robin"]}],
            "actions[0].by: has a strategy twice",
        ),
        (
            [{"do": "assign", "by": "round robin", "skills": "x"}],
            "actions[0].skills: must be a list",
        ),
        ([{"do": "notify"}], "actions[0].who: must be some of"),
        ([{"do": "notify", "who": "god"}], "actions[0].who: must be one of"),
        ([{"do": "notify", "users": [1]}], "actions[0].users[0]: must be text"),
        ([{"do": "send template"}], "actions[0].template: must be text"),
        ([{"do": "call webhook", "url": "x"}], "actions[0]: has 'url'"),
        ([{"do": "mark as complaint", "x": 1}], "actions[0]: has 'x'"),
        (
            [{"do": "invite to survey", "survey": "s", "in_days": 366}],
            "actions[0].in_days: must be a whole number from 0 to 365",
        ),
        (
            [{"do": "invite to survey", "survey": "s", "in_days": True}],
            "actions[0].in_days: must be a whole",
        ),
        ([{"do": "invite to survey", "in_days": 1}], "actions[0].survey: must be text"),
    ],
)
def test_a_wrong_action_is_pointed_at(raw, message):
    with pytest.raises(InvalidRule) as refusal:
        parse_actions(raw)

    assert str(refusal.value).startswith(message)


def test_parsed_rules_survive_json():
    raw = {"all": [low(), {"not": low(fact="language", operator="is", value="de")}]}

    assert dump_conditions(parse_conditions(json.loads(json.dumps(raw)))) == raw
