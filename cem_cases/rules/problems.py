"""Everything that is wrong with a rule at once, each with its place.

`parse` stops at the first mistake, because nothing that is wrong is ever decided with;
whoever writes a rule wants to hear of all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from cem_cases.rules import parse
from cem_cases.rules.facts import Scope
from cem_cases.rules.reading import InvalidRule
from cem_cases.rules.triggers import KNOWN, Trigger

MOST = 20
"""How many are told."""


def problems(trigger: Any, conditions: Any, actions: Any) -> list[InvalidRule]:
    """Return what is wrong with a rule, in reading order; nothing: it can be saved.

    >>> wrong = {"any": [{"fact": "scor"}, {"fact": "score", "operator": "is"}]}
    >>> [found.path for found in problems("case opened", wrong, [{"do": "dance"}])]
    ['conditions.any[0].fact', 'conditions.any[1].value', 'actions[0]']
    """
    if not isinstance(trigger, str) or trigger not in set(Trigger):
        return [InvalidRule("trigger", f"must be one of: {', '.join(Trigger)}.")]
    found = []
    for problem in (
        *_conditions(conditions, KNOWN[Trigger(trigger)]),
        *_actions(actions, trigger),
    ):
        found.append(problem)
        if len(found) == MOST:
            break
    return found


def _conditions(raw: Any, known: Collection[Scope]) -> Iterator[InvalidRule]:
    try:
        parse.parse_conditions(raw, known=known)
    except InvalidRule as first:
        found = list(_in_leaves(raw, "conditions", 0, known))
        # what is wrong with the whole: its depth, its number of conditions, a group
        yield from found or [first]


def _in_leaves(
    raw: Any, path: str, depth: int, known: Collection[Scope]
) -> Iterator[InvalidRule]:
    if depth > parse.MAX_DEPTH or not isinstance(raw, Mapping):
        return
    for word in ("all", "any"):
        if isinstance(parts := raw.get(word), list):
            if not parts:
                yield InvalidRule(f"{path}.{word}", parse.EMPTY)
            for n, part in enumerate(parts[: parse.MAX_CONDITIONS]):
                yield from _in_leaves(part, f"{path}.{word}[{n}]", depth + 1, known)
    if "not" in raw:
        yield from _in_leaves(raw["not"], f"{path}.not", depth + 1, known)
    if "fact" in raw:
        try:
            parse.parse_conditions(raw, known=known)
        except InvalidRule as problem:
            yield _at(path, "conditions", problem)


def _actions(raw: Any, trigger: str) -> Iterator[InvalidRule]:
    try:
        parse.parse_actions(raw, trigger=trigger)
    except InvalidRule as first:
        found = []
        for n, item in enumerate(raw[: parse.MAX_ACTIONS] if _is_list(raw) else ()):
            try:
                parse.parse_actions([item], trigger=trigger)
            except InvalidRule as problem:
                found.append(_at(f"actions[{n}]", "actions[0]", problem))
        yield from found or [first]


def _is_list(raw: Any) -> bool:
    return isinstance(raw, list)


def _at(path: str, start: str, problem: InvalidRule) -> InvalidRule:
    return InvalidRule(path + problem.path.removeprefix(start), problem.problem)
