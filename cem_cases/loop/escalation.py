"""Escalation: what happens when a clock comes to a step of its policy, and who is told.

A step is taken once for each clock. What it did stays as an `Escalation`, until somebody
acknowledges it; while the case is active, people are told again every day.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from cem_cases import sla
from cem_cases.conf import conf
from cem_cases.exceptions import NotAllowedNow
from cem_cases.loop import audit, bulk, moment, notices, owners, targets
from cem_cases.models import Absence, Case, Clock, Escalation, Membership

NAG = timedelta(days=1)


def is_watched(case: str) -> Exists:
    """Return whether anybody watches the case to which `case` leads, for a query."""
    return Exists(Case.watchers.through.objects.filter(case=OuterRef(case)))


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


class People:
    """Who has to do with some cases: owners, leads, managers, watchers.

    Three statements, however many cases, and those only when somebody asks; of the
    watchers none where the caller knows that there are none.
    """

    def __init__(
        self, cases: Iterable[Case], now: datetime, *, are_watched: bool = True
    ) -> None:
        self._cases: dict[int, Case] = {}
        self._now = now
        for case in cases:
            self._cases.setdefault(case.pk, case)
        self._roles: Mapping[tuple[int, str], list[Membership]] | None = None
        self._watchers: Mapping[int, list[Any]] | None = None if are_watched else {}
        self._away: set[Any] | None = None

    def case(self, key: int) -> Case:
        """Return the one copy of this case: two clocks may have one each."""
        return self._cases[key]

    def leads(self, case: Case) -> list[Membership]:
        """Return the team's active leads, the least loaded first."""
        return self._with_role(case, Membership.Role.LEAD)

    def managers(self, case: Case) -> list[Membership]:
        return self._with_role(case, Membership.Role.MANAGER)

    def watchers(self, case: Case) -> list[Any]:
        """Return the keys of the users who watch the case."""
        if self._watchers is None:
            found: dict[int, list[Any]] = defaultdict(list)
            rows = Case.watchers.through.objects.filter(
                case__in=bulk.among(self._cases)
            )
            for case_id, user_id in rows.values_list("case_id", "user_id"):
                found[case_id].append(user_id)
            self._watchers = found
        return self._watchers.get(case.pk, [])

    def concerned(self, case: Case) -> list[Any]:
        """Return who is told of its clocks: the owner, or the leads; and who watches."""
        keys = [case.owner_id] if case.owner_id else _users(self.leads(case))
        return [*keys, *self.watchers(case)]

    def lead_for(self, case: Case) -> Membership | None:
        """Return the lead with the least to do who is there, and count this case."""
        if self._away is None:
            absent = Absence.objects.at(self._now)
            self._away = set(absent.values_list("user", flat=True))
        present = [m for m in self.leads(case) if m.user_id not in self._away]
        if not present:
            return None
        lead = min(present, key=lambda member: (member.open_cases, member.pk))
        lead.open_cases += 1  # of this copy; `owners.move_loads` writes it
        return lead

    def _with_role(self, case: Case, role: str) -> list[Membership]:
        if self._roles is None:
            rows = Membership.objects.filter(
                team__in={c.team_id for c in self._cases.values()} - {None},
                role__in=(Membership.Role.LEAD, Membership.Role.MANAGER),
                is_active=True,
                user__is_active=True,
            )
            found: dict[tuple[int, str], list[Membership]] = defaultdict(list)
            for row in rows.order_by("open_cases", "pk"):
                found[row.team_id, row.role].append(row)
            self._roles = found
        return self._roles.get((case.team_id or 0, role), [])


def _users(members: Iterable[Membership]) -> list[Any]:
    return [member.user_id for member in members]


