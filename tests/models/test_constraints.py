"""The database refuses what must not be, whoever asks."""

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from cem_cases.models import (
    BusinessCalendar,
    Case,
    Clock,
    Customer,
    Membership,
    Response,
    Rule,
    Survey,
)
from tests import make
from tests.make import MONDAY

pytestmark = pytest.mark.django_db


@pytest.fixture
def case(db):
    make.policy()
    return make.case()


def refused(name):
    return pytest.raises(IntegrityError, match=name)


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ({"status": "lost"}, "cem_case_status_known|cem_case_new_has_no_owner"),
        ({"status": "open"}, "cem_case_new_has_no_owner"),
        ({"resolved_at": MONDAY}, "cem_case_unresolved_says_none"),
        ({"outcome": "recovered"}, "cem_case_unresolved_says_none"),
        ({"closed_at": MONDAY}, "cem_case_closed_has_time"),
    ],
)
def test_a_case_cannot_contradict_itself(case, change, constraint):
    with refused(constraint), transaction.atomic():
        Case.objects.filter(pk=case.pk).update(**change)


def test_a_resolved_case_says_why(case):
    owner = make.agent(case.team)
    with refused("cem_case_resolved_says_why"), transaction.atomic():
        Case.objects.filter(pk=case.pk).update(
            status="resolved", owner=owner, resolved_at=MONDAY, outcome="recovered"
        )


def test_a_response_opens_at_most_one_case(case):
    with pytest.raises(IntegrityError), transaction.atomic():
        Case.objects.create(
            customer=case.customer,
            opening_response=case.opening_response,
            opened_at=MONDAY,
            last_activity_at=MONDAY,
        )


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ({"completed_at": MONDAY, "next_at": None}, "cem_clock_completed_elapsed"),
        ({"cancelled_at": MONDAY, "cancel_cause": "merged"}, "cem_clock_one_end"),
        ({"cancelled_at": MONDAY, "next_at": None}, "cem_clock_cancel_has_cause"),
        ({"paused_at": MONDAY}, "cem_clock_paused_waits"),
        ({"breached_at": MONDAY}, "cem_clock_breach_has_cause"),
        ({"metric": "speed"}, "cem_clock_metric_known"),
        ({"cycle": 1, "metric": "resolution"}, "cem_clock_unique"),
    ],
)
def test_a_clock_cannot_contradict_itself(case, change, constraint):
    first = Clock.objects.filter(case=case, metric="first contact")
    # SQLite names the columns of a broken unique constraint, not the constraint
    expected = f"{constraint}|UNIQUE constraint failed"
    with refused(expected), transaction.atomic():
        first.update(**change)


def test_a_response_cannot_be_both_done_and_failed():
    response = make.response()
    with refused("cem_response_done_or_failed"), transaction.atomic():
        Response.objects.filter(pk=response.pk).update(
            processed_at=MONDAY, failed_at=MONDAY
        )


def test_a_value_needs_its_currency():
    customer = Customer(created_at=MONDAY, annual_value=5)
    with pytest.raises(ValidationError, match="currency"):
        customer.full_clean()
    with refused("cem_customer_value_currency"), transaction.atomic():
        customer.save()


def test_a_user_is_a_member_of_a_team_once(case):
    agent = make.agent(case.team)
    with pytest.raises(IntegrityError), transaction.atomic():
        Membership.objects.create(team=case.team, user=agent)


@pytest.mark.parametrize(
    "scale", [{"scale_min": 5, "scale_max": 5}, {"scale_min": 1, "scale_max": 10}]
)
def test_an_nps_survey_has_the_scale_of_nps(scale):
    with pytest.raises(ValidationError):
        Survey(slug="s", name="S", metric="nps", **scale).full_clean()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"conditions": {"fact": "scor"}}, "conditions.fact: 'scor' is not a fact"),
        ({"actions": []}, "actions: must be a list"),
        ({"trigger": "full moon"}, "trigger: must be one of"),
    ],
)
def test_a_rule_that_could_not_be_decided_with_is_refused(fields, message):
    with pytest.raises(ValidationError, match=message):
        make.rule(**fields)
    assert not Rule.objects.exists()


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"zone": "Europe"}, "zone"),
        ({"zone": "../../etc/passwd"}, "zone"),
        ({"hours": {}}, "hours"),
        ({"hours": {"mon": [["09:00", "08:00"]]}}, "hours"),
        ({"special": {"2025-02-30": []}}, "special"),
    ],
)
def test_a_calendar_that_never_opens_or_makes_no_sense_is_refused(fields, wrong):
    calendar = BusinessCalendar(**{"name": "C", "hours": make.NINE_TO_FIVE} | fields)

    with pytest.raises(ValidationError) as refusal:
        calendar.full_clean()
    assert list(refusal.value.message_dict) == [wrong]
