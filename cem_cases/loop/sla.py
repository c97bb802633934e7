"""Clocks on time: the sweep that acts when they come due, and moving them to newer terms.

`next_at` of each clock says when it has to be looked at; a sweep reads it by a partial
index and costs what is due, not what is open.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from cem_cases import sla
from cem_cases.conf import conf
from cem_cases.loop import (
    audit,
    batches,
    bulk,
    clocks,
    escalation,
    leaving,
    moment,
    notices,
    people,
    policies,
    quiet,
    running,
    staffing,
    targets,
)
from cem_cases.models import (
    Absence,
    Case,
    Clock,
    ClockMark,
    Escalation,
    Membership,
    PolicyVersion,
    Rule,
    SlaPolicy,
    TargetChange,
)


@dataclass(slots=True)
class Swept:
    """What one sweep did."""

    resumed: int = 0
    warned: int = 0
    breached: int = 0
    escalated: int = 0
    nagged: int = 0
    handed_over: int = 0
    """Cases of people who are gone, to somebody else or back into the queue."""
    quiet: int = 0
    """Cases that nobody has touched for as long as some rule asks."""
    taken_up: int = 0
    """Waiting cases that somebody could take."""


def sweep(*, now: datetime | None = None) -> Swept:
    """Act on everything whose time has come: resume, warn, breach, escalate, nag.

    Then see to the cases of people who are gone, and to those that wait for somebody.

    By the database's clock. Each level of each clock once, however many sweeps run at a
    time and however late they come.
    """
    now, done = now or moment.now(), Swept()
    resume, clocks_wait, nag, absent, left, in_queue, asks = bulk.exist(
        Case.objects.to_resume(now),
        Clock.objects.waiting(now),
        Escalation.objects.to_nag(now),
        Absence.objects.to_hand_over(now),
        Membership.objects.with_cases_left(),
        Case.objects.to_assign(),
        Rule.objects.filter(is_active=True, trigger=Rule.Trigger.NO_UPDATE),
    )
    if resume:
        batches.through(
            lambda only: _resume(done, now, only), Case.objects.to_resume(now)
        )
    if resume or clocks_wait:
        batches.through(
            lambda only: _batch(done, now, only), Clock.objects.waiting(now)
        )
    if nag:
        batches.through(
            lambda only: _nag(done, now, only), Escalation.objects.to_nag(now)
        )
    if left:
        done.handed_over += leaving.give_back(now=now)
    if absent:
        done.handed_over += leaving.hand_over(now=now)
    if absent or left or in_queue:
        done.taken_up = staffing.take_up(now=now)
    if asks:
        done.quiet = quiet.tell(now=now)
    return done


def _nag(done: Swept, now: datetime, only: int | None) -> int:
    count = escalation.nag(now=now, only=only)
    done.nagged += count
    return count


@transaction.atomic
def _resume(done: Swept, now: datetime, only: int | None) -> int:
    """Let cases whose waiting ends be open again, since the end that was expected."""
    rows = Case.objects.to_resume(now).order_by("waiting_until")
    if only is not None:
        rows = rows.filter(pk=only)
    found = list(
        rows.select_for_update(skip_locked=True, no_key=True)[: conf().BATCH_SIZE]
    )
    resume_cases(found, now=now)
    done.resumed += len(found)
    return len(found)


def resume_cases(cases: Sequence[Case], *, now: datetime) -> None:
    """Open these locked cases again, since the end that was expected or since now."""
    if not cases:
        return
    ends = {case.pk: min(case.waiting_until or now, now) for case in cases}
    events = []
    for case in cases:
        payload = {"since": ends[case.pk], "status_before": case.status}
        case.move("resume")
        case.waiting_reason, case.waiting_until = "", None
        case.version += 1
        payload["status"] = case.status
        events.append(audit.NewEvent(kind="case.resumed", case=case, payload=payload))
    clocks.resumed(ends, cases, now=now)
    bulk.update(
        cases, ["status", "waiting_reason", "waiting_until", "due_at", "version"]
    )
    audit.append(events, now=now)


@dataclass(slots=True)
class _Due:
    """A clock that has come to some of its levels."""

    clock: Clock
    keys: list[str]
    reached: list[escalation.Reached]
    event: audit.NewEvent | None = None


def _batch(done: Swept, now: datetime, only: int | None) -> int:
    """Act on one batch of clocks; return how many there were."""
    with transaction.atomic():
        rows = Clock.objects.waiting(now).order_by("next_at").select_related("case")
        rows = rows.annotate(is_watched=people.is_watched("case"))
        if only is not None:
            rows = rows.filter(pk=only)
        # The case first, as verbs do: a clock whose case is locked stays unlocked.
        rows = rows.select_for_update(
            skip_locked=True, no_key=True, of=("case", "self")
        )
        found = list(rows[: conf().BATCH_SIZE])
        if found:
            count = _act(found, now)
        else:
            return 0
    done.warned += count.warned
    done.breached += count.breached
    done.escalated += count.escalated
    return len(found)


def _act(found: Sequence[Clock], now: datetime) -> Swept:
    known = policies.of({clock.version_id for clock in found})
    pauses, marked = running.belongings(found)
    dues = []
    for clock in found:
        policy = known.get(clock.version_id)
        spans = running.spans(pauses[clock.pk], now)
        levels = running.levels(clock, policy, clock.case.priority, spans)
        if levels is None:  # logged; not given up, and in nobody's way
            clock.next_at = now + running.UNREADABLE
        else:
            dues.append(_look(clock, levels[1], marked[clock.pk], now))
    marks = [
        ClockMark(clock_id=due.clock.pk, level=key, at=now)
        for due in dues
        for key in due.keys
    ]
    bulk.update(found, ["next_at", "warned_at", "breached_at", "breach_cause"])
    bulk.insert(marks, keys=False)
    is_watched = any(clock.is_watched for clock in found)  # type: ignore[attr-defined]
    who = people.People((clock.case for clock in found), now, are_watched=is_watched)
    told = [due for due in dues if due.event is not None]
    saved = audit.append([due.event for due in told if due.event], now=now)
    notices.tell(
        [
            notices.Note(
                event, who.concerned(due.clock.case), running.sentence(due.clock)
            )
            for due, event in zip(told, saved, strict=True)
        ],
        now=now,
    )
    steps = [reached for due in dues for reached in due.reached]
    return Swept(
        warned=sum(event.kind == "clock.warned" for event in saved),
        breached=sum(event.kind == "clock.breached" for event in saved),
        escalated=escalation.take(steps, who, now=now),
    )


def _look(
    clock: Clock, levels: Sequence[sla.Level], marked: set[str], now: datetime
) -> _Due:
    """Find what this clock has come to, and set it: a late sweep catches up once.

    Who is late needs no warning any more: of the levels that were missed, a breach
    stands for the warnings before it.
    """
    waiting = [level for level in levels if level.key not in marked]
    come = [level for level in waiting if level.at <= now]
    keys = [level.key for level in come]
    clock.next_at = next((level.at for level in waiting if level.at > now), None)
    due = _Due(
        clock,
        keys,
        [
            escalation.Reached(clock, level.step, level.key)
            for level in come
            if level.step is not None
        ],
    )
    if sla.BREACH in keys:
        clock.breached_at, clock.breach_cause = now, Clock.BreachCause.LATE
        due.event = running.breached(clock)
    elif any(level.step is None for level in come) and clock.breached_at is None:
        clock.warned_at = now
        due.event = _warned(clock, keys)
    return due


def _warned(clock: Clock, keys: Sequence[str]) -> audit.NewEvent:
    percents = [int(key.split()[1]) for key in keys if key.startswith("warn ")]
    return audit.NewEvent(
        kind="clock.warned",
        case=clock.case,
        payload={
            "metric": clock.metric,
            "cycle": clock.cycle,
            "due_at": clock.due_at,
            "percent": max(percents),
        },
    )


# Newer terms for running clocks


@dataclass(frozen=True, slots=True)
class Move:
    """What becomes of one running clock when it goes by the policy's newest version."""

    case: int
    metric: str
    cycle: int
    version_before: int
    version: int
    due_before: datetime
    due_at: datetime | None
    """None: the newest version does not promise this any more, and it is cancelled."""
    is_late: bool
    """Whether it is past its due time then, and was not before."""


