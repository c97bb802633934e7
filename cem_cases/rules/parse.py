"""JSON ⇄ values, for what a rule keeps in its row.

    {"all": [{"fact": "score", "operator": "at most", "value": 6},
             {"not": {"fact": "channel", "operator": "is", "value": "sms"}}]}
    [{"do": "open case", "priority": "high"}, {"do": "assign", "by": "round robin"}]

Everything is checked here, when the rule is saved: afterwards it cannot fail.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cem_cases.rules.actions import (
    Action,
    Assign,
    MarkComplaint,
    OpenCase,
    Priority,
    SetPriority,
    SetTeam,
    Strategy,
)
from cem_cases.rules.conditions import (
    APPLIES,
    LISTS,
    UNARY,
    AllOf,
    AnyOf,
    Condition,
    Node,
    Not,
    conditions_in,
    is_number,
)
from cem_cases.rules.facts import CATALOGUE, Fact, Kind, find

MAX_CONDITIONS = 50
MAX_DEPTH = 10
MAX_LIST = 1_000
MAX_TEXT = 200
LARGEST = 10**15


class InvalidRule(ValueError):
    """A rule is wrong; `path` points at the place, `problem` says what is right."""

    def __init__(self, path: str, problem: str) -> None:
        self.path, self.problem = path, problem
        super().__init__(f"{path}: {problem}")


def parse_conditions(raw: Any, *, of_case: bool = False) -> Node:
    """Return the tree that `raw` describes; nothing at all means "always".

    `of_case`: it may also ask for what is known once there is a case.

    >>> print(parse_conditions({"fact": "score", "operator": "at most", "value": 6}))
    score at most 6
    >>> parse_conditions({"any": [{"fact": "scor", "operator": "is", "value": 1}]})
    Traceback (most recent call last):
    ...
    cem_cases.rules.parse.InvalidRule: conditions.any[0].fact: 'scor' is not a fact. \
