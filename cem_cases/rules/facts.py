"""The catalogue: every fact a condition may ask about, with its type and meaning.

It is the reference page for whoever writes rules. `loop.route` is the only place in
which rows become facts; a test holds both to the same names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cem_cases.rules.actions import Priority

Facts = Mapping[str, Any]


class Kind(StrEnum):
    """What sort of value a fact has, and so which operators apply to it."""

    NUMBER = "number"
    TEXT = "text"
    CHOICE = "choice"
    BOOLEAN = "yes or no"
    ANY = "text, number or yes/no"


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that is known about a response when rules look at it."""

    name: str
    kind: Kind
    label: str
    help: str
    example: Any
    choices: tuple[str, ...] = ()
    is_private: bool = False
    """Its value is a person's own words or data: explanations never repeat it."""
    of_case: bool = False
    """It is known only once there is a case: SLA policies may ask about it, rules on
    responses may not."""


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

_FACTS = (
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
    ),
    Fact("customer.segment", Kind.TEXT, "Segment", "The customer's segment.", "gold"),
    Fact(
        "customer.annual_value",
        Kind.NUMBER,
        "Annual value",
        "What the customer is worth a year, in the customer's own currency.",
        10_000,
    ),
    Fact(
        "customer.currency",
        Kind.TEXT,
        "Currency",
        "The currency of the annual value.",
        "EUR",
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
        "has_open_case",
        Kind.BOOLEAN,
        "Has an open case",
        "Whether the customer has an unresolved case already.",
        False,
    ),
    Fact(
        "case.priority",
        Kind.CHOICE,
        "Priority of the case",
        "The case's priority; for SLA policies only.",
        "urgent",
        tuple(priority.word for priority in Priority),
        of_case=True,
    ),
    Fact(
        "case.team",
        Kind.TEXT,
        "Team of the case",
        "The slug of the case's team; for SLA policies only.",
        "care",
        of_case=True,
    ),
    Fact(
        "case.is_complaint",
        Kind.BOOLEAN,
        "Complaint",
        "Whether the case is flagged as a complaint; for SLA policies only.",
        True,
        of_case=True,
    ),
)

CATALOGUE: Mapping[str, Fact] = {fact.name: fact for fact in _FACTS}

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
}


def find(name: str) -> Fact | None:
    """Return the fact of this name, a member of a family included, or None."""
    if name in CATALOGUE:
        return CATALOGUE[name]
    for prefix, fact in FAMILIES.items():
        if name.startswith(prefix) and len(name) > len(prefix):
            return fact
    return None
