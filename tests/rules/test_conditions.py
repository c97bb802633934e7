from decimal import Decimal

import pytest

from cem_cases.rules import (
    AllOf,
    AnyOf,
    Condition,
    Not,
    conditions_in,
    deciding,
    facts_in,
    seen,
)
from cem_cases.rules.conditions import in_words

FACTS = {
    "score": 3,
    "comment": "Late AGAIN, refund please",
    "channel": "",
    "wants_contact": False,
    "answer.problem": "Yes",
    "answer.visits": 2,
}

TABLE = [
    # fact, operator, value, holds
    ("score", "at most", 3, True),  # the boundary belongs
    ("score", "less than", 3, False),
    ("score", "at least", 3, True),
    ("score", "more than", 2, True),
    ("score", "is", 3, True),
    ("score", "is", True, False),  # a number is not a yes
    ("score", "in", (1, 3), True),
    ("score", "not in", (1, 3), False),
    ("comment", "contains", "REFUND", True),  # case does not matter
    ("comment", "does not contain", "refund", False),
    ("comment", "at most", 3, False),  # text has no order
    ("channel", "is empty", None, True),
    ("channel", "is not empty", None, False),
    ("wants_contact", "is", False, True),
    ("wants_contact", "is", 0, False),  # a no is not a number
    ("answer.problem", "is", "yes", True),
    ("answer.visits", "more than", 1, True),
    ("answer.problem", "more than", 1, False),
    ("language", "is", "de", False),  # a missing fact satisfies nothing…
    ("language", "is not", "de", False),
    ("language", "not in", ("de",), False),
    ("language", "is not empty", None, False),
    ("language", "is empty", None, True),  # …but "is empty"
]


@pytest.mark.parametrize(("fact", "operator", "value", "holds"), TABLE)
def test_a_condition_holds_or_not(fact, operator, value, holds):
    assert Condition(fact, operator, value).holds(FACTS) is holds


def test_groups_combine_their_parts():
    yes, no = Condition("score", "is", 3), Condition("score", "is", 4)

    assert AllOf((yes, yes)).holds(FACTS)
    assert not AllOf((yes, no)).holds(FACTS)
    assert AnyOf((no, yes)).holds(FACTS)
    assert not AnyOf((no, no)).holds(FACTS)
    assert Not(no).holds(FACTS)


def test_no_conditions_hold_for_everything_and_no_alternatives_for_nothing():
    assert AllOf().holds({})
    assert not AnyOf().holds({})


def test_not_turns_a_missing_fact_round():
    assert Not(Condition("language", "is", "de")).holds(FACTS)


def test_the_deciding_conditions_are_those_that_settled_it():
    yes, no = Condition("score", "is", 3), Condition("score", "is", 4)
    contact = Condition("wants_contact", "is", False)

    assert list(deciding(AllOf((yes, no, contact)), FACTS)) == [no]
    assert list(deciding(AllOf((yes, contact)), FACTS)) == [yes, contact]
    assert list(deciding(AnyOf((no, yes, contact)), FACTS)) == [yes]
    assert list(deciding(AnyOf((no, Not(yes))), FACTS)) == [no, Not(yes)]


def test_explanations_tell_values_but_never_private_ones():
    assert seen(Condition("score", "at most", 6), FACTS) == "score at most 6 (was 3)"
    assert "Late" not in seen(Condition("comment", "contains", "late"), FACTS)
    assert "Yes" not in seen(Condition("answer.problem", "is", "no"), FACTS)
    assert "2" not in seen(Condition("answer.visits", "more than", 1), FACTS)
    assert seen(Condition("language", "is", "de"), FACTS) == (
        "language is de (was missing)"
    )


def test_what_counts_turned_round_is_told_so():
    tree = Not(AnyOf((Condition("score", "is", 9), Not(Condition("score", "is", 3)))))

    assert [seen(each, FACTS) for each in deciding(tree, FACTS)] == [
        "not score is 9 (was 3)",
        "score is 3 (was 3)",
    ]


@pytest.mark.parametrize(
    ("value", "currency", "unit", "holds"),
    [
        (500, "EUR", "EUR", True),
        (500, "EUR", "USD", False),
        (500, "EUR", None, False),
        (500, "", "USD", True),  # without a currency: the plain number
        (500, "", None, True),
        (Decimal("99.90"), "EUR", "EUR", False),
        (None, "EUR", "EUR", False),
    ],
)
def test_money_is_compared_in_its_currency(value, currency, unit, holds):
    worth = Condition("customer.annual_value", "at least", 100, currency)

    facts = {"customer.annual_value": value, "customer.currency": unit}
    assert worth.holds(facts) is holds


def test_an_amount_is_seen_with_its_currency():
    worth = Condition("customer.annual_value", "at least", 100, "EUR")
    facts = {"customer.annual_value": Decimal("1E+3"), "customer.currency": "USD"}

    assert seen(worth, facts) == (
        "customer.annual_value at least 100 EUR (was 1000 USD)"
    )


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (True, "yes"),
        (False, "no"),
        (3, "3"),
        (Decimal("0.100"), "0.100"),
        (("a", True), "a, yes"),
        (tuple("abcdefghijklm"), "a, b, c, d, e, f, g, h, i, j and 3 more"),
    ],
)
def test_a_value_is_said_in_words(value, words):
    assert in_words(value) == words


def test_a_tree_says_what_it_asks_for():
    worth = Condition("customer.annual_value", "at least", 100, "EUR")
    low = Condition("score", "at most", 6)
    tree = AllOf((low, Not(AnyOf((worth, low)))))

    assert list(conditions_in(tree)) == [low, worth, low]
    assert list(facts_in(tree)) == [
        "score",
        "customer.annual_value",
        "customer.currency",
        "score",
    ]


def test_a_tree_reads_like_a_sentence():
    tree = AllOf(
        (
            Condition("score", "at most", 6),
            AnyOf((Condition("channel", "in", ("sms", "email")), Not(AllOf()))),
        )
    )

    assert str(tree) == "score at most 6 and (channel in sms, email or not (always))"
