"""What follows from conditions alone: what can never hold, what holds whenever another does.

A tree is written out as alternatives, each a list of conditions that hold or do not. What
is asked of one fact is tried with the few values that make a difference: those that are
named, those between them, another one, none. A tree with too many alternatives is given
up: then nothing is known, and nothing is said. So a claim here is always proven.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import lru_cache
from itertools import islice, pairwise, product
from typing import Any

from cem_cases.rules.conditions import (
    AllOf,
    AnyOf,
    Condition,
    Holds,
    Node,
    Not,
    currency_of,
)
from cem_cases.rules.facts import Facts, Kind, find
from cem_cases.rules.operators import exactly, is_number

MOST = 512
"""How many alternatives are looked at; and how many values of one fact."""

Literal = tuple[Condition, bool]
"""A condition, and whether it is to hold."""
Term = tuple[Literal, ...]


def can_hold(node: Node) -> bool:
    """Return False where no facts at all could satisfy this tree.

    >>> low, high = Condition("score", "at most", 3), Condition("score", "at least", 7)
    >>> can_hold(AllOf((low, high))), can_hold(AnyOf((low, high)))
    (False, True)
    """
    return is_possible(node) is not False


def is_possible(node: Node) -> bool | None:
    """Return as `can_hold` does, but None where the tree was given up."""
    terms = _terms(node, True)
    return None if terms is None else any(map(_is_possible, terms))


def always_holds(node: Node) -> bool:
    """Return True where all facts satisfy this tree, those that are missing included."""
    return not can_hold(Not(node))


def implies(one: Node, other: Node) -> bool:
    """Return True where `other` holds whenever `one` does.

    >>> low, lower = Condition("score", "at most", 6), Condition("score", "at most", 3)
    >>> implies(lower, low), implies(low, lower)
    (True, False)
    """
    if isinstance(other, AllOf):
        return all(implies(one, part) for part in other.parts)
    return not can_hold(AllOf((one, Not(other))))


def _terms(node: Node, wanted: bool) -> list[Term] | None:
    """Return the alternatives in which the node comes out so; None: they are too many."""
    match node:
        case Condition():
            return [((node, wanted),)]
        case Not(part):
            return _terms(part, not wanted)
        case AllOf(parts) | AnyOf(parts):
            of_parts = [_terms(part, wanted) for part in parts]
            if isinstance(node, AllOf) is wanted:
                return _together(of_parts)
            found: list[Term] = []
            for terms in of_parts:
                if terms is None or len(found) + len(terms) > MOST:
                    return None
                found += terms
            return found


def _together(of_parts: Sequence[list[Term] | None]) -> list[Term] | None:
    found: list[Term] = [()]
    for terms in of_parts:
        if terms is None or len(found) * len(terms) > MOST:
            return None
        found = [one + other for one, other in product(found, terms)]
    return found


def _is_possible(term: Term) -> bool:
    """Whether some facts satisfy all of these; facts do not depend on each other."""
    by_fact: dict[str, list[Literal]] = {}
    for condition, wanted in term:
        name = currency_of(condition.fact) or condition.fact
        by_fact.setdefault(name, []).append((condition, wanted))
    return all(map(_has_value, by_fact.values()))


def _has_value(literals: Sequence[Literal]) -> bool:
    """Whether some value of the fact they are about satisfies all of these."""
    tests = [(_test(str(c.value), c), wanted) for c, wanted in literals]
    if len({id(test) for test, _ in tests}) < len(set(tests)):
        return False  # the same is to hold, and not to hold
    for tried, facts in enumerate(_assignments([c for c, _ in literals])):
        if tried == MOST or all(test(facts) is wanted for test, wanted in tests):
            return True
    return any(map(_is_open, literals)) and not _excluded(literals)


@lru_cache(maxsize=4096)
def _test(_: str, condition: Condition) -> Holds:
    return condition.test()  # by its text, too: a condition with 1 equals one with True


def _assignments(conditions: Sequence[Condition]) -> Iterator[Facts]:
    """Yield the values that make a difference: of a sum with those of its currency."""
    by_name: dict[str, list[Condition]] = {}
    for condition in conditions:
        by_name.setdefault(condition.fact, []).append(condition)
    values: dict[str, list[Any]] = {
        name: _values(name, c) for name, c in by_name.items()
    }
    units = {c.currency for c in conditions if c.currency}
    if units:
        of = next(of for name in by_name if (of := currency_of(name)))
        known = values.get(of, [None, OTHER])
        values[of] = [*known, *sorted(units - set(known))]
    for chosen in product(*values.values()):
        yield {n: v for n, v in zip(values, chosen, strict=True) if v is not None}


OTHER = "\u2042 something else \u2042"
"""A text that nobody's condition names."""


