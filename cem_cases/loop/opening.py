"""Cases are opened, or joined: in batches, each with owner, clocks and its reasons.

A customer has one active case at a time, unless the survey says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from cem_cases import rules
from cem_cases.loop import audit, bulk, clocks, facts, owners, policies, sla, targets
from cem_cases.models import Case, Customer, Survey, Team

CANDIDATES_KEPT = 20


@dataclass(frozen=True, slots=True)
class Opening:
    """That an answer asks for a case, and why."""

    answer: facts.Answer
    decision: rules.Decision
    explanation: str
    """Its digest."""


def open_cases(
    openings: Sequence[Opening], found: Sequence[policies.Policy], *, now: datetime
) -> tuple[Sequence[Case], Sequence[Case]]:
    """Open or join a case for each of these; return those opened and those joined.

    `found` are the policies that may apply. Sets `case_id` of the answers, unsaved: the caller saves it in the same
    transaction. A customer with an active case gets no second one, unless the survey
    says so. The clocks start when the response was received: what the answer waited
    for a worker counts against us, not against the customer.
    """
    if not openings:
        return [], []
    active = _active_cases(openings)
    fresh: list[tuple[Case, Opening]] = []
    joins: list[tuple[Case, Opening]] = []
    for opening in openings:
        answer = opening.answer
        case = active.get(answer.customer_id)
        if case is None or answer.survey.repeat == Survey.Repeat.ANOTHER:
            case = _new_case(opening)
            fresh.append((case, opening))
            active[answer.customer_id] = case
        else:
            joins.append((case, opening))
    _open(fresh, found, now)
    for case, opening in fresh + joins:
        opening.answer.case_id = case.pk
    _join(joins, now)
    return [case for case, _ in fresh], [case for case, _ in joins]


def _active_cases(openings: Iterable[Opening]) -> dict[int, Case]:
    """Lock the customers, so that none gets two cases at a time; return their cases."""
    keys = {opening.answer.customer_id for opening in openings}
    customers = Customer.objects.select_for_update(no_key=True).filter(pk__in=keys)
    list(customers.order_by("pk").values_list("pk"))
    cases = Case.objects.active().filter(customer__in=keys).order_by("pk")
    return {case.customer_id: case for case in cases.select_for_update(no_key=True)}


def _new_case(opening: Opening) -> Case:
    answer, decision = opening.answer, opening.decision
    assert decision.opened_by is not None  # noqa: S101  (an Opening has a rule)
    return Case(
        kind=decision.kind,
        customer_id=answer.customer_id,
        opening_response_id=answer.pk,
        rule_id=decision.opened_by.key,
        rule_version=decision.opened_by.version,
        priority=decision.priority,
        is_complaint=decision.is_complaint,
        opened_at=answer.received_at,
        last_activity_at=answer.received_at,
    )


def _open(
    fresh: Sequence[tuple[Case, Opening]],
    found: Sequence[policies.Policy],
    now: datetime,
) -> None:
    if not fresh:
        return
    slugs = {opening.decision.team for _, opening in fresh} - {None}
    teams = {t.slug: t for t in Team.objects.filter(slug__in=slugs, is_active=True)}
    chosen, started = [], []
    for case, opening in fresh:
        case.team = teams.get(opening.decision.team or "")
        choice = policies.choose(found, {**opening.answer.facts, **facts.of_case(case)})
        chosen.append(choice)
        started += clocks.first(choice.policy, case)
    roster = owners.Roster(
        {c.team_id for c, o in fresh if o.decision.assign and c.team_id}, now=now
    )
    owned = [_choose_owner(case, opening, roster) for case, opening in fresh]
    bulk.insert([case for case, _ in fresh])
    for clock in started:
        clock.case_id = clock.case.pk
    bulk.insert(started)
    roster.save()
    events = []
    for (case, opening), policy, owner in zip(fresh, chosen, owned, strict=True):
        events.append(_opened(case, opening, policy))
        if owner is not None:
            events.append(_assigned_by_rule(case, opening, owner))
    audit.append(events, now=now, fresh=True)


def _choose_owner(
    case: Case, opening: Opening, roster: owners.Roster
) -> rules.Choice | None:
    """Give the case its owner, if a rule asked for one; return what was said of whom."""
    assign = opening.decision.assign
    if assign is None or case.team_id is None:
        return None
    choice, owner_id = roster.assign(case.team_id, assign.strategies[0])
    if owner_id is not None:
        case.owner_id = owner_id
        case.move("assign")
    return choice


def _opened(case: Case, opening: Opening, choice: policies.Choice) -> audit.NewEvent:
    decision, version = opening.decision, case.policy_version
    return audit.NewEvent(
        kind="case.opened",
        case=case,
        payload={
            "response": opening.answer.pk,
            "opened_at": case.opened_at,
            "priority": rules.Priority(case.priority).word,
            "team": case.team and case.team.slug,
            "team_not_found": None if case.team else decision.team,
            "is_complaint": case.is_complaint,
            "policy": version and version.policy_id,
            "policy_version": version and version.number,
            "policies": list(choice.looks),
            "due_at": case.due_at,
            "rule": case.rule_id,
            "rule_version": case.rule_version,
            "explanation": opening.explanation,
        },
    )


def _assigned_by_rule(
    case: Case, opening: Opening, choice: rules.Choice
) -> audit.NewEvent:
    return audit.NewEvent(
        kind="case.assigned" if choice.winner else "case.not_assigned",
        case=case,
        payload={
            "to": choice.winner and choice.winner.user,
            "by_rule": case.rule_id,
            "strategy": str(opening.decision.assign),
            "candidates": [asdict(v) for v in choice.verdicts[:CANDIDATES_KEPT]],
        },
    )


def _join(joins: Sequence[tuple[Case, Opening]], now: datetime) -> None:
    """Let each response join the active case of its customer."""
    events, changed, complaints = [], {}, []
    sla.resume_cases(_answered(joins), now=now)
    for case, opening in joins:
        before = case.priority
        raises = opening.answer.survey.repeat == Survey.Repeat.RAISE
        if raises and before > rules.Priority.URGENT:
            case.priority -= 1
            changed[case.pk] = case
        if opening.decision.is_complaint and not case.is_complaint:
            case.is_complaint = True
            changed[case.pk] = case
            complaints.append(case)
        payload = {
            "response": opening.answer.pk,
            "score": opening.answer.score,
            "priority": rules.Priority(case.priority).word,
            "priority_before": rules.Priority(before).word,
            "is_complaint": case.is_complaint,
        }
        events.append(audit.NewEvent(kind="case.joined", case=case, payload=payload))
    found = list(changed.values())
    facts_changed = ["case.priority", "case.is_complaint"]
    targets.reconsider(found, changed=facts_changed, now=now)
    for case in complaints:
        clocks.complaint(case, at=now)
    for case in found:
        case.version += 1
    bulk.update(
        found, ["priority", "is_complaint", "policy_version", "due_at", "version"]
    )
    audit.append(events, now=now)


def _answered(joins: Sequence[tuple[Case, Opening]]) -> list[Case]:
    """Return the cases that were pending on their customer, who has answered now."""
    pending = {case.pk: case for case, _ in joins if case.status == Case.Status.PENDING}
    return list(pending.values())
