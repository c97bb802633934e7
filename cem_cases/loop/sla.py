"""Clocks: chosen by policy, started with the case, completed by the verbs, swept.

Due and warning times are columns; a sweep reads them by partial index and costs what is
due, not what is open.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from cem_cases import rules
from cem_cases import sla as business_time
from cem_cases.conf import conf
from cem_cases.loop import audit, bulk
from cem_cases.models import (
    BusinessCalendar,
    Case,
    Clock,
    ClockMetric,
    SlaPolicy,
    Target,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy as it is reckoned with; `calendar` None: around the clock."""

    row: SlaPolicy
    conditions: rules.Node
    calendar: business_time.Calendar | None
    targets: Mapping[tuple[str, int], Target]

    def clock(self, metric: str, priority: int, started_at: datetime) -> Clock | None:
        """Return a new clock of this metric, not saved and of no case yet.

        None where the policy promises nothing at this priority.
        """
        target = self.targets.get((metric, priority))
        if target is None:
            return None
        clock = Clock(metric=metric, policy=self.row, started_at=started_at)
        return clock if self.aim(clock, target) else None

    def aim(self, clock: Clock, target: Target) -> bool:
        """Set the target of this clock, when to warn and when it is due.

        Changes nothing and returns False where the calendar never opens for so long.
        """
        start, seconds = clock.started_at, target.seconds
        try:
            due_at = business_time.due(self.calendar, start, seconds)
            warn_at = business_time.warn_at(
                self.calendar, start, seconds, target.warn_percent
            )
        except business_time.NeverOpen as error:
            logger.error("Policy %d promises nothing: %s", self.row.pk, error)
            return False
        clock.policy_version = self.row.version
        clock.target_seconds, clock.due_at, clock.warn_at = seconds, due_at, warn_at
        return True


def policies(rows: QuerySet[SlaPolicy] | None = None) -> Sequence[Policy]:
    """Return the policies in their order, by default the active ones.

    A row that was changed around the admin and cannot be read is left out, and logged.
    """
    if rows is None:
        rows = SlaPolicy.objects.filter(is_active=True)
    found = []
    for row in rows.select_related("calendar").prefetch_related("targets"):
        try:
            found.append(_read(row))
        except (rules.InvalidRule, business_time.InvalidCalendar) as error:
            logger.error("Policy %d is left out, it is invalid: %s", row.pk, error)
    return found


def _read(row: SlaPolicy) -> Policy:
    return Policy(
        row=row,
        conditions=rules.parse_conditions(row.conditions),
        calendar=_calendar_of(row.calendar),
        targets={(t.metric, t.priority): t for t in row.targets.all()},
    )


def choose(found: Iterable[Policy], facts: rules.Facts) -> Policy | None:
    """Return the first policy whose conditions hold, or None."""
    return next((p for p in found if p.conditions.holds(facts)), None)


def _calendar_of(row: BusinessCalendar | None) -> business_time.Calendar | None:
    if row is None:
        return None
    # A calendar lays out its years once; as long as its row says the same, it is kept.
    return _calendar(json.dumps(row.as_data(), sort_keys=True))


@lru_cache(maxsize=64)
def _calendar(text: str) -> business_time.Calendar:
    return business_time.parse_calendar(json.loads(text))


def new_clocks(
    policy: Policy | None, priority: int, started_at: datetime, *, cycle: int = 1
) -> list[Clock]:
    """Return the clocks with which a case starts this cycle, unsaved.

    First contact is measured once; later cycles have the resolution only.
    """
    if policy is None:
        return []
    metrics = ClockMetric.values if cycle == 1 else [ClockMetric.RESOLUTION]
    clocks = [policy.clock(metric, priority, started_at) for metric in metrics]
    started = [clock for clock in clocks if clock is not None]
    for clock in started:
        clock.cycle = cycle
    return started


def next_due(clocks: Iterable[Clock]) -> datetime | None:
    """Return the earliest due time among the running ones of these clocks."""
    return min((clock.due_at for clock in clocks if clock.is_running), default=None)