def _values(name: str, conditions: Sequence[Condition]) -> list[Any]:
    """Return the values of a fact between which these conditions make a difference."""
    fact = find(name)
    named = [value for c in conditions for value in _named(c)]
    kind = fact.kind if fact else Kind.ANY
    if kind is Kind.CHOICE and fact:
        return [*fact.choices, None]
    if kind is Kind.BOOLEAN:
        return [True, False, None]
    if kind is Kind.TAGS:
        return [*islice(_tag_sets(conditions, named), MOST), (), None]
    numbers = _around([v for v in named if is_number(v)], name)
    if kind in (Kind.NUMBER, Kind.MONEY):
        return [*numbers, None]
    texts = [*(v for v in named if isinstance(v, str)), OTHER, ""]
    if kind is Kind.TEXT:
        return [*texts, _joined(conditions), None]
    return [*texts, _joined(conditions), *numbers, True, False, None]


def _named(condition: Condition) -> Sequence[Any]:
    value = condition.value
    return value if isinstance(value, tuple | list) else (value,)


def _around(numbers: Sequence[Any], name: str) -> list[Any]:
    """Return these numbers, one between each two, one below and one above all."""
    is_whole, least = _range(name)
    points = sorted({exactly(number) for number in numbers}) or [Decimal(0)]
    if is_whole:
        down = [n.to_integral_value(ROUND_FLOOR) for n in points]
        near = {near for n in down for near in (n - 1, n, n + 1)}
        near |= {n.to_integral_value(ROUND_CEILING) - 1 for n in points}
    else:
        near = {points[0] - 1, *points, points[-1] + 1}
        near |= {(one + other) / 2 for one, other in pairwise(points)}
    return sorted(n for n in near if least is None or n >= least)


def _range(name: str) -> tuple[bool, int | None]:
    """Return whether a number is a whole one, and the least it can be."""
    fact = find(name)
    if fact is None or fact.kind is not Kind.NUMBER:
        return False, None
    is_whole = fact.example.__class__ is int
    return is_whole, 0 if name.startswith("history.") else None


# Text and tags: what is asked of them may be met by a value that is put together


MEETS: Mapping[str, bool] = {
    "contains": True,
    "contains any word": True,
    "contains all words": True,
    "matches": True,
    "does not contain": False,
}
"""Operators that leave a text open, and whether they ask for something to be there."""


def _joined(conditions: Sequence[Condition]) -> str:
    """Return a text with all the words that these conditions would like to see."""
    return " ".join(
        word for c in conditions if MEETS.get(c.operator) for word in _named(c)
    )


def _is_open(literal: Literal) -> bool:
    condition, wanted = literal
    if condition.operator == "has all of":
        return not wanted
    return MEETS.get(condition.operator) is wanted


def _excluded(literals: Sequence[Literal]) -> bool:
    """Whether no text can be put together: a word is needed, and must not be there.

    Also where only certain values are allowed: each of them has been tried.
    """
    needed, banned = set(), set()
    for condition, wanted in literals:
        words = {str(word).casefold() for word in _named(condition)}
        match condition.operator, wanted:
            case (
                ("is" | "in", True) | ("is not" | "not in", False) | ("is empty", True)
            ):
                return True
            case ("contains" | "contains all words", True) | (
                "does not contain",
                False,
            ):
                needed |= words
            case ("contains", False) | ("does not contain", True):
                banned |= words
    return any(one in other for one in banned for other in needed)


def _tag_sets(
    conditions: Sequence[Condition], named: Sequence[Any]
) -> Iterator[tuple[str, ...]]:
    """Yield all tags that may be there, and the same less one each."""
    tags = tuple(dict.fromkeys(str(tag) for tag in named if tag is not None))
    banned = {
        tag.casefold()
        for c in conditions
        if c.operator == "has none of"
        for tag in c.value
    }
    for some in (tags, tuple(tag for tag in tags if tag.casefold() not in banned)):
        yield (*some, OTHER)
        for tag in some:
            yield tuple(other for other in some if other != tag)
            yield (tag,)
