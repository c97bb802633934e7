"""The verbs: what happens to a case, each in one transaction, each with its event.

Cases are opened in batches (`loop.opening`); people act on one at a time. Every verb takes an optional
`version`, the one its caller looked at: if the case was changed since, it is refused
with StaleVersion. Verbs return the case, fresh from the lock.
"""

from __future__ import annotations

from datetime import datetime, timedelta
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
from cem_cases.loop import audit, clocks, given, moment, owners, staffing, targets
from cem_cases.loop.roster import Roster
from cem_cases.models import (
    Case,
    Contact,
    Customer,
    RootCause,
    Survey,
    Team,
)

WAITING = ("waiting_reason", "waiting_until")
TIMES = ("policy_version", "due_at")
OWNER = ("owner", "owner_is_manual", "assignment")
ACTIVITY = ("last_activity_at", "quiet_hours")
LONGEST_WAIT = timedelta(days=366)


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
    now = now or moment.now()
    won = waiting.update(
        owner=by,
        owner_is_manual=True,
        status=Case.Status.OPEN,
        last_activity_at=now,
        quiet_hours=0,
        version=F("version") + 1,
    )
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

    Where some policy asks for the team, the case may come under another one. To whom it
    belongs already changes nothing. In the queue it waits for somebody to claim it: no
    rule gives it away again. Raises InvalidInput if `to` is absent or no active member of
    the team; room, skills, working hours and declines are for the caller to judge.
    """
    now = now or moment.now()
    locked = _lock(case, "unassign" if to is None else "assign", version)
    before = (locked.team_id, locked.owner_id)
    if team is not None:
        locked.team = team
    if to is not None:
        _check_may_own(to, locked.team_id, by, now)
    locked.owner_id = None if to is None else to.pk
    locked.owner_is_manual = to is not None
    if to is None:
        locked.assignment = None
    if before == (locked.team_id, locked.owner_id):
        return locked
    resumed = _end_waiting(locked, now)
    if locked.team_id != before[0]:
        targets.reconsider([locked], changed=["case.team"], now=now)
    owners.move_load(before, (locked.team_id, locked.owner_id))
    _save(locked, now, "team", *OWNER, *WAITING, *TIMES)
    _record(
        locked,
        "case.assigned" if to is not None else "case.unassigned",
        by,
        now,
        text=given.text(reason, "reason", required=False),
        to=None if to is None else str(to.pk),
        team=locked.team and locked.team.slug,
        resumed=resumed,
    )
    return locked


def _check_may_own(
    to: AbstractBaseUser, team_id: int | None, by: AbstractBaseUser, now: datetime
) -> None:
    chooser = rules.Chooser.ONESELF if to.pk == by.pk else rules.Chooser.PERSON
    found = owners.standing(to, team_id, chooser, now=now)
    if not found.is_eligible:
        raise InvalidInput({"to": [staffing.refusal(to, found)]})


@transaction.atomic
def decline(
    case: Case,
    *,
    by: AbstractBaseUser,
    reason: str,
    version: int | None = None,
    now: datetime | None = None,
) -> Case:
    """Give one's case back: rules do not offer it to the same person again.

    It keeps its age, and its clocks run on. As its rule wants, the next one gets it at
    once; else it waits in the team's queue. Raises NotAllowedNow for anybody but its
    owner.
    """
    now = now or moment.now()
    locked = _lock(case, "decline", version)
    if locked.owner_id != by.pk:
        raise NotAllowedNow(f"Case {locked} is not yours: only its owner declines it.")
    text = given.text(reason, "reason")
    resumed = _end_waiting(locked, now)
    staffing.decline(locked, by=by, now=now)
    members = _members(locked, now)
    members.release(locked.team_id, by.pk)
    locked.owner, locked.owner_is_manual = None, False
    _record(locked, "case.declined", by, now, text=text, resumed=resumed)
    _pass_on(locked, members, now)
    _save(locked, now, *OWNER, *WAITING, *TIMES)
    return locked


def _members(case: Case, now: datetime) -> Roster:
    return Roster([case.team_id] if case.team_id else [], now=now)


def _pass_on(case: Case, members: Roster, now: datetime) -> None:
    """Give a case that nobody has to the next one, if some rule wants that."""
    found = staffing.give_again(case, members)
    members.save()
    if found is None:
        return
    event, choice = found
    (saved,) = audit.append([event], now=now)
    if not choice.winner:
        staffing.alert([staffing.nobody(saved, case, choice)], now=now)


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

    A clock that has used up its new target already breaches now.
    The priority that the case has already changes nothing.
    """
    if priority not in Case.Priority.values:
        raise InvalidInput({"priority": ["Must be from 1 (urgent) to 4 (low)."]})
    now = now or moment.now()
    locked = _lock(case, "set priority", version)
    before = locked.priority
    if priority == before:
        return locked
    locked.priority = priority
    targets.reconsider([locked], changed=["case.priority"], now=now)
    _save(locked, now, "priority", *TIMES)
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
def mark_complaint(
    case: Case,
    *,
    by: AbstractBaseUser,
    is_complaint: bool = True,
    version: int | None = None,
    now: datetime | None = None,
) -> Case:
    """Say whether the case is a complaint: then its statutory clock runs, too.

    That clock began when the case was opened, whenever it was found to be a complaint.
    As it is flagged already changes nothing.
    """
    now = now or moment.now()
    locked = _lock(case, "mark complaint", version)
    if locked.is_complaint == is_complaint:
        return locked
    locked.is_complaint = is_complaint
    if not is_complaint:  # cancelled first: no other target may breach it meanwhile
        clocks.complaint(locked, at=now)
    targets.reconsider([locked], changed=["case.is_complaint"], now=now)
    if is_complaint:
        clocks.complaint(locked, at=now)
    _save(locked, now, "is_complaint", *TIMES)
    _record(locked, "case.complaint_marked", by, now, is_complaint=is_complaint)
    return locked


