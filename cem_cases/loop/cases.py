"""The verbs: what happens to a case, each in one transaction, each with its event.

Cases are opened in batches (`loop.opening`); people act on one at a time. Every verb takes an optional
`version`, the one its caller looked at: if the case was changed since, it is refused
with StaleVersion. Verbs return the case, fresh from the lock.
"""

from __future__ import annotations

from datetime import datetime

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
from cem_cases.loop import audit, given, owners, sla
from cem_cases.models import (
    Case,
    ClockMetric,
    Contact,
    Customer,
    RootCause,
    Survey,
    Team,
)


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
    AlreadyClaimed, which names the winner. Raises NotAllowedNow for a case that is done,
    StaleVersion for one that is not in the team any more in which the caller saw it.
    """
    waiting = Case.objects.filter(
        pk=case.pk,
        team=case.team_id,  # that the caller could see; it may have moved meanwhile
        status=Case.Status.NEW,
        owner=None,
    )
    if version is not None:
        waiting = waiting.filter(version=version)
    won = waiting.update(owner=by, status=Case.Status.OPEN, version=F("version") + 1)
    fresh = Case.objects.select_related("owner").get(pk=case.pk)
    if not won:
        raise _lost(fresh)
    owners.move_load((None, None), (fresh.team_id, by.pk))
    _record(fresh, "case.claimed", by, now, to=str(by.pk))
    return fresh


def _lost(case: Case) -> Exception:
    if case.owner is not None and case.is_active:
        return AlreadyClaimed(f"Case {case} belongs to {case.owner} already.")
    if not case.is_active:
        return NotAllowedNow(f"Case {case} is {case.status}: claim is not possible.")
    return _stale(case)


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

    To whom it belongs already changes nothing.
    Raises InvalidInput if `to` is no active member of the team.
    """
    locked = _lock(case, "unassign" if to is None else "assign", version)
    before = (locked.team_id, locked.owner_id)
    if team is not None:
        locked.team = team
    if to is not None and not owners.may_own(to, locked.team_id):
        raise InvalidInput({"to": ["Must be an active member of the case's team."]})
    locked.owner_id = None if to is None else to.pk
    if before == (locked.team_id, locked.owner_id):
        return locked
    owners.move_load(before, (locked.team_id, locked.owner_id))
    _save(locked, "team", "owner")
    _record(
        locked,
        "case.assigned" if to is not None else "case.unassigned",
        by,
        now,
        text=given.text(reason, "reason", required=False),
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
    """Change the priority; the running clocks get the new targets from their start.

    The priority that the case has already changes nothing.
    """
    if priority not in Case.Priority.values:
        raise InvalidInput({"priority": ["Must be from 1 (urgent) to 4 (low)."]})
    locked = _lock(case, "set priority", version)
    before = locked.priority
    if priority == before:
        return locked
    locked.priority = priority
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
    _record(locked, "case.noted", by, now, text=given.text(text, "text"))
    return locked


@transaction.atomic
def contact(
    case: Case,
    *,
    by: AbstractBaseUser,
    channel: str,
    attempt: str = "",
    direction: str = Contact.Direction.OUT,
    subject: str = "",
    body: str = "",
    version: int | None = None,
    now: datetime | None = None,
) -> Case:
    """Note that the customer was contacted, with what came of it, or contacted us.

    The first outgoing contact that arrived completes the first-contact clock. A
    contact from the customer needs no `attempt`: it is received.
    """
    now = now or timezone.now()
    locked = _lock(case, "contact", version)
    row = Contact(
        case=locked,
        direction=direction,
        channel=given.line(channel, "channel", 100, required=True),
        attempt=_attempt(direction, attempt),
        subject=given.line(subject, "subject", 200),
        body=given.text(body, "body", required=False),
        author_id=by.pk,
        at=now,
    )
    row.save()
    if row.arrived and locked.first_contact_at is None:
        locked.first_contact_at = now
        sla.complete(locked, [ClockMetric.FIRST_CONTACT], at=now)
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
    text = given.text(note, "note")
    locked.outcome = given.one_of(Case.Outcome.values, outcome, "outcome")
    if locked.outcome == Case.Outcome.NOT_REACHED:
        _check_attempts(locked)
    if not root_cause.is_active:
        raise InvalidInput({"root_cause": ["Is not in use any more; choose another."]})
    sla.complete(locked, ClockMetric.values, at=now)
    owners.move_load((locked.team_id, locked.owner_id), (None, None))
    if locked.owner_id is None:
        locked.owner_id = by.pk
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
    to the team's queue. Raises NotAllowedNow also where the customer has another active
    case by now, and the survey allows one at a time.
    """
    now = now or timezone.now()
    _refuse_second(case)
    locked = _lock(case, "reopen", version)
    text = given.text(reason, "reason")
    locked.cycle += 1
    locked.resolved_at, locked.outcome = None, ""
    sla.restart(locked, at=now)
    if locked.owner is not None and owners.may_own(locked.owner, locked.team_id):
        owners.move_load((None, None), (locked.team_id, locked.owner_id))
    else:
        locked.owner, locked.status = None, Case.Status.NEW
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


def _refuse_second(case: Case) -> None:
    """Lock the customer, and refuse a second active case where one is the rule."""
    known = Case.objects.select_related("opening_response__survey").get(pk=case.pk)
    customers = Customer.objects.select_for_update(no_key=True)
    customers.only("pk").get(pk=known.customer_id)
    opened_by = known.opening_response
    if opened_by and opened_by.survey.repeat == Survey.Repeat.ANOTHER:
        return
    others = Case.objects.active().filter(customer=known.customer_id)
    other = others.exclude(pk=case.pk).first()
    if other is not None:
        raise NotAllowedNow(f"The customer has an active case already: {other}.")


def _attempt(direction: str, attempt: str) -> str:
    received = Contact.Attempt.RECEIVED
    if given.one_of(Contact.Direction.values, direction, "direction") == "in":
        return given.one_of([received], attempt or received, "attempt")
    outgoing = [value for value, _ in Contact.OUTGOING]
    if not attempt:
        raise InvalidInput(
            {"attempt": [f"Say what came of it: {', '.join(outgoing)}."]}
        )
    return given.one_of(outgoing, attempt, "attempt")


def _check_attempts(case: Case) -> None:
    """Believe *not reached* after enough attempts in this cycle, none of which did."""
    clock = case.clocks.filter(cycle=case.cycle).first()
    since = clock.started_at if clock else case.opened_at
    attempts = list(
        case.contacts.filter(direction=Contact.Direction.OUT, at__gte=since).exclude(
            attempt=Contact.Attempt.REACHED
        )
    )
    zone = timezone.get_default_timezone()  # the same for whoever asks
    days = {timezone.localdate(attempt.at, zone) for attempt in attempts}
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
