"""Trees and facts to try rules with: strategies for hypothesis."""

from decimal import Decimal

from hypothesis import strategies as st

from cem_cases.rules import APPLIES, CATALOGUE, AllOf, AnyOf, Condition, Kind, Not
from cem_cases.rules.facts import find
from cem_cases.rules.operators import LISTS, ORDER, TAGS, UNARY, WORDS

WORDS_USED = ("refund", "Straße", "late", "EUR", "USD", "money back", "İzmir")
NAMES = (
    *("score", "band", "channel", "comment", "wants_contact", "sentiment"),
    *("customer.annual_value", "customer.currency", "case.tags"),
    *("answer.q", "customer.attribute.a", "history.detractors_in_days.90"),
)

words = st.sampled_from(WORDS_USED)
numbers = st.integers(-2, 11) | st.sampled_from([0.1, 2.5])


def wanted(name, operator):
    """Values for a condition of this fact and operator."""
    fact = find(name)
    if operator in (*WORDS, *TAGS, "matches") or "contain" in operator:
        one = words
    elif operator in ORDER:
        one = numbers
    else:
        one = {
            Kind.NUMBER: numbers,
            Kind.MONEY: numbers,
            Kind.CHOICE: st.sampled_from(fact.choices or ("",)),
            Kind.BOOLEAN: st.booleans(),
            Kind.TEXT: words,
            Kind.TAGS: words,
            Kind.ANY: words | numbers | st.booleans(),
        }[fact.kind]
    if operator in UNARY:
        return st.none()
    return (
        st.lists(one, min_size=1, max_size=3).map(tuple) if operator in LISTS else one
    )


@st.composite
def conditions(draw, names=NAMES):
    name = draw(st.sampled_from(sorted(names)))
    fact = find(name)
    found = [o for o in APPLIES[fact.kind] if o != "matches"]
    operator = draw(st.sampled_from(found))
    units = ["", "EUR", "USD"] if fact.currency and operator not in UNARY else [""]
    unit = draw(st.sampled_from(units))
    return Condition(name, operator, draw(wanted(name, operator)), unit)


def trees(leaves=None, max_leaves=8):
    return st.recursive(
        conditions() if leaves is None else leaves,
        lambda parts: st.one_of(
            st.lists(parts, max_size=3).map(lambda p: AllOf(tuple(p))),
            st.lists(parts, max_size=3).map(lambda p: AnyOf(tuple(p))),
            st.builds(Not, parts),
        ),
        max_leaves=max_leaves,
    )


def values(name):
    """Values that a fact can have, by its kind."""
    fact = find(name)
    if name.startswith("history."):
        return st.integers(0, 11)
    return {
        Kind.NUMBER: st.integers(-3, 12)
        if fact.example.__class__ is int
        else st.decimals(-1, 1, places=3) | st.sampled_from([Decimal("0.100")]),
        Kind.MONEY: st.decimals(-3, 12, places=2),
        Kind.TEXT: words | st.sampled_from(["", "REFUND", "STRASSE", "so late!"]),
        Kind.CHOICE: st.sampled_from(fact.choices or ("",)),
        Kind.BOOLEAN: st.booleans(),
        Kind.TAGS: st.lists(words, max_size=3).map(tuple),
        Kind.ANY: words | numbers | st.booleans(),
    }[fact.kind]


facts = st.fixed_dictionaries({}, optional={name: values(name) for name in NAMES})
every_fact = tuple(CATALOGUE)