def how_much(move: Move) -> tuple[bool, bool]:
    """Return what sorts moves: breaches first, what stays the same last."""
    return not move.is_late, move.due_at == move.due_before


def migrate_preview(policy: SlaPolicy, *, now: datetime | None = None) -> list[Move]:
    """Return what `migrate` would change, clock by clock, and change nothing."""
    now = now or moment.now()
    found = _migrations(policy, now, keep=False)
    return [move for batch in found for move in batch]


def migrate(
    policy: SlaPolicy, *, by: AbstractBaseUser | None, now: datetime | None = None
) -> list[Move]:
    """Move the running clocks of this policy's older versions to its newest.

    What was used up is kept. A clock that is past its new due time breaches now, with
    the cause *target changed*. Batch by batch, each with an event for every case.
    """
    now = now or moment.now()
    return [move for batch in _migrations(policy, now, by) for move in batch]


def _migrations(
    policy: SlaPolicy,
    now: datetime,
    by: AbstractBaseUser | None = None,
    *,
    keep: bool = True,
) -> Iterator[list[Move]]:
    """Move batch by batch, each in its transaction; or only try to, without `keep`."""
    newest = PolicyVersion.objects.filter(policy=policy).order_by("-number").first()
    found = policies.of([newest.pk]) if newest else {}
    older = Clock.objects.running().filter(
        version__policy=policy, version__number__lt=newest.number if newest else 0
    )
    cases, last = Case.objects.active().filter(pk__in=older.values("case")), 0
    while found:
        with transaction.atomic():
            rows = cases.filter(pk__gt=last).order_by("pk")
            batch = list(rows.select_for_update(no_key=True)[: conf().BATCH_SIZE])
            if not batch:
                return
            last = batch[-1].pk
            moves = _migrate(batch, found[newest.pk], by, now)  # type: ignore[union-attr]
            transaction.set_rollback(not keep)
        yield moves


