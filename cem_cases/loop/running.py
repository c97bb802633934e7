"""The running clocks of some cases, with all that decides over their times.

What `clocks` and `targets` have in common. The cases are locked by the caller; every
function takes as many statements for many cases as for one.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain

from django.contrib.auth.models import AbstractBaseUser
from django.utils import timezone

from cem_cases import sla
from cem_cases.loop import audit, bulk, notices, people, policies
from cem_cases.models import (
    Case,
    Clock,
    ClockMark,
    ClockMetric,
    Pause,
)

logger = logging.getLogger(__name__)

UNREADABLE = timedelta(hours=1)
"""When a clock whose times cannot be reckoned is looked at again."""
TIMES = (
    "version",
    "target_amount",
    "target_unit",
    "due_at",
    "next_at",
    "paused_at",
    "breached_at",
    "breach_cause",
)
ENDS = (*TIMES, "completed_at", "cancelled_at", "cancel_cause")
TAKEN = ("business_elapsed", "calendar_elapsed")


class Running:
    """The running clocks of some locked cases, locked, with what their times rest on."""

    def __init__(self, cases: Collection[Case]) -> None:
        self.cases = {case.pk: case for case in cases}
        found = Clock.objects.running().filter(case__in=bulk.among(self.cases))
        self.clocks = list(found.select_for_update(no_key=True).order_by("pk"))
        for clock in self.clocks:
            clock.case = self.cases[clock.case_id]
        self.policies = policies.of({clock.version_id for clock in self.clocks})
        self._pauses, self._marks = belongings(self.clocks)
        self._ended: list[Pause] = []
        self._begun: list[Pause] = []
        self._marked: list[ClockMark] = []
        self._late: list[Clock] = []
        self.events: list[audit.NewEvent] = []
        """What is to be said beside the breaches."""

    def of(self, case: Case) -> list[Clock]:
        return [clock for clock in self.clocks if clock.case_id == case.pk]

    def know(self, policy: policies.Policy) -> None:
        """Reckon with this version, too: some clock is put under it."""
        self.policies = {**self.policies, policy.version.pk: policy}

    def policy(self, clock: Clock) -> policies.Policy | None:
        return self.policies.get(clock.version_id)

    def pauses(self, clock: Clock, now: datetime) -> list[sla.Pause]:
        """Return the pauses of this clock, an open one as if it ended now."""
        return spans(self._pauses[clock.pk], now)

    def aim(self, clock: Clock, now: datetime) -> bool:
        """Reckon its times anew, after a pause or with another target; whether it could.

        If not, they stay as they were, and a sweep looks at it again later.
        """
        policy = self.policy(clock)
        paused = self.pauses(clock, clock.paused_at or now)
        marked = self._marks[clock.pk]
        done = policy is not None and aim(
            clock, policy, clock.case.priority, paused, marked
        )
        if not done:
            clock.next_at = now + UNREADABLE
        if clock.paused_at is not None:
            clock.next_at = None
        return done

    def follow(
        self, clock: Clock, at: datetime, *, by: AbstractBaseUser | None = None
    ) -> None:
        """Let it stand still, or go on, as its policy says for the status of its case."""
        policy, case = self.policy(clock), clock.case
        stops = policy and policy.terms.pauses_on(case.status, clock.metric)
        if stops and clock.paused_at is None:
            clock.paused_at, clock.next_at = at, None
            self._begun.append(_pause(clock, by, at))
        elif not stops:
            self.go_on(clock, at)

    def go_on(self, clock: Clock, at: datetime) -> None:
        """End its pause, if it is paused."""
        if clock.paused_at is not None:
            self.end_pause(clock, at)
            clock.paused_at = None
            self.aim(clock, at)

    def end_pause(self, clock: Clock, at: datetime) -> datetime:
        """End its open pause, at its expected end at the latest; return when.

        A sweep may be late, the pause is not.
        """
        for pause in self._pauses[clock.pk]:
            if pause.until_at is None:
                pause.until_at = at = pause.end(at)
                self._ended.append(pause)
        return at

    def breach(self, clock: Clock, at: datetime, cause: str) -> None:
        """Mark it as breached, once."""
        clock.breached_at, clock.breach_cause = at, cause
        self._marks[clock.pk].add(sla.BREACH)
        self._marked.append(ClockMark(clock_id=clock.pk, level=sla.BREACH, at=at))
        self._late.append(clock)

    def settle(self, clock: Clock, at: datetime) -> None:
        """Mark it as breached if it is late by now, and no sweep was first."""
        if ticks(clock) and clock.breached_at is None and at > clock.due_at:
            self.breach(clock, at, Clock.BreachCause.LATE)

    def stop(self, clock: Clock, at: datetime) -> None:
        """Let its time end now; a clock that is paused then stays marked as that."""
        if clock.paused_at is not None:
            if self.end_pause(clock, at) < at:  # it would have gone on before
                clock.paused_at = None
            self.aim(clock, at)
        self.settle(clock, at)

    def complete(self, clock: Clock, at: datetime) -> None:
        """End it: what it took, and whether that was too long."""
        self.stop(clock, at)
        policy = self.policy(clock)
        calendar = policy.terms.calendar if policy else None
        taken = sla.elapsed(calendar, clock.started_at, at, self.pauses(clock, at))
        clock.business_elapsed, clock.calendar_elapsed = taken
        clock.completed_at, clock.next_at = at, None

    def cancel(self, clock: Clock, at: datetime, cause: str) -> None:
        """End it without a result."""
        self.stop(clock, at)
        clock.cancelled_at, clock.cancel_cause, clock.next_at = at, cause, None

    def save(self, *, now: datetime, started: Sequence[Clock] = ()) -> None:
        """Write everything, say it, tell who is concerned, and set `due_at` of the cases."""
        bulk.update(self._ended, ["until_at"])
        bulk.update(self.clocks, [*ENDS, *TAKEN])
        bulk.insert(started)
        for pause in self._begun:
            pause.clock_id = pause.clock.pk  # it may have got its key just now
        bulk.insert(self._begun, keys=False)
        bulk.insert(self._marked, keys=False)
        said = audit.append([*self.events, *map(breached, self._late)], now=now)
        self._tell(said[len(self.events) :], now)
        ticking: dict[int, list[Clock]] = defaultdict(list)
        for clock in chain(self.clocks, started):
            ticking[clock.case_id].append(clock)
        for case in self.cases.values():
            case.due_at = next_due(ticking[case.pk])

    def _tell(self, said: Sequence[audit.Appended], now: datetime) -> None:
        """Tell of the breaches, as a sweep does."""
        who = people.People((clock.case for clock in self._late), now)
        notices.tell(
            [
                notices.Note(event, who.concerned(clock.case), sentence(clock))
                for event, clock in zip(said, self._late, strict=True)
            ],
            now=now,
        )


def _pause(clock: Clock, by: AbstractBaseUser | None, at: datetime) -> Pause:
    """Return the pause of this clock that begins now, because its case waits."""
    case = clock.case
    assert case.waiting_until is not None  # noqa: S101  (says the status)
    return Pause(
        clock=clock,
        status=case.status,
        by_id=by.pk if by else None,
        reason=case.waiting_reason,
        from_at=at,
        expected_end_at=case.waiting_until,
    )


def belongings(
    clocks: Collection[Clock],
) -> tuple[Mapping[int, list[Pause]], Mapping[int, set[str]]]:
    """Return the pauses and the marked levels of these clocks, by their keys."""
    pauses: dict[int, list[Pause]] = defaultdict(list)
    marks: dict[int, set[str]] = defaultdict(set)
    keys = [clock.pk for clock in clocks]
    if keys:
        rows = Pause.objects.filter(clock__in=bulk.among(keys))
        for pause in rows.order_by("from_at", "pk"):
            pauses[pause.clock_id].append(pause)
        levels = ClockMark.objects.filter(clock__in=bulk.among(keys))
        for key, level in levels.values_list("clock", "level"):
            marks[key].add(level)
    return pauses, marks


def spans(pauses: Iterable[Pause], now: datetime) -> list[sla.Pause]:
    """Return these pauses as spans; an open one ends now, or when it was expected to."""
    return [sla.Pause(p.from_at, p.end(now), p.reason) for p in pauses]


def breached(clock: Clock) -> audit.NewEvent:
    """Return the event that tells of a breach."""
    return audit.NewEvent(
        kind="clock.breached",
        case=clock.case,
        payload={
            "metric": clock.metric,
            "cycle": clock.cycle,
            "due_at": clock.due_at,
            "cause": clock.breach_cause,
        },
    )


def starting(
    policy: policies.Policy, case: Case, starts: Mapping[str, datetime]
) -> list[Clock]:
    """Return new clocks of these metrics, each from its start on, unsaved.

    *Resolution* and *first contact* count the cycles of the case; the others count
    their own.
    """
    clocks = []
    for metric, started_at in starts.items():
        cycle = case.cycle
        if metric in (ClockMetric.NEXT_UPDATE, ClockMetric.STATUTORY):
            cycle = case.clocks.filter(metric=metric).count() + 1
        clock = new(policy, case, metric, started_at, cycle)
        clocks += [clock] if clock else []
    return clocks


def new(
    policy: policies.Policy, case: Case, metric: str, started_at: datetime, cycle: int
) -> Clock | None:
    """Return a running clock, unsaved; None where the policy promises nothing."""
    promise = policy.terms.promise(metric, case.priority)
    if promise is None:
        return None
    clock = Clock(
        case=case,
        metric=metric,
        cycle=cycle,
        version=policy.version,
        started_at=started_at,
        target_amount=promise.target.amount,
        target_unit=promise.target.unit,
    )
    return clock if aim(clock, policy, case.priority) else None


def aim(
    clock: Clock,
    policy: policies.Policy,
    priority: int,
    pauses: Collection[sla.Pause] = (),
    marked: Collection[str] = (),
) -> bool:
    """Set when this clock is due and when a sweep has to look at it next.

    Changes nothing and returns False where the calendar never opens for so long.
    """
    found = levels(clock, policy, priority, pauses)
    if found is None:
        return False
    clock.due_at, waiting = found
    clock.next_at = next((at for at, key, _ in waiting if key not in marked), None)
    return True


def levels(
    clock: Clock,
    policy: policies.Policy | None,
    priority: int,
    pauses: Collection[sla.Pause] = (),
) -> tuple[datetime, Sequence[sla.Level]] | None:
    """Return when this clock is due, and its levels in their order.

    None, and logged, where that cannot be reckoned: the calendar never opens for so
    long, or somebody changed the version with SQL.
    """
    if policy is None:
        return None
    try:
        return policy.terms.levels(
            clock.metric, priority, clock.target, clock.started_at, pauses
        )
    except (sla.NeverOpen, ValueError) as error:
        logger.error("Policy %d promises nothing: %s", policy.version.policy_id, error)
        return None


def sentence(clock: Clock) -> str:
    """Return what people are told: which case, which promise, by when."""
    at = timezone.localtime(clock.due_at)
    when = "was" if clock.breached_at else "is"
    return f"Case #{clock.case_id}: {clock.metric} {when} due {at:%a %d %b, %H:%M}."


def next_due(clocks: Iterable[Clock]) -> datetime | None:
    """Return the earliest due time among those of these clocks that tick."""
    ticking = (clock.due_at for clock in clocks if ticks(clock))
    return min(ticking, default=None)


def ticks(clock: Clock) -> bool:
    """Whether it runs and is not paused."""
    return clock.is_running and clock.paused_at is None