@transaction.atomic
def set_pending(
    case: Case,
    *,
    by: AbstractBaseUser,
    reason: str,
    until: datetime,
    version: int | None = None,
    now: datetime | None = None,
) -> Case:
    """Wait for the customer, until then at the longest; the policy may pause clocks.

    It is open again by itself when the end comes, or when the customer answers. Raises
    InvalidInput for an end that is not in the future.
    """
    return _wait(case, "set pending", by, reason, until, version, now)


@transaction.atomic
def put_on_hold(
    case: Case,
    *,
    by: AbstractBaseUser,
    reason: str,
    until: datetime,
    version: int | None = None,
    now: datetime | None = None,
) -> Case:
    """Wait for others, until then at the longest; the policy may pause clocks.

    It is open again by itself when the end comes. Raises InvalidInput for an end that is
    not in the future.
    """
    return _wait(case, "put on hold", by, reason, until, version, now)


def _wait(
    case: Case,
    verb: str,
    by: AbstractBaseUser,
    reason: str,
    until: datetime,
    version: int | None,
    now: datetime | None,
) -> Case:
    now = now or moment.now()
    locked = _lock(case, verb, version)
    locked.waiting_reason = given.line(reason, "reason", 200, required=True)
    if not now < until <= now + LONGEST_WAIT:
        raise InvalidInput({"until": ["Must be in the future, by a year at the most."]})
    locked.waiting_until = until
    clocks.paused(locked, by=by, at=now)
    _save(locked, now, *WAITING, *TIMES)
    kind = "case.set_pending" if verb == "set pending" else "case.put_on_hold"
    _record(locked, kind, by, now, text=locked.waiting_reason, until=until)
    return locked


@transaction.atomic
def resume(
    case: Case,
    *,
    by: AbstractBaseUser,
    version: int | None = None,
    now: datetime | None = None,
) -> Case:
    """Take a waiting case up again before its time: paused clocks go on."""
    now = now or moment.now()
    locked = _lock(case, "resume", version)
    since = min(locked.waiting_until or now, now)
    _end_waiting(locked, now)
    _save(locked, now, *WAITING, *TIMES)
    _record(locked, "case.resumed", by, now, since=since)
    return locked


