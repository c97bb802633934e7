"""A condition is data: it can be stored, edited, compared and explained.

The odd cases, decided once: a missing fact satisfies nothing but `is empty`; `not` turns
that round, so `not (score at most 6)` holds for a response without a score; a tree
without conditions holds for everything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from cem_cases.rules.facts import Facts, find
from cem_cases.rules.operators import OPERATORS, UNARY

SHOWN = 10
"""How many values of a list a sentence names."""

Holds = Callable[[Facts], bool]


@dataclass(frozen=True, slots=True)
class Condition:
    """One test of one fact.

    >>> low = Condition("score", "at most", 6)
    >>> low.holds({"score": 3}), low.holds({"score": 9}), low.holds({})
    (True, False, False)
    >>> print(low)
    score at most 6
    """

    fact: str
    operator: str
    value: Any = None
    currency: str = ""
    """Of money: it holds only for a value in this currency; empty: in any."""

    def holds(self, facts: Facts) -> bool:
        """A fact that is missing satisfies no condition but `is empty`."""
        return self.test()(facts)

    def test(self) -> Holds:
        """Return what finds out, quickly and often, whether it holds."""
        name = self.fact
        if self.operator == "is empty":
            empty = OPERATORS[self.operator](None)
            return lambda facts: (v := facts.get(name)) is None or empty(v)
        test = OPERATORS[self.operator](self.value)
        if not self.currency:
            return lambda facts: (v := facts.get(name)) is not None and test(v)
        wanted, of = self.currency, currency_of(name)
        return lambda facts: (
            (v := facts.get(name)) is not None and facts.get(of) == wanted and test(v)
        )

    def __str__(self) -> str:
        if self.operator in UNARY:
            return f"{self.fact} {self.operator}"
        unit = f" {self.currency}" if self.currency else ""
        return f"{self.fact} {self.operator} {in_words(self.value)}{unit}"


@dataclass(frozen=True, slots=True)
class AllOf:
    """Holds when every part does; with no parts, always."""

    parts: tuple[Node, ...] = ()

    def holds(self, facts: Facts) -> bool:
        return all(part.holds(facts) for part in self.parts)

    def __str__(self) -> str:
        return " and ".join(map(_bracketed, self.parts)) or "always"


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Holds when one part does; with no parts, never."""

    parts: tuple[Node, ...] = ()

    def holds(self, facts: Facts) -> bool:
        return any(part.holds(facts) for part in self.parts)

    def __str__(self) -> str:
        return " or ".join(map(_bracketed, self.parts)) or "never"


@dataclass(frozen=True, slots=True)
class Not:
    """Holds when its part does not."""

    part: Node

    def holds(self, facts: Facts) -> bool:
        return not self.part.holds(facts)

    def __str__(self) -> str:
        return f"not {_bracketed(self.part)}"


Node = Condition | AllOf | AnyOf | Not


Counted = Condition | Not
"""A condition as it counts: as it is, or turned round by the `not` around it."""


def deciding(node: Node, facts: Facts, *, is_turned: bool = False) -> Iterator[Counted]:
    """Yield the conditions that made `node` come out as it did.

    For a group that needs all and failed, the first failure; where all were needed and
    held, all of them; turned round for a group that needs one. Where it holds, so do all
    that are yielded; where it does not, none of them does.

    >>> low, vip = Condition("score", "at most", 6), Condition("vip", "is", True)
    >>> [str(c) for c in deciding(AllOf((low, vip)), {"score": 9, "vip": True})]
    ['score at most 6']
    >>> [str(c) for c in deciding(Not(AllOf((low, vip))), {"score": 9, "vip": True})]
    ['not score at most 6']
    """
    match node:
        case Condition():
            yield Not(node) if is_turned else node
        case Not(part):
            yield from deciding(part, facts, is_turned=not is_turned)
        case AllOf(parts) | AnyOf(parts):
            # `all` is settled by its first failure, `any` by its first success.
            settles = isinstance(node, AnyOf)
            for part in parts:
                if part.holds(facts) is settles:
                    yield from deciding(part, facts, is_turned=is_turned)
                    return
            for part in parts:
                yield from deciding(part, facts, is_turned=is_turned)


def conditions_in(node: Node) -> Iterator[Condition]:
    """Yield every condition of the tree, in reading order."""
    match node:
        case Condition():
            yield node
        case Not(part):
            yield from conditions_in(part)
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from conditions_in(part)


def facts_in(node: Node) -> Iterator[str]:
    """Yield the names of the facts that the tree asks for, some of them repeatedly."""
    for condition in conditions_in(node):
        yield condition.fact
        if of := currency_of(condition.fact):
            yield of


def currency_of(name: str) -> str:
    """Return the fact that holds the currency of this one; empty: it is not money."""
    fact = find(name)
    return fact.currency if fact else ""


def seen(counted: Counted, facts: Facts) -> str:
    """Return a condition, or one turned round, with the value it met.

    Private values are left out.

    >>> seen(Condition("score", "at most", 6), {"score": 3})
    'score at most 6 (was 3)'
    >>> seen(Condition("comment", "contains", "refund"), {"comment": "Refund me!"})
    'comment contains refund'
    >>> seen(Not(Condition("channel", "is", "kiosk")), {"channel": "web"})
    'not channel is kiosk (was web)'
    """
    [condition] = conditions_in(counted)
    fact = find(condition.fact)
    found = facts.get(condition.fact)
    if fact is None or fact.is_private:
        return str(counted)
    if found is None:
        return f"{counted} (was missing)"
    unit = facts.get(fact.currency) if fact.currency else None
    return f"{counted} (was {in_words(found)}{f' {unit}' if unit else ''})"


def in_words(value: Any) -> str:
    """Return a value of a condition or a fact as it stands in a sentence."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple | list):
        more = f" and {len(value) - SHOWN} more" if len(value) > SHOWN else ""
        return ", ".join(map(in_words, value[:SHOWN])) + more
    if isinstance(value, Decimal):
        return f"{value:f}"
    return str(value)


def _bracketed(node: Node) -> str:
    return str(node) if isinstance(node, Condition | Not) else f"({node})"
