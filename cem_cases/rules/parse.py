"""JSON ⇄ values, for what a rule keeps in its row.

    {"all": [{"fact": "score", "operator": "at most", "value": 6},
             {"not": {"fact": "channel", "operator": "is", "value": "sms"}}]}
    [{"do": "open case", "priority": "high"}, {"do": "assign", "by": "round robin"}]

Everything is checked here, when the rule is saved: afterwards it cannot fail.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from cem_cases.rules import patterns, reading
from cem_cases.rules.actions import Action, OpenCase
from cem_cases.rules.conditions import (
    AllOf,
    AnyOf,
    Condition,
    Node,
    Not,
    conditions_in,
)
from cem_cases.rules.facts import CATALOGUE, Fact, Kind, Scope, find
from cem_cases.rules.operators import (
    APPLIES,
    LISTS,
    ORDER,
    TAGS,
    UNARY,
    WORDS,
    is_number,
)
from cem_cases.rules.reading import ACTIONS, MAX_TEXT, InvalidRule
from cem_cases.rules.triggers import ANSWER, KNOWN, Trigger

MAX_CONDITIONS = 50
MAX_DEPTH = 10
"""How deep groups stand in groups; how long chains of rules are is in `triggers`."""
MAX_LIST = 1_000
MAX_WORDS = 100
MAX_ACTIONS = 20
LARGEST = 10**15
EMPTY = "must be a list of at least one condition."
"""What is said of a group without parts."""

__all__ = [
    "ACTIONS",
    "InvalidRule",
    "dump_conditions",
    "parse_actions",
    "parse_conditions",
    "parse_rule",
]


def parse_conditions(raw: Any, *, known: Collection[Scope] = ANSWER) -> Node:
    """Return the tree that `raw` describes; nothing at all means "always".

    `known`: which facts are known when it is asked; see `KNOWN` and `FOR_POLICIES`.

    >>> print(parse_conditions({"fact": "score", "operator": "at most", "value": 6}))
    score at most 6
    >>> parse_conditions({"any": [{"fact": "scor", "operator": "is", "value": 1}]})
    Traceback (most recent call last):
    ...
    cem_cases.rules.reading.InvalidRule: conditions.any[0].fact: 'scor' is not a fact. \