def _end_waiting(case: Case, now: datetime) -> bool:
    """If the case waited and does not any more, let its clocks go on; unsaved.

    Returns whether it did.
    """
    if case.waiting_until is None or case.status in rules.WAITING:
        return False
    case.waiting_reason, case.waiting_until = "", None
    clocks.resumed({case.pk: now}, [case], now=now)
    return True


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
    now = now or moment.now()
    locked = _lock(case, "note", version)
    _save(locked, now)
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

    The first outgoing contact that arrived completes the first-contact clock; each one
    completes *next update* and starts it anew. A contact from the customer needs no
    `attempt`: it is received, and ends the waiting of a pending case.
    """
    now = now or moment.now()
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
    resumed = False
    if row.arrived:
        locked.first_contact_at = locked.first_contact_at or now
        clocks.contacted(locked, at=now)
    elif row.direction == Contact.Direction.IN:
        resumed = _heard(locked, now)
    _save(locked, now, "first_contact_at", *WAITING, *TIMES)
    _record(
        locked,
        "case.contacted",
        by,
        now,
        contact=row.pk,
        direction=row.direction,
        channel=row.channel,
        attempt=row.attempt,
        resumed=resumed,
    )
    return locked


def _heard(case: Case, now: datetime) -> bool:
    """The customer has spoken: what waited for that is open again; whether it did."""
    if case.status != Case.Status.PENDING:
        return False
    case.move("resume")
    return _end_waiting(case, now)


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
    A case without owner becomes the resolver's. Completes all clocks, but *next
    update*, which is cancelled.
    """
    now = now or moment.now()
    locked = _lock(case, "resolve", version)
    text = given.text(note, "note")
    locked.outcome = given.one_of(Case.Outcome.values, outcome, "outcome")
    if locked.outcome == Case.Outcome.NOT_REACHED:
        _check_attempts(locked)
    if not root_cause.is_active:
        raise InvalidInput({"root_cause": ["Is not in use any more; choose another."]})
    clocks.resolved(locked, at=now)
    locked.waiting_reason, locked.waiting_until = "", None
    owners.move_load((locked.team_id, locked.owner_id), (None, None))
    if locked.owner_id is None:
        locked.owner_id = by.pk
    locked.root_cause, locked.resolved_at = root_cause, now
    _save(
        locked, now, "owner", "root_cause", "outcome", "resolved_at", *WAITING, *TIMES
    )
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

    It returns to its owner, or to the substitute of an absent one; where neither may own
    it, the next one gets it, as its rule wants, or it waits in the team's queue. Raises
    NotAllowedNow also where the customer has another active case by now, and the survey
    allows one at a time.
    """
    now = now or moment.now()
    _refuse_second(case)
    locked = _lock(case, "reopen", version)
    text = given.text(reason, "reason")
    locked.cycle += 1
    locked.reopened_at, locked.resolved_at, locked.outcome = now, None, ""
    choice = clocks.reopened(locked, at=now)
    members = _members(locked, now)
    before, to = locked.owner_id, _returns_to(locked, members)
    if to is None:
        locked.status = Case.Status.NEW
    if to != before:
        locked.owner_id, locked.owner_is_manual = to, False
    _record(
        locked,
        "case.reopened",
        by,
        now,
        text=text,
        cycle=locked.cycle,
        to=None if to is None else str(to),
        substitute_for=None if to in (None, before) else str(before),
        policy=choice.policy and choice.policy.version.policy_id,
        policy_version=choice.policy and choice.policy.version.number,
        policies=list(choice.looks),
    )
    if to is None:
        _pass_on(locked, members, now)
    else:
        members.save()
    times = ("reopened_at", "resolved_at", "outcome")
    _save(locked, now, "cycle", *times, *OWNER, *TIMES)
    return locked


def _returns_to(case: Case, members: Roster) -> Any | None:
    """Return who gets a reopened case, and count it for them; None: nobody."""
    if case.team_id is None or case.owner_id is None:
        return None
    return members.give(case.team_id, case.owner_id, rules.Chooser.REOPENING)


@transaction.atomic
def close(
    case: Case,
    *,
    by: AbstractBaseUser,
    version: int | None = None,
    now: datetime | None = None,
) -> Case:
    """End a resolved case for good; what comes later opens another one."""
    now = now or moment.now()
    locked = _lock(case, "close", version)
    locked.closed_at = now
    _save(locked, now, "closed_at")
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


def _save(case: Case, now: datetime, *names: str) -> None:
    case.version += 1
    case.last_activity_at, case.quiet_hours = now, 0
    case.save(update_fields=["status", "version", *ACTIVITY, *names])


def _record(
    case: Case,
    kind: str,
    by: AbstractBaseUser,
    now: datetime,
    *,
    text: str = "",
    **payload: object,
) -> None:
    payload["status"] = case.status
    event = audit.NewEvent(kind=kind, case=case, actor=by, text=text, payload=payload)
    audit.append([event], now=now)


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
    since = case.reopened_at or case.opened_at
    attempts = list(
        case.contacts.filter(
            direction=Contact.Direction.OUT,
            at__gte=since,
            author__isnull=False,  # what a rule sent is no attempt to reach them
        ).exclude(attempt=Contact.Attempt.REACHED)
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
