"""What rules let go out, for tests: rules as values, endpoints, templates, due effects."""

from __future__ import annotations

from itertools import count
from typing import Any

from cem_cases import rules
from cem_cases.loop import calls, effects
from cem_cases.models import Case, Customer, Letter, Template, WebhookEndpoint
from tests import make
from tests.make import MONDAY

_number = count(1)


def rule(name: str = "", **fields: Any) -> rules.Rule:
    """A rule as it is decided with; its row does nothing by itself."""
    name = name or f"Wants {next(_number)}"
    row = make.rule(
        "open case", name=name, is_active=False, conditions=make.DETRACTOR, **fields
    )
    return row.value()


def due(effect: rules.Effect, case: Case | None = None, **fields: Any) -> effects.Due:
    """That a rule wants this, of this case and its opening response."""
    if case is not None:
        fields.setdefault("customer", case.customer_id)
        fields.setdefault("response", case.opening_response_id)
    wants = fields.pop("rule", None) or rule()
    return effects.Due(
        rule=wants, effect=effect, case=None if case is None else case.pk, **fields
    )


def template(slug: str = "sorry", **fields: Any) -> Template:
    defaults = {
        "name": slug,
        "subject": "About case {{ case_number }}",
        "body": "Dear {{ customer_name }},\nwe are sorry.",
    }
    made = Template(slug=slug, **defaults | fields)
    made.full_clean()
    made.save()
    return made


def endpoint(name: str = "crm", **fields: Any) -> WebhookEndpoint:
    """An endpoint, with its secret as `secret`; a `url` of this machine is let in."""
    url = fields.pop("url", "")
    made = WebhookEndpoint(name=name, url="https://hooks.example.com/", **fields)
    made.secret = calls.save_endpoint(made, by=None, now=MONDAY)  # type: ignore[attr-defined]
    if url:
        WebhookEndpoint.objects.filter(pk=made.pk).update(url=url)
    return made


def case(email: str = "ada@example.org", **fields: Any) -> Case:
    """A case of a customer with an address."""
    number = next(_number)
    customer = {"external_id": f"customer-{number}", "name": "Ada", "email": email}
    return make.case(customer=customer, **fields)


def letter(of: Case | None = None, slug: str = "sorry", **fields: Any) -> Letter:
    """A letter that waits since Monday, as a rule wrote it."""
    if not Template.objects.filter(slug=slug).exists():
        template(slug)
    now = fields.pop("now", MONDAY)
    effects.perform([due(rules.SendTemplate(slug), of or case(), **fields)], now=now)
    return Letter.objects.latest("pk")


def customer(of: Case, **changes: Any) -> Customer:
    """Change the customer of this case."""
    Customer.objects.filter(pk=of.customer_id).update(**changes)
    return Customer.objects.get(pk=of.customer_id)
