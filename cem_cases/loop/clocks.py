"""What happens to the clocks of a case: the table of `docs/reference/sla.md`, row by row.

Each function changes clocks of cases whose rows the caller has locked, and sets `due_at`
of those cases, unsaved. What another target makes of them is in `targets`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from django.contrib.auth.models import AbstractBaseUser

from cem_cases.loop import bulk, policies, targets
from cem_cases.loop.running import Running, aim, new, next_due, starting
from cem_cases.models import Case, Clock, ClockMark, ClockMetric


def first(policy: policies.Policy | None, case: Case) -> list[Clock]:
    """Return the clocks with which a case starts, unsaved, and set its `due_at`.

    They start when the case was opened. `next update` starts with the first contact.
    """
    case.due_at = None
    if policy is None:
        return []
    case.policy_version = policy.version
    metrics = [ClockMetric.FIRST_CONTACT, ClockMetric.RESOLUTION]
    if case.is_complaint:
        metrics.append(ClockMetric.STATUTORY)
    clocks = [new(policy, case, metric, case.opened_at, 1) for metric in metrics]
    started = [clock for clock in clocks if clock is not None]
    case.due_at = next_due(started)
    return started


def contacted(case: Case, *, at: datetime) -> None:
    """A contact reached the customer: completes *first contact* and *next update*.

    The next *next update* starts, as long as the case is active.
    """
    running, started = Running([case]), []
    for clock in running.clocks:
        if clock.metric in (ClockMetric.FIRST_CONTACT, ClockMetric.NEXT_UPDATE):
            running.complete(clock, at)
    policy = running.policies.get(case.policy_version_id or 0) or policies.of_case(case)
    if policy and case.is_active:
        running.know(policy)
        started = starting(policy, case, {ClockMetric.NEXT_UPDATE: at})
        for clock in started:  # said while we wait: it stands still until that ends
            running.follow(clock, at)
    running.save(now=at, started=started)


def resolved(case: Case, *, at: datetime) -> None:
    """The case is resolved: completes what runs; *next update* is cancelled."""
    running = Running([case])
    for clock in running.clocks:
        if clock.metric == ClockMetric.NEXT_UPDATE:
            running.cancel(clock, at, Clock.CancelCause.RESOLVED)
        else:
            running.complete(clock, at)
    running.save(now=at)


def reopened(case: Case, *, at: datetime) -> policies.Choice:
    """Start the clocks of the case's new cycle, under the policy that applies now.

    *Resolution* and *next update* start anew; a statutory clock goes on where the last
    one stood, breaches included: resolving and reopening does not win time. Return
    which policy that is, and why.
    """
    choice = targets.choose_for([case])[case.pk]
    policy = choice.policy
    case.policy_version = policy.version if policy else None
    starts: dict[str, datetime] = {ClockMetric.RESOLUTION: at}
    starts[ClockMetric.NEXT_UPDATE] = at
    if case.is_complaint:
        starts[ClockMetric.STATUTORY] = case.opened_at
    started = starting(policy, case, starts) if policy else []
    _start(Running([case]), started, policy, at)
    return choice


def _start(
    running: Running,
    started: Sequence[Clock],
    policy: policies.Policy | None,
    at: datetime,
) -> None:
    """Save, with these new clocks; a statutory one goes on where the last one stood."""
    marks = [
        mark
        for clock in started
        if policy and clock.metric == ClockMetric.STATUTORY
        for mark in _carried_over(clock, policy)
    ]
    running.save(now=at, started=started)
    for mark in marks:
        mark.clock_id = mark.clock.pk
    bulk.insert(marks, keys=False)


def _carried_over(clock: Clock, policy: policies.Policy) -> list[ClockMark]:
    """Let this clock go on where the case's last one of its metric stood."""
    before = clock.case.clocks.filter(metric=clock.metric).order_by("cycle").last()
    if before is None:
        return []
    clock.breached_at, clock.breach_cause = before.breached_at, before.breach_cause
    marks = [
        ClockMark(clock=clock, level=mark.level, at=mark.at)
        for mark in before.marks.all()
    ]
    aim(clock, policy, clock.case.priority, marked={mark.level for mark in marks})
    return marks


def cancelled(
    case: Case,
    *,
    at: datetime,
    cause: str,
    metrics: Collection[str] = ClockMetric.values,
) -> None:
    """Cancel the running clocks of these metrics: the case was merged away, say."""
    running = Running([case])
    for clock in running.clocks:
        if clock.metric in metrics:
            running.cancel(clock, at, cause)
    running.save(now=at)


def paused(case: Case, *, by: AbstractBaseUser | None, at: datetime) -> None:
    """The case waits: the clocks that its policy stops in this status stand still.

    Those that stood still already begin a pause of their own, with its own reason.
    """
    running = Running([case])
    for clock in running.clocks:
        running.go_on(clock, at)
        running.settle(clock, at)
        running.follow(clock, at, by=by)
    running.save(now=at)


def resumed(
    ends: Mapping[int, datetime], cases: Collection[Case], *, now: datetime
) -> None:
    """The cases wait no longer, each since its own instant: their clocks go on."""
    running = Running(cases)
    for clock in running.clocks:
        running.go_on(clock, ends[clock.case_id])
    running.save(now=now)


def complaint(case: Case, *, at: datetime) -> None:
    """The flag of the case has changed: its statutory clock starts, or is cancelled.

    It starts when the case was opened, whenever it was found to be a complaint.
    """
    running, started = Running([case]), []
    found = [c for c in running.clocks if c.metric == ClockMetric.STATUTORY]
    for clock in found if not case.is_complaint else ():
        running.cancel(clock, at, Clock.CancelCause.NO_COMPLAINT)
    policy = policies.of_case(case)
    if case.is_complaint and not found and policy:
        started = starting(policy, case, {ClockMetric.STATUTORY: case.opened_at})
    _start(running, started, policy, at)
