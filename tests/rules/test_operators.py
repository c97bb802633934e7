from decimal import Decimal

import pytest

from cem_cases.rules import APPLIES, Condition, Kind
from cem_cases.rules.operators import LISTS, OPERATORS, ORDER, TAGS, UNARY

TABLE = [
    # operator, wanted, found, holds
    ("is", 3, 3, True),
    ("is", 3, 3.0, True),
    ("is", 3, Decimal("3.00"), True),
    ("is", 3, True, False),  # a number is not a yes
    ("is", 1, True, False),
    ("is", 1, "1", False),
    ("is", 0.1, Decimal("0.100"), True),  # the number that was meant
    ("is", 0.1, 0.1, True),
    ("is", Decimal("0.1"), 0.1, True),
    ("is", True, True, True),
    ("is", True, 1, False),
    ("is", False, 0, False),
    ("is", False, "", False),
    ("is", "Straße", "STRASSE", True),  # as casefold compares
    ("is", "straße", "Straße", True),
    ("is", "İ", "i̇", True),
    ("is", "x", 3, False),
    ("is", "x", (), False),
    ("is not", "x", "X", False),
    ("is not", "x", 3, True),
    ("is not", 1, True, True),
    ("at most", 3, 3, True),  # the boundary belongs
    ("at most", 3, 4, False),
    ("at most", 3, "2", False),  # text has no order
    ("at most", 3, True, False),
    ("at most", 99.9, Decimal("99.90"), True),
    ("at least", 99.9, Decimal("99.90"), True),
    ("at least", 99.9, 99.9, True),
    ("at least", 3, 3, True),
    ("at least", 3, Decimal("2.99"), False),
    ("less than", 3, 3, False),
    ("less than", 99.9, Decimal("99.90"), False),
    ("less than", 3, 2.5, True),
    ("more than", 3, 3, False),
    ("more than", 99.9, Decimal("99.90"), False),
    ("more than", 3, 4, True),
    ("in", (1, 3), 3, True),
    ("in", (1, 3), 2, False),
    ("in", (1, 3), True, False),
    ("in", ("A", "b"), "B", True),
    ("in", ("a", "A"), "a", True),  # the same twice
    ("in", ("a", 1, True), 1, True),
    ("in", ("a", 1), True, False),
    ("in", ("a",), 1, False),
    ("not in", (1, 3), 2, True),
    ("not in", ("a",), "A", False),
    ("contains", "REFUND", "I want a refund", True),
    ("contains", "fund", "refund", True),  # not only words
    ("contains", "straße", "In der STRASSE", True),
    ("contains", "a", 3, False),
    ("does not contain", "refund", "Refund!", False),
    ("does not contain", "refund", "", True),
    ("contains any word", ("bill", "fee"), "the fee", True),
    ("contains any word", ("bill",), "billing", False),
    ("contains any word", ("bill",), 5, False),
    ("contains all words", ("fee", "high"), "High, high fee", True),
    ("contains all words", ("fee", "high"), "a fee", False),
    ("has any of", ("VIP",), ("vip", "x"), True),
    ("has any of", ("vip",), (), False),
    ("has all of", ("vip", "x"), ("X", "Vip", "y"), True),
    ("has all of", ("vip", "x"), ("x",), False),
    ("has none of", ("vip",), ("VIP",), False),
    ("has none of", ("vip",), (), True),
    ("is empty", None, "", True),
    ("is empty", None, (), True),
    ("is empty", None, 0, False),
    ("is empty", None, False, False),
    ("is empty", None, " ", False),
    ("is not empty", None, "", False),
    ("is not empty", None, (), False),
    ("is not empty", None, 0, True),
]


@pytest.mark.parametrize(("operator", "wanted", "found", "holds"), TABLE)
def test_an_operator_compares(operator, wanted, found, holds):
    assert bool(OPERATORS[operator](wanted)(found)) is holds


@pytest.mark.parametrize("operator", sorted(set(OPERATORS) - {"matches"}))
def test_every_operator_is_in_the_table(operator):
    assert {holds for name, *_, holds in TABLE if name == operator} == {True, False}


@pytest.mark.parametrize("operator", sorted(set(OPERATORS) - {"matches"}))
def test_a_missing_fact_satisfies_nothing_but_is_empty(operator):
    wanted = ("x",) if operator in LISTS else None if operator in UNARY else 1
    if "contain" in operator and operator not in LISTS:
        wanted = "x"

    assert Condition("channel", operator, wanted).holds({}) is (operator == "is empty")


ODD = [None, 3, 2.5, Decimal(1), True, "x", "", (), ("a",), [1], {"a": 1}]
FITTING = {"at most": 1, "contains": "a", "does not contain": "a"}


@pytest.mark.parametrize("found", ODD[1:], ids=repr)
@pytest.mark.parametrize("operator", sorted(set(OPERATORS) - {"matches", *TAGS}))
def test_no_value_that_is_found_makes_an_operator_fail(operator, found):
    wanted = ("a",) if operator in LISTS else 1 if operator in ORDER else "a"

    assert OPERATORS[operator](wanted)(found) in (True, False)


def test_every_operator_applies_to_some_kind_and_every_kind_has_operators():
    assert {name for names in APPLIES.values() for name in names} == set(OPERATORS)
    assert set(APPLIES) == set(Kind)