def _migrate(
    cases: Sequence[Case],
    policy: policies.Policy,
    by: AbstractBaseUser | None,
    now: datetime,
) -> list[Move]:
    changes, dropped = targets.migrate(cases, policy, now=now)
    bulk.insert(changes, keys=False)
    for case in cases:
        case.version += 1
    bulk.update(cases, ["policy_version", "due_at", "version"])
    numbers = _numbers(
        {change.before_version_id for change in changes}
        | {clock.version_id for clock in dropped}
    )
    moves = [
        _move(change.clock, numbers[change.before_version_id], policy, change)
        for change in changes
    ]
    moves += [_move(clock, numbers[clock.version_id], policy) for clock in dropped]
    audit.append(
        [
            audit.NewEvent(
                kind="case.policy_migrated",
                case=case,
                actor=by,
                payload={
                    "policy": policy.version.policy_id,
                    "policy_version": policy.version.number,
                    "due_at": case.due_at,
                },
            )
            for case in cases
        ],
        now=now,
    )
    return moves


def _numbers(keys: set[int]) -> dict[int, int]:
    rows = PolicyVersion.objects.filter(pk__in=keys)
    return dict(rows.values_list("pk", "number"))


def _move(
    clock: Clock,
    before: int,
    policy: policies.Policy,
    change: TargetChange | None = None,
) -> Move:
    """Return what becomes of this clock; without a change it was cancelled."""
    late_by_it = clock.breach_cause == Clock.BreachCause.TARGET_CHANGED
    return Move(
        case=clock.case_id,
        metric=clock.metric,
        cycle=clock.cycle,
        version_before=before,
        version=policy.version.number,
        due_before=change.due_before_at if change else clock.due_at,
        due_at=change.due_after_at if change else None,
        is_late=bool(change and late_by_it and clock.breached_at == change.at),
    )
