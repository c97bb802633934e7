"""Four people who work the cases of two years, at believable times.

What they are going to do with a case is settled when they first see it, and done when
its time has come: through the same verbs as in the admin. What would come later than the
present is left to whoever opens the site.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import count
from random import Random
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from cem_cases import sla
from cem_cases.loop import cases
from cem_cases.models import Case, Clock, ClockMetric, Contact, RootCause
from demo_project import comments
from demo_project.company import TEAMS
from demo_project.story import DAY, LATE, SOURCE, Answer, Story

Step = tuple[datetime, str, Mapping[str, Any]]
"""When to do which verb, with what."""

BEHIND = timedelta(days=12)
"""Since then the agents have not kept up."""
HOUR = timedelta(hours=1)


class Agents:
    """The people at their desks. `see` shows them new cases, `work` lets them work."""

    def __init__(self, story: Story, users: Mapping[str, User], *, seed: int) -> None:
        self.did: Counter[str] = Counter()
        self._story, self._users = story, users
        self._answers = {answer.external_id: answer for answer in story.answers}
        self._rng = Random(seed + 1)
        self._plans: list[tuple[datetime, int, int, str, User, Mapping[str, Any]]] = []
        self._order = count()
        self._seen = 0
        self._cases: dict[int, Case] = {}
        self._causes = {cause.code: cause for cause in RootCause.objects.all()}

    def see(self) -> int:
        """Plan the work on the cases that are new; return how many there are."""
        new = (
            Case.objects.filter(pk__gt=self._seen)
            .select_related("team", "owner", "opening_response__customer")
            .prefetch_related("clocks__version")
            .order_by("pk")
        )
        many = 0
        for case in new:
            many += 1
            self._seen = case.pk
            self._cases[case.pk] = Case(pk=case.pk, team_id=case.team_id)
            by = self._worker(case)
            for at, verb, fields in self._plan(case):
                entry = (at, next(self._order), case.pk, verb, by, fields)
                heapq.heappush(self._plans, entry)
        return many

    def work(self, *, until: datetime) -> None:
        """Do everything whose time has come."""
        with transaction.atomic():
            while self._plans and self._plans[0][0] < until:
                at, _, pk, verb, by, fields = heapq.heappop(self._plans)
                getattr(cases, verb)(self._cases[pk], by=by, now=at, **fields)
                self.did[verb] += 1

    def _worker(self, case: Case) -> User:
        if case.owner is not None:
            return self._users[case.owner.get_username()]
        slug = case.team.slug if case.team else "care"
        return self._users[self._rng.choice(TEAMS[slug][1])]

    def _plan(self, case: Case) -> Iterator[Step]:
        answer = self._answer(case)
        contact_at, resolve_at = self._pace(case)
        if contact_at is None:
            return
        if case.owner is None:
            yield contact_at - HOUR / 12, "claim", {}
        if self._chance(0.25):
            text = self._rng.choice(comments.CHECKED)
            yield contact_at + HOUR / 4, "note", {"text": text}
        if self._chance(0.06):
            yield from self._never_reached(contact_at, self._cause(answer))
            return
        if self._chance(0.15):
            call = _call(Contact.Attempt.NO_ANSWER)
            yield contact_at - HOUR / 20, "contact", call
        yield contact_at, "contact", self._contact()
        if resolve_at is None:
            return
        if self._chance(0.1) and resolve_at - contact_at > 3 * HOUR:
            begin = contact_at + (resolve_at - contact_at) / 3
            yield from self._waits(begin, (resolve_at - contact_at) / 3)
        yield from self._end(answer, resolve_at)

    def _waits(self, at: datetime, length: timedelta) -> Iterator[Step]:
        """Wait for a photo from the customer, or for parts from the carrier."""
        verb, reason = self._rng.choice(comments.WAITS)
        yield at, verb, {"reason": reason, "until": at + DAY + length}
        yield at + length, "resume", {}

    def _answer(self, case: Case) -> Answer | None:
        response = case.opening_response
        if response is None or response.source_system != SOURCE:
            return None
        return self._answers.get(response.external_id)

    def _pace(self, case: Case) -> tuple[datetime | None, datetime | None]:
        """Return when the customer is contacted and when it is solved; None: not yet."""
        rng, clocks = self._rng, {clock.metric: clock for clock in case.clocks.all()}
        is_slow = self._chance(0.32 if self._story.in_dip(case.opened_at) else 0.08)
        first = rng.uniform(1.05, 2.0) if is_slow else rng.triangular(0.1, 0.95, 0.35)
        end = rng.uniform(1.02, 1.7) if is_slow else rng.triangular(0.15, 0.97, 0.6)
        contact_at = self._after(clocks[ClockMetric.FIRST_CONTACT], first)
        resolve_at = self._after(clocks[ClockMetric.RESOLUTION], end)
        if case.opened_at < self._story.ends - BEHIND:
            return contact_at, max(resolve_at, contact_at + HOUR / 2)
        is_recent = case.opened_at > self._story.ends - BEHIND / 3
        is_untouched = self._chance(0.4 if is_recent else 0.15)
        is_begun = self._chance(0.6)
        return (
            None if is_untouched else contact_at,
            None if is_begun else max(resolve_at, contact_at + HOUR / 2),
        )

    def _after(self, clock: Clock, fraction: float) -> datetime:
        """Return when so much of the clock's target has been used up."""
        _, terms = clock.version.value()
        seconds = round(clock.target_amount * fraction)
        return terms.due(sla.Target(seconds, clock.target.unit), clock.started_at)

    def _contact(self) -> Mapping[str, Any]:
        if self._chance(0.6):
            return _call(Contact.Attempt.REACHED)
        return {
            "channel": "email",
            "attempt": Contact.Attempt.SENT,
            "subject": "Your feedback",
            "body": "Thank you for telling us. I am looking into it now.",
        }

    def _never_reached(self, at: datetime, cause: str) -> Iterator[Step]:
        yield at, "contact", _call(Contact.Attempt.NO_ANSWER)
        yield at + DAY, "contact", _call(Contact.Attempt.VOICEMAIL)
        letter = {"channel": "email", "attempt": Contact.Attempt.SENT}
        yield at + DAY + HOUR, "contact", {**letter, "subject": "We tried to call you"}
        note = "Two calls and an e-mail, no answer."
        yield at + 4 * DAY, "resolve", self._as(cause, Case.Outcome.NOT_REACHED, note)
        yield at + 9 * DAY, "close", {}

    def _end(self, answer: Answer | None, at: datetime) -> Iterator[Step]:
        cause = self._cause(answer)
        note = self._rng.choice(comments.REMEDIES[cause])
        yield at, "resolve", self._as(cause, self._outcome(answer), note)
        if self._chance(0.05):
            reason = self._rng.choice(comments.STILL_UNHAPPY)
            yield at + 2 * DAY, "reopen", {"reason": reason}
            yield at + 2 * DAY + HOUR, "contact", _call(Contact.Attempt.REACHED)
            at += 3 * DAY
            outcome = self._outcome(answer)
            yield at, "resolve", self._as(cause, outcome, "This time it is settled.")
        yield at + self._rng.randint(4, 8) * DAY, "close", {}

    def _cause(self, answer: Answer | None) -> str:
        """Return what the agent finds: mostly what it really was."""
        if answer is None or not answer.cause:
            return "no-cause-found"
        return "no-cause-found" if self._chance(0.04) else answer.cause

    def _outcome(self, answer: Answer | None) -> str:
        if answer is None or not answer.cause:
            return Case.Outcome.NO_ACTION
        odds = (60, 32, 8) if answer.cause == LATE else (76, 16, 8)
        outcomes = ("recovered", "not recovered", "no action needed")
        return self._rng.choices(outcomes, odds)[0]

    def _as(self, cause: str, outcome: str, note: str) -> Mapping[str, Any]:
        return {"root_cause": self._causes[cause], "outcome": outcome, "note": note}

    def _chance(self, share: float) -> bool:
        return self._rng.random() < share


def _call(attempt: str) -> Mapping[str, Any]:
    return {"channel": "phone", "attempt": attempt}
