"""Cases of people who are gone: to the substitute, or back into the team's queue.

An absence may say that the open cases go when it begins. Those of a user or a membership
that was switched off always do. Cases of a team that was switched off stay where they
are: the doctor says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import QuerySet

from cem_cases import rules
from cem_cases.conf import conf
from cem_cases.loop import audit, batches, bulk, notices, staffing
from cem_cases.loop.roster import Roster
from cem_cases.models import Absence, Case, Membership


@dataclass(frozen=True, slots=True)
class _Reason:
    """Why cases go, who had them, and who is to take them."""

    of: AbstractBaseUser
    words: str
    payload: dict[str, Any]
    substitute: Any = None


def hand_over(*, now: datetime) -> int:
    """Hand over the cases of those whose absence has begun; return how many."""
    rows = Absence.objects.to_hand_over(now).order_by("from_at", "pk")
    return sum(_hand_over(absence, now) for absence in rows)


def _hand_over(absence: Absence, now: datetime) -> int:
    cases = Case.objects.active().filter(owner=absence.user_id, team__is_active=True)
    done = 0

    @transaction.atomic
    def batch(only: int | None) -> int:
        nonlocal done
        rows = Absence.objects.to_hand_over(now).filter(pk=absence.pk)
        rows = rows.select_for_update(skip_locked=True, no_key=True, of=("self",))
        fresh = rows.select_related("user").first()
        if fresh is None:  # another sweep does it, or has done it
            return 0
        found = _locked(cases, only)
        goes_on = fresh.open_cases == Absence.OpenCases.SUBSTITUTE
        reason = _Reason(
            fresh.user,
            f"{fresh.user.get_username()} is absent",
            {"by_absence": fresh.pk},
            fresh.substitute_id if goes_on else None,
        )
        _move(found, reason, now)
        if len(found) < conf().BATCH_SIZE and not cases.exists():
            fresh.handed_over_at = now
            fresh.save(update_fields=["handed_over_at"])
        done += len(found)
        return len(found)

    batches.through(batch, cases)
    return done


def give_back(*, now: datetime) -> int:
    """Put the cases of those who have left back into the queue; return how many."""
    rows = Membership.objects.with_cases_left().order_by("pk")
    return sum(_give_back(row, now) for row in rows.select_related("user"))


def _give_back(member: Membership, now: datetime) -> int:
    cases = Case.objects.active().filter(owner=member.user_id, team=member.team_id)
    words = f"{member.user.get_username()} works there no more"
    reason = _Reason(member.user, words, {"by_leaving": True})
    done = 0

    @transaction.atomic
    def batch(only: int | None) -> int:
        nonlocal done
        found = _locked(cases, only)
        _move(found, reason, now)
        if len(found) < conf().BATCH_SIZE:
            _settle(member, cases)
        done += len(found)
        return len(found)

    batches.through(batch, cases)
    return done


def _settle(member: Membership, cases: QuerySet[Case]) -> None:
    """Without cases the counter is zero, whatever it has come to be."""
    row = Membership.objects.select_for_update(no_key=True).get(pk=member.pk)
    if row.open_cases and not cases.exists():
        row.open_cases = 0
        row.save(update_fields=["open_cases"])


def _locked(cases: QuerySet[Case], only: int | None) -> list[Case]:
    rows = cases if only is None else cases.filter(pk=only)
    rows = rows.select_for_update(skip_locked=True, no_key=True, of=("self",))
    return list(rows.select_related("team").order_by("pk")[: conf().BATCH_SIZE])


def _move(cases: Sequence[Case], reason: _Reason, now: datetime) -> None:
    """Give these locked cases to the substitute, or nobody: then they wait."""
    if not cases:
        return
    teams = {case.team_id for case in cases if case.team_id}
    found = Roster(teams, now=now, also=[reason.of.pk])
    declines = staffing.declines_of(cases) if reason.substitute is not None else {}
    returned = []
    for case in cases:
        found.release(case.team_id, case.owner_id)
        case.owner_id = _next(case, reason, found, declines.get(case.pk, set()))
        case.owner_is_manual = False
        case.version += 1
        if case.owner_id is None:
            returned.append(case)
    staffing.to_queue(returned, now=now)
    bulk.update(
        cases,
        [
            *("owner", "owner_is_manual", "status", "version", "due_at"),
            *("waiting_reason", "waiting_until"),
        ],
    )
    found.save()
    saved = audit.append([_event(case, reason) for case in cases], now=now)
    _tell(list(zip(saved, cases, strict=True)), reason, now)


def _next(case: Case, reason: _Reason, found: Roster, declined: set[str]) -> Any | None:
    if reason.substitute is None or case.team_id is None:
        return None
    chooser = rules.Chooser.HAND_OVER
    return found.give(case.team_id, reason.substitute, chooser, declined=declined)


def _event(case: Case, reason: _Reason) -> audit.NewEvent:
    to = None if case.owner_id is None else str(case.owner_id)
    return audit.NewEvent(
        kind="case.unassigned" if to is None else "case.assigned",
        case=case,
        payload={
            "to": to,
            "from": str(reason.of.pk),
            "team": case.team and case.team.slug,
            "status": case.status,
            **reason.payload,
        },
    )


def _tell(
    moved: Sequence[tuple[audit.Appended, Case]], reason: _Reason, now: datetime
) -> None:
    """Tell who has them now, each once; of those that nobody has, the leads."""
    first: dict[Any, tuple[audit.Appended, list[Case]]] = {}
    for event, case in moved:
        if case.owner_id is not None:
            first.setdefault(case.owner_id, (event, []))[1].append(case)
    notes = [
        notices.Note(event, [key], _yours(cases, reason))
        for key, (event, cases) in first.items()
    ]
    notices.tell(notes, now=now)
    staffing.alert(
        [
            staffing.Waiting(event, case, reason.words)
            for event, case in moved
            if case.owner_id is None
        ],
        now=now,
    )


def _yours(cases: Sequence[Case], reason: _Reason) -> str:
    more = f" and {len(cases) - 1:,} more" if len(cases) > 1 else ""
    verb = "are" if more else "is"
    return f"Case {cases[0]}{more} {verb} yours now: {reason.words}."
