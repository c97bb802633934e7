import pytest

from cem_cases.loop import drain, facts
from cem_cases.models import Response
from cem_cases.rules import CATALOGUE
from tests import make
from tests.make import MONDAY

pytestmark = pytest.mark.django_db


def test_the_facts_are_those_of_the_catalogue():
    assert facts.FACTS.keys() | facts.OF_CASE.keys() == CATALOGUE.keys()
    assert facts.OF_CASE.keys() == {f.name for f in CATALOGUE.values() if f.of_case}


def test_every_fact_is_read_off_its_rows():
    place = make.touchpoint(
        slug="delivery", journey_stage="use", department="Logistics"
    )
    make.response(
        score=3,
        touchpoint=place.slug,
        channel="email",
        comment="Late.",
        answered_at="2025-03-01T08:00:00Z",
        language="en",
        wants_contact=True,
        answers={"problem": "yes"},
        customer={
            "external_id": "c1",
            "segment": "gold",
            "annual_value": 5000,
            "currency": "EUR",
            "organization": "Acme",
            "attributes": {"contract": "monthly"},
        },
    )
    wanted = {
        *facts.FACTS,
        "answer.problem",
        "customer.attribute.contract",
        "answer.no",
    }

    make.rule(conditions={"any": [leaf(name) for name in wanted]})
    drain.drain(now=MONDAY)
    response = Response.objects.get()
    facts.load([response], wanted)
    response.customer.has_open_case = True

    seen = facts.of_response(response, wanted)

    assert seen == {
        "score": 3,
        "band": "detractor",
        "metric": "nps",
        "survey": "nps",
        "touchpoint": "delivery",
        "journey_stage": "use",
        "department": "Logistics",
        "channel": "email",
        "comment": "Late.",
        "language": "en",
        "wants_contact": True,
        "answered_days_ago": 2,
        "customer.segment": "gold",
        "customer.annual_value": 5000,
        "customer.currency": "EUR",
        "customer.organization": "Acme",
        "has_open_case": True,
        "answer.problem": "yes",
        "customer.attribute.contract": "monthly",
    }


def leaf(name):
    operator = "is empty" if name not in ("wants_contact", "has_open_case") else "is"
    return {"fact": name, "operator": operator} | (
        {"value": True} if operator == "is" else {}
    )


def test_what_is_known_of_a_case():
    case = make.case(team=make.team("care"))

    assert facts.of_case(case) == {
        "case.priority": "normal",
        "case.team": "care",
        "case.is_complaint": False,
    }