def take(reached: Sequence[Reached], people: People, *, now: datetime) -> int:
    """Take these steps, and tell whom they name; return how many.

    The caller has locked the cases and their clocks, and marked the levels.
    """
    if not reached:
        return 0
    rows, events, told = [], [], []
    raised: dict[int, Case] = {}
    moved: dict[int, owners.Holder] = {}
    for found in reached:
        case = found.clock.case = people.case(found.clock.case_id)
        taken = _take(found, case, people, raised, moved)
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
    _save_cases(people, raised, moved, now)
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
    people: People,
    raised: dict[int, Case],
    moved: dict[int, owners.Holder],
) -> _Taken:
    match found.step.action:
        case sla.Action.NOTIFY_OWNER:
            keys = [case.owner_id] if case.owner_id else _users(people.leads(case))
            return _Taken(_told(keys), keys)
        case sla.Action.NOTIFY_LEAD:
            keys = _users(people.leads(case))
            return _Taken(_told(keys), keys)
        case sla.Action.NOTIFY_MANAGER:
            keys = _users(people.managers(case))
            return _Taken(_told(keys), keys)
        case sla.Action.REASSIGN_TO_LEAD:
            return _reassign(case, people, moved)
        case sla.Action.RAISE_PRIORITY:
            return _raise(case, people, raised)
        case sla.Action.ADD_WATCHER:
            Case.watchers.through.objects.get_or_create(
                case_id=case.pk, user_id=str(found.step.user)
            )
            return _Taken("watcher added", [found.step.user])


def _told(keys: Sequence[Any]) -> str:
    return f"{len(keys)} told" if keys else "there is nobody to tell"


def _reassign(case: Case, people: People, moved: dict[int, owners.Holder]) -> _Taken:
    """Give the case to a lead, unless one has it."""
    leads = _users(people.leads(case))
    if case.owner_id in leads:
        return _Taken("a lead has it already", [case.owner_id])
    lead, before = people.lead_for(case), case.owner_id
    if lead is None:
        return _Taken("there is no lead to take it", leads)
    case.owner_id = lead.user_id
    case.move("assign")
    moved[case.pk] = (case.team_id, before)
    event = audit.NewEvent(
        kind="case.assigned",
        case=case,
        payload={"to": str(lead.user_id), "by_step": True, "status": case.status},
    )
    told = [lead.user_id, *([before] if before else [])]
    return _Taken("given to a lead", told, [event])


def _raise(case: Case, people: People, raised: dict[int, Case]) -> _Taken:
    if case.priority <= Case.Priority.URGENT:
        return _Taken("it is urgent already", people.concerned(case))
    case.priority -= 1
    raised[case.pk] = case
    return _Taken("priority raised", people.concerned(case))


def _save_cases(
    people: People,
    raised: Mapping[int, Case],
    moved: Mapping[int, owners.Holder],
    now: datetime,
) -> None:
    """Write the cases that changed hands or priority; the clocks of the latter follow.

    `moved` says who held those that changed hands.
    """
    targets.reconsider(list(raised.values()), changed="case.priority", now=now)
    changed = [people.case(key) for key in {**raised, **moved}]
    owners.move_loads(
        [
            (before, (people.case(key).team_id, people.case(key).owner_id))
            for key, before in moved.items()
        ]
    )
    for case in changed:
        case.version += 1
    bulk.update(
        changed, ["owner", "status", "priority", "policy_version", "due_at", "version"]
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
        f"({data['action']}: {data['done']})."
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
def nag(*, now: datetime) -> int:
    """Tell again of one batch of escalations that nobody acknowledged; return how many.

    Once a day each, and once after an outage, however long. Those of cases that are
    done are left alone from then on.
    """
    rows = list(
        Escalation.objects.to_nag(now)
        .order_by("nag_at")
        .select_related("clock__case")
        .select_for_update(skip_locked=True, no_key=True, of=("self",))[
            : conf().BATCH_SIZE
        ]
    )
    if not rows:
        return 0
    people = People((row.clock.case for row in rows), now)
    open_ = [row for row in rows if row.clock.case.is_active]
    for row in rows:
        row.nag_at = _next_nag(row, now) if row.clock.case.is_active else None
    bulk.update(rows, ["nag_at"])
    events = [_unanswered(row, now) for row in open_]
    saved = audit.append(events, now=now)
    told = (_audience(row, people) for row in open_)
    notices.tell(
        [
            notices.Note(event, keys, _reminder(row))
            for event, keys, row in zip(saved, told, open_, strict=True)
        ],
        now=now,
    )
    return len(rows)


def _next_nag(row: Escalation, now: datetime) -> datetime:
    return row.at + NAG * ((now - row.at) // NAG + 1)


def _audience(row: Escalation, people: People) -> Iterator[Any] | list[Any]:
    case = row.clock.case
    roles = {
        sla.Action.NOTIFY_LEAD: people.leads,
        sla.Action.NOTIFY_MANAGER: people.managers,
    }
    found = roles.get(sla.Action(row.action))
    return _users(found(case)) if found else people.concerned(case)


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
