"""What the builder of rules offers: facts, operators, actions, and rows to choose from.

It is data for a script, which decides nothing: what it writes is read by the form.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from typing import Any

from django.contrib.auth import get_user_model
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from cem_cases import rules
from cem_cases.admin.rulewords import OPERATORS, TEXTS
from cem_cases.admin.timeline import name_of
from cem_cases.models import (
    Case,
    Customer,
    Membership,
    Question,
    SlaPolicy,
    Survey,
    Tag,
    Team,
    Template,
    Touchpoint,
    WebhookEndpoint,
)
from cem_cases.rules import parse, words
from cem_cases.rules.operators import LISTS, UNARY

MOST_OFFERED = 200
"""Rows that are offered for choice; with more of them, names are typed."""
CUSTOMERS_ASKED = 200
"""Customers whose attributes are offered as keys: the newest."""

Options = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that an action says."""

    name: str
    kind: str
    """one, several, ordered, words or number"""
    label: Any
    options: Sequence[tuple[str, Any]] = ()
    of: str = ""
    """Which rows are offered: team, user, tag, …"""
    default: Any = None
    is_optional: bool = False
    unit: Any = ""


@dataclass(frozen=True, slots=True)
class Spec:
    """An action, as it is offered for choice."""

    do: str
    label: Any
    fields: tuple[Field, ...] = field(default=())


PRIORITIES = [(p.word, Case.Priority(p).label) for p in rules.Priority]
KINDS = [
    (rules.CaseKind.RECOVERY, _("something to make good")),
    (rules.CaseKind.PRAISE, _("praise to pass on")),
]

ACTIONS: Sequence[Spec] = (
    Spec(
        "open case",
        _("Open a case"),
        (
            Field("priority", "one", _("Priority"), PRIORITIES, default="normal"),
            Field("kind", "one", _("About"), KINDS, default="recovery"),
        ),
    ),
    Spec(
        "set priority",
        _("Set the priority"),
        (Field("priority", "one", _("Priority"), PRIORITIES),),
    ),
    Spec(
        "set team",
        _("Put it into a team"),
        (Field("team", "one", _("Team"), of="team"),),
    ),
    Spec(
        "set owner",
        _("Give it to a person"),
        (Field("user", "one", _("Person"), of="user"),),
    ),
    Spec(
        "assign",
        _("Choose an owner in the team"),
        (
            Field(
                "by",
                "ordered",
                _("How the owner is found"),
                [(each, capfirst(words.STRATEGIES[each])) for each in rules.Strategy],
            ),
            Field(
                "skills", "words", _("Skills they need"), of="skill", is_optional=True
            ),
        ),
    ),
    Spec("add tags", _("Add tags"), (Field("tags", "several", _("Tags"), of="tag"),)),
    Spec(
        "set SLA policy",
        _("Set the SLA policy"),
        (Field("policy", "one", _("Policy"), of="policy"),),
    ),
    Spec("mark as complaint", _("Mark it as a complaint")),
    Spec(
        "notify",
        _("Notify people"),
        (
            Field(
                "who",
                "several",
                _("Who"),
                [(each, capfirst(words.AUDIENCES[each])) for each in rules.Audience],
                is_optional=True,
            ),
            Field("users", "several", _("Persons"), of="user", is_optional=True),
        ),
    ),
    Spec(
        "send template",
        _("Write to the customer"),
        (Field("template", "one", _("Template"), of="template"),),
    ),
    Spec(
        "call webhook",
        _("Tell another system"),
        (Field("webhook", "one", _("Webhook"), of="webhook"),),
    ),
    Spec(
        "invite to survey",
        _("Invite to a survey"),
        (
            Field("survey", "one", _("Survey"), of="survey"),
            Field(
                "in_days",
                "number",
                _("In how many days"),
                default=0,
                is_optional=True,
                unit=_("days"),
            ),
        ),
    ),
)
"""All actions of `rules.parse`; a test holds the two to each other."""

FAMILY_KINDS: Mapping[str, str] = {
    "answer.": "answer",
    "customer.attribute.": "attribute",
}


def data() -> dict[str, Any]:
    """Return everything that the builder offers, in a fixed number of queries."""
    options = _options()
    return {
        "texts": TEXTS,
        "groups": _grouped(),
        "facts": {found["name"]: found for found in _facts(options)},
        "operators": {
            kind: [(each, OPERATORS[each]) for each in found]
            for kind, found in rules.APPLIES.items()
        },
        "unary": UNARY,
        "lists": LISTS,
        "known": {trigger: sorted(found) for trigger, found in rules.KNOWN.items()},
        "actions": [asdict(spec) for spec in ACTIONS],
        "options": options,
        "keys": {"answer": _questions(), "attribute": _attributes()},
        "limits": {
            "depth": parse.MAX_DEPTH,
            "conditions": parse.MAX_CONDITIONS,
            "actions": parse.MAX_ACTIONS,
        },
    }


