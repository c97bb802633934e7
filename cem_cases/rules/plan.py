"""From rules and facts to a decision, with its reasons. Nothing is done here.

Every matching rule acts in its order, unless one of them says stop; for opening a case
the first match decides. The same code serves the worker, the preview and the replay.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from cem_cases.rules.actions import (
    Action,
    AddTags,
    Assign,
    CallWebhook,
    CaseKind,
    Effect,
    Invite,
    MarkComplaint,
    Notify,
    OpenCase,
    Priority,
    SendTemplate,
    SetOwner,
    SetPolicy,
    SetPriority,
    SetTeam,
)
from cem_cases.rules.compiled import Get, Outcome, Run, compile_node
from cem_cases.rules.conditions import Counted, Node, conditions_in, facts_in, seen
from cem_cases.rules.facts import Facts, find

KEPT = 10_000
"""How many sentences, and how many decisions, a rule set remembers."""

Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as it is decided with; `key` is stable, `version` counts its edits."""

    key: int
    version: int
    name: str
    conditions: Node
    actions: tuple[Action, ...]
    stop: bool = False


@dataclass(frozen=True, slots=True)
class Look:
    """That a rule was looked at, what came of it, and what decided."""

    rule: int
    version: int
    matched: bool
    because: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done for one response, or about one case."""

    opened_by: Rule | None = None
    """The rule that opens a case; None: none is opened."""
    kind: CaseKind = CaseKind.RECOVERY
    priority: Priority | None = None
    """None: as it is; a case that is opened always has one."""
    team: str | None = None
    owner: str | None = None
    """A username."""
    assign: Assign | None = None
    policy: str | None = None
    """The name of an SLA policy; None: the one whose conditions hold."""
    is_complaint: bool = False
    tags: tuple[str, ...] = ()
    effects: tuple[tuple[Rule, Effect], ...] = ()
    """What goes out, and which rule wants it."""
    matched: tuple[Rule, ...] = ()


def decide(matched: Sequence[Rule]) -> Decision:
    """Fold the actions of these rules, which match, into one decision.

    A priority that some rule sets beats the one with which the case was opened; of
    several priorities, teams, owners, policies and assignments the last counts.
    """
    opened_by: Rule | None = None
    kind, opening = CaseKind.RECOVERY, Priority.NORMAL
    priority: Priority | None = None
    team = owner = policy = None
    assign: Assign | None = None
    is_complaint = False
    tags: dict[str, None] = {}
    effects: list[tuple[Rule, Effect]] = []
    for rule in matched:
        for action in rule.actions:
            match action:
                case OpenCase() if opened_by is None:
                    opened_by, kind, opening = rule, action.kind, action.priority
                case SetPriority():
                    priority = action.priority
                case SetTeam():
                    team = action.team
                case SetOwner():
                    owner = action.user
                case SetPolicy():
                    policy = action.policy
                case Assign():
                    assign = action
                case MarkComplaint():
                    is_complaint = True
                case AddTags():
                    tags |= dict.fromkeys(action.tags)
                case Notify() | SendTemplate() | CallWebhook() | Invite():
                    effects.append((rule, action))
    return Decision(
        opened_by=opened_by,
        kind=kind,
        priority=priority or (opening if opened_by else None),
        team=team,
        owner=owner,
        assign=assign,
        policy=policy,
        is_complaint=is_complaint,
        tags=tuple(tags),
        effects=tuple(effects),
        matched=tuple(matched),
    )


class Plan(NamedTuple):
    """What the rules say to some facts: the decision, and how it came about."""

    decision: Decision
    outcomes: Sequence[Outcome]
    """Of the rules in their order, up to one that says stop."""


@dataclass(frozen=True, slots=True)
class _Course:
    """One way in which rules can come out: all that its explanations depend on."""

    names: tuple[str, ...]
    """The facts whose values they show."""
    texts: dict[tuple[Any, ...], str] = field(default_factory=dict)
    """Those that were made, by these values."""


class RuleSet:
    """Rules in their order, compiled once, to be asked of many answers.

    >>> from cem_cases.rules import Condition
    >>> low = Condition("score", "at most", 6)
    >>> detractor = Rule(1, 1, "Detractor", low, (OpenCase(Priority.HIGH),))
    >>> rules = RuleSet([detractor])
    >>> plan = rules.plan({"score": 2})
    >>> plan.decision.opened_by.name, plan.decision.priority.word
    ('Detractor', 'high')
    >>> rules.explain(plan, {"score": 2})
    '[[1,1,1,"score at most 6 (was 2)"]]'
    >>> rules.plan({"score": 9}).decision.matched
    ()
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = tuple(rules)
        self.facts = frozenset(
            name for rule in self.rules for name in facts_in(rule.conditions)
        )
        """The names of the facts that the conditions ask for."""
        self._conditions: list[Counted] = []
        self._runs = [
            compile_node(rule.conditions, self._conditions) for rule in self.rules
        ]
        self._shown = [_shown(condition) for condition in self._conditions]
        self._decisions: dict[tuple[int, ...], Decision] = {}
        self._said: list[dict[Key, str]] = [{} for _ in self.rules]
        self._kept = 0
        self._courses: dict[tuple[Outcome, ...], _Course] = {}
        self._texts = 0

    def plan(self, facts: Facts, among: Collection[int] | None = None) -> Plan:
        """Return what is to be done.

        `among`: only rules with these keys are looked at; None: all.
        """
        outcomes: list[Outcome] = []
        matched: list[int] = []
        get = facts.get
        for run in self._runs if among is None else self._only(among):
            outcome = run(get)
            outcomes.append(outcome)
            if outcome[0]:
                n = len(outcomes) - 1
                matched.append(n)
                if self.rules[n].stop:
                    break
        return Plan(self._decided(tuple(matched)), outcomes)

    def _only(self, keys: Collection[int]) -> Iterator[Run]:
        for rule, run in zip(self.rules, self._runs, strict=True):
            yield run if rule.key in keys else _not_looked_at

    def _decided(self, matched: tuple[int, ...]) -> Decision:
        decision = self._decisions.get(matched)
        if decision is None:
            decision = decide([self.rules[n] for n in matched])
            if len(self._decisions) < KEPT:
                self._decisions[matched] = decision
        return decision

    def explain(self, plan: Plan, facts: Facts) -> str:
        """Return, as text, each rule looked at and what decided; see `read_looks`.

        Answers to which the same happened get the very same text, from memory.
        """
        outcomes, get = tuple(plan.outcomes), facts.get
        course = self._courses.get(outcomes)
        if course is None:
            course = self._course(outcomes)
        key = tuple([get(name) for name in course.names])
        text = course.texts.get(key)
        if text is None:
            text = self._text(outcomes, facts)
            if self._texts == KEPT:
                self._forget_texts()
            course.texts[key] = text
            self._texts += 1
        return text

    def _course(self, outcomes: tuple[Outcome, ...]) -> _Course:
        names = {
            name
            for _, decided in outcomes
            for place in decided
            for name in self._shown[place]
        }
        if len(self._courses) == KEPT:
            self._forget_texts()
        course = self._courses[outcomes] = _Course(tuple(sorted(names)))
        return course

    def _text(self, outcomes: Sequence[Outcome], facts: Facts) -> str:
        get, shown, said = facts.get, self._shown, []
        for n, outcome in enumerate(outcomes):
            if outcome is NOT_LOOKED_AT:
                continue
            # all that its sentence depends on; mostly one condition about one fact
            decided = outcome[1]
            if len(decided) == 1 and len(names := shown[decided[0]]) == 1:
                key: Key = (outcome, get(names[0]))
            else:
                key = (outcome, *[get(name) for c in decided for name in shown[c]])
            sentence = self._said[n].get(key)
            if sentence is None:
                sentence = self._say(n, outcome, facts, key)
            said.append(sentence)
        return f"[{','.join(said)}]"

    def _forget_texts(self) -> None:
        self._courses.clear()
        self._texts = 0

    def _say(self, n: int, outcome: Outcome, facts: Facts, key: Key) -> str:
        rule, (matched, decided) = self.rules[n], outcome
        because = "; ".join(seen(self._conditions[c], facts) for c in decided)
        look = [rule.key, rule.version, int(matched), because or "always"]
        sentence = json.dumps(look, ensure_ascii=False, separators=(",", ":"))
        if self._kept == KEPT:
            for kept in self._said:
                kept.clear()
            self._kept = 0
        self._said[n][key] = sentence
        self._kept += 1
        return sentence


NOT_LOOKED_AT: Outcome = (False, ())


def _not_looked_at(_: Get) -> Outcome:
    return NOT_LOOKED_AT


def read_looks(text: str) -> list[Look]:
    """Return what `RuleSet.explain` wrote."""
    return [
        Look(rule, version, bool(matched), because)
        for rule, version, matched, because in json.loads(text)
    ]


def _shown(counted: Counted) -> tuple[str, ...]:
    """Return the facts whose values stand in the explanation."""
    [condition] = conditions_in(counted)
    fact = find(condition.fact)
    if fact is None or fact.is_private:
        return ()
    return (condition.fact, fact.currency) if fact.currency else (condition.fact,)
