"""The demo's company: its rules send the right answers to the right people."""

import doctest
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management.base import CommandError

from cem_cases.loop import capture, drain
from cem_cases.models import Case, Rule, SlaPolicy
from demo_project import company, fresh, summary
from tests import make

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)  # a Monday


@pytest.fixture
def firm(db):
    return company.create(begins=NOW, ends=NOW + timedelta(days=1))


def opened(**fields):
    answer = {"survey": "relationship", "score": 5, "external_id": "a1"} | fields
    ((outcome,),) = [capture.record(answer, now=NOW)]
    drain.drain(now=NOW)
    return Case.objects.filter(opening_response=outcome.response).first()


def test_its_rules_and_promises_are_ones_that_the_admin_would_save(firm):
    for row in [*Rule.objects.all(), *SlaPolicy.objects.all()]:
        row.full_clean()
        assert row.version == 1


@pytest.mark.parametrize(
    ("fields", "team", "priority"),
    [
        ({}, "care", 3),
        ({"comment": "Delivery was promised for Tuesday."}, "delivery", 3),
        ({"survey": "delivery", "score": 1}, "delivery", 2),
        ({"score": 0}, "care", 2),
        ({"comment": "I want a refund."}, "care", 2),
        (
            {"customer": {"annual_value": 20_000, "currency": "EUR", "name": "Ann"}},
            "care",
            1,
        ),
    ],
)
def test_an_unhappy_customer_gets_an_owner_of_the_right_team(
    firm, fields, team, priority
):
    case = opened(**fields)

    assert (case.team.slug, case.priority) == (team, priority)
    assert case.owner.get_username() in company.TEAMS[team][1]
    assert case.due_at


def test_a_content_customer_who_wants_a_call_waits_in_the_queue(firm):
    case = opened(score=10, wants_contact=True)

    assert (case.team.slug, case.owner, case.priority) == ("care", None, 4)


def test_a_content_customer_opens_nothing(firm):
    assert opened(score=10) is None


def test_everybody_can_log_in_and_sees_what_is_theirs(firm, client):
    opened()
    for name, many in {"manager": 1, "lead": 1, "clara": 1, "anna": 0}.items():
        user = firm.users[name]
        assert client.login(username=name, password=company.PASSWORD)
        assert user.is_staff
        assert Case.objects.visible_to(user).count() == many


def test_the_survey_tool_has_its_permission_and_no_password(firm):
    tool = firm.users[company.SERVICE]

    assert tool.has_perm("cem_cases.add_response")
    assert not tool.is_staff
    assert not tool.has_usable_password()


@pytest.mark.parametrize("module", [company, summary])
def test_the_examples_hold(module):
    assert doctest.testmod(module).failed == 0


@pytest.mark.django_db
def test_a_database_that_is_not_the_demos_own_is_left_alone():
    make.user("somebody")

    with pytest.raises(CommandError, match="--reset"):
        fresh.clean(reset=False)
    assert fresh.has_rows()
