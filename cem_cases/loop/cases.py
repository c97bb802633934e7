"""The verbs: what happens to a case, each in one transaction, each with its event.

Cases are opened in batches; people act on one at a time. Every verb takes an optional
`version`, the one its caller looked at: if the case was changed since, it is refused
with StaleVersion. Verbs return the case, fresh from the lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from cem_cases import rules
from cem_cases.conf import conf
from cem_cases.exceptions import (
    AlreadyClaimed,
    InvalidInput,
    NotAllowedNow,
    StaleVersion,
)
from cem_cases.loop import audit, bulk, owners, sla
from cem_cases.models import (
    Case,
    Clock,
    Contact,
    Customer,
    Membership,
    Metric,
    Response,
    RootCause,
    Survey,
    Team,
)

MAX_NOTE = 10_000
CANDIDATES_KEPT = 20


@dataclass(frozen=True, slots=True)
class Opening:
    """That a response asks for a case, and why."""

    response: Response
    decision: rules.Decision
    looks: tuple[rules.Look, ...]
    policy: sla.Policy | None


def open_cases(
    openings: Sequence[Opening], *, now: datetime
) -> tuple[Sequence[Case], Sequence[Case]]:
    """Open or join a case for each of these; return those opened and those joined.

    Sets `response.case`, unsaved: the caller saves the responses in the same
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
        response = opening.response
        case = active.get(response.customer_id)
        if case is None or response.survey.repeat == Survey.Repeat.ANOTHER:
            case = _new_case(opening)
            fresh.append((case, opening))
            active[response.customer_id] = case
        else:
            joins.append((case, opening))
    _open(fresh, now)
    for case, opening in fresh + joins:
        opening.response.case = case
    _join(joins, now)
    return [case for case, _ in fresh], [case for case, _ in joins]


def _active_cases(openings: Iterable[Opening]) -> dict[int, Case]:
    """Lock the customers, so that none gets two cases at a time; return their cases."""
    keys = {opening.response.customer_id for opening in openings}
    customers = Customer.objects.select_for_update(no_key=True).filter(pk__in=keys)
    list(customers.order_by("pk").values_list("pk"))
    cases = Case.objects.active().filter(customer__in=keys).order_by("pk")
    return {case.customer_id: case for case in cases.select_for_update(no_key=True)}


def _new_case(opening: Opening) -> Case:
    response, decision = opening.response, opening.decision
    assert decision.opened_by is not None  # noqa: S101  (an Opening has a rule)
    return Case(
        customer_id=response.customer_id,
        opening_response=response,
        rule_id=decision.opened_by.key,
        rule_version=decision.opened_by.version,
        priority=decision.priority,
        opened_at=response.received_at,
    )


def _open(fresh: Sequence[tuple[Case, Opening]], now: datetime) -> None:
    if not fresh:
        return
    slugs = {opening.decision.team for _, opening in fresh} - {None}
    teams = {t.slug: t for t in Team.objects.filter(slug__in=slugs, is_active=True)}
    clocks: list[tuple[Case, Clock]] = []
    for case, opening in fresh:
        case.team = teams.get(opening.decision.team or "")
        started = sla.new_clocks(opening.policy, case.priority, case.opened_at)
        case.due_at = sla.next_due(started)
        clocks += [(case, clock) for clock in started]
    roster = owners.Roster(
        {c.team_id for c, o in fresh if o.decision.strategy and c.team_id}, now=now
    )
    choices = [_choose_owner(case, opening, roster) for case, opening in fresh]
    bulk.insert([case for case, _ in fresh])
    for case, clock in clocks:
        clock.case = case
    bulk.insert([clock for _, clock in clocks])
    roster.save()
    events = []
    for (case, opening), choice in zip(fresh, choices, strict=True):
        events.append(_opened(case, opening))
        if choice is not None:
            events.append(_assigned_by_rule(case, opening, choice))
    audit.append(events, now=now, fresh=True)


