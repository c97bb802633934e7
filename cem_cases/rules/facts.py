"""The catalogue: every fact a condition may ask about, with its type and meaning.

It is the reference page for whoever writes rules. `loop.facts` is the only place in
which rows become facts; a test holds both to the same names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cem_cases.rules.actions import CaseKind, Priority
from cem_cases.rules.transitions import Status

Facts = Mapping[str, Any]


class Kind(StrEnum):
    """What sort of value a fact has, and so which operators apply to it."""

    NUMBER = "number"
    MONEY = "money"
    TEXT = "text"
    CHOICE = "choice"
    BOOLEAN = "yes or no"
    TAGS = "tags"
    ANY = "text, number or yes/no"


class Scope(StrEnum):
    """When a fact is known."""

    RESPONSE = "response"
    """As soon as there is an answer; of a case: of the answer that opened it."""
    CASE = "case"
    POLICY = "policy"
    """Of the case, and known when its SLA policy is chosen."""
    CHANGE = "change"
    CONTACT = "contact"
    CLOCK = "clock"


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that is known when rules are looked at."""

    name: str
    kind: Kind
    label: str
    help: str
    example: Any
    choices: tuple[str, ...] = ()
    is_private: bool = False
    """Its value is a person's own words or data: explanations never repeat it."""
    scope: Scope = Scope.RESPONSE
    unit: str = ""
    """Of a number: `days`, `hours`, `%`."""
    currency: str = ""
    """Of money: the fact that holds its currency."""


BANDS = (
    "detractor",
    "passive",
    "promoter",
    "dissatisfied",
    "neutral",
    "satisfied",
    "difficult",
    "easy",
)
CHANGES = (
    "assigned",
    "not_assigned",
    "unassigned",
    "claimed",
    "declined",
    "priority_set",
    "complaint_marked",
    "policy_changed",
    "tagged",
    "joined",
    "noted",
    "contacted",
    "set_pending",
    "put_on_hold",
    "resumed",
    "escalated",
    "resolved",
    "reopened",
    "closed",
)
METRICS = ("first contact", "next update", "resolution", "statutory")

