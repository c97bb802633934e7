"""What rules would have done with past answers. Nothing is kept, and nothing is locked.

The same code decides as in a worker: facts, plan, who joins which case, who gets it. What
differs, and what is assumed, the result says in words.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import AbstractBaseUser

from cem_cases import rules
from cem_cases.exceptions import InvalidInput, TooMuch
from cem_cases.loop import moment, outcome, policies, ruleset
from cem_cases.loop.rehearsal import By, Rehearsal, Span
from cem_cases.loop.replayed import UNNAMED, Replay
from cem_cases.loop.tally import Tally
from cem_cases.models import Case, Rule, Survey

TRIGGER = rules.Trigger.RESPONSE_RECEIVED
DRAFT = 0
"""The key of a rule that was never saved."""
DAYS = 90
"""How far back one looks where nobody says it."""
MOST_DAYS = 3_650
AS_USUAL = "as usual"
"""For `days_open`: as long as the cases that were resolved in the span took."""
NEVER = "never"
"""For `days_open`: nothing is resolved."""

Progress = Callable[[int, int], None]
"""Told how many answers are done, and of how many."""


def replay(
    rule: Rule | None = None, *, progress: Progress | None = None, **options: Any
) -> Replay:
    """Return what would have come of past answers; see `replaying`."""
    work = replaying(rule, **options)
    while True:
        try:
            done, total = next(work)
        except StopIteration as end:
            found: Replay = end.value
            return found
        if progress is not None:
            progress(done, total)


def replaying(
    rule: Rule | None = None,
    *,
    since: datetime,
    until: datetime | None = None,
    survey: Survey | None = None,
    days_open: float | str = AS_USUAL,
    by: AbstractBaseUser | None = None,
    most: int | None = None,
) -> Generator[tuple[int, int], None, Replay]:
    """Replay the answers that reached us in this time, batch by batch.

    Yields how many are done and of how many, and returns the result. With `rule`, saved
    or not, active or not, as if it were active at its position among the active ones;
    without, with these alone. `by` sees examples only of what they may see. Raises
    InvalidInput where rule or span are wrong, TooMuch where there are more than `most`
    answers; reads, and writes nothing.
    """
    until = until or moment.now()
    if not timedelta(0) < until - since <= timedelta(days=MOST_DAYS):
        raise InvalidInput({"days": [f"Must be from 1 to {MOST_DAYS:,} days."]})
    span = Span(since, until, survey)
    found = _rules(rule)
    opens = _days_open(days_open, span)
    rehearsal = Rehearsal(span, By(found, policies.current(), opens.days))
    if most is not None and rehearsal.total > most:
        raise TooMuch(
            f"These are {rehearsal.total:,} answers; here at most {most:,} are looked "
            "at. Take fewer days, or the command cem_replay, which takes any number."
        )
    tally = Tally(found, None if rule is None else rule.pk or DRAFT, by)
    yield 0, rehearsal.total
    for steps in rehearsal.batches():
        tally.add(steps)
        yield tally.answers, rehearsal.total
    tally.end()
    assumed = list(_assumptions(span, opens, rehearsal))
    return outcome.tell(span, rule, opens.days, tally, rehearsal, assumed)


def check(rule: Rule) -> rules.Rule:
    """Return this rule as it is decided with. Raises InvalidInput, with every place."""
    if rule.trigger != TRIGGER:
        text = f"Only rules with the trigger {TRIGGER.value!r} can be replayed."
        raise InvalidInput({"trigger": [text]})
    wrong = rules.problems(rule.trigger, rule.conditions, rule.actions)
    errors = {error.path: [error.problem] for error in wrong}
    if errors:
        raise InvalidInput(errors)
    conditions, actions = rules.parse_rule(rule.trigger, rule.conditions, rule.actions)
    version, name = rule.version or 1, rule.name or UNNAMED
    return rules.Rule(rule.pk or DRAFT, version, name, conditions, actions, rule.stop)


def draft(fields: Any) -> Rule:
    """Return an unsaved rule with these fields, as JSON has them; those of `FIELDS`.

    Raises InvalidInput, with the place of everything that is wrong.
    """
    if not isinstance(fields, Mapping):
        raise InvalidInput({"": ["Must be an object with the fields of a rule."]})
    errors = {
        str(name): ["Is not a known field."] for name in fields if name not in FIELDS
    }
    for name, (kind, text) in FIELDS.items():
        is_right = type(fields.get(name)) in kind if name in fields else True
        errors |= {} if is_right else {name: [text]}
    if errors:
        raise InvalidInput(errors)
    rule = Rule(**{"actions": [], **fields})
    if not 0 <= rule.position <= MOST_POSITION:
        raise InvalidInput({"position": [FIELDS["position"][1]]})
    check(rule)
    return rule


FIELDS: Mapping[str, tuple[tuple[type, ...], str]] = {
    "name": ((str,), "Must be text."),
    "trigger": ((str,), f"Must be {TRIGGER.value!r}."),
    "conditions": ((dict, list, type(None)), "Must be an object."),
    "actions": ((list,), "Must be a list."),
    "stop": ((bool,), "Must be true or false."),
    "position": ((int,), "Must be a whole number, 0 or above."),
}
MOST_POSITION = 2_147_483_647


def _rules(rule: Rule | None) -> rules.RuleSet:
    """Return the active rules, with this one at its position among them."""
    found = list(ruleset.active(TRIGGER).rules.rules)
    if rule is None:
        return rules.RuleSet(found)
    value = check(rule)
    keys = [other.key for other in found]
    rows = Rule.objects.filter(pk__in=keys).values_list("pk", "position")
    places = {pk: (position, pk) for pk, position in rows}
    new = max(places, default=0) + 1  # behind those of the same position
    places[value.key] = (rule.position or 0, rule.pk or new)
    others = [other for other in found if other.key != value.key]
    return rules.RuleSet(
        sorted([*others, value], key=lambda each: places.get(each.key, (0, each.key)))
    )


@dataclass(frozen=True, slots=True)
class _Opens:
    """How long simulated cases stay open, and why so long."""

    days: float | None
    why: str


def _days_open(asked: float | str, span: Span) -> _Opens:
    if asked == NEVER:
        return _Opens(None, "No case is resolved in the replay, as was asked.")
    if asked == AS_USUAL:
        return _usual(span)
    if isinstance(asked, str) or not 0 < asked <= MOST_DAYS:
        text = f"Must be a number of days above 0 up to {MOST_DAYS:,}, or {NEVER!r}."
        raise InvalidInput({"days_open": [text]})
    return _Opens(
        asked, f"Each case stays open for {_days(asked)}, as was asked, weekends too."
    )


def _usual(span: Span) -> _Opens:
    rows = Case.objects.filter(
        resolved_at__gte=span.since, resolved_at__lt=span.until
    ).values_list("opened_at", "resolved_at")
    took = [
        (resolved - opened).total_seconds()
        for opened, resolved in rows.iterator(chunk_size=10_000)
        if resolved is not None
    ]
    if not took:
        return _Opens(
            None,
            "No case is resolved in the replay: none was in this time, so there is "
            "nothing to go by.",
        )
    days = max(round(statistics.median(took) / 86_400, 2), 0.01)
    return _Opens(
        days,
        f"Each case stays open for {_days(days)}: the median of the {len(took):,} "
        "cases that were resolved in this time.",
    )


def _days(days: float) -> str:
    return "1 day" if days == 1 else f"{days:g} days"


def _assumptions(span: Span, opens: _Opens, rehearsal: Rehearsal) -> Iterator[str]:
    yield (
        "Rules, SLA policies, teams and people are those of today, and so are the data "
        "of customers; absences and working hours are those of the moment. Since when "
        "a rule is active does not count."
    )
    yield opens.why
    yield (
        "Cases from before this time are as they really were: they are joined, and "
        "count in everybody's load, until they were resolved. In turn goes on from "
        "today's turn."
    )
    yield (
        "A case that nobody can take waits, and goes to who becomes available. Nobody "
        "declines, reassigns or reopens anything."
    )
    yield (
        "Real cases are compared as they are today, after what people did with them."
    )
    if span.survey is not None:
        yield (
            "Answers to other surveys are left out, and so are the cases that they "
            "would have opened."
        )
    if "sentiment" in rehearsal.facts:
        yield "Sentiments are those that are stored; comments are not analysed again."
    others = Rule.objects.filter(is_active=True).exclude(trigger=TRIGGER).count()
    if others:
        yield (
            f"Rules with other triggers are left out: {others:,} active "
            f"{'one is' if others == 1 else 'ones are'} not replayed."
        )