def _choose_owner(
    case: Case, opening: Opening, roster: owners.Roster
) -> rules.Choice | None:
    """Give the case its owner, if a rule asked for one; return what was said of whom."""
    strategy = opening.decision.strategy
    if strategy is None or case.team_id is None:
        return None
    choice, owner_id = roster.assign(case.team_id, strategy)
    if owner_id is not None:
        case.owner_id = owner_id
        case.move("assign")
    return choice


def _opened(case: Case, opening: Opening) -> audit.NewEvent:
    decision = opening.decision
    return audit.NewEvent(
        kind="case.opened",
        case=case,
        payload={
            "response": opening.response.pk,
            "opened_at": case.opened_at,
            "priority": rules.Priority(case.priority).word,
            "team": case.team and case.team.slug,
            "team_not_found": None if case.team else decision.team,
            "policy": opening.policy and opening.policy.row.pk,
            "policy_version": opening.policy and opening.policy.row.version,
            "due_at": case.due_at,
            "rule": case.rule_id,
            "rule_version": case.rule_version,
            "rules": [asdict(look) for look in opening.looks],
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
            "strategy": str(opening.decision.strategy),
            "candidates": [asdict(v) for v in choice.verdicts[:CANDIDATES_KEPT]],
        },
    )


def _join(joins: Sequence[tuple[Case, Opening]], now: datetime) -> None:
    """Let each response join the active case of its customer."""
    events, raised = [], {}
    for case, opening in joins:
        before = case.priority
        raises = opening.response.survey.repeat == Survey.Repeat.RAISE
        if raises and before > rules.Priority.URGENT:
            case.priority -= 1
            case.version += 1
            raised[case.pk] = case
        payload = {
            "response": opening.response.pk,
            "score": opening.response.score,
            "priority": rules.Priority(case.priority).word,
            "priority_before": rules.Priority(before).word,
        }
        events.append(audit.NewEvent(kind="case.joined", case=case, payload=payload))
    sla.retarget(list(raised.values()))
    bulk.update(list(raised.values()), ["priority", "due_at", "version"])
    audit.append(events, now=now)


@transaction.atomic
def claim(
    case: Case,
    *,
    by: AbstractBaseUser,
    version: int | None = None,
    now: datetime | None = None,
) -> Case:
    """Make `by` the owner of a case that has none.

    Of any number of simultaneous claims exactly one wins; the others raise
    AlreadyClaimed, which names the winner. Raises NotAllowedNow for a case that is done.
    """
    waiting = Case.objects.filter(pk=case.pk, status=Case.Status.NEW, owner=None)
    if version is not None:
        waiting = waiting.filter(version=version)
    won = waiting.update(owner=by, status=Case.Status.OPEN, version=F("version") + 1)
    fresh = Case.objects.select_related("owner").get(pk=case.pk)
    if not won:
        raise _lost(fresh, version)
    _count(fresh, by.pk, +1)
    _record(fresh, "case.claimed", by, now, to=str(by.pk))
    return fresh


def _lost(case: Case, version: int | None) -> Exception:
    if case.owner is not None and case.is_active:
        return AlreadyClaimed(f"Case {case} belongs to {case.owner} already.")
    if version is not None and version != case.version:
        return _stale(case)
    return NotAllowedNow(f"Case {case} is {case.status}: claim is not possible.")


@transaction.atomic
def assign(
    case: Case,
    *,
    by: AbstractBaseUser,
    to: AbstractBaseUser | None,
    team: Team | None = None,
    reason: str = "",
    version: int | None = None,
    now: datetime | None = None,
) -> Case:
    """Give the case to a member of its team, or of `team`; None: back to the queue.

    Raises InvalidInput if `to` is no active member of the team.
    """
    locked = _lock(case, "unassign" if to is None else "assign", version)
    team_before, owner_before = locked.team_id, locked.owner_id
    if team is not None:
        locked.team = team
    if to is not None and not owners.may_own(to, locked.team_id):
        raise InvalidInput({"to": ["Must be an active member of the case's team."]})
    if owner_before is not None:
        _count(locked, owner_before, -1, team_id=team_before)
    locked.owner_id = None if to is None else to.pk
    if to is not None:
        _count(locked, to.pk, +1)
    _save(locked, "team", "owner")
    _record(
        locked,
        "case.assigned" if to is not None else "case.unassigned",
        by,
        now,
        text=_note(reason, "reason", required=False),
        to=None if to is None else str(to.pk),
        team=locked.team and locked.team.slug,
    )
    return locked


