"""Counts what a rehearsal yields, beside what really happened, and keeps examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from django.contrib.auth.models import AbstractBaseUser

from cem_cases import rules
from cem_cases.loop import bulk
from cem_cases.loop.floor import Simulated
from cem_cases.loop.rehearsal import Real, Step
from cem_cases.loop.replayed import Spread
from cem_cases.models import Case, sees_everything

MOST_PAIRS = 10_000
"""When so many cases are to be compared, those are that do not change any more."""


class Pair(NamedTuple):
    """What a replay and reality made of one answer: a case, or none."""

    response: int
    received_at: datetime
    score: int | None
    made: Simulated | None
    real: Real | None
    really_in: int | None
    """The number of the case to which the answer really belongs."""
    may_show: bool


class Kept(NamedTuple):
    """An example: an answer, with its explanation as text."""

    step: Step
    looks: str


@dataclass(slots=True)
class Tally:
    """The counts so far. `focus`: the key of the rule in question; None: all are."""

    ruleset: rules.RuleSet
    focus: int | None
    by: AbstractBaseUser | None = None
    """Who will see it: examples are of what they may see. None: of everything."""
    answers: int = 0
    matched: int = 0
    opened: int = 0
    joined: int = 0
    covered: int = 0
    opened_by_all: int = 0
    really_opened: int = 0
    really_joined: int = 0
    policies: Counter[str] = field(default_factory=Counter)
    opened_by: Counter[int] = field(default_factory=Counter)
    """Cases by the key of the rule that opens them."""
    by_team: Counter[int | None] = field(default_factory=Counter)
    """Cases of answers that the rule in question matched, by team."""
    differ: Counter[str] = field(default_factory=Counter)
    examples: Spread[Kept] = field(default_factory=Spread)
    differences: dict[str, Spread[Pair]] = field(default_factory=dict)
    _pairs: list[Pair] = field(default_factory=list)
    _looks: Counter[tuple[int, int]] = field(default_factory=Counter)
    _decisions: dict[int, rules.Decision] = field(default_factory=dict)
    _concerned: dict[int, bool] = field(default_factory=dict)

    def add(self, steps: Sequence[Step]) -> None:
        """Count these answers."""
        shown = self._shown(steps)
        self.answers += len(steps)
        for step in steps:
            decision, case_id = step.plan.decision, step.answer.case_id
            key = id(decision)
            self._looks[key, len(step.plan.outcomes)] += 1
            if key not in self._concerned:
                self._concerned[key] = self._is_concerned(decision)
                self._decisions[key] = decision  # kept, so that its id stays its own
            may_show = shown is None or case_id in shown
            if self._concerned[key]:
                self._count(step, may_show)
            if step.case is not None or case_id is not None:
                self._set_beside(step, may_show)
        if len(self._pairs) > MOST_PAIRS:
            self._settle(steps[-1].answer.received_at)

    def end(self) -> None:
        """Compare what is still to be compared."""
        self._settle(None)

    def looks(self) -> tuple[Mapping[int, int], Counter[int]]:
        """Return how often each rule was looked at, by its place, and matched, by key."""
        looked_at, matched = Counter[int](), Counter[int]()
        for (key, many), count in self._looks.items():
            looked_at.update(dict.fromkeys(range(many), count))
            found = self._decisions[key].matched
            matched.update({rule.key: count for rule in found})
        return looked_at, matched

    def _shown(self, steps: Sequence[Step]) -> Collection[int] | None:
        """Return the cases of these answers that may be shown; None: all answers may."""
        if self.by is None or sees_everything(self.by):
            return None
        keys = {step.answer.case_id for step in steps} - {None}
        seen = Case.objects.visible_to(self.by).filter(pk__in=bulk.among(keys))
        return set(seen.values_list("pk", flat=True))

    def _is_concerned(self, decision: rules.Decision) -> bool:
        if self.focus is None:
            return bool(decision.matched)
        return any(rule.key == self.focus for rule in decision.matched)

    def _count(self, step: Step, may_show: bool) -> None:
        """Count an answer that the rule in question matches."""
        self.matched += 1
        self.joined += step.is_join
        if isinstance(step.case, Simulated) and not step.is_join:
            self.opened += 1
            self.by_team[step.case.team_id] += 1
        if self.focus is None and step.case is None:
            return  # of the whole set, it is about cases
        self.covered += step.covered_by is not None
        if may_show:
            self.examples.show(lambda: self._explained(step))

    def _explained(self, step: Step) -> Kept:
        return Kept(step, self.ruleset.explain(step.plan, step.answer.facts))

    def _set_beside(self, step: Step, may_show: bool) -> None:
        """Take note of what replay and reality made of an answer."""
        answer, made, real = step.answer, None, step.opened
        if isinstance(step.case, Simulated) and not step.is_join:
            made = step.case
            self.opened_by_all += 1
            self.opened_by[made.rule] += 1
            if made.policy:
                self.policies[made.policy] += 1
        if real is not None:
            self.really_opened += 1
        elif answer.case_id is not None:
            self.really_joined += 1
        if made is not None or real is not None:
            at = answer.received_at
            self._pairs.append(
                Pair(answer.pk, at, answer.score, made, real, answer.case_id, may_show)
            )

    def _settle(self, at: datetime | None) -> None:
        """Compare the cases that do not change after this moment; None: all of them."""
        left = []
        for pair in self._pairs:
            if at is not None and pair.made is not None and pair.made.is_active(at):
                left.append(pair)
                continue
            for kind in _kinds(pair.made, pair.real):
                self.differ[kind] += 1
                if kind != "both" and pair.may_show:
                    self._keep(kind, pair)
        self._pairs = left

    def _keep(self, kind: str, pair: Pair) -> None:
        self.differences.setdefault(kind, Spread()).show(lambda: pair)


def _kinds(made: Simulated | None, real: Real | None) -> Iterator[str]:
    """Yield in which ways these two differ; or that there are both."""
    if made is None:
        yield "only_reality"
    elif real is None:
        yield "only_replay"
    else:
        yield "both"
        if made.team_id != real.team:
            yield "other_team"
        if made.priority != real.priority:
            yield "other_priority"
        if made.owner is not None and made.owner != real.owner:
            yield "other_owner"
