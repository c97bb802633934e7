"""What happened to cases, the rules look at: what they decide is done in batches.

A happening is taken under the lock of its case, with the facts of that moment. Of
several happenings of one case the first is taken, and the next in the next batch.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cem_cases import rules
from cem_cases.loop import (
    bulk,
    effects,
    happenings,
    occasions,
    revise,
    ruleset,
)
from cem_cases.models import Case, Happening, RuleRun

LOCKED = timedelta(seconds=1)
"""How long a happening waits whose case somebody else has locked."""


def react(keys: Collection[int], *, now: datetime) -> int:
    """Do what the rules ask about these happenings, and delete them; return how many.

    Their rows are locked by the caller, inside whose transaction it is. The number of
    statements does not depend on their number.
    """
    rows = Happening.objects.filter(pk__in=bulk.among(keys)).select_related("event")
    found = list(rows.order_by("pk"))
    first: dict[int, Happening] = {}
    for happening in found:
        first.setdefault(happening.case_id, happening)
    cases = _lock(first)
    taken = [row for row in first.values() if row.case_id in cases]
    # with the later ones of the same case, which are not to overtake it
    _postpone([row for row in found if row.case_id not in cases], now)
    planned = _plan(taken, cases, now)
    chains = {p.case.pk: (*p.happening.chain, p.acting) for p in planned}
    with happenings.caused_by(chains):
        _perform(planned, now)
    Happening.objects.filter(pk__in=bulk.among([row.pk for row in taken])).delete()
    return len(taken)


def _lock(keys: Iterable[int]) -> dict[int, Case]:
    rows = Case.objects.filter(pk__in=bulk.among(list(keys))).select_related(
        "team", "owner"
    )
    locked = rows.select_for_update(no_key=True, skip_locked=True, of=("self",))
    return {case.pk: case for case in locked.order_by("pk")}


def _postpone(rows: Sequence[Happening], now: datetime) -> None:
    keys = [row.pk for row in rows]
    if keys:
        Happening.objects.filter(pk__in=keys).update(next_attempt_at=now + LOCKED)


@dataclass(frozen=True, slots=True)
class Planned:
    """What the rules say about one happening."""

    happening: Happening
    case: Case
    decision: rules.Decision
    looks: Mapping[int, rules.Look]
    """Of the rules that match, by key."""

    @property
    def acting(self) -> list[int]:
        """The keys of the rules that match."""
        return [rule.key for rule in self.decision.matched]


def _plan(
    taken: Sequence[Happening], cases: Mapping[int, Case], now: datetime
) -> list[Planned]:
    """Return what the rules say; happenings about which they say nothing are left out.

    A closed case is left alone. No rule acts twice in one chain.
    """
    active = {t: ruleset.active(t) for t in {row.trigger for row in taken}}
    names = {name for of in active.values() for name in of.rules.facts}
    rows = [row for row in taken if cases[row.case_id].status != Case.Status.CLOSED]
    known = occasions.facts_of(rows, cases, names, now=now)
    planned = []
    for row in rows:
        of, facts = active[row.trigger], known[row.pk]
        plan = of.rules.plan(facts, _among(of, row))
        if plan.decision.matched:
            looks = rules.read_looks(of.rules.explain(plan, facts))
            matched = {look.rule: look for look in looks if look.matched}
            planned.append(Planned(row, cases[row.case_id], plan.decision, matched))
    return planned


def _among(of: ruleset.Active, row: Happening) -> set[int]:
    """Return the keys of the rules that look at it."""
    knew = of.that_knew(row.at)
    keys = {rule.key for rule in of.rules.rules} if knew is None else set(knew)
    if row.trigger == rules.Trigger.NO_UPDATE:
        hours = row.event.data["hours"]
        keys = {key for key in keys if of.quiet_hours.get(key) == hours}
    return keys - {key for link in row.chain for key in link}


def _perform(planned: Sequence[Planned], now: datetime) -> None:
    """Write that the rules acted, change the cases, let go out what is to go out."""
    if not planned:
        return
    ruleset.note_runs(
        RuleRun.Subject.EVENT,
        ((rule, p.happening.event_id) for p in planned for rule in p.decision.matched),
        now=now,
    )
    wishes = [
        revise.Wish(p.case, p.decision, p.happening.trigger, p.looks) for p in planned
    ]
    events = revise.revise(wishes, now=now)
    due = [
        effects.Due(
            rule,
            effect,
            p.case.customer_id,
            p.case.pk,
            p.case.opening_response_id,
            event.pk,
        )
        for p, event in zip(planned, events, strict=True)
        for rule, effect in p.decision.effects
    ]
    effects.perform(due, now=now)