@transaction.atomic
def set_priority(
    case: Case,
    *,
    by: AbstractBaseUser,
    priority: int,
    version: int | None = None,
    now: datetime | None = None,
) -> Case:
    """Change the priority; the running clocks get the new targets from their start."""
    locked = _lock(case, "set priority", version)
    before, locked.priority = locked.priority, rules.Priority(priority)
    sla.retarget([locked])
    _save(locked, "priority", "due_at")
    _record(
        locked,
        "case.priority_set",
        by,
        now,
        priority=rules.Priority(priority).word,
        priority_before=rules.Priority(before).word,
    )
    return locked


@transaction.atomic
def note(
    case: Case,
    *,
    by: AbstractBaseUser,
    text: str,
    version: int | None = None,
    now: datetime | None = None,
) -> Case:
    """Write an internal note; the customer never sees it."""
    locked = _lock(case, "note", version)
    _save(locked)
    _record(locked, "case.noted", by, now, text=_note(text, "text"))
    return locked


@transaction.atomic
def contact(
    case: Case,
    *,
    by: AbstractBaseUser,
    channel: str,
    attempt: str,
    direction: str = Contact.Direction.OUT,
    subject: str = "",
    body: str = "",
    version: int | None = None,
    now: datetime | None = None,
) -> Case:
    """Note that the customer was contacted, or contacted us.

    The first outgoing contact that arrived completes the first-contact clock.
    """
    now = now or timezone.now()
    locked = _lock(case, "contact", version)
    row = Contact(
        case=locked,
        direction=_one_of(Contact.Direction.values, direction, "direction"),
        channel=_line(channel, "channel", 100, required=True),
        attempt=_one_of(Contact.Attempt.values, attempt, "attempt"),
        subject=_line(subject, "subject", 200),
        body=_note(body, "body", required=False),
        author_id=by.pk,
        at=now,
    )
    row.save()
    if row.arrived and locked.first_contact_at is None:
        locked.first_contact_at = now
        sla.complete(locked, [Metric.FIRST_CONTACT], at=now)
    _save(locked, "first_contact_at", "due_at")
    _record(
        locked,
        "case.contacted",
        by,
        now,
        contact=row.pk,
        direction=row.direction,
        channel=row.channel,
        attempt=row.attempt,
    )
    return locked


@transaction.atomic
def resolve(
    case: Case,
    *,
    by: AbstractBaseUser,
    root_cause: RootCause,
    outcome: str,
    note: str,
    version: int | None = None,
    now: datetime | None = None,
) -> Case:
    """Close the loop with the customer: say why it happened and what came of it.

    *Not reached* is believed after enough attempts only (`NOT_REACHED_…`).
    A case without owner becomes the resolver's. Completes all clocks.
    """
    now = now or timezone.now()
    locked = _lock(case, "resolve", version)
    text = _note(note, "note")
    locked.outcome = _one_of(Case.Outcome.values, outcome, "outcome")
    if locked.outcome == Case.Outcome.NOT_REACHED:
        _check_attempts(locked)
    if not root_cause.is_active:
        raise InvalidInput({"root_cause": ["Is not in use any more; choose another."]})
    sla.complete(locked, Metric.values, at=now)
    if locked.owner_id is None:
        locked.owner_id = by.pk
    else:
        _count(locked, locked.owner_id, -1)
    locked.root_cause, locked.resolved_at = root_cause, now
    _save(locked, "owner", "root_cause", "outcome", "resolved_at", "due_at")
    _record(
        locked,
        "case.resolved",
        by,
        now,
        text=text,
        root_cause=root_cause.code,
        outcome=locked.outcome,
        cycle=locked.cycle,
        contacted=locked.first_contact_at is not None,
    )
    return locked


