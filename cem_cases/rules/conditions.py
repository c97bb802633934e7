"""A condition is data: it can be stored, edited, compared and explained.

The odd cases, decided once: a missing fact satisfies nothing but `is empty`; `not` turns
that round, so `not (score at most 6)` holds for a response without a score; a tree
without conditions holds for everything.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from numbers import Number
from typing import Any

from cem_cases.rules.facts import Facts, Kind, find


def _fold(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value


def _same(found: Any, wanted: Any) -> bool:
    return isinstance(found, bool) == isinstance(wanted, bool) and bool(
        _fold(found) == _fold(wanted)
    )


def _compare(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compare(found: Any, wanted: Any) -> bool:
        return is_number(found) and test(found, wanted)

    return compare


def _among(found: Any, wanted: Collection[Any]) -> bool:
    return any(_same(found, item) for item in wanted)


def _contains(found: Any, wanted: str) -> bool:
    return isinstance(found, str) and wanted.casefold() in found.casefold()


def is_number(value: Any) -> bool:
    """Whether this is a number; True and False are not."""
    return isinstance(value, Number) and not isinstance(value, bool)


Test = Callable[[Any, Any], bool]

OPERATORS: Mapping[str, Test] = {
    "is": _same,
    "is not": lambda found, wanted: not _same(found, wanted),
    "at most": _compare(operator.le),
    "at least": _compare(operator.ge),
    "less than": _compare(operator.lt),
    "more than": _compare(operator.gt),
    "in": _among,
    "not in": lambda found, wanted: not _among(found, wanted),
    "contains": _contains,
    "does not contain": lambda found, wanted: not _contains(found, wanted),
    "is empty": lambda found, wanted: found == "",
    "is not empty": lambda found, wanted: found != "",
}
UNARY = ("is empty", "is not empty")
LISTS = ("in", "not in")

SHOWN = 10
"""How many values of a list a sentence names."""

_ORDER = ("at most", "at least", "less than", "more than")
_SET = ("is", "is not", "in", "not in")
APPLIES: Mapping[Kind, tuple[str, ...]] = {
    Kind.NUMBER: (*_ORDER, *_SET, *UNARY),
    Kind.TEXT: (*_SET, "contains", "does not contain", *UNARY),
    Kind.CHOICE: (*_SET, *UNARY),
    Kind.BOOLEAN: ("is",),
    Kind.ANY: (*_SET, *_ORDER, "contains", "does not contain", *UNARY),
}
"""The operators that make sense for each kind of fact."""


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

    def holds(self, facts: Facts) -> bool:
        """A fact that is missing satisfies no condition but `is empty`."""
        found = facts.get(self.fact)
        if found is None:
            return self.operator == "is empty"
        return OPERATORS[self.operator](found, self.value)

    def __str__(self) -> str:
        if self.operator in UNARY:
            return f"{self.fact} {self.operator}"
        return f"{self.fact} {self.operator} {_words(self.value)}"


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


def deciding(node: Node, facts: Facts) -> Iterator[Condition]:
    """Yield the conditions that made `node` come out as it did.

    For a group that needs all and failed, the first failure; where all were needed and
    held, all of them; turned round for a group that needs one.

    >>> low, vip = Condition("score", "at most", 6), Condition("vip", "is", True)
    >>> [str(c) for c in deciding(AllOf((low, vip)), {"score": 9, "vip": True})]
    ['score at most 6']
    """
    match node:
        case Condition():
            yield node
        case Not(part):
            yield from deciding(part, facts)
        case AllOf(parts) | AnyOf(parts):
            # `all` is settled by its first failure, `any` by its first success.
            settles = isinstance(node, AnyOf)
            for part in parts:
                if part.holds(facts) is settles:
                    yield from deciding(part, facts)
                    return
            for part in parts:
                yield from deciding(part, facts)


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


def seen(condition: Condition, facts: Facts) -> str:
    """Return the condition with the value it met; private values are left out.

    >>> seen(Condition("score", "at most", 6), {"score": 3})
    'score at most 6 (was 3)'
    >>> seen(Condition("comment", "contains", "refund"), {"comment": "Refund me!"})
    'comment contains refund'
    """
    fact = find(condition.fact)
    found = facts.get(condition.fact)
    if fact is None or fact.is_private:
        return str(condition)
    return f"{condition} (was {'missing' if found is None else _words(found)})"


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple | list):
        more = f" and {len(value) - SHOWN} more" if len(value) > SHOWN else ""
        return ", ".join(map(_words, value[:SHOWN])) + more
    if isinstance(value, Decimal):
        return f"{value:f}"
    return str(value)


def _bracketed(node: Node) -> str:
    return str(node) if isinstance(node, Condition | Not) else f"({node})"
