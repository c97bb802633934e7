"""Deciding with values: conditions, actions, the plan, the owner, the transitions."""

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
    AllOf,
    AnyOf,
    Condition,
    Node,
    Not,
    conditions_in,
    deciding,
    seen,
)
from cem_cases.rules.facts import CATALOGUE, FAMILIES, Fact, Facts, Kind
from cem_cases.rules.owners import Candidate, Choice, Verdict, choose
from cem_cases.rules.parse import (
    InvalidRule,
    dump_conditions,
    parse_actions,
    parse_conditions,
)
from cem_cases.rules.plan import Decision, Look, Rule, decide, explain, plan
from cem_cases.rules.transitions import (
    ACTIVE,
    TRANSITIONS,
    WAITING,
    Status,
    allowed,
    target,
)

__all__ = [
    "ACTIVE",
    "CATALOGUE",
    "FAMILIES",
    "TRANSITIONS",
    "WAITING",
    "Action",
    "AllOf",
    "AnyOf",
    "Assign",
    "Candidate",
    "Choice",
    "Condition",
    "Decision",
    "Fact",
    "Facts",
    "InvalidRule",
    "Kind",
    "Look",
    "MarkComplaint",
    "Node",
    "Not",
    "OpenCase",
    "Priority",
    "Rule",
    "SetPriority",
    "SetTeam",
    "Status",
    "Strategy",
    "Verdict",
    "allowed",
    "choose",
    "conditions_in",
    "decide",
    "deciding",
    "dump_conditions",
    "explain",
    "parse_actions",
    "parse_conditions",
    "plan",
    "seen",
    "target",
]
