"""Other targets for running clocks: a fact of their case has changed, or they are moved.

What was used up is kept, because the start stays.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from cem_cases.loop import audit, bulk, facts, past, policies
from cem_cases.loop.running import Running, starting
from cem_cases.models import (
    Case,
    Clock,
    ClockMetric,
    TargetChange,
    Team,
)


def reconsider(
    cases: Collection[Case],
    *,
    changed: Collection[str],
    now: datetime,
    fixed: Mapping[int, policies.Choice] | None = None,
) -> None:
    """Facts of these cases have changed: swap targets, and policies where they decide.

    `changed` are the facts' names. What was used up is kept; a clock that is thereby past
    its due time breaches now, with the cause *target changed*, once. The policy is
    chosen anew only if some policy asks for one of them; otherwise each clock stays with
    its version. `fixed`: under which policy a rule puts which case, by its key.
    """
    if not cases:
        return
    found = policies.current()
    choices: Mapping[int, policies.Choice] = {}
    if not facts.wanted(policy.conditions for policy in found).isdisjoint(changed):
        free = [case for case in cases if not case.policy_is_set]
        choices = choose_for(free, found)
    choices = {**choices, **(fixed or {})}
    running = Running(cases)
    moved = _moved(running, choices)
    started = _move(running, moved, now)
    running.events += [
        _policy_changed(running.cases[key], choices[key]) for key in moved
    ]
    changes = [
        change
        for clock in running.clocks
        if clock.is_running and (change := _swap(running, clock, moved, now))
    ]
    running.save(now=now, started=started)
    bulk.insert(changes, keys=False)


def _moved(
    running: Running, choices: Mapping[int, policies.Choice]
) -> dict[int, policies.Policy]:
    """Return the cases to which another policy applies than so far, with that policy."""
    cases = running.cases.values()
    keys = [case.policy_version_id for case in cases if case.policy_version_id]
    before = policies.of(keys) if choices else {}
    moved = {}
    for key, choice in choices.items():
        policy = before.get(running.cases[key].policy_version_id or 0)
        known = policy.version.policy_id if policy else None
        if choice.policy and choice.policy.version.policy_id != known:
            moved[key] = choice.policy
    return moved


def _move(
    running: Running, moved: Mapping[int, policies.Policy], now: datetime
) -> list[Clock]:
    """Put these cases under their new policies; return the clocks only those promise."""
    have = _have(running, moved)
    started = []
    for key, policy in moved.items():
        case = running.cases[key]
        case.policy_version = policy.version
        running.know(policy)
        for clock in running.of(case):
            if policy.terms.promise(clock.metric, case.priority) is None:
                running.cancel(clock, now, Clock.CancelCause.POLICY_CHANGED)
        began = case.reopened_at or case.opened_at
        starts: dict[str, datetime] = {ClockMetric.RESOLUTION: began}
        if case.first_contact_at is None and case.cycle == 1:
            starts[ClockMetric.FIRST_CONTACT] = case.opened_at
        if case.is_complaint:
            starts[ClockMetric.STATUTORY] = case.opened_at
        missing = {m: at for m, at in starts.items() if (key, m) not in have}
        for clock in starting(policy, case, missing):
            running.follow(clock, now)
            started.append(clock)
    return started


def _have(
    running: Running, moved: Mapping[int, policies.Policy]
) -> set[tuple[int, str]]:
    """Return which metrics of these cases have what they need in this cycle."""
    if not moved:
        return set()
    rows = Clock.objects.filter(case__in=moved, cancelled_at=None)
    have = set()
    for key, metric, cycle, done in rows.values_list(
        "case", "metric", "cycle", "completed_at"
    ):
        is_past = metric == ClockMetric.RESOLUTION and cycle < running.cases[key].cycle
        if not is_past and not (metric == ClockMetric.STATUTORY and done):
            have.add((key, metric))
    return have


def _swap(
    running: Running,
    clock: Clock,
    moved: Mapping[int, policies.Policy],
    now: datetime,
    cause: str = "",
) -> TargetChange | None:
    """Aim this clock at the target of its case's policy and priority, if it is another."""
    policy = moved.get(clock.case_id) or running.policy(clock)
    if policy is None:
        return None
    promise = policy.terms.promise(clock.metric, clock.case.priority)
    if promise is None:
        return None
    if promise.target == clock.target and policy.version.pk == clock.version_id:
        running.aim(clock, now)  # it may be warned of at other shares
        return None
    running.settle(clock, now)
    if not cause:
        cause = "policy" if clock.case_id in moved else "priority"
    change = TargetChange(
        clock=clock,
        at=now,
        cause=cause,
        before_amount=clock.target_amount,
        before_unit=clock.target_unit,
        before_version_id=clock.version_id,
        due_before_at=clock.due_at,
    )
    before = (clock.version_id, *clock.target, clock.next_at)
    clock.version_id = policy.version.pk
    clock.target_amount, clock.target_unit = promise.target
    if not running.aim(clock, now):  # it keeps what it has
        clock.version_id, clock.target_amount, clock.target_unit, clock.next_at = before
        return None
    running.follow(clock, now)
    change.due_after_at = clock.due_at
    used_up = now > clock.due_at
    if clock.paused_at is not None:
        used_up = clock.paused_at >= clock.due_at
    if clock.breached_at is None and used_up:
        running.breach(clock, now, Clock.BreachCause.TARGET_CHANGED)
        running.aim(clock, now)
    return change


def _policy_changed(case: Case, choice: policies.Choice) -> audit.NewEvent:
    assert choice.policy is not None  # noqa: S101  (it was moved there)
    return audit.NewEvent(
        kind="case.policy_changed",
        case=case,
        payload={
            "policy": choice.policy.version.policy_id,
            "policy_version": choice.policy.version.number,
            "policies": list(choice.looks),
        },
    )


def choose_for(
    cases: Collection[Case], found: Sequence[policies.Policy] | None = None
) -> Mapping[int, policies.Choice]:
    """Return which policy applies to each of these cases now, by their keys."""
    found = policies.current() if found is None else found
    names = facts.wanted(policy.conditions for policy in found)
    known = past.of_cases(cases, names)
    teams = Team.objects.in_bulk({case.team_id for case in cases} - {None})
    choices = {}
    for case in cases:
        case.team = teams.get(case.team_id) if case.team_id else None
        of_case = known[case.pk] | facts.of_case(case)
        choices[case.pk] = policies.choose(found, of_case)
    return choices


def migrate(
    cases: Collection[Case], policy: policies.Policy, *, now: datetime
) -> tuple[list[TargetChange], list[Clock]]:
    """Move the running clocks of these cases to this version; cancel what it drops.

    Returns the changes, not saved, and the cancelled clocks. No event tells of it: that
    is the caller's.
    """
    running = Running(cases)
    running.know(policy)
    moved = {case.pk: policy for case in cases}
    changes = [
        change
        for clock in running.clocks
        if (change := _swap(running, clock, moved, now, TargetChange.Cause.MIGRATION))
    ]
    dropped = [c for c in running.clocks if c.version_id != policy.version.pk]
    for clock in dropped:
        running.cancel(clock, now, Clock.CancelCause.POLICY_CHANGED)
    for case in cases:
        case.policy_version = policy.version
    running.save(now=now)
    return changes, dropped