_RESPONSE = (
    Fact("score", Kind.NUMBER, "Score", "The answer on the survey's scale.", 6),
    Fact(
        "band",
        Kind.CHOICE,
        "Band",
        "What the score means in the survey's metric.",
        "detractor",
        BANDS,
    ),
    Fact(
        "metric",
        Kind.CHOICE,
        "Metric",
        "What the survey measures.",
        "nps",
        ("nps", "csat", "ces"),
    ),
    Fact("survey", Kind.TEXT, "Survey", "The survey's slug.", "after-delivery"),
    Fact(
        "survey.kind",
        Kind.CHOICE,
        "Kind of survey",
        "About the whole relation, or about one event.",
        "transactional",
        ("relational", "transactional"),
    ),
    Fact("touchpoint", Kind.TEXT, "Touchpoint", "The touchpoint's slug.", "delivery"),
    Fact(
        "journey_stage",
        Kind.TEXT,
        "Journey stage",
        "The stage that the touchpoint belongs to.",
        "onboarding",
    ),
    Fact(
        "department",
        Kind.TEXT,
        "Department",
        "The department that answers for the touchpoint.",
        "Logistics",
    ),
    Fact("channel", Kind.TEXT, "Channel", "How the answer came in.", "email"),
    Fact(
        "source_system",
        Kind.TEXT,
        "Source system",
        "Which of your systems sent the answer.",
        "shop",
    ),
    Fact(
        "comment",
        Kind.TEXT,
        "Comment",
        "The customer's own words.",
        "refund",
        is_private=True,
    ),
    Fact("language", Kind.TEXT, "Language", "The language of the answer.", "de"),
    Fact(
        "sentiment",
        Kind.NUMBER,
        "Sentiment",
        "From -1 to 1, where a comment analyser is installed.",
        -0.5,
    ),
    Fact(
        "wants_contact",
        Kind.BOOLEAN,
        "Wants contact",
        "Whether the customer asked to be contacted.",
        True,
    ),
    Fact(
        "answered_days_ago",
        Kind.NUMBER,
        "Answered days ago",
        "How old the answer was, in whole days, when it reached us.",
        30,
        unit="days",
    ),
)
_CUSTOMER = (
    Fact("customer.segment", Kind.TEXT, "Segment", "The customer's segment.", "gold"),
    Fact(
        "customer.annual_value",
        Kind.MONEY,
        "Annual value",
        "What the customer is worth a year. With a currency the condition holds only for "
        "values in it, without one for the plain number: nothing is converted.",
        10_000,
        currency="customer.currency",
    ),
    Fact(
        "customer.currency",
        Kind.TEXT,
        "Currency",
        "The currency of the annual value.",
        "EUR",
    ),
    Fact(
        "customer.tenure_days",
        Kind.NUMBER,
        "Customer for",
        "For how many whole days they had been a customer when the answer reached us; "
        "missing where `customer since` is not known.",
        365,
        unit="days",
    ),
    Fact(
        "customer.language",
        Kind.TEXT,
        "Language of the customer",
        "The language in which the customer wants to be spoken to.",
        "de",
    ),
    Fact(
        "customer.opted_out",
        Kind.BOOLEAN,
        "Opted out",
        "Whether the customer does not want to be written to.",
        False,
    ),
    Fact(
        "customer.has_account_owner",
        Kind.BOOLEAN,
        "Has an account owner",
        "Whether somebody of yours answers for the customer.",
        True,
    ),
    Fact(
        "customer.organization",
        Kind.TEXT,
        "Organization",
        "The organization that the customer belongs to.",
        "Acme",
        is_private=True,
    ),
    Fact(
        "organization.segment",
        Kind.TEXT,
        "Segment of the organization",
        "The segment of the organization that the customer belongs to.",
        "enterprise",
    ),
    Fact(
        "has_open_case",
        Kind.BOOLEAN,
        "Has an open case",
        "Whether the customer has an unresolved case already.",
        False,
    ),
    Fact(
        "history.days_since_last_case",
        Kind.NUMBER,
        "Days since the last case",
        "Whole days since the customer's last case was opened; missing without one.",
        30,
        unit="days",
    ),
)
_CASE = (
    Fact(
        "case.priority",
        Kind.CHOICE,
        "Priority of the case",
        "The case's priority.",
        "urgent",
        tuple(priority.word for priority in Priority),
        scope=Scope.POLICY,
    ),
    Fact(
        "case.team",
        Kind.TEXT,
        "Team of the case",
        "The slug of the case's team.",
        "care",
        scope=Scope.POLICY,
    ),
    Fact(
        "case.is_complaint",
        Kind.BOOLEAN,
        "Complaint",
        "Whether the case is flagged as a complaint.",
        True,
        scope=Scope.POLICY,
    ),
    Fact(
        "case.status",
        Kind.CHOICE,
        "Status of the case",
        "The case's status.",
        "open",
        tuple(status.value for status in Status),
        scope=Scope.CASE,
    ),
    Fact(
        "case.kind",
        Kind.CHOICE,
        "Kind of case",
        "Something to make good, or praise to pass on.",
        "recovery",
        tuple(CaseKind),
        scope=Scope.CASE,
    ),
    Fact(
        "case.owner",
        Kind.TEXT,
        "Owner of the case",
        "The username of the owner; empty in the queue.",
        "ada",
        scope=Scope.CASE,
    ),
    Fact(
        "case.tags",
        Kind.TAGS,
        "Tags of the case",
        "The case's tags.",
        "vip",
        scope=Scope.CASE,
    ),
    Fact(
        "case.age_hours",
        Kind.NUMBER,
        "Age of the case",
        "Whole hours since the case was opened, by the calendar on the wall.",
        48,
        scope=Scope.CASE,
        unit="hours",
    ),
    Fact(
        "case.cycle",
        Kind.NUMBER,
        "Cycle of the case",
        "1, and one more each time it was reopened.",
        2,
        scope=Scope.CASE,
    ),
    Fact(
        "case.first_contact_made",
        Kind.BOOLEAN,
        "First contact made",
        "Whether somebody has reached the customer.",
        False,
        scope=Scope.CASE,
    ),
)
_HAPPENING = (
    Fact(
        "change.what",
        Kind.CHOICE,
        "What changed",
        "The kind of change, as in the history of the case.",
        "resolved",
        CHANGES,
        scope=Scope.CHANGE,
    ),
    Fact(
        "change.by_person",
        Kind.BOOLEAN,
        "Changed by a person",
        "Whether a person did it, not a rule or a clock.",
        True,
        scope=Scope.CHANGE,
    ),
    Fact(
        "contact.channel",
        Kind.TEXT,
        "Channel of the contact",
        "By which channel the customer wrote or called.",
        "phone",
        scope=Scope.CONTACT,
    ),
    Fact(
        "contact.text",
        Kind.TEXT,
        "Text of the contact",
        "What the customer wrote or said.",
        "lawyer",
        is_private=True,
        scope=Scope.CONTACT,
    ),
    Fact(
        "clock.metric",
        Kind.CHOICE,
        "Clock",
        "Which clock it is.",
        "first contact",
        METRICS,
        scope=Scope.CLOCK,
    ),
    Fact(
        "clock.percent",
        Kind.NUMBER,
        "Used up",
        "How much of its target the clock has used up: 75 at a warning, 100 at a breach.",
        75,
        scope=Scope.CLOCK,
        unit="%",
    ),
)

