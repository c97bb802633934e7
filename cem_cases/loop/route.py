"""From rows to facts, from facts to decisions, from decisions to cases.

`FACTS` is the only place in which rows become facts; its names are those of the
catalogue in `cem_cases.rules`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cem_cases import rules
from cem_cases.loop import opening, sla
from cem_cases.models import Case, Customer, Organization, Response, Rule, Touchpoint

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Routed:
    """What came of a batch: cases opened, responses that joined an open case."""

    opened: int = 0
    joined: int = 0


def route(responses: Sequence[Response], *, now: datetime) -> Routed:
    """Do what the rules ask for these responses, and set their `case`.

    Takes analysed responses whose rows the caller has locked and will save, inside the
    caller's transaction. The number of statements does not depend on their number.
    """
    ruleset, policies = active_rules(), sla.policies()
    wanted = wanted_facts(
        [rule.conditions for rule in ruleset] + [p.conditions for p in policies]
    )
    load_related(responses, wanted)
    openings = []
    for response in responses:
        facts = facts_of(response, wanted)
        decision = rules.decide(rules.plan(ruleset, facts))
        if decision.opened_by:
            looks = tuple(rules.explain(ruleset, facts))
            policy = sla.choose(policies, facts)
            openings.append(opening.Opening(response, decision, looks, policy))
    opened, joined = opening.open_cases(openings, now=now)
    return Routed(opened=len(opened), joined=len(joined))


def active_rules() -> Sequence[rules.Rule]:
    """Return the active rules in their order.

    A row that was changed around the admin and cannot be read is left out, and logged.
    """
    ruleset = []
    for row in Rule.objects.filter(
        is_active=True, trigger=Rule.Trigger.RESPONSE_RECEIVED
    ):
        try:
            ruleset.append(row.value())
        except rules.InvalidRule as error:
            logger.error("Rule %d is left out, it is invalid: %s", row.pk, error)
    return ruleset


def wanted_facts(trees: Iterable[rules.Node]) -> set[str]:
    """Return the names of the facts about which these conditions ask."""
    return {c.fact for tree in trees for c in rules.conditions_in(tree)}


def load_related(responses: Sequence[Response], wanted: Iterable[str]) -> None:
    """Fetch what facts need of other rows: a fixed number of queries for a batch."""
    customers = Customer.objects.in_bulk({r.customer_id for r in responses})
    touchpoints = Touchpoint.objects.in_bulk(
        {r.touchpoint_id for r in responses} - {None}
    )
    for response in responses:
        response.customer = customers[response.customer_id]
        if response.touchpoint_id:
            response.touchpoint = touchpoints[response.touchpoint_id]
    if "customer.organization" in wanted:
        keys = {c.organization_id for c in customers.values()} - {None}
        organizations = Organization.objects.in_bulk(keys)
        for customer in customers.values():
            if customer.organization_id:
                customer.organization = organizations[customer.organization_id]
    if "has_open_case" in wanted:
        active = Case.objects.active().filter(customer__in=customers)
        having = set(active.values_list("customer_id", flat=True))
        for customer in customers.values():
            customer.has_open_case = customer.pk in having


def facts_of(response: Response, wanted: Iterable[str]) -> dict[str, Any]:
    """Return the wanted facts of a response; what is unknown is left out."""
    facts = {}
    for name in wanted:
        value = _fact(response, name)
        if value is not None:
            facts[name] = value
    return facts


def _fact(response: Response, name: str) -> Any:
    if name in FACTS:
        value = FACTS[name](response)
        return None if value == "" else value
    if name.startswith("answer."):
        return response.answers.get(name.removeprefix("answer."))
    return response.customer.attributes.get(name.removeprefix("customer.attribute."))


def _touchpoint(field: str) -> Callable[[Response], str | None]:
    def read(response: Response) -> str | None:
        touchpoint = response.touchpoint
        return getattr(touchpoint, field) if touchpoint else None

    return read


FACTS: Mapping[str, Callable[[Response], Any]] = {
    "score": lambda r: r.score,
    "band": lambda r: r.band,
    "metric": lambda r: r.survey.metric,
    "survey": lambda r: r.survey.slug,
    "touchpoint": _touchpoint("slug"),
    "journey_stage": _touchpoint("journey_stage"),
    "department": _touchpoint("department"),
    "channel": lambda r: r.channel,
    "comment": lambda r: r.comment,
    "language": lambda r: r.language,
    "sentiment": lambda r: r.sentiment,
    "wants_contact": lambda r: r.wants_contact,
    "answered_days_ago": lambda r: (r.received_at - r.answered_at).days,
    "customer.segment": lambda r: r.customer.segment,
    "customer.annual_value": lambda r: r.customer.annual_value,
    "customer.currency": lambda r: r.customer.currency,
    "customer.organization": lambda r: (
        r.customer.organization and r.customer.organization.name
    ),
    "has_open_case": lambda r: r.customer.has_open_case,
}