@transaction.atomic
def reopen(
    case: Case,
    *,
    by: AbstractBaseUser,
    reason: str,
    version: int | None = None,
    now: datetime | None = None,
) -> Case:
    """Take a resolved case up again: the next cycle of its resolution clock begins.

    It returns to its owner; where the owner may not own cases of the team any more,
    to the team's queue.
    """
    now = now or timezone.now()
    locked = _lock(case, "reopen", version)
    text = _note(reason, "reason")
    if locked.owner is not None and owners.may_own(locked.owner, locked.team_id):
        _count(locked, locked.owner_id, +1)
    else:
        locked.owner, locked.status = None, Case.Status.NEW
    locked.cycle += 1
    locked.resolved_at, locked.outcome = None, ""
    sla.restart(locked, at=now)
    _save(locked, "owner", "cycle", "resolved_at", "outcome", "due_at")
    _record(locked, "case.reopened", by, now, text=text, cycle=locked.cycle)
    return locked


@transaction.atomic
def close(
    case: Case,
    *,
    by: AbstractBaseUser,
    version: int | None = None,
    now: datetime | None = None,
) -> Case:
    """End a resolved case for good; what comes later opens another one."""
    now = now or timezone.now()
    locked = _lock(case, "close", version)
    locked.closed_at = now
    _save(locked, "closed_at")
    _record(locked, "case.closed", by, now)
    return locked


def _lock(case: Case, verb: str, version: int | None) -> Case:
    """Lock the row and move it along `verb`. Raises StaleVersion, NotAllowedNow."""
    locked = Case.objects.select_for_update(no_key=True).get(pk=case.pk)
    if version is not None and version != locked.version:
        raise _stale(locked)
    locked.move(verb)
    return locked


def _stale(case: Case) -> StaleVersion:
    return StaleVersion(
        f"Case {case} was changed meanwhile (it is at version {case.version}). "
        "Look at it again."
    )


def _save(case: Case, *names: str) -> None:
    case.version += 1
    case.save(update_fields=["status", "version", *names])


def _record(
    case: Case,
    kind: str,
    by: AbstractBaseUser,
    now: datetime | None,
    *,
    text: str = "",
    **payload: object,
) -> None:
    payload["status"] = case.status
    event = audit.NewEvent(kind=kind, case=case, actor=by, text=text, payload=payload)
    audit.append([event], now=now or timezone.now())


def _count(
    case: Case, user_id: Any, change: int, *, team_id: int | None = None
) -> None:
    """Keep the counter of the owner's open cases in step with the case."""
    held = Membership.objects.filter(team=team_id or case.team_id, user=user_id)
    if change < 0:
        held = held.filter(open_cases__gt=0)
    held.update(open_cases=F("open_cases") + change)


def _check_attempts(case: Case) -> None:
    attempts = list(case.contacts.filter(direction=Contact.Direction.OUT))
    days = {timezone.localdate(attempt.at) for attempt in attempts}
    channels = {attempt.channel.casefold() for attempt in attempts}
    for found, needed, what in (
        (len(attempts), conf().NOT_REACHED_ATTEMPTS, "contact attempts"),
        (len(days), conf().NOT_REACHED_DAYS, "different days"),
        (len(channels), conf().NOT_REACHED_CHANNELS, "different channels"),
    ):
        if found < needed:
            raise InvalidInput(
                {"outcome": [f"Not reached needs {needed} {what}; there are {found}."]}
            )


def _one_of(values: Sequence[str], value: str, field: str) -> str:
    if value not in values:
        raise InvalidInput({field: [f"Must be one of: {', '.join(values)}."]})
    return value


def _note(text: str, field: str, *, required: bool = True) -> str:
    text = text.strip()
    if required and not text:
        raise InvalidInput({field: ["Is missing."]})
    if len(text) > MAX_NOTE or "\x00" in text:
        raise InvalidInput({field: [f"Must be at most {MAX_NOTE:,} characters."]})
    return text


def _line(text: str, field: str, limit: int, *, required: bool = False) -> str:
    """Return one line of text: header injection ends here."""
    text = " ".join(text.split())
    if required and not text:
        raise InvalidInput({field: ["Is missing."]})
    if len(text) > limit or "\x00" in text:
        raise InvalidInput({field: [f"Must be at most {limit} characters."]})
    return text
