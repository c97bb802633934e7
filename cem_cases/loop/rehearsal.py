"""Past answers once more, through the rules: decided like in a worker, kept in memory.

Answers are taken in the order of their keys, in batches. The cases that were there before
the span are as they really were; those of the span itself are simulated.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple, cast

from django.db.models import Count, Max, Min, QuerySet

from cem_cases import rules
from cem_cases.conf import conf
from cem_cases.loop import analyze, bulk, facts, opening, past, policies
from cem_cases.loop.floor import Floor, Simulated
from cem_cases.models import Case, Response, Survey


@dataclass(frozen=True, slots=True)
class Span:
    """Which answers are looked at: those that reached us from `since`, before `until`."""

    since: datetime
    until: datetime
    survey: Survey | None = None

    def responses(self) -> QuerySet[Response]:
        """Return them, without those that were parked as failed."""
        rows = Response.objects.filter(
            received_at__gte=self.since, received_at__lt=self.until, failed_at=None
        )
        return rows.filter(survey=self.survey) if self.survey else rows


class Real(NamedTuple):
    """A case that there is, as it is today."""

    customer: int
    pk: int
    response: int | None
    opened_at: datetime
    resolved_at: datetime | None
    team: int | None
    priority: int
    kind: str
    owner: Any

    def is_open(self, at: datetime) -> bool:
        """Whether it was opened before this moment, and not yet resolved then."""
        resolved = self.resolved_at
        return self.opened_at <= at and (resolved is None or resolved > at)


REAL = (
    *("customer", "pk", "opening_response", "opened_at", "resolved_at", "team"),
    *("priority", "kind", "owner"),
)


class Step(NamedTuple):
    """What the rules say to one answer, and what comes of it."""

    answer: facts.Answer
    plan: rules.Plan
    case: Simulated | Real | None
    """The case that the answer opens or joins; a real one was there before the span."""
    is_join: bool
    opened: Real | None
    """The case that it really opened."""
    covered_by: Real | None
    """The case of another answer that its customer really had open then."""


@dataclass(frozen=True, slots=True)
class By:
    """By what a replay decides."""

    rules: rules.RuleSet
    policies: Sequence[policies.Policy]
    days_open: float | None
    """How long a simulated case stays open; None: nothing is resolved."""

    def facts(self) -> frozenset[str]:
        """Return the names of all facts that rules and policies ask for."""
        return self.rules.facts | facts.wanted(p.conditions for p in self.policies)


class Rehearsal:
    """The answers of a span, decided one after another."""

    def __init__(self, span: Span, by: By) -> None:
        self._span, self._by = span, by
        self.facts = by.facts()
        self._windows = past.windows_of_cases(self.facts)
        self._asks_for_cases = bool(self._windows) or not self.facts.isdisjoint(
            past.OF_CASES
        )
        self._latest: dict[int, Simulated] = {}
        self._opened: dict[int, list[past.Instant]] = defaultdict(list)
        self.floor = Floor(_teams(by.rules), since=span.since, until=span.until)
        rows = span.responses()
        found = rows.aggregate(total=Count("pk"), first=Min("pk"), last=Max("pk"))
        self.total: int = found["total"]
        """How many answers there are."""
        self._rows = rows.filter(pk__lte=found["last"] or 0)
        self._first: int = found["first"] or 0

    def batches(self) -> Iterator[list[Step]]:
        """Decide everything, and yield what came of it, batch by batch."""
        for keys in self._keys():
            answers = facts.answers(keys, self.facts, with_account_owners=True)
            analyze.put_bands(answers)
            past.responses(answers, self.facts)
            yield list(self._steps(answers, _real_cases(answers)))

    def _keys(self) -> Iterator[list[int]]:
        size, after = conf().BATCH_SIZE, self._first - 1
        # what arrives together is decided together, where that makes a difference
        names = ("pk", "received_at") if self._asks_for_cases else ("pk",)
        while True:
            rows = self._rows.filter(pk__gt=after).order_by("pk")
            found = list(rows.values_list(*names)[:size])
            if not found:
                return
            kept = _whole(found, size) if self._asks_for_cases else found
            yield [row[0] for row in kept]
            after = kept[-1][0]

    def _steps(
        self, answers: Sequence[facts.Answer], real: Mapping[int, Sequence[Real]]
    ) -> Iterator[Step]:
        for together in self._together(answers):
            if self._asks_for_cases:
                for answer in together:
                    self._fill(answer, real.get(answer.customer_id, ()))
            for answer in together:
                yield self._decide(answer, real.get(answer.customer_id, ()))

    def _together(
        self, answers: Sequence[facts.Answer]
    ) -> Iterable[Sequence[facts.Answer]]:
        """Return groups of answers that do not see each other's cases.

        A worker takes up together what arrived together, and looks at cases before.
        """
        if not self._asks_for_cases:
            return [answers]
        return [list(some) for _, some in groupby(answers, attrgetter("received_at"))]

    def _fill(self, answer: facts.Answer, real: Sequence[Real]) -> None:
        """Put what is asked of the customer's cases among the facts."""
        customer, at = answer.customer_id, answer.received_at
        before = [(r.opened_at, r.pk) for r in real if r.opened_at < self._span.since]
        opened = sorted(before) + self._opened.get(customer, [])
        past.fill_from(answer, opened, self.facts, self._windows)
        if past.HAS_OPEN_CASE in self.facts:
            active = self._active(customer, at, real)
            answer.facts[past.HAS_OPEN_CASE] = active is not None

    def _active(
        self, customer: int, at: datetime, real: Sequence[Real]
    ) -> Simulated | Real | None:
        latest = self._latest.get(customer)
        if latest is not None and latest.is_active(at):
            return latest
        before = [r for r in real if r.opened_at < self._span.since and r.is_open(at)]
        return max(before, key=attrgetter("pk"), default=None)

    def _decide(self, answer: facts.Answer, real: Sequence[Real]) -> Step:
        plan = self._by.rules.plan(answer.facts)
        opened = covered_by = None
        for case in real:
            if case.response == answer.pk:
                opened = case
            elif case.is_open(answer.received_at):
                covered_by = case
        if plan.decision.opened_by is None:
            return Step(answer, plan, None, False, opened, covered_by)
        active = self._active(answer.customer_id, answer.received_at, real)
        if active is not None and opening.may_join(answer):
            if isinstance(active, Simulated):
                self._join(active, answer, plan.decision)
            return Step(answer, plan, active, True, opened, covered_by)
        made = self._open(answer, plan.decision, real)
        return Step(answer, plan, made, False, opened, covered_by)

    def _join(
        self, case: Simulated, answer: facts.Answer, decision: rules.Decision
    ) -> None:
        case.is_complaint = case.is_complaint or decision.is_complaint
        priority = opening.raised(case.priority, answer)
        if priority != case.priority:
            case.priority = priority
            self.floor.raised(case)

    def _open(
        self, answer: facts.Answer, decision: rules.Decision, real: Sequence[Real]
    ) -> Simulated:
        case = _new(answer, decision, self._by.days_open)
        case.team = self.floor.teams.get(decision.team or "")
        case.policy = self._policy(case, answer, decision)
        if real:
            self._remember_agent(answer.customer_id, real)
        case.wanted = rules.wanted(decision.assign, decision.owner)
        self.floor.open(case)
        self._latest[case.customer] = case
        if self._asks_for_cases:
            self._opened[case.customer].append((case.opened_at, 0))
        return case

    def _remember_agent(self, customer: int, real: Sequence[Real]) -> None:
        """Let the floor know who had the customer's newest case before the span."""
        if customer not in self.floor.agents:
            had = [r for r in real if r.opened_at < self._span.since and r.owner]
            if had:
                newest = max(had, key=attrgetter("opened_at", "pk"))
                self.floor.agents[customer] = str(newest.owner)

    def _policy(
        self, case: Simulated, answer: facts.Answer, decision: rules.Decision
    ) -> str:
        """Return the name of the SLA policy under which the case would stand."""
        if not self._by.policies:
            return ""
        asked = opening.Opening(answer, decision, "")
        # a simulated case says what a policy may ask
        policy = opening.policy_of(cast(Case, case), asked, self._by.policies).policy
        return policy.version.policy.name if policy else ""


