"""The rules of the benchmark as SQL, so that the limit decides what the loop decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cem_cases import rules
from cem_cases.models import Rule, Team
from cem_cases.rules.conditions import AllOf, AnyOf, Condition, Node, Not

COLUMNS: Mapping[str, str] = {
    "score": "r.score",
    "band": "CASE WHEN r.score <= 6 THEN 'detractor' "
    "WHEN r.score >= 9 THEN 'promoter' ELSE 'passive' END",
    "touchpoint": "t.slug",
    "channel": "r.channel",
    "comment": "r.comment",
    "wants_contact": "r.wants_contact",
    "customer.segment": "c.segment",
    "customer.annual_value": "c.annual_value",
    "customer.language": "c.language",
}
OPERATORS: Mapping[str, Callable[[str, Any], str]] = {
    "is": lambda column, value: f"{column} = {_literal(value)}",
    "is not": lambda column, value: f"{column} <> {_literal(value)}",
    "at most": lambda column, value: f"{column} <= {_literal(value)}",
    "at least": lambda column, value: f"{column} >= {_literal(value)}",
    "less than": lambda column, value: f"{column} < {_literal(value)}",
    "in": lambda column, value: f"{column} IN ({', '.join(map(_literal, value))})",
    "contains": lambda column, value: f"{column} ILIKE '%%{value}%%'",
    "contains any word": lambda column, value: (
        f"{column} ~* '\\m({'|'.join(value)})\\M'"
    ),
    "contains all words": lambda column, value: " AND ".join(
        f"{column} ~* '\\m{word}\\M'" for word in value
    ),
    "is empty": lambda column, _: f"{column} = ''",
    "is not empty": lambda column, _: f"{column} <> ''",
}


def condition(node: Node) -> str:
    """Return the tree as a condition on responses `r`, customers `c`, touchpoints `t`."""
    match node:
        case Condition(fact, operator, value):
            return f"({OPERATORS[operator](_column(fact, value), value)})"
        case AllOf(parts):
            return f"({' AND '.join(map(condition, parts))})"
        case AnyOf(parts):
            return f"({' OR '.join(map(condition, parts))})"
        case Not(part):
            return f"NOT {condition(part)}"


def _column(fact: str, value: Any) -> str:
    for prefix, column in (
        ("answer.", "r.answers"),
        ("customer.attribute.", "c.attributes"),
    ):
        if fact.startswith(prefix):
            text = f"{column}->>'{fact.removeprefix(prefix)}'"
            cast = {int: "::numeric", bool: "::boolean"}.get(type(value), "")
            return f"({text}){cast}"
    return COLUMNS[fact]


def _literal(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool | int) else f"'{value}'"


def decisions() -> Mapping[str, str]:
    """Return what the SQL of the limit needs: conditions, and what they decide.

    `matched`: an array of the keys of the rules; `opens`; `team` and `priority`: those of
    the last rule that says so.
    """
    rows = [(row, row.value()) for row in Rule.objects.order_by("position", "pk")]
    teams = dict(Team.objects.values_list("slug", "pk"))
    holds = {row.pk: condition(value.conditions) for row, value in rows}
    opener = next(r for r, v in rows if isinstance(v.actions[0], rules.OpenCase))
    said_teams, said_priorities = [], []
    for row, value in rows:
        for action in value.actions:
            if isinstance(action, rules.SetTeam):
                said_teams.append((holds[row.pk], teams[action.team]))
            if isinstance(action, rules.SetPriority):
                said_priorities.append((holds[row.pk], int(action.priority)))
    each = ", ".join(f"CASE WHEN {sql} THEN {key} END" for key, sql in holds.items())
    return {
        "matched": f"array_remove(ARRAY[{each}], NULL)",
        "opens": holds[opener.pk],
        "opener": str(opener.pk),
        "team": _last(said_teams, "NULL"),
        "priority": _last(said_priorities, str(int(rules.Priority.NORMAL))),
    }


def _last(said: Sequence[tuple[str, int]], otherwise: str) -> str:
    whens = " ".join(f"WHEN {sql} THEN {what}" for sql, what in reversed(said))
    return f"CASE {whens} ELSE {otherwise} END"
