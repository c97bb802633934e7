"""A rule as one sentence, with the labels of the catalogue: for everybody to read.

Groups within groups stand in brackets, text of a condition in quotation marks, so that a
sentence has one meaning only, whatever people called their teams.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from cem_cases.rules.actions import (
    Action,
    AddTags,
    Assign,
    Audience,
    CallWebhook,
    CaseKind,
    Invite,
    MarkComplaint,
    Notify,
    OpenCase,
    SendTemplate,
    SetOwner,
    SetPolicy,
    SetPriority,
    SetTeam,
    Strategy,
)
from cem_cases.rules.conditions import SHOWN, AllOf, AnyOf, Condition, Node, Not
from cem_cases.rules.facts import FAMILIES, Fact, Kind, find, window
from cem_cases.rules.operators import LISTS, UNARY
from cem_cases.rules.triggers import Trigger

Names = Mapping[tuple[str, str], str]
"""How people call what a rule names by its slug: `("team", "care")` is *Customer Care*."""

LONGEST = 60
"""How much of a text is repeated."""

STARTS: Mapping[str, str] = {
    Trigger.CASE_OPENED: "When a case is opened",
    Trigger.CASE_CHANGED: "When a case changes",
    Trigger.CONTACT_RECEIVED: "When a customer writes or calls about a case",
    Trigger.CLOCK_WARNED: "When a clock of a case warns",
    Trigger.CLOCK_BREACHED: "When a clock of a case breaches",
    Trigger.NO_UPDATE: "When a case had no update for {} business hours",
}
OPERATORS: Mapping[str, str] = {
    "at most": "is at most",
    "at least": "is at least",
    "less than": "is below",
    "more than": "is above",
    "in": "is one of",
    "not in": "is none of",
    "contains any word": "contains any of the words",
    "contains all words": "contains all of the words",
    "matches": "matches the pattern",
    "has any of": "has any of",
    "has all of": "has all of",
    "has none of": "has none of",
}
"""The words of the operators; one that is not here is its own."""

STRATEGIES: Mapping[Strategy, str] = {
    Strategy.LEAST_LOADED: "whoever has the fewest cases",
    Strategy.ROUND_ROBIN: "whoever is next in turn",
    Strategy.ACCOUNT_OWNER: "the customer's account owner",
    Strategy.SAME_AGENT: "whoever had the customer's last case",
}
AUDIENCES: Mapping[Audience, str] = {
    Audience.OWNER: "the owner",
    Audience.LEADS: "the team's leads",
    Audience.MANAGERS: "the team's managers",
    Audience.TEAM: "the whole team",
    Audience.WATCHERS: "the watchers",
}


def sentence(
    trigger: str,
    conditions: Node,
    actions: Iterable[Action],
    *,
    stop: bool = False,
    quiet_hours: int | None = None,
    names: Names | None = None,
) -> str:
    """Return what a rule does, and when.

    >>> low = Condition("score", "at most", 6)
    >>> rich = Condition("customer.annual_value", "more than", 10_000, "EUR")
    >>> from cem_cases.rules.actions import Priority
    >>> care = [OpenCase(Priority.HIGH), SetTeam("care")]
    >>> sentence("response received", AllOf((low, rich)), care)
    'When score is at most 6 and annual value is above 10,000 EUR: open a case with high \
priority, put it into team care.'
    >>> sentence("case opened", AllOf(), [SetPriority(Priority.URGENT)], stop=True)
    'When a case is opened: set its priority to urgent; later rules are not looked at.'
    """
    always = conditions == AllOf()
    when = "" if always else in_words(conditions, names=names)
    if trigger == Trigger.RESPONSE_RECEIVED:
        start = "For every response" if always else f"When {when}"
    else:
        start = STARTS.get(trigger, f"On {trigger}").format(quiet_hours or "…")
        start += "" if always else f", if {when}"
    done = ", ".join(does(action, names=names) for action in actions)
    end = "; later rules are not looked at" if stop else ""
    return f"{start}: {done}{end}." if done else f"{start}{end}."


def in_words(node: Node, *, names: Names | None = None) -> str:
    """Return a tree of conditions as part of a sentence.

    >>> low, sms = Condition("score", "at most", 6), Condition("channel", "is", "sms")
    >>> in_words(AllOf((low, Not(AnyOf((sms, low))))))
    'score is at most 6 and not (channel is “sms” or score is at most 6)'
    """
    match node:
        case Condition():
            return _condition(node, names or {})
        case Not(AllOf((part,)) | AnyOf((part,)) | part):
            return f"not ({in_words(part, names=names)})"
        case AllOf(parts):
            return " and ".join(_inner(part, names) for part in parts) or "always"
        case AnyOf(parts):
            return " or ".join(_inner(part, names) for part in parts) or "never"


def _inner(node: Node, names: Names | None) -> str:
    """Return a part of a group, in brackets where its own parts could be torn apart."""
    while isinstance(node, AllOf | AnyOf) and len(node.parts) == 1:
        (node,) = node.parts
    text = in_words(node, names=names)
    return f"({text})" if isinstance(node, AllOf | AnyOf) else text


def about(name: str) -> str:
    """Return what a fact is called in a sentence.

    >>> about("score"), about("history.cases_in_days.90"), about("answer.why")
    ('score', 'cases in the 90 days before', 'the answer to “why”')
    """
    fact = find(name)
    if fact is None:
        return _quoted(name)
    if seen := window(name):
        label = _lowered(fact.label).removesuffix(" before")
        return f"{label} in the {seen[1]} days before"
    for prefix in ("answer.", "customer.attribute."):
        if name.startswith(prefix):
            key = _quoted(name.removeprefix(prefix))
            is_answer = prefix == "answer."
            return f"the answer to {key}" if is_answer else f"the attribute {key}"
    return _lowered(fact.label)


def _condition(condition: Condition, names: Names) -> str:
    fact, operator = find(condition.fact), condition.operator
    said = f"{about(condition.fact)} {OPERATORS.get(operator, operator)}"
    if operator in UNARY:
        return said
    value = condition.value
    several = operator in LISTS and isinstance(value, tuple | list)
    values = list(value) if several else [value]
    texts = [_value(item, condition.fact, fact, names) for item in values[:SHOWN]]
    more = f" and {len(values) - SHOWN} more" if len(values) > SHOWN else ""
    unit = condition.currency or (fact.unit if fact else "")
    found = f"{', '.join(texts)}{more}"
    listed = f"({found})" if len(texts) > 1 else found
    return f"{said} {listed}" + (f" {unit}" if unit else "")


def _value(value: Any, name: str, fact: Fact | None, names: Names) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float | Decimal):
        return number(value)
    if fact is not None and fact.kind is Kind.CHOICE:
        return str(value)
    return _quoted(names.get((KINDS.get(name, ""), str(value)), str(value)))


KINDS: Mapping[str, str] = {
    "survey": "survey",
    "case.team": "team",
    "touchpoint": "touchpoint",
}
"""Facts whose values are slugs of rows that have a name: which rows."""


def number(value: int | float | Decimal) -> str:
    """Return a number as people write it.

    >>> number(10_000), number(-0.5), number(Decimal("12500.50"))
    ('10,000', '-0.5', '12,500.50')
    """
    return f"{value:,}"


def does(action: Action, *, names: Names | None = None) -> str:
    """Return an action as part of a sentence."""
    known = names or {}

    def named(kind: str, name: str) -> str:
        return _name(known.get((kind, name), name))

    match action:
        case OpenCase(priority, kind):
            praise = " of praise" if kind is CaseKind.PRAISE else ""
            return f"open a case{praise} with {priority.word} priority"
        case SetPriority(priority):
            return f"set its priority to {priority.word}"
        case SetTeam(team):
            return f"put it into team {named('team', team)}"
        case SetOwner(user):
            return f"give it to {_name(user)}"
        case AddTags(tags):
            return f"tag it {_listed(map(_name, tags))}"
        case SetPolicy(policy):
            return f"put it under the SLA policy {_name(policy)}"
        case Assign():
            return _assign(action)
        case MarkComplaint():
            return "mark it as a complaint"
        case Notify(audiences, users):
            people = [*(AUDIENCES[each] for each in audiences), *map(_name, users)]
            return f"notify {_listed(people)}"
        case SendTemplate(template):
            return f"send the template {named('template', template)}"
        case CallWebhook(webhook):
            return f"call the webhook {_name(webhook)}"
        case Invite(survey, days):
            later = f" in {days} {'day' if days == 1 else 'days'}" if days else ""
            return f"invite to the survey {named('survey', survey)}{later}"


def _assign(action: Assign) -> str:
    found = ", or else to ".join(STRATEGIES[each] for each in action.strategies)
    skills = _listed(map(_name, action.skills))
    return f"give it to {found}" + (f" (must know {skills})" if skills else "")


def _listed(texts: Iterable[str]) -> str:
    """Return the texts as a list: `a, b and c`."""
    *others, last = [*texts] or [""]
    return f"{', '.join(others)} and {last}" if others else last


def _name(text: str) -> str:
    """Return a name of somebody's making: in quotation marks, unless it is one word."""
    is_word: Callable[[str], Any] = re.compile(r"[\w@+-][\w.@+-]*").fullmatch
    return text if is_word(text) and len(text) <= LONGEST else _quoted(text)


