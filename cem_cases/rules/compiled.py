"""Conditions made quick: a rule set is compiled once, and asked of each answer.

Each node becomes a function of the facts. It returns an outcome: whether the node holds,
and the numbers of the conditions that decided, so that one walk gives the decision and
its explanation. `Node.holds` and `deciding` say the same more slowly; a property test
holds the two to each other.

Most facts have few values: a score, a band, a channel. What a condition says of a value it
says only once; after that the value is looked up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from cem_cases.rules.conditions import (
    AllOf,
    AnyOf,
    Condition,
    Counted,
    Node,
    Not,
    currency_of,
)
from cem_cases.rules.facts import Kind, find
from cem_cases.rules.operators import OPERATORS, Test

KEPT = 1_000
"""How many values a condition remembers."""

Outcome = tuple[bool, tuple[int, ...]]
Get = Callable[[str], Any]
"""How the value of a fact is asked for; None: it is missing."""
Run = Callable[[Get], Outcome]


class Leaf(NamedTuple):
    """A condition about a fact of few values, whose classes are known."""

    fact: str
    test: Test
    missing: bool
    """Whether it holds where the fact is missing."""
    place: int
    is_turned: bool
    classes: tuple[type, ...]


def compile_node(node: Node, conditions: list[Counted]) -> Run:
    """Return what finds out how this node comes out.

    Its conditions are appended to `conditions`; outcomes name them by their places.
    """
    part = _part(node, conditions, is_turned=False)
    return _leaves([part], settles=True) if isinstance(part, Leaf) else part


def _part(node: Node, conditions: list[Counted], *, is_turned: bool) -> Leaf | Run:
    """Compile a node, or, turned round, what holds when the node does not."""
    match node:
        case Condition():
            place = len(conditions)
            conditions.append(Not(node) if is_turned else node)
            return _condition(node, place, is_turned)
        case Not(part):
            return _part(part, conditions, is_turned=not is_turned)
        case AllOf(parts) | AnyOf(parts):
            # not (a and b) is (not a) or (not b), decided by the same conditions
            settles = isinstance(node, AnyOf) is not is_turned
            found = [_part(p, conditions, is_turned=is_turned) for p in parts]
            return _group(found, settles)


def _condition(condition: Condition, place: int, is_turned: bool) -> Leaf | Run:
    name, test = condition.fact, OPERATORS[condition.operator](condition.value)
    is_empty = condition.operator == "is empty"
    fact = find(name)
    if fact and fact.kind in FEW and not fact.is_private:
        return Leaf(name, test, is_empty, place, is_turned, FEW[fact.kind])
    yes, no = (not is_turned, (place,)), (is_turned, (place,))
    if condition.currency and not is_empty:
        return _in_currency(condition, test, yes, no)
    missing = yes if is_empty else no

    def run(get: Get) -> Outcome:
        found = get(name)
        if found is None:
            return missing
        return yes if test(found) else no

    return run


def _in_currency(condition: Condition, test: Test, yes: Outcome, no: Outcome) -> Run:
    name, of, wanted = condition.fact, currency_of(condition.fact), condition.currency

    def run(get: Get) -> Outcome:
        found = get(name)
        if found is None or get(of) != wanted:
            return no
        return yes if test(found) else no

    return run


FEW = {
    Kind.NUMBER: (int, float, Decimal),
    Kind.CHOICE: (str,),
    Kind.TEXT: (str,),
    Kind.BOOLEAN: (bool,),
}
"""The kinds of facts whose values come again, and of what classes these values are."""


def _group(parts: Sequence[Leaf | Run], settles: bool) -> Run:
    """All of them (`settles` False: the first failure decides), or any of them."""
    runs = list(_joined(parts, settles))
    if len(runs) == 1:
        return runs[0]

    def group(get: Get) -> Outcome:
        decided: tuple[int, ...] = ()
        for run in runs:
            outcome = run(get)
            if outcome[0] is settles:
                return outcome
            decided += outcome[1]
        return not settles, decided

    return group


def _joined(parts: Sequence[Leaf | Run], settles: bool) -> Iterator[Run]:
    """Yield functions for these parts: one for leaves that follow each other."""
    leaves: list[Leaf] = []
    for part in parts:
        if isinstance(part, Leaf):
            leaves.append(part)
            continue
        if leaves:
            yield _leaves(leaves, settles)
            leaves = []
        yield part
    if leaves or not parts:
        yield _leaves(leaves, settles)


def _leaves(leaves: Sequence[Leaf], settles: bool) -> Run:
    steps = [(leaf.fact, _Settled(leaf, settles)) for leaf in leaves]
    unsettled = not settles, tuple(leaf.place for leaf in leaves)

    def run(get: Get) -> Outcome:
        for fact, settled in steps:
            outcome = settled[get(fact)]
            if outcome:
                return outcome
        return unsettled

    return run


class _Settled(dict[Any, Outcome | None]):
    """By value of a fact: the outcome, where it settles its group; else None.

    Only what has a class of its kind is remembered, because 1 equals True.
    """

    __slots__ = ("_classes", "_no", "_test", "_yes")

    def __init__(self, leaf: Leaf, settles: bool) -> None:
        outcome: Outcome = settles, (leaf.place,)
        if_holds = settles is not leaf.is_turned
        self._yes = outcome if if_holds else None
        self._no = None if if_holds else outcome
        self._test, self._classes = leaf.test, leaf.classes
        self[None] = self._yes if leaf.missing else self._no

    def __missing__(self, found: Any) -> Outcome | None:
        settled = self._yes if self._test(found) else self._no
        if found.__class__ in self._classes and len(self) < KEPT:
            self[found] = settled
        return settled
