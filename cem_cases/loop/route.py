"""From facts to decisions, from decisions to cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cem_cases import rules
from cem_cases.loop import (
    bulk,
    effects,
    explanations,
    facts,
    opening,
    past,
    policies,
    ruleset,
)
from cem_cases.models import Response, RuleRun


@dataclass(frozen=True, slots=True)
class Routed:
    """What came of a batch: cases opened, responses that joined an open case."""

    opened: int = 0
    joined: int = 0


@dataclass(frozen=True, slots=True)
class Setup:
    """By what a batch is decided: the same for each of its answers."""

    active: ruleset.Active
    policies: Sequence[policies.Policy]
    facts: frozenset[str]
    """The names of all facts that rules and policies ask for."""


def setup() -> Setup:
    """Return the rules and policies of this moment."""
    active = ruleset.active(rules.Trigger.RESPONSE_RECEIVED)
    found = policies.current()
    names = facts.wanted(policy.conditions for policy in found)
    return Setup(active, found, active.rules.facts | names)


@dataclass(frozen=True, slots=True)
class Planned:
    """What the rules say to one answer."""

    answer: facts.Answer
    decision: rules.Decision
    looks: str
    """The explanation, as text."""


def plan(answers: Sequence[facts.Answer], by: Setup) -> list[Planned]:
    """Return what the rules say to these answers, whose facts are complete."""
    ruleset_, planned = by.active.rules, []
    since = max(by.active.since.values(), default=None)
    for answer in answers:
        at = answer.received_at
        among = by.active.that_knew(at) if since and since > at else None
        found = ruleset_.plan(answer.facts, among)
        looks = ruleset_.explain(found, answer.facts)
        planned.append(Planned(answer, found.decision, looks))
    return planned


def route(answers: Sequence[facts.Answer], by: Setup, *, now: datetime) -> Routed:
    """Do what the rules ask for these answers, and mark them as processed.

    Takes analysed answers whose rows the caller has locked, inside the caller's
    transaction. The number of statements does not depend on their number.
    """
    past.fill(answers, by.facts)
    planned = plan(answers, by)
    openings = [
        opening.Opening(each.answer, each.decision, explanations.digest(each.looks))
        for each in planned
        if each.decision.opened_by
    ]
    opened, joined = opening.open_cases(openings, by.policies, now=now)
    _perform(planned, now)
    _remember(planned, now)
    return Routed(opened=len(opened), joined=len(joined))


def _perform(planned: Sequence[Planned], now: datetime) -> None:
    """Let go out what the rules want to go out."""
    due = [
        effects.Due(
            rule, effect, each.answer.customer_id, each.answer.case_id, each.answer.pk
        )
        for each in planned
        for rule, effect in each.decision.effects
    ]
    effects.perform(due, now=now)


def _remember(planned: Sequence[Planned], now: datetime) -> None:
    """Write which rules acted, why, and that the answers are done."""
    ruleset.note_runs(
        RuleRun.Subject.RESPONSE,
        ((rule, each.answer.pk) for each in planned for rule in each.decision.matched),
        now=now,
    )
    kept = explanations.keep(each.looks for each in planned)
    names = ["band", "case", "explanation"]
    rows = [
        (each.answer.pk, each.answer.band, each.answer.case_id, kept[each.looks])
        for each in planned
    ]
    sentiments = [each.answer.sentiment for each in planned]
    if any(found is not None for found in sentiments):
        names.append("sentiment")
        rows = [(*row, s) for row, s in zip(rows, sentiments, strict=True)]  # type: ignore[misc]
    bulk.change(Response, names, rows, same={"processed_at": now})
