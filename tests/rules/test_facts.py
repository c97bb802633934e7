import pytest

from cem_cases.rules import APPLIES, CATALOGUE, FAMILIES, Kind, Scope, window
from cem_cases.rules.facts import LONGEST_HISTORY, find
from cem_cases.rules.operators import is_number

ALL = [*CATALOGUE.values(), *FAMILIES.values()]
CLASSES = {Kind.TEXT: str, Kind.CHOICE: str, Kind.BOOLEAN: bool, Kind.TAGS: str}


@pytest.mark.parametrize("fact", ALL, ids=lambda fact: fact.name)
def test_every_fact_says_what_it_is(fact):
    assert fact.label
    assert fact.help.endswith(".")
    assert APPLIES[fact.kind]
    if fact.kind in (Kind.NUMBER, Kind.MONEY):
        assert is_number(fact.example)
    elif fact.kind in CLASSES:
        assert isinstance(fact.example, CLASSES[fact.kind])


@pytest.mark.parametrize("fact", ALL, ids=lambda fact: fact.name)
def test_a_choice_has_choices_and_its_example_is_one(fact):
    assert bool(fact.choices) is (fact.kind is Kind.CHOICE)
    assert not fact.choices or fact.example in fact.choices


def test_the_name_of_a_fact_is_its_key_and_its_label_is_its_own():
    assert all(fact.name == name for name, fact in CATALOGUE.items())
    labels = [fact.label for fact in ALL]
    assert len(labels) == len(set(labels))


def test_money_has_a_fact_for_its_currency():
    for fact in ALL:
        assert bool(fact.currency) is (fact.kind is Kind.MONEY)
        assert not fact.currency or CATALOGUE[fact.currency].kind is Kind.TEXT


def test_a_persons_own_words_are_private():
    private = {fact.name for fact in ALL if fact.is_private}

    assert private == {
        "comment",
        "contact.text",
        "customer.organization",
        "answer.<question key>",
        "customer.attribute.<key>",
    }


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("score", "score"),
        ("answer.why", "answer.<question key>"),
        ("answer.a.b", "answer.<question key>"),
        ("answer.", None),
        ("answer", None),
        ("Score", None),
        ("", None),
        ("customer.attribute.x", "customer.attribute.<key>"),
        ("history.cases_in_days.90", "history.cases_in_days.<days>"),
        (f"history.cases_in_days.{LONGEST_HISTORY}", "history.cases_in_days.<days>"),
        (f"history.cases_in_days.{LONGEST_HISTORY + 1}", None),
        ("history.cases_in_days.0", None),
        ("history.cases_in_days.090", None),
        ("history.cases_in_days.-1", None),
        ("history.cases_in_days.9.5", None),
        ("history.cases_in_days.²", None),
        ("history.cases_in_days.٣", None),
        ("history.cases_in_days." + "9" * 5000, None),
        ("history.else_in_days.9", None),
    ],
)
def test_a_fact_is_found_by_its_name_or_its_family(name, found):
    fact = find(name)

    assert (fact and fact.name) == found


def test_only_history_looks_back():
    assert window("history.responses_in_days.30") == ("history.responses_in_days.", 30)
    for name in ("score", "answer.30", "history.responses_in_days.0", "history.30"):
        assert window(name) is None


def test_every_scope_has_facts():
    assert {fact.scope for fact in ALL} == set(Scope)
