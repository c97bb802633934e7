import logging

import pytest

from cem_cases.loop import drain, route
from cem_cases.models import Case, Response, Rule
from cem_cases.rules import CATALOGUE
from cem_cases.rules import Rule as Value
from tests import make
from tests.make import MONDAY

pytestmark = pytest.mark.django_db


def test_the_facts_are_those_of_the_catalogue():
    assert route.FACTS.keys() == CATALOGUE.keys()


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
    wanted = {*CATALOGUE, "answer.problem", "customer.attribute.contract", "answer.no"}

    make.rule(conditions={"any": [leaf(name) for name in wanted]})
    drain.drain(now=MONDAY)
    response = Response.objects.get()
    route.load_related([response], wanted)
    response.customer.has_open_case = True

    seen = route.facts_of(response, wanted)

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


def test_rules_act_in_the_order_of_their_positions():
    low = make.rule("open case", position=20, name="later")
    high = make.rule("open case", position=10, name="first")

    assert [rule.key for rule in route.active_rules()] == [high.pk, low.pk]


def test_a_rule_that_cannot_be_read_is_left_out_and_logged(caplog):
    good = make.rule()
    bad = make.rule()
    Rule.objects.filter(pk=bad.pk).update(conditions={"fact": "gone"})

    with caplog.at_level(logging.ERROR):
        (found,) = route.active_rules()

    assert isinstance(found, Value)
    assert found.key == good.pk
    assert f"Rule {bad.pk} is left out" in caplog.text


def test_an_inactive_rule_does_nothing():
    make.rule(is_active=False)
    make.response()

    assert drain.drain(now=MONDAY).opened == 0


def test_the_rule_and_its_version_stay_with_the_case():
    rule = make.rule()
    make.response()
    drain.drain(now=MONDAY)

    case = Case.objects.get()
    assert (case.rule, case.rule_version) == (rule, 1)


def test_a_rule_can_ask_whether_a_case_is_open():
    make.rule(
        conditions={
            "all": [
                make.DETRACTOR,
                {"fact": "has_open_case", "operator": "is", "value": False},
            ]
        }
    )
    make.survey(slug="each", metric="nps", repeat="open another")
    for _ in range(2):
        make.response(survey="each", customer={"external_id": "c1"})
        drain.drain(now=MONDAY)

    assert Case.objects.count() == 1