def _grouped() -> list[tuple[str, list[str]]]:
    found: dict[str, list[str]] = {group: [] for group in words.GROUPS}
    for fact in chain(rules.CATALOGUE.values(), rules.FAMILIES.values()):
        found[words.group_of(fact)].append(fact.name)
    return list(found.items())


def _facts(options: Mapping[str, Options]) -> Iterable[dict[str, Any]]:
    families = {fact.name: prefix for prefix, fact in rules.FAMILIES.items()}
    for fact in chain(rules.CATALOGUE.values(), rules.FAMILIES.values()):
        prefix = families.get(fact.name, "")
        yield {
            "name": fact.name,
            "label": words.label_of(fact),
            "help": fact.help,
            "example": fact.example,
            "kind": fact.kind,
            "scope": fact.scope,
            "unit": fact.unit,
            "isMoney": bool(fact.currency),
            "options": [(word, word) for word in fact.choices]
            or options.get(OFFERED.get(fact.name, ""), []),
            "prefix": prefix,
            "family": FAMILY_KINDS.get(prefix, "days") if prefix else "",
        }


OFFERED: Mapping[str, str] = {
    **words.KINDS,
    "case.owner": "user",
    "case.tags": "tag",
}
"""Facts whose values are those of rows: which."""


def _options() -> dict[str, Options]:
    """Return the rows that actions and conditions may name; too many: none."""
    found: dict[str, Options] = {
        "team": _named(Team.objects.filter(is_active=True), "slug"),
        "survey": _named(Survey.objects.all(), "slug"),
        "touchpoint": _named(Touchpoint.objects.all(), "slug"),
        "template": _named(Template.objects.all(), "slug"),
        "tag": _named(Tag.objects.all(), "name"),
        "policy": _named(SlaPolicy.objects.filter(is_active=True), "name"),
        "webhook": _named(WebhookEndpoint.objects.filter(is_active=True), "name"),
    }
    return found | _people()


def _named(rows: Any, key: str) -> Options:
    found = list(rows.order_by("name").values_list(key, "name")[: MOST_OFFERED + 1])
    return found if len(found) <= MOST_OFFERED else []


def _people() -> dict[str, Options]:
    """Return who works in teams, and what they know."""
    members = Membership.objects.filter(is_active=True, user__is_active=True)
    name = get_user_model().USERNAME_FIELD
    users: dict[str, str] = {}
    skills: dict[str, None] = {}
    for member in members.select_related("user")[: MOST_OFFERED * 5]:
        users[str(getattr(member.user, name))] = name_of(member.user)
        known = member.skills if isinstance(member.skills, list) else []
        skills |= dict.fromkeys(each for each in known if isinstance(each, str))
    people = sorted(users.items(), key=lambda pair: pair[1].casefold())
    return {
        "user": people if len(people) <= MOST_OFFERED else [],
        "skill": [(each, each) for each in sorted(skills)],
    }


QUESTION_TYPES: Mapping[str, str] = {
    Question.Kind.NUMBER: "number",
    Question.Kind.BOOLEAN: "boolean",
}


def _questions() -> list[dict[str, str]]:
    rows = Question.objects.order_by("key").values_list("key", "text", "kind")
    found = {
        key: {
            "key": key,
            "label": text[:80],
            "type": QUESTION_TYPES.get(kind, "text"),
        }
        for key, text, kind in rows[: MOST_OFFERED * 5]
    }
    return list(found.values())


def _attributes() -> list[dict[str, str]]:
    rows = Customer.objects.order_by("-pk").values_list("attributes", flat=True)
    keys = {
        str(key)
        for attributes in rows[:CUSTOMERS_ASKED]
        if isinstance(attributes, dict)
        for key in attributes
    }
    return [{"key": key, "label": "", "type": "text"} for key in sorted(keys)]


def names() -> rules.Names:
    """Return how people call the teams, surveys, … that rules name, in four queries."""
    kinds: Mapping[str, Any] = {
        "team": Team,
        "survey": Survey,
        "touchpoint": Touchpoint,
        "template": Template,
    }
    return {
        (kind, slug): name
        for kind, model in kinds.items()
        for slug, name in model._default_manager.values_list("slug", "name")
    }