def complete(case: Case, metrics: Sequence[str], *, at: datetime) -> None:
    """Complete the running clocks of these metrics and set `case.due_at`, unsaved.

    A clock that is completed after its due time is marked as breached, with its event,
    unless a sweep was first.
    """
    clocks = list(case.clocks.running().select_for_update(no_key=True).order_by("pk"))
    ended = [clock for clock in clocks if clock.metric in metrics]
    calendars = {p.row.pk: p.calendar for p in policies(_policies_of(ended))}
    for clock in ended:
        calendar = calendars.get(clock.policy_id)
        taken = business_time.elapsed(calendar, clock.started_at, at)
        clock.completed_at = at
        clock.business_elapsed, clock.calendar_elapsed = taken
    late = [c for c in ended if c.breached_at is None and at > c.due_at]
    for clock in late:
        clock.case, clock.breached_at = case, at
    bulk.update(
        ended,
        ["completed_at", "business_elapsed", "calendar_elapsed", "breached_at"],
    )
    audit.append([_marked("breached", clock) for clock in late], now=at)
    case.due_at = next_due(clocks)


def retarget(cases: Sequence[Case]) -> None:
    """Swap the targets of these cases' running clocks to the cases' priorities.

    The start stays, so what was used up counts on: a clock whose new due time has
    passed is due now. The targets are those of the policy as it is today. A metric that
    it does not promise at this priority keeps its target. Sets `due_at` of the cases,
    unsaved.
    """
    if not cases:
        return
    clocks = Clock.objects.running().filter(case__in=cases)
    by_case: dict[int, list[Clock]] = {case.pk: [] for case in cases}
    for clock in clocks.select_for_update(no_key=True).order_by("pk"):
        by_case[clock.case_id].append(clock)
    running = [clock for clocks in by_case.values() for clock in clocks]
    found = {policy.row.pk: policy for policy in policies(_policies_of(running))}
    for case in cases:
        for clock in by_case[case.pk]:
            policy = found.get(clock.policy_id)
            target = policy and policy.targets.get((clock.metric, case.priority))
            if policy and target:
                policy.aim(clock, target)
        case.due_at = next_due(by_case[case.pk])
    bulk.update(running, ["policy_version", "target_seconds", "warn_at", "due_at"])


def restart(case: Case, *, at: datetime) -> None:
    """Start the clocks of the case's new cycle and set `case.due_at`, unsaved.

    They run under the policy of the cycle before.
    """
    last = case.clocks.filter(metric=ClockMetric.RESOLUTION).order_by("-cycle").first()
    if last is None:
        return
    found = policies(SlaPolicy.objects.filter(pk=last.policy_id))
    policy = found[0] if found else None
    clocks = new_clocks(policy, case.priority, at, cycle=case.cycle)
    for clock in clocks:
        clock.case = case
    bulk.insert(clocks)
    case.due_at = next_due(clocks)


def _policies_of(clocks: Iterable[Clock]) -> QuerySet[SlaPolicy]:
    return SlaPolicy.objects.filter(pk__in={clock.policy_id for clock in clocks})


def sweep(*, now: datetime | None = None) -> tuple[int, int]:
    """Mark what is to be warned of and what is breached; return how many of each.

    Each clock once, however many sweeps run at a time and however late they come.
    """
    now = now or timezone.now()
    breached = _mark(Clock.objects.to_breach(now), "due_at", "breached_at", now)
    warned = _mark(Clock.objects.to_warn(now), "warn_at", "warned_at", now)
    return warned, breached


def _mark(found: QuerySet[Clock], due: str, mark: str, now: datetime) -> int:
    total = 0
    try:
        while count := _mark_batch(found, due, mark, now):
            total += count
    except IntegrityError:  # one audit stream is broken: the others go on
        for key in list(found.order_by(due).values_list("pk", flat=True)):
            total += _mark_alone(found.filter(pk=key), due, mark, now)
    return total


def _mark_alone(found: QuerySet[Clock], due: str, mark: str, now: datetime) -> int:
    try:
        return _mark_batch(found, due, mark, now)
    except IntegrityError:
        logger.error("A clock cannot be marked: verify the audit of its case.")
        return 0


@transaction.atomic
def _mark_batch(found: QuerySet[Clock], due: str, mark: str, now: datetime) -> int:
    rows = found.order_by(due).select_related("case")
    rows = rows.select_for_update(skip_locked=True, no_key=True, of=("self",))
    clocks = list(rows[: conf().BATCH_SIZE])
    if not clocks:
        return 0
    Clock.objects.filter(pk__in=[clock.pk for clock in clocks]).update(**{mark: now})
    events = [_marked(mark.removesuffix("_at"), clock) for clock in clocks]
    audit.append(events, now=now)
    return len(clocks)


def _marked(what: str, clock: Clock) -> audit.NewEvent:
    return audit.NewEvent(
        kind=f"clock.{what}",
        case=clock.case,
        payload={"metric": clock.metric, "cycle": clock.cycle, "due_at": clock.due_at},
    )
