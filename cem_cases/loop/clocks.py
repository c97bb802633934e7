"""The clocks of cases: started, paused, resumed, aimed anew, completed, cancelled.

Each function changes clocks of cases whose rows the caller has locked, sets `due_at` of
those cases, unsaved, and takes as many statements for many cases as for one. The table of
what happens when is in `docs/reference/sla.md`; its rows are the functions here.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain

from django.contrib.auth.models import AbstractBaseUser

from cem_cases import sla
from cem_cases.loop import audit, bulk, facts, policies
from cem_cases.models import (
    Case,
    Clock,
    ClockMark,
    ClockMetric,
    Pause,
    Response,
    Survey,
    TargetChange,
    Team,
)

logger = logging.getLogger(__name__)

METRICS = ClockMetric.values

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


# Starting


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
    clocks = [_new(policy, case, metric, case.opened_at, 1) for metric in metrics]
    started = [clock for clock in clocks if clock is not None]
    case.due_at = next_due(started)
    return started


def _new(
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
    return clock if _aim(clock, policy, case.priority) else None


def _aim(
    clock: Clock,
    policy: policies.Policy,
    priority: int,
    pauses: Collection[sla.Pause] = (),
    marked: Collection[str] = (),
) -> bool:
    """Set when this clock is due and when a sweep has to look at it next.

    Changes nothing and returns False where the calendar never opens for so long.
    """
    try:
        due_at, levels = policy.terms.levels(
            clock.metric, priority, clock.target, clock.started_at, pauses
        )
    except (sla.NeverOpen, ValueError) as error:
        logger.error("Policy %d promises nothing: %s", policy.version.policy_id, error)
        return False
    clock.due_at = due_at
    clock.next_at = next(
        (level.at for level in levels if level.key not in marked), None
    )
    return True


def next_due(clocks: Iterable[Clock]) -> datetime | None:
    """Return the earliest due time among those of these clocks that tick."""
    ticking = (clock.due_at for clock in clocks if _ticks(clock))
    return min(ticking, default=None)


def _ticks(clock: Clock) -> bool:
    return clock.is_running and clock.paused_at is None


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
        self.events: list[audit.NewEvent] = []
        self._marked: list[ClockMark] = []

    def of(self, case: Case) -> list[Clock]:
        return [clock for clock in self.clocks if clock.case_id == case.pk]

    def policy(self, clock: Clock) -> policies.Policy | None:
        return self.policies.get(clock.version_id)

    def pauses(self, clock: Clock, now: datetime) -> list[sla.Pause]:
        """Return the pauses of this clock, an open one as if it ended now."""
        return spans(self._pauses[clock.pk], now)

    def aim(self, clock: Clock, now: datetime) -> None:
        """Reckon its times anew: after a pause, or with another target."""
        policy = self.policy(clock)
        if policy is None:
            return
        paused, marked = self.pauses(clock, now), self._marks[clock.pk]
        _aim(clock, policy, clock.case.priority, paused, marked)
        if clock.paused_at is not None:
            clock.next_at = None

    def end_pause(self, clock: Clock, at: datetime) -> None:
        """End its open pause, at its beginning at the earliest."""
        for pause in self._pauses[clock.pk]:
            if pause.until_at is None:
                pause.until_at = max(at, pause.from_at)
                self._ended.append(pause)

    def breach(self, clock: Clock, at: datetime, cause: str) -> None:
        """Mark it as breached, once."""
        clock.breached_at, clock.breach_cause = at, cause
        self._marks[clock.pk].add(sla.BREACH)
        self._marked.append(ClockMark(clock_id=clock.pk, level=sla.BREACH, at=at))
        self.events.append(breached(clock))

    def settle(self, clock: Clock, at: datetime) -> None:
        """Mark it as breached if it is late by now, and no sweep was first."""
        if _ticks(clock) and clock.breached_at is None and at > clock.due_at:
            self.breach(clock, at, Clock.BreachCause.LATE)

    def complete(self, clock: Clock, at: datetime) -> None:
        """End it: what it took, and whether that was too long."""
        self.settle(clock, at)
        if clock.paused_at is not None:
            self.end_pause(clock, at)
            self.aim(clock, at)
        policy = self.policy(clock)
        calendar = policy.terms.calendar if policy else None
        taken = sla.elapsed(calendar, clock.started_at, at, self.pauses(clock, at))
        clock.business_elapsed, clock.calendar_elapsed = taken
        clock.completed_at, clock.next_at = at, None

    def cancel(self, clock: Clock, at: datetime, cause: str) -> None:
        """End it without a result."""
        self.settle(clock, at)
        if clock.paused_at is not None:
            self.end_pause(clock, at)
            self.aim(clock, at)
        clock.cancelled_at, clock.cancel_cause, clock.next_at = at, cause, None

    def save(self, *, now: datetime, started: Sequence[Clock] = ()) -> None:
        """Write everything, with its events, and set `due_at` of the cases."""
        bulk.update(self._ended, ["until_at"])
        bulk.update(self.clocks, [*ENDS, *TAKEN])
        bulk.insert(started)
        bulk.insert(self._marked, keys=False)
        audit.append(self.events, now=now)
        ticking: dict[int, list[Clock]] = defaultdict(list)
        for clock in chain(self.clocks, started):
            ticking[clock.case_id].append(clock)
        for case in self.cases.values():
            case.due_at = next_due(ticking[case.pk])


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
    """Return these pauses as spans; an open one ends now."""
    return [
        sla.Pause(p.from_at, max(p.until_at or now, p.from_at), p.reason)
        for p in pauses
    ]


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


# What happens to them


def contacted(case: Case, *, at: datetime) -> None:
    """A contact reached the customer: completes *first contact* and *next update*.

    The next *next update* starts, as long as the case is active.
    """
    running, started = Running([case]), []
    for clock in running.clocks:
        if clock.metric in (ClockMetric.FIRST_CONTACT, ClockMetric.NEXT_UPDATE):
            running.complete(clock, at)
    policy = _policy_of(case)
    if policy and case.is_active:
        started = _starting(policy, case, {ClockMetric.NEXT_UPDATE: at})
    waits = [
        c for c in started if policy and policy.terms.pauses_on(case.status, c.metric)
    ]
    for clock in waits:  # said while we wait: it stands still until that ends
        clock.paused_at, clock.next_at = at, None
    running.save(now=at, started=started)
    bulk.insert([_pause(clock, None, at) for clock in waits], keys=False)


def _policy_of(case: Case) -> policies.Policy | None:
    version = case.policy_version_id
    return policies.of([version]).get(version) if version else None


def _starting(
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
        clock = _new(policy, case, metric, started_at, cycle)
        clocks += [clock] if clock else []
    return clocks


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


def reopened(case: Case, *, at: datetime) -> None:
    """Start the clocks of the case's new cycle, under the policy that applies now.

    *Resolution* and *next update* start anew; a statutory clock goes on from where the
    first one began: resolving and reopening does not win time.
    """
    policy = choose_for([case])[case.pk].policy
    case.policy_version = policy.version if policy else None
    starts: dict[str, datetime] = {
        ClockMetric.RESOLUTION: at,
        ClockMetric.NEXT_UPDATE: at,
    }
    if case.is_complaint:
        before = case.clocks.filter(metric=ClockMetric.STATUTORY).order_by("cycle")
        began = before.values_list("started_at", flat=True).first()
        starts[ClockMetric.STATUTORY] = began or case.opened_at
    started = _starting(policy, case, starts) if policy else []
    Running([case]).save(now=at, started=started)


def cancelled(
    case: Case, *, at: datetime, cause: str, metrics: Collection[str] = METRICS
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
    if case.is_complaint and (policy := _policy_of(case)):
        started = _starting(policy, case, {ClockMetric.STATUTORY: case.opened_at})
    running.save(now=at, started=started)


# Other targets


def reconsider(cases: Collection[Case], *, changed: str, now: datetime) -> None:
    """A fact of these cases has changed: swap targets, and policies where it decides.

    `changed` is the fact's name. What was used up is kept; a clock that is thereby past
    its due time breaches now, with the cause *target changed*, once. The policy is
    chosen anew only if some policy asks for that fact; otherwise each clock stays with
    its version.
    """
    if not cases:
        return
    found = policies.current()
    choices: Mapping[int, policies.Choice] = {}
    if changed in facts.wanted(policy.conditions for policy in found):
        choices = choose_for(cases, found)
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
    rows = (
        Clock.objects.filter(case__in=moved).values_list("case", "metric")
        if moved
        else ()
    )
    have = set(rows)
    started = []
    for key, policy in moved.items():
        case = running.cases[key]
        case.policy_version = policy.version
        running.policies = {**running.policies, policy.version.pk: policy}
        for clock in running.of(case):
            if policy.terms.promise(clock.metric, case.priority) is None:
                running.cancel(clock, now, Clock.CancelCause.POLICY_CHANGED)
        starts: dict[str, datetime] = {ClockMetric.RESOLUTION: case.opened_at}
        if case.first_contact_at is None:
            starts[ClockMetric.FIRST_CONTACT] = case.opened_at
        if case.is_complaint:
            starts[ClockMetric.STATUTORY] = case.opened_at
        missing = {m: at for m, at in starts.items() if (key, m) not in have}
        started += _starting(policy, case, missing)
    return started


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
    clock.version = policy.version
    clock.target_amount, clock.target_unit = promise.target
    running.aim(clock, now)
    change.due_after_at = clock.due_at
    if _ticks(clock) and clock.breached_at is None and now > clock.due_at:
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
    responses = Response.objects.in_bulk(
        {case.opening_response_id for case in cases} - {None}
    )
    found_rows = list(responses.values())
    surveys = Survey.objects.in_bulk({row.survey_id for row in found_rows})
    for row in found_rows:
        row.survey = surveys[row.survey_id]
    facts.load(found_rows, names, without=cases)
    teams = Team.objects.in_bulk({case.team_id for case in cases} - {None})
    choices = {}
    for case in cases:
        case.team = teams.get(case.team_id) if case.team_id else None
        opened_by = responses.get(case.opening_response_id or 0)
        known = facts.of_response(opened_by, names) if opened_by else {}
        choices[case.pk] = policies.choose(found, known | facts.of_case(case))
    return choices


# Newer versions


def migrate(
    cases: Collection[Case], policy: policies.Policy, *, now: datetime
) -> list[TargetChange]:
    """Move the running clocks of these cases to this version; return the changes.

    The changes are not saved and no event is written: that is the caller's.
    """
    running = Running(cases)
    running.policies = {**running.policies, policy.version.pk: policy}
    moved = {case.pk: policy for case in cases}
    changes = [
        change
        for clock in running.clocks
        if (change := _swap(running, clock, moved, now, TargetChange.Cause.MIGRATION))
    ]
    for case in cases:
        case.policy_version = policy.version
    running.save(now=now)
    return changes