def _quoted(text: str) -> str:
    cut = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
    return f"“{cut}”"


def _lowered(label: str) -> str:
    """Return the label as it stands within a sentence; abbreviations stay as they are."""
    return label if label[1:2].isupper() else label[:1].lower() + label[1:]


def label_of(fact: Fact) -> str:
    """Return how a fact is offered for choice; members of a family end in `…`.

    >>> label_of(FAMILIES["answer."]), label_of(find("score"))
    ('Answer to a question …', 'Score')
    """
    return FAMILY_LABELS.get(fact.name, fact.label)


FAMILY_LABELS: Mapping[str, str] = {
    FAMILIES["answer."].name: "Answer to a question …",
    FAMILIES["customer.attribute."].name: "Customer attribute …",
    FAMILIES[
        "history.detractors_in_days."
    ].name: "Detractor responses in … days before",
    FAMILIES["history.responses_in_days."].name: "Responses in … days before",
    FAMILIES["history.cases_in_days."].name: "Cases in … days before",
}

GROUPS = ("Answer", "Survey and touchpoint", "Customer", "History", "Case", "Event")
_OF_SURVEY = ("metric", "survey", "touchpoint", "journey_stage", "department")


def group_of(fact: Fact) -> str:
    """Return under which of `GROUPS` a fact is found.

    >>> group_of(find("score")), group_of(find("survey.kind"))
    ('Answer', 'Survey and touchpoint')
    """
    first = fact.name.split(".")[0]
    if first in _OF_SURVEY:
        return "Survey and touchpoint"
    by_first = {
        "customer": "Customer",
        "organization": "Customer",
        "history": "History",
        "has_open_case": "History",
        "case": "Case",
        "change": "Event",
        "contact": "Event",
        "clock": "Event",
    }
    return by_first.get(first, "Answer")
