"""From rules and facts to a decision, with its reasons. Nothing is done here.

Every matching rule acts in its order, unless one of them says stop; for opening a case
the first match decides. The same code serves the worker, the preview and the replay.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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
from cem_cases.rules.conditions import Node, deciding, seen
from cem_cases.rules.facts import Facts


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as it is decided with; `key` is stable, `version` counts its edits."""

    key: int
    version: int
    name: str
    conditions: Node
    actions: tuple[Action, ...]
    stop: bool = False


@dataclass(frozen=True, slots=True)
class Look:
    """That a rule was looked at, what came of it, and what decided."""

    rule: int
    version: int
    name: str
    matched: bool
    because: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done for one response."""

    opened_by: Rule | None = None
    """The rule that opens a case; None: no case, and nothing else counts."""
    priority: Priority = Priority.NORMAL
    team: str | None = None
    strategy: Strategy | None = None
    is_complaint: bool = False


def plan(rules: Sequence[Rule], facts: Facts) -> list[tuple[Rule, Action]]:
    """Return what is to be done and which rule wants it, in order.

    >>> from cem_cases.rules.conditions import Condition
    >>> low = Condition("score", "at most", 6)
    >>> detractor = Rule(1, 1, "Detractor", low, (OpenCase(Priority.HIGH),))
    >>> [(rule.name, str(action)) for rule, action in plan([detractor], {"score": 2})]
    [('Detractor', 'open case, priority high')]
    >>> plan([detractor], {"score": 9})
    []
    """
    steps: list[tuple[Rule, Action]] = []
    for rule in rules:
        if rule.conditions.holds(facts):
            steps.extend((rule, action) for action in rule.actions)
            if rule.stop:
                break
    return steps


def decide(steps: Sequence[tuple[Rule, Action]]) -> Decision:
    """Fold the steps of a plan into one decision.

    A priority that some rule sets beats the one with which the case was opened; of
    several priorities, teams or strategies the last counts.
    """
    opened_by: Rule | None = None
    opening = Priority.NORMAL
    priority: Priority | None = None
    team: str | None = None
    strategy: Strategy | None = None
    is_complaint = False
    for rule, action in steps:
        match action:
            case OpenCase() if opened_by is None:
                opened_by, opening = rule, action.priority
            case SetPriority():
                priority = action.priority
            case SetTeam():
                team = action.team
            case Assign():
                strategy = action.strategy
            case MarkComplaint():
                is_complaint = True
    return Decision(opened_by, priority or opening, team, strategy, is_complaint)


def explain(rules: Sequence[Rule], facts: Facts) -> Iterator[Look]:
    """Yield, for each rule looked at, whether it matched and what decided."""
    for rule in rules:
        matched = rule.conditions.holds(facts)
        because = "; ".join(seen(c, facts) for c in deciding(rule.conditions, facts))
        yield Look(rule.key, rule.version, rule.name, matched, because or "always")
        if matched and rule.stop:
            return
