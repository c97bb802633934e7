"""Escalation: what happens when a clock comes to a step of its policy, and who is told.

A step is taken once for each clock. What it did stays as an `Escalation`, until somebody
acknowledges it; while the case is active, people are told again every day.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from cem_cases import sla
from cem_cases.conf import conf
from cem_cases.exceptions import NotAllowedNow
from cem_cases.loop import audit, bulk, moment, notices, owners, people, targets
from cem_cases.models import Case, Clock, Escalation, EscalationStep

NAG = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Reached:
    """That a clock has come to a step."""

    clock: Clock
    step: sla.Step
    key: str


@dataclass(slots=True)
class _Taken:
    """What came of a step: words for people, and whom to tell."""

    done: str
    told: Collection[Any] = ()
    also: list[audit.NewEvent] = field(default_factory=list)


def take(reached: Sequence[Reached], who: people.People, *, now: datetime) -> int:
    """Take these steps, and tell whom they name; return how many.

    The caller has locked the cases and their clocks, and marked the levels.
    """
    if not reached:
        return 0
    rows, events, told = [], [], []
    raised: dict[int, Case] = {}
    moved: dict[int, owners.Holder] = {}
    alive = _active_users(found.step.user for found in reached if found.step.user)
    for found in reached:
        case = found.clock.case = who.case(found.clock.case_id)
        taken = _take(found, case, who, raised, moved, alive)
        rows.append(
            Escalation(
                clock=found.clock,
                level=found.key,
                action=found.step.action,
                reason=f"{found.clock.get_metric_display()}: {found.step.point}"[:200],
                done=taken.done,
                at=now,
                nag_at=now + NAG,
            )
        )
        events += [*taken.also, _escalated(found, taken)]
        told += [()] * len(taken.also) + [taken.told]
    _save_cases(who, raised, moved, now)
    _watch(reached, alive)
    bulk.insert(rows, keys=False)
    saved = audit.append(events, now=now)
    notices.tell(
        [
            notices.Note(event, keys, _words(event))
            for event, keys in zip(saved, told, strict=True)
            if keys
        ],
        now=now,
    )
    return len(rows)


def _take(
    found: Reached,
    case: Case,
    who: people.People,
    raised: dict[int, Case],
    moved: dict[int, owners.Holder],
    alive: Mapping[str, Any],
) -> _Taken:
    match found.step.action:
        case sla.Action.NOTIFY_OWNER:
            keys = [case.owner_id] if case.owner_id else who.in_charge(case)
            return _Taken(_told(keys), keys)
        case sla.Action.NOTIFY_LEAD:
            keys = who.in_charge(case)
            return _Taken(_told(keys), keys)
        case sla.Action.NOTIFY_MANAGER:
            keys = people.users(who.managers(case))
            return _Taken(_told(keys), keys)
        case sla.Action.REASSIGN_TO_LEAD:
            return _reassign(case, who, moved)
        case sla.Action.RAISE_PRIORITY:
            return _raise(case, who, raised)
        case sla.Action.ADD_WATCHER:
            watcher = alive.get(str(found.step.user))
            if watcher is None:
                return _Taken("that user is gone", who.concerned(case))
            return _Taken("watcher added", [watcher])


def _active_users(keys: Iterable[str]) -> Mapping[str, Any]:
    """Return the keys of those who are still there, by the text that versions keep."""
    model = get_user_model()
    valid = set()
    for key in set(keys):
        with suppress(ValidationError):
            valid.add(model._meta.pk.to_python(key))
    if not valid:
        return {}
    users = model._default_manager.filter(pk__in=valid, is_active=True)
    return {str(key): key for key in users.values_list("pk", flat=True)}


def _watch(reached: Sequence[Reached], alive: Mapping[str, Any]) -> None:
    through = Case.watchers.through
    rows = [
        through(case_id=found.clock.case_id, user_id=alive[str(found.step.user)])
        for found in reached
        if found.step.user in alive
    ]
    through.objects.bulk_create(rows, ignore_conflicts=True)


def _told(keys: Sequence[Any]) -> str:
    return f"{len(keys)} told" if keys else "there is nobody to tell"


def _reassign(
    case: Case, who: people.People, moved: dict[int, owners.Holder]
) -> _Taken:
    """Give the case to a lead, unless one has it."""
    leads = people.users(who.leads(case))
    if case.owner_id in leads:
        return _Taken("a lead has it already", [case.owner_id])
    lead, before = who.lead_for(case), case.owner_id
    if lead is None:
        return _Taken("there is no lead to take it", leads)
    case.owner_id, case.owner_is_manual = lead.user_id, False
    case.move("assign")
    moved[case.pk] = (case.team_id, before)
    event = audit.NewEvent(
        kind="case.assigned",
        case=case,
        payload={"to": str(lead.user_id), "by_step": True, "status": case.status},
    )
    told = [lead.user_id, *([before] if before else [])]
    return _Taken("given to a lead", told, [event])


def _raise(case: Case, who: people.People, raised: dict[int, Case]) -> _Taken:
    if case.priority <= Case.Priority.URGENT:
        return _Taken("it is urgent already", who.concerned(case))
    case.priority -= 1
    raised[case.pk] = case
    return _Taken("priority raised", who.concerned(case))


def _save_cases(
    who: people.People,
    raised: Mapping[int, Case],
    moved: Mapping[int, owners.Holder],
    now: datetime,
) -> None:
    """Write the cases that changed hands or priority; the clocks of the latter follow.

    `moved` says who held those that changed hands.
    """
    targets.reconsider(list(raised.values()), changed=["case.priority"], now=now)
    changed = [who.case(key) for key in {**raised, **moved}]
    owners.move_loads(
        [
            (before, (who.case(key).team_id, who.case(key).owner_id))
            for key, before in moved.items()
        ]
    )
    for case in changed:
        case.version += 1
    bulk.update(
        changed,
        [
            *("owner", "owner_is_manual", "status", "priority"),
            *("policy_version", "due_at", "version"),
        ],
    )


def _escalated(found: Reached, taken: _Taken) -> audit.NewEvent:
    return audit.NewEvent(
        kind="case.escalated",
        case=found.clock.case,
        payload={
            "metric": found.clock.metric,
            "cycle": found.clock.cycle,
            "point": found.step.point,
            "action": found.step.action,
            "done": taken.done,
            "told": sorted({str(key) for key in taken.told}),
            "priority": found.clock.case.priority,
        },
    )


def _words(event: Any) -> str:
    data = event.data
    return (
        f"Case #{event.case_id} was escalated: {data['metric']}, {data['point']} "
        f"({EscalationStep.Action(data['action']).label}: {data['done']})."
    )


@transaction.atomic
def acknowledge(
    escalation: Escalation, *, by: AbstractBaseUser, now: datetime | None = None
) -> Escalation:
    """Say that one has seen to it: nobody is told again.

    Raises NotAllowedNow where somebody did before.
    """
    now = now or moment.now()
    fresh = Escalation.objects.select_related("clock__case").get(pk=escalation.pk)
    Case.objects.select_for_update(no_key=True).get(pk=fresh.clock.case_id)
    done = Escalation.objects.open().filter(pk=escalation.pk)
    if not done.update(acknowledged_at=now, acknowledged_by=by, nag_at=None):
        raise NotAllowedNow("This escalation was acknowledged already.")
    event = audit.NewEvent(
        kind="case.acknowledged",
        case=fresh.clock.case,
        actor=by,
        payload={"metric": fresh.clock.metric, "level": fresh.level},
    )
    audit.append([event], now=now)
    fresh.refresh_from_db()
    return fresh


@transaction.atomic
def nag(*, now: datetime, only: int | None = None) -> int:
    """Tell again of one batch of escalations that nobody acknowledged; return how many.

    Once a day each, and once after an outage, however long. Those of cases that are
    done are left alone from then on.
    """
    waiting = Escalation.objects.to_nag(now)
    if only is not None:
        waiting = waiting.filter(pk=only)
    rows = list(
        waiting.order_by("nag_at")
        .select_related("clock__case")
        .select_for_update(  # the case first, as everywhere
            skip_locked=True, no_key=True, of=("clock__case", "self")
        )[: conf().BATCH_SIZE]
    )
    if not rows:
        return 0
    who = people.People((row.clock.case for row in rows), now)
    for row in rows:
        row.nag_at = _next_nag(row, now) if row.clock.case.is_active else None
    bulk.update(rows, ["nag_at"])
    told = [(row, _audience(row, who)) for row in rows if row.nag_at]
    told = [(row, keys) for row, keys in told if keys]
    saved = audit.append([_unanswered(row, now) for row, _ in told], now=now)
    notices.tell(
        [
            notices.Note(event, keys, _reminder(row))
            for event, (row, keys) in zip(saved, told, strict=True)
        ],
        now=now,
    )
    return len(rows)


def _next_nag(row: Escalation, now: datetime) -> datetime:
    return row.at + NAG * ((now - row.at) // NAG + 1)


def _audience(row: Escalation, who: people.People) -> list[Any]:
    case = row.clock.case
    match row.action:
        case sla.Action.NOTIFY_LEAD:
            return who.in_charge(case)
        case sla.Action.NOTIFY_MANAGER:
            return people.users(who.managers(case))
    return who.concerned(case)


def _unanswered(row: Escalation, now: datetime) -> audit.NewEvent:
    return audit.NewEvent(
        kind="case.escalation_unanswered",
        case=row.clock.case,
        payload={
            "metric": row.clock.metric,
            "level": row.level,
            "days": (now - row.at).days,
        },
    )


def _reminder(row: Escalation) -> str:
    since = timezone.localtime(row.at)
    return (
        f"Case #{row.clock.case_id}: nobody has acknowledged the escalation of "
        f"{since:%d %b %H:%M} ({row.reason})."
    )
