"""What happens to the clocks of a case: the table of `docs/reference/sla.md`, row by row.

Each function changes clocks of cases whose rows the caller has locked, and sets `due_at`
of those cases, unsaved. What another target makes of them is in `targets`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from django.contrib.auth.models import AbstractBaseUser

from cem_cases.loop import bulk, policies, targets
from cem_cases.loop.running import Running, new, next_due, starting
from cem_cases.models import Case, Clock, ClockMetric, Pause


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
        started = starting(policy, case, {ClockMetric.NEXT_UPDATE: at})
    waits = [
        c for c in started if policy and policy.terms.pauses_on(case.status, c.metric)
    ]
    for clock in waits:  # said while we wait: it stands still until that ends
        clock.paused_at, clock.next_at = at, None
    running.save(now=at, started=started)
    bulk.insert([_pause(clock, None, at) for clock in waits], keys=False)


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

    Return which one that is, and why.

    *Resolution* and *next update* start anew; a statutory clock goes on from where the
    first one began: resolving and reopening does not win time.
    """
    choice = targets.choose_for([case])[case.pk]
    policy = choice.policy
    case.policy_version = policy.version if policy else None
    starts: dict[str, datetime] = {
        ClockMetric.RESOLUTION: at,
        ClockMetric.NEXT_UPDATE: at,
    }
    if case.is_complaint:
        before = case.clocks.filter(metric=ClockMetric.STATUTORY).order_by("cycle")
        began = before.values_list("started_at", flat=True).first()
        starts[ClockMetric.STATUTORY] = began or case.opened_at
    started = starting(policy, case, starts) if policy else []
    Running([case]).save(now=at, started=started)
    return choice


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
    running, pauses = Running([case]), []
    for clock in running.clocks:
        running.settle(clock, at)
        _end_waiting(running, clock, at)
        policy = running.policy(clock)
        if policy and policy.terms.pauses_on(case.status, clock.metric):
            clock.paused_at, clock.next_at = at, None
            pauses.append(_pause(clock, by, at))
    running.save(now=at)
    bulk.insert(pauses, keys=False)


def resumed(
    ends: Mapping[int, datetime], cases: Collection[Case], *, now: datetime
) -> None:
    """The cases wait no longer, each since its own instant: their clocks go on."""
    running = Running(cases)
    for clock in running.clocks:
        _end_waiting(running, clock, ends[clock.case_id])
    running.save(now=now)


def _end_waiting(running: Running, clock: Clock, at: datetime) -> None:
    if clock.paused_at is not None:
        running.end_pause(clock, at)
        clock.paused_at = None
        running.aim(clock, at)


def complaint(case: Case, *, at: datetime) -> None:
    """The flag of the case has changed: its statutory clock starts, or is cancelled.

    It starts when the case was opened, whenever it was found to be a complaint.
    """
    running, started = Running([case]), []
    for clock in running.clocks:
        if clock.metric == ClockMetric.STATUTORY:
            running.cancel(clock, at, Clock.CancelCause.NO_COMPLAINT)
    if case.is_complaint and (policy := policies.of_case(case)):
        started = starting(policy, case, {ClockMetric.STATUTORY: case.opened_at})
    running.save(now=at, started=started)
