"""Cases are opened, or joined: in batches, each with owner, clocks and its reasons.

A customer has one active case at a time, unless the survey says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cem_cases import rules
from cem_cases.loop import (
    audit,
    bulk,
    clocks,
    facts,
    owners,
    policies,
    sla,
    staffing,
    tagging,
    targets,
)
from cem_cases.loop.roster import Roster
from cem_cases.models import Case, Customer, Survey, Team

JOINED = (
    *("priority", "is_complaint", "policy_version", "due_at", "version"),
    *("last_activity_at", "quiet_hours"),
)
"""What an answer may change of the case that it joins."""


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

    `found` are the policies that may apply. Sets `case_id` of the answers, unsaved: the
    caller saves it in the same transaction. A customer with an active case gets no second one, unless the survey
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
        if case is not None and may_join(answer):
            joins.append((case, opening))
        else:
            case = _new_case(opening)
            fresh.append((case, opening))
            active[answer.customer_id] = case
    _open(fresh, found, now)
    for case, opening in fresh + joins:
        opening.answer.case_id = case.pk
    _join(joins, now)
    return [case for case, _ in fresh], [case for case, _ in joins]


def may_join(answer: facts.Answer) -> bool:
    """Whether this answer joins a case of its customer that is active."""
    return answer.survey.repeat != Survey.Repeat.ANOTHER


def raised(priority: int, answer: facts.Answer) -> int:
    """Return the priority of an active case once this answer has joined it."""
    raises = answer.survey.repeat == Survey.Repeat.RAISE
    return priority - (raises and priority > rules.Priority.URGENT)


def _active_cases(openings: Iterable[Opening]) -> dict[int, Case]:
    """Lock the customers, so that none gets two cases at a time; return their cases."""
    keys = {opening.answer.customer_id for opening in openings}
    wanted = bulk.among(keys)
    customers = Customer.objects.select_for_update(no_key=True).filter(pk__in=wanted)
    list(customers.order_by("pk").values_list("pk"))
    cases = Case.objects.active().filter(customer__in=wanted).order_by("pk")
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
        priority=decision.priority or rules.Priority.NORMAL,
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
        choice = policy_of(case, opening, found)
        chosen.append(choice)
        started += clocks.first(choice.policy, case)
    owned, roster = _choose_owners(fresh, now)
    bulk.insert([case for case, _ in fresh])
    tags = tagging.add((case, opening.decision.tags) for case, opening in fresh)
    for clock in started:
        clock.case_id = clock.case.pk
    bulk.insert(started)
    roster.save()
    events, waiting = [], []
    for (case, opening), policy, owner in zip(fresh, chosen, owned, strict=True):
        events.append(_opened(case, opening, policy, tags.get(case.pk, ())))
        if owner is not None:
            events.append(staffing.event(case, owner))
            if not owner.winner:
                waiting.append((len(events) - 1, case, owner))
    saved = audit.append(events, now=now, fresh=True)
    staffing.alert(
        [staffing.nobody(saved[n], case, owner) for n, case, owner in waiting], now=now
    )


def policy_of(
    case: Case, opening: Opening, found: Sequence[policies.Policy]
) -> policies.Choice:
    """Return the policy of a new case: the one that a rule names, or the first to hold."""
    name = opening.decision.policy
    if name is not None:
        for policy in found:
            if policy.version.policy.name == name:
                case.policy_is_set = True
                return policies.named(policy)
    return policies.choose(found, opening.answer.facts | facts.of_case(case))


def _choose_owners(
    fresh: Sequence[tuple[Case, Opening]], now: datetime
) -> tuple[list[rules.Choice | None], Roster]:
    """Give each case its owner, if a rule asks for one; return what was said of whom.

    The counters of those who got one are for the caller to save.
    """
    asked = [
        rules.wanted(opening.decision.assign, opening.decision.owner)
        if case.team_id
        else None
        for case, opening in fresh
    ]
    teams = {
        case.team_id for (case, _), wants in zip(fresh, asked, strict=True) if wants
    }
    roster = Roster([key for key in teams if key], now=now)
    keys = [case.customer_id for case, _ in fresh]
    hints = owners.hints(zip(keys, asked, strict=True))
    owned: list[rules.Choice | None] = []
    for (case, _), wants in zip(fresh, asked, strict=True):
        if wants is None:
            owned.append(None)
            continue
        hint = hints.of(case.customer_id)
        owned.append(staffing.give(case, wants, roster, hint=hint))
        hints.remember(case.customer_id, case.owner_id)
    return owned, roster


def _opened(
    case: Case, opening: Opening, choice: policies.Choice, tags: Sequence[str]
) -> audit.NewEvent:
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
            "tags": tags,
            "policy": version and version.policy_id,
            "policy_version": version and version.number,
            "policies": list(choice.looks),
            "due_at": case.due_at,
            "rule": case.rule_id,
            "rule_version": case.rule_version,
            "explanation": opening.explanation,
        },
    )


def _join(joins: Sequence[tuple[Case, Opening]], now: datetime) -> None:
    """Let each response join the active case of its customer."""
    events, changed, complaints = [], {}, []
    tags = dict(tagging.add((case, opening.decision.tags) for case, opening in joins))
    sla.resume_cases(_answered(joins), now=now)
    for case, opening in joins:
        before = case.priority
        case.priority = raised(before, opening.answer)
        if case.priority != before:
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
            "tags": tags.pop(case.pk, ()),
        }
        case.last_activity_at, case.quiet_hours = now, 0
        events.append(audit.NewEvent(kind="case.joined", case=case, payload=payload))
    found = list(changed.values())
    facts_changed = ["case.priority", "case.is_complaint"]
    targets.reconsider(found, changed=facts_changed, now=now)
    for case in complaints:
        clocks.complaint(case, at=now)
    for case in found:
        case.version += 1
    bulk.update(list({case.pk: case for case, _ in joins}.values()), JOINED)
    audit.append(events, now=now)


def _answered(joins: Sequence[tuple[Case, Opening]]) -> list[Case]:
    """Return the cases that were pending on their customer, who has answered now."""
    pending = {case.pk: case for case, _ in joins if case.status == Case.Status.PENDING}
    return list(pending.values())
