"""What comes in: a year of answers from customers who come back, always the same."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from tests import make

NOW = datetime(2026, 3, 2, 8, 30, tzinfo=UTC)
ANSWERS_PER_CUSTOMER = 4
TOUCHPOINTS = ("order", "delivery", "returns", "support", "billing")
CHANNELS = ("email", "sms", "web", "app")
# Cumulative weights of the scores 0 to 10: one in five is a detractor.
SCORES = (10, 18, 30, 50, 80, 130, 200, 320, 520, 780, 1000)
SAD = (
    "The parcel came four days late and nobody told me. I want my money back.",
    "I called three times, and each time I had to tell the whole story again.",
    "Wrong size again. The refund took two weeks, and the shop is hard to use.",
    "Die Lieferung war beschädigt, und die Rückgabe ist viel zu umständlich.",
)
GLAD = (
    "All went well, thank you! The driver was friendly and on time.",
    "Quick answer, good price. I will order again.",
    "Alles bestens, gerne wieder.",
    "Fine, but the app forgets my address every time.",
)


def batches(rows: int, size: int) -> Iterator[list[dict[str, Any]]]:
    """Yield `rows` answers in batches, as a form or an import would hand them in."""
    answers = _answers(rows)
    while batch := list(islice(answers, size)):
        yield batch


def _answers(rows: int) -> Iterator[dict[str, Any]]:
    chance = random.Random(20260302)
    customers = max(1, rows // ANSWERS_PER_CUSTOMER)
    for number in range(rows):
        customer = _customer(chance.randrange(customers))
        (score,) = chance.choices(range(11), cum_weights=SCORES)
        touchpoint, channel = chance.choice(TOUCHPOINTS), chance.choice(CHANNELS)
        answered_at = NOW - timedelta(seconds=chance.randrange(1, 365 * 86_400))
        yield {
            "survey": "nps",
            "source_system": "shop",
            "external_id": f"answer-{number:08}",
            "customer": customer,
            "score": score,
            "comment": _comment(chance, score),
            "answered_at": answered_at.isoformat(),
            "touchpoint": touchpoint,
            "channel": channel,
            "wants_contact": score < 3 and chance.random() < 0.5,
            "answers": {
                "ordered_before": chance.choice(["never", "once", "often"]),
                "easy_to_use": chance.randint(1, 5),
                "would_buy_again": score > 4,
            },
        }


def _comment(chance: random.Random, score: int) -> str:
    if chance.random() < (0.2 if score <= 6 else 0.6):
        return ""
    return chance.choice(SAD if score <= 6 else GLAD)


def _customer(number: int) -> dict[str, Any]:
    chance = random.Random(number)
    return {
        "external_id": f"customer-{number:07}",
        "name": f"Customer Number {number}",
        "email": f"Customer.{number}@mail.example",
        "segment": chance.choice(["basic", "basic", "silver", "gold", "platinum"]),
        "annual_value": f"{chance.randrange(100, 9_000)}.{chance.randrange(100):02}",
        "currency": "EUR",
        "language": chance.choice(["en", "de"]),
        "attributes": {
            "contract": chance.choice(["monthly", "yearly"]),
            "tenure_months": chance.randrange(120),
        },
    }


TEAMS = ("service", "logistics", "billing", "support", "key-accounts")
AGENTS = 50


def set_up_site() -> None:
    """Make the survey, five teams of ten agents, twenty rules, and a policy."""
    make.nps()
    for slug in TOUCHPOINTS:
        make.touchpoint(slug=slug, name=slug.title())
    for slug in TEAMS:
        team = make.team(slug)
        for _ in range(AGENTS // len(TEAMS)):
            make.agent(team)
    make.policy()
    for name, conditions, actions in RULES:
        make.rule(*actions, name=name, conditions=conditions)


def _if(fact: str, operator: str, value: Any) -> dict[str, Any]:
    known = {} if value is None else {"value": value}
    return {"fact": fact, "operator": operator, **known}


def _all(*parts: Any) -> dict[str, Any]:
    return {"all": list(parts)}


def _any(*parts: Any) -> dict[str, Any]:
    return {"any": list(parts)}


def _priority(word: str) -> dict[str, str]:
    return {"do": "set priority", "priority": word}


def _to(team: str, by: str = "round robin") -> tuple[dict[str, str], ...]:
    return {"do": "set team", "team": team}, {"do": "assign", "by": by}


LOW = _if("score", "at most", 6)
VERY_LOW = _if("score", "at most", 2)
VALUABLE = _all(
    _if("customer.segment", "in", ["gold", "platinum"]),
    _if("customer.annual_value", "at least", 5_000),
)
OPENS = "Detractors"
"""The rule that opens cases; the others say where they go, and how much they press."""
RULES: Sequence[tuple[str, dict[str, Any], Sequence[Any]]] = (
    (
        OPENS,
        _all(_if("band", "is", "detractor"), _if("channel", "in", list(CHANNELS))),
        ("open case", *_to("service", "least loaded")),
    ),
    (
        "What was sent",
        _all(LOW, _if("touchpoint", "in", ["delivery", "returns"])),
        _to("logistics"),
    ),
    ("Invoices", _all(LOW, _if("touchpoint", "is", "billing")), _to("billing")),
    (
        "Help that did not help",
        _all(LOW, _if("touchpoint", "is", "support"), _if("channel", "is not", "sms")),
        _to("support", "least loaded"),
    ),
    ("Key accounts", _all(LOW, VALUABLE), _to("key-accounts")),
    (
        "Money",
        _all(LOW, _if("comment", "contains any word", ["refund", "money back"])),
        (_priority("high"),),
    ),
    (
        "Told it again and again",
        _all(
            LOW,
            _any(
                _if("comment", "contains", "three times"),
                _if("comment", "contains all words", ["whole", "story"]),
            ),
        ),
        (_priority("high"),),
    ),
    (
        "Damaged",
        _all(LOW, _if("comment", "contains", "beschädigt")),
        (_priority("high"),),
    ),
    ("Valuable customers", _all(LOW, VALUABLE), (_priority("high"),)),
    (
        "Long with us",
        _all(VERY_LOW, _if("customer.attribute.tenure_months", "at least", 60)),
        (_priority("high"),),
    ),
    (
        "New with us",
        _all(
            LOW,
            _if("customer.attribute.tenure_months", "less than", 3),
            _if("answer.ordered_before", "is", "never"),
        ),
        (_priority("high"),),
    ),
    (
        "Hard to use",
        _all(LOW, _if("answer.easy_to_use", "at most", 1), _if("channel", "is", "app")),
        _to("support"),
    ),
    (
        "Would not buy again",
        _all(
            _if("answer.would_buy_again", "is", False),
            _if("answer.ordered_before", "is", "often"),
            VERY_LOW,
        ),
        (_priority("high"),),
    ),
    (
        "Small matters",
        _all(
            _if("score", "at least", 5),
            _if("score", "at most", 6),
            _if("comment", "is empty", None),
            _if("wants_contact", "is", False),
        ),
        (_priority("low"),),
    ),
    (
        "Germans in the app",
        _all(LOW, _if("customer.language", "is", "de"), _if("channel", "is", "app")),
        _to("support", "least loaded"),
    ),
    (
        "Promoters who ask",
        _all(_if("band", "is", "promoter"), _if("wants_contact", "is", True)),
        (_priority("low"),),
    ),
    (
        "Passive and valuable",
        _all(
            _if("band", "is", "passive"),
            _if("customer.segment", "is", "platinum"),
            _if("customer.annual_value", "at least", 8_000),
        ),
        (_priority("normal"),),
    ),
    (
        "Furious",
        _all(_if("score", "at most", 0), _if("comment", "is not empty", None)),
        (_priority("urgent"),),
    ),
    (
        "Furious and valuable",
        _all(VERY_LOW, VALUABLE, _if("wants_contact", "is", True)),
        (_priority("urgent"),),
    ),
    (
        "Asked for a call",
        _all(
            _if("wants_contact", "is", True),
            _any(
                _if("answer.ordered_before", "is", "often"),
                _if("customer.attribute.contract", "is", "yearly"),
            ),
        ),
        (_priority("urgent"),),
    ),
)