Did you mean 'score'?

    Raises InvalidRule.
    """
    if raw in (None, {}, []):
        return AllOf()
    counter = [0]
    tree = _node(raw, "conditions", 0, counter)
    _refuse_unknown(tree, known)
    return tree


def _refuse_unknown(tree: Node, known: Collection[Scope]) -> None:
    for condition in conditions_in(tree):
        fact = find(condition.fact)
        if fact and fact.scope not in known:
            raise InvalidRule(
                "conditions",
                f"ask for {fact.name}, which is not known then: {WHEN[fact.scope]}.",
            )


WHEN: Mapping[Scope, str] = {
    Scope.RESPONSE: "it is known of every answer",
    Scope.CASE: "only rules about cases may ask for it",
    Scope.POLICY: "only rules about cases and SLA policies may ask for it",
    Scope.CHANGE: "only rules with the trigger 'case changed' may ask for it",
    Scope.CONTACT: "only rules with the trigger 'contact received' may ask for it",
    Scope.CLOCK: "only rules about clocks that warned or breached may ask for it",
}
"""When a fact may be asked for, in words."""


def parse_actions(
    raw: Any, *, trigger: str = Trigger.RESPONSE_RECEIVED
) -> tuple[Action, ...]:
    """Return the actions that `raw` lists. Raises InvalidRule; also if there are none."""
    if not isinstance(raw, list) or not raw:
        raise InvalidRule("actions", "must be a list of at least one action.")
    if len(raw) > MAX_ACTIONS:
        raise InvalidRule("actions", f"must have {MAX_ACTIONS} actions at most.")
    found = tuple(reading.action(item, f"actions[{n}]") for n, item in enumerate(raw))
    for n, action in enumerate(found):
        if isinstance(action, OpenCase) and trigger != Trigger.RESPONSE_RECEIVED:
            raise InvalidRule(
                f"actions[{n}]", "opens a case, but with this trigger there is one."
            )
    return found


def parse_rule(
    trigger: str, conditions: Any, actions: Any
) -> tuple[Node, tuple[Action, ...]]:
    """Return the conditions and the actions of a rule of this trigger.

    Raises InvalidRule.
    """
    if not isinstance(trigger, str) or trigger not in set(Trigger):
        raise InvalidRule("trigger", f"must be one of: {', '.join(Trigger)}.")
    tree = parse_conditions(conditions, known=KNOWN[Trigger(trigger)])
    return tree, parse_actions(actions, trigger=trigger)


def dump_conditions(node: Node) -> dict[str, Any]:
    """Return the JSON of a tree; `parse_conditions` of it gives the tree back."""
    match node:
        case AllOf(parts):
            return {"all": [dump_conditions(part) for part in parts]} if parts else {}
        case AnyOf(parts):
            return {"any": [dump_conditions(part) for part in parts]}
        case Not(part):
            return {"not": dump_conditions(part)}
        case Condition(fact, operator) if operator in UNARY:
            return {"fact": fact, "operator": operator}
        case Condition(fact, operator, value, currency):
            value = list(value) if isinstance(value, tuple) else value
            unit = {"currency": currency} if currency else {}
            return {"fact": fact, "operator": operator, "value": value, **unit}


def _node(raw: Any, path: str, depth: int, counter: list[int]) -> Node:
    if depth > MAX_DEPTH:
        raise InvalidRule(path, f"is nested more than {MAX_DEPTH} deep.")
    if not isinstance(raw, Mapping):
        raise InvalidRule(path, "must be an object: a condition, all, any or not.")
    if "fact" in raw:
        counter[0] += 1
        if counter[0] > MAX_CONDITIONS:
            raise InvalidRule(path, f"is one condition more than {MAX_CONDITIONS}.")
        return _condition(raw, path)
    if len(raw) != 1 or not set(raw) <= {"all", "any", "not"}:
        has = ", ".join(repr(str(name)[:MAX_TEXT]) for name in list(raw)[:5])
        raise InvalidRule(
            path, f"must have a fact, or exactly one of all, any, not; it has {has}."
        )
    ((word, inner),) = raw.items()
    path = f"{path}.{word}"
    if word == "not":
        return Not(_node(inner, path, depth + 1, counter))
    if not isinstance(inner, list) or not inner:
        raise InvalidRule(path, EMPTY)
    parts = tuple(
        _node(part, f"{path}[{n}]", depth + 1, counter) for n, part in enumerate(inner)
    )
    return AllOf(parts) if word == "all" else AnyOf(parts)


def _condition(raw: Mapping[str, Any], path: str) -> Condition:
    reading.only(raw, ("fact", "operator", "value", "currency"), path)
    name, operator = raw["fact"], raw.get("operator")
    is_name = isinstance(name, str) and len(name) <= MAX_TEXT and name.isprintable()
    fact = find(name) if is_name else None
    if fact is None:
        raise InvalidRule(f"{path}.fact", f"{_not_known(name, CATALOGUE, 'a fact')}")
    if operator not in APPLIES[fact.kind]:
        raise InvalidRule(
            f"{path}.operator",
            f"{_not_known(operator, APPLIES[fact.kind], f'an operator for {name}')} "
            f"Use one of: {', '.join(APPLIES[fact.kind])}.",
        )
    currency = _currency(raw, fact, path)
    if currency and operator in UNARY:
        raise InvalidRule(f"{path}.currency", f"must be left out with {operator!r}.")
    path = f"{path}.value"
    if operator in UNARY:
        if raw.get("value") is not None:
            raise InvalidRule(path, f"must be left out with {operator!r}.")
        return Condition(name, operator)
    read = _list if operator in LISTS else _value
    return Condition(
        name, operator, read(fact, operator, raw.get("value"), path), currency
    )


def _currency(raw: Mapping[str, Any], fact: Fact, path: str) -> str:
    currency = raw.get("currency", "")
    if currency == "":
        return ""
    if not fact.currency:
        raise InvalidRule(
            f"{path}.currency", f"is for money only; {fact.name} is none."
        )
    if not isinstance(currency, str) or not re.fullmatch("[A-Z]{3}", currency):
        raise InvalidRule(
            f"{path}.currency", "must be three capital letters, such as EUR."
        )
    return currency


def _list(fact: Fact, operator: str, raw: Any, path: str) -> tuple[Any, ...]:
    most = MAX_WORDS if operator in (*WORDS, *TAGS) else MAX_LIST
    if not isinstance(raw, list) or not 0 < len(raw) <= most:
        raise InvalidRule(path, f"must be a list of 1 to {most:,} values.")
    return tuple(
        _value(fact, operator, item, f"{path}[{n}]") for n, item in enumerate(raw)
    )


def _value(fact: Fact, operator: str, value: Any, path: str) -> Any:
    if fact.kind in (Kind.NUMBER, Kind.MONEY) or operator in ORDER:
        if not is_number(value) or not abs(value) < LARGEST:
            raise InvalidRule(path, f"must be a number, such as {_number(fact)}.")
    elif fact.kind is Kind.BOOLEAN:
        if not isinstance(value, bool):
            raise InvalidRule(path, "must be true or false.")
    elif fact.kind is Kind.CHOICE:
        if not isinstance(value, str) or value not in fact.choices:
            raise InvalidRule(path, f"must be one of: {', '.join(fact.choices)}.")
    elif operator == "matches":
        _pattern(value, path)
    elif (
        fact.kind in (Kind.TEXT, Kind.TAGS)
        or "contain" in operator
        or (not is_number(value) and not isinstance(value, bool))
    ):
        reading.text(value, path)
    return value


def _number(fact: Fact) -> Any:
    return fact.example if is_number(fact.example) else 6


def _pattern(value: Any, path: str) -> None:
    reading.text(value, path)
    try:
        patterns.pattern(value)
    except ValueError as error:
        raise InvalidRule(path, str(error)) from None


def _not_known(given: Any, known: Iterable[str], what: str) -> str:
    if not isinstance(given, str) or not given:
        return f"must name {what}."
    near = difflib.get_close_matches(given[:MAX_TEXT], list(known), n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"{given[:MAX_TEXT]!r} is not {what}.{hint}"