CATALOGUE: Mapping[str, Fact] = {
    fact.name: fact for fact in (*_RESPONSE, *_CUSTOMER, *_CASE, *_HAPPENING)
}

FAMILIES: Mapping[str, Fact] = {
    "answer.": Fact(
        "answer.<question key>",
        Kind.ANY,
        "Answer",
        "The answer to one more question of the survey.",
        "yes",
        is_private=True,
    ),
    "customer.attribute.": Fact(
        "customer.attribute.<key>",
        Kind.ANY,
        "Customer attribute",
        "One attribute of the customer.",
        "month-to-month",
        is_private=True,
    ),
    "history.detractors_in_days.": Fact(
        "history.detractors_in_days.<days>",
        Kind.NUMBER,
        "Detractor responses before",
        "How many responses in the lowest band (detractor, dissatisfied, difficult) the "
        "customer gave in so many days before this one, which does not count.",
        2,
    ),
    "history.responses_in_days.": Fact(
        "history.responses_in_days.<days>",
        Kind.NUMBER,
        "Responses before",
        "How many responses the customer gave in so many days before this one.",
        3,
    ),
    "history.cases_in_days.": Fact(
        "history.cases_in_days.<days>",
        Kind.NUMBER,
        "Cases before",
        "How many cases were opened for the customer in so many days before.",
        1,
    ),
}

LONGEST_HISTORY = 3_650
"""The most days that a condition may look back."""


def find(name: str) -> Fact | None:
    """Return the fact of this name, a member of a family included, or None.

    >>> find("history.cases_in_days.90").label, find("history.cases_in_days.x")
    ('Cases before', None)
    """
    if name in CATALOGUE:
        return CATALOGUE[name]
    for prefix, fact in FAMILIES.items():
        key = name.removeprefix(prefix)
        if key == name or not key:
            continue
        return fact if not prefix.startswith("history.") or _days(key) else None
    return None


def window(name: str) -> tuple[str, int] | None:
    """Return the family and the days of a fact that looks back; else None.

    >>> window("history.cases_in_days.90"), window("score")
    (('history.cases_in_days.', 90), None)
    """
    prefix, dot, key = name.rpartition(".")
    family = prefix + dot
    if family in FAMILIES and family.startswith("history.") and (days := _days(key)):
        return family, days
    return None


def _days(key: str) -> int | None:
    """Return the days of a family's member; None for what is no such number."""
    if not (key.isascii() and key.isdigit()) or key.startswith("0") or len(key) > 4:
        return None
    return int(key) if int(key) <= LONGEST_HISTORY else None