def _new(
    answer: facts.Answer, decision: rules.Decision, days_open: float | None
) -> Simulated:
    assert decision.opened_by is not None  # noqa: S101  (whoever calls has looked)
    at = answer.received_at
    return Simulated(
        response=answer.pk,
        customer=answer.customer_id,
        rule=decision.opened_by.key,
        opened_at=at,
        until=None if days_open is None else at + timedelta(days=days_open),
        kind=decision.kind,
        priority=decision.priority or rules.Priority.NORMAL,
        is_complaint=decision.is_complaint,
        account_owner=answer.account_owner_id,
    )


def _teams(found: rules.RuleSet) -> set[str]:
    """Return the slugs of the teams into which these rules put cases."""
    actions = [action for rule in found.rules for action in rule.actions]
    return {action.team for action in actions if isinstance(action, rules.SetTeam)}


def _real_cases(answers: Sequence[facts.Answer]) -> Mapping[int, Sequence[Real]]:
    """Return the cases of these answers' customers: one query."""
    customers = bulk.among({answer.customer_id for answer in answers})
    found: dict[int, list[Real]] = defaultdict(list)
    rows = Case.objects.filter(customer__in=customers).order_by("pk")
    for row in map(Real._make, rows.values_list(*REAL)):
        found[row.customer].append(row)
    return found


Row = tuple[Any, ...]


def _whole(found: list[Row], size: int) -> list[Row]:
    """Leave what may have arrived together with the next batch to that one."""
    last, end = found[-1][1], len(found)
    while end and found[end - 1][1] == last:
        end -= 1
    return found[:end] if end and len(found) == size else found