Did you mean 'score'?

    Raises InvalidRule.
    """
    if raw in (None, {}, []):
        return AllOf()
    counter = [0]
    tree = _node(raw, "conditions", 0, counter)
    if not of_case:
        _refuse_facts_of_cases(tree)
    return tree


def _refuse_facts_of_cases(tree: Node) -> None:
    for condition in conditions_in(tree):
        fact = find(condition.fact)
        if fact and fact.of_case:
            raise InvalidRule(
                "conditions",
                f"ask for {fact.name}, which is known only once there is a case; "
                "SLA policies may ask for it.",
            )


def parse_actions(raw: Any) -> tuple[Action, ...]:
    """Return the actions that `raw` lists. Raises InvalidRule; also if there are none."""
    if not isinstance(raw, list) or not raw:
        raise InvalidRule("actions", "must be a list of at least one action.")
    if len(raw) > len(ACTIONS) * 2:
        raise InvalidRule("actions", "has too many actions.")
    return tuple(_action(item, f"actions[{n}]") for n, item in enumerate(raw))


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
        case Condition(fact, operator, value):
            value = list(value) if isinstance(value, tuple) else value
            return {"fact": fact, "operator": operator, "value": value}


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
        raise InvalidRule(path, "must be a list of at least one condition.")
    parts = tuple(
        _node(part, f"{path}[{n}]", depth + 1, counter) for n, part in enumerate(inner)
    )
    return AllOf(parts) if word == "all" else AnyOf(parts)


def _condition(raw: Mapping[str, Any], path: str) -> Condition:
    _only(raw, ("fact", "operator", "value"), path)
    name, operator = raw["fact"], raw.get("operator")
    fact = find(name) if isinstance(name, str) and len(name) <= MAX_TEXT else None
    if fact is None:
        raise InvalidRule(f"{path}.fact", f"{_not_known(name, CATALOGUE, 'a fact')}")
    if operator not in APPLIES[fact.kind]:
        raise InvalidRule(
            f"{path}.operator",
            f"{_not_known(operator, APPLIES[fact.kind], f'an operator for {name}')} "
            f"Use one of: {', '.join(APPLIES[fact.kind])}.",
        )
    path = f"{path}.value"
    if operator in UNARY:
        if raw.get("value") is not None:
            raise InvalidRule(path, f"must be left out with {operator!r}.")
        return Condition(name, operator)
    if operator not in LISTS:
        return Condition(name, operator, _value(fact, operator, raw.get("value"), path))
    return Condition(name, operator, _list(fact, operator, raw.get("value"), path))


def _list(fact: Fact, operator: str, raw: Any, path: str) -> tuple[Any, ...]:
    if not isinstance(raw, list) or not 0 < len(raw) <= MAX_LIST:
        raise InvalidRule(path, f"must be a list of 1 to {MAX_LIST:,} values.")
    return tuple(
        _value(fact, operator, item, f"{path}[{n}]") for n, item in enumerate(raw)
    )


def _value(fact: Fact, operator: str, value: Any, path: str) -> Any:
    is_order = operator in ("at most", "at least", "less than", "more than")
    if fact.kind is Kind.NUMBER or is_order:
        if not is_number(value) or not abs(value) < LARGEST:
            raise InvalidRule(path, f"must be a number, such as {fact.example}.")
    elif fact.kind is Kind.BOOLEAN:
        if not isinstance(value, bool):
            raise InvalidRule(path, "must be true or false.")
    elif fact.kind is Kind.CHOICE:
        if value not in fact.choices:
            raise InvalidRule(path, f"must be one of: {', '.join(fact.choices)}.")
    elif (
        fact.kind is Kind.TEXT
        or "contain" in operator
        or (not is_number(value) and not isinstance(value, bool))
    ):
        _text(value, path)
    return value


def _text(value: Any, path: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT:
        raise InvalidRule(path, f"must be text of 1 to {MAX_TEXT} characters.")
    return value


def _action(raw: Any, path: str) -> Action:
    do = raw.get("do") if isinstance(raw, Mapping) else None
    if not isinstance(do, str) or do not in ACTIONS:
        raise InvalidRule(path, f'must have "do": one of {", ".join(ACTIONS)}.')
    return ACTIONS[do](raw, path)


def _open_case(raw: Mapping[str, Any], path: str) -> OpenCase:
    _only(raw, ("do", "priority"), path)
    return OpenCase(_priority(raw, path) if "priority" in raw else Priority.NORMAL)


def _set_priority(raw: Mapping[str, Any], path: str) -> SetPriority:
    _only(raw, ("do", "priority"), path)
    return SetPriority(_priority(raw, path))


def _set_team(raw: Mapping[str, Any], path: str) -> SetTeam:
    _only(raw, ("do", "team"), path)
    return SetTeam(_text(raw.get("team"), f"{path}.team"))


def _assign(raw: Mapping[str, Any], path: str) -> Assign:
    _only(raw, ("do", "by"), path)
    try:
        return Assign(Strategy(str(raw.get("by"))))
    except ValueError:
        words = ", ".join(Strategy)
        raise InvalidRule(f"{path}.by", f"must be one of: {words}.") from None


def _mark_complaint(raw: Mapping[str, Any], path: str) -> MarkComplaint:
    _only(raw, ("do",), path)
    return MarkComplaint()


def _priority(raw: Mapping[str, Any], path: str) -> Priority:
    words = [priority.word for priority in Priority]
    if raw.get("priority") not in words:
        raise InvalidRule(f"{path}.priority", f"must be one of: {', '.join(words)}.")
    return Priority[raw["priority"].upper()]


ACTIONS: Mapping[str, Callable[[Mapping[str, Any], str], Action]] = {
    "open case": _open_case,
    "set priority": _set_priority,
    "set team": _set_team,
    "assign": _assign,
    "mark as complaint": _mark_complaint,
}


def _only(raw: Mapping[str, Any], known: tuple[str, ...], path: str) -> None:
    for name in raw:
        if name not in known:
            raise InvalidRule(
                path, f"has {name!r}; it may only have {', '.join(known)}."
            )


def _not_known(given: Any, known: Iterable[str], what: str) -> str:
    if not isinstance(given, str):
        return f"must name {what}."
    near = difflib.get_close_matches(given[:MAX_TEXT], list(known), n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"{given[:MAX_TEXT]!r} is not {what}.{hint}"
