"""From rows to facts: what conditions may ask, read off a response and its case.

`FACTS` and `OF_CASE` are the only places in which rows become facts; their names are
those of the catalogue in `cem_cases.rules`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from cem_cases import rules
from cem_cases.models import Case, Customer, Organization, Response, Touchpoint


def wanted(trees: Iterable[rules.Node]) -> set[str]:
    """Return the names of the facts about which these conditions ask."""
    return {c.fact for tree in trees for c in rules.conditions_in(tree)}


def load(
    responses: Sequence[Response],
    names: Collection[str],
    *,
    without: Collection[Case] = (),
) -> None:
    """Fetch what these facts need of other rows: a fixed number of queries for a batch.

    `without`: these cases do not count as open ones of their customers.
    """
    customers = Customer.objects.in_bulk({r.customer_id for r in responses})
    touchpoints = Touchpoint.objects.in_bulk(
        {r.touchpoint_id for r in responses} - {None}
    )
    for response in responses:
        response.customer = customers[response.customer_id]
        if response.touchpoint_id:
            response.touchpoint = touchpoints[response.touchpoint_id]
    if "customer.organization" in names:
        keys = {c.organization_id for c in customers.values()} - {None}
        organizations = Organization.objects.in_bulk(keys)
        for customer in customers.values():
            if customer.organization_id:
                customer.organization = organizations[customer.organization_id]
    if "has_open_case" in names:
        active = Case.objects.active().filter(customer__in=customers)
        active = active.exclude(pk__in=[case.pk for case in without])
        having = set(active.values_list("customer_id", flat=True))
        for customer in customers.values():
            customer.has_open_case = customer.pk in having


def of_response(response: Response, names: Iterable[str]) -> dict[str, Any]:
    """Return these facts of a response; what is unknown is left out."""
    facts = {}
    for name in names:
        value = _fact(response, name)
        if value is not None:
            facts[name] = value
    return facts


def of_case(case: Case) -> dict[str, Any]:
    """Return what is known once there is a case; its team must be loaded."""
    return {name: read(case) for name, read in OF_CASE.items()}


def _fact(response: Response, name: str) -> Any:
    if name in FACTS:
        value = FACTS[name](response)
        return None if value == "" else value
    if name in OF_CASE:
        return None
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

OF_CASE: Mapping[str, Callable[[Case], Any]] = {
    "case.priority": lambda case: rules.Priority(case.priority).word,
    "case.team": lambda case: case.team and case.team.slug,
    "case.is_complaint": lambda case: case.is_complaint,
}
