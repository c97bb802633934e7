import pytest
from django.contrib.auth.models import AnonymousUser

from cem_cases.models import Case, Customer, Membership, Response
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def north(db):
    return make.case(team=make.team("north"))


@pytest.fixture
def south(db):
    return make.case(team=make.team("south"))


def sees(user):
    return {
        model: set(model.objects.visible_to(user))
        for model in (Case, Response, Customer)
    }


def test_an_agent_sees_the_cases_of_their_teams_and_what_belongs_to_them(north, south):
    agent = make.agent(north.team)

    assert sees(agent) == {
        Case: {north},
        Response: {north.opening_response},
        Customer: {north.customer},
    }


def test_who_may_view_all_cases_sees_them_all(north, south):
    assert sees(make.manager())[Case] == {north, south}
    assert sees(make.user("root", is_superuser=True))[Case] == {north, south}


def test_a_case_without_a_team_is_seen_by_those_who_see_all(north):
    Case.objects.filter(pk=north.pk).update(team=None)

    assert not sees(make.agent(make.team("west")))[Case]
    assert sees(make.manager())[Case] == {north}


def test_strangers_see_nothing(north):
    for nobody in (
        AnonymousUser(),
        make.user(),
        make.user(is_active=False, is_superuser=True),
    ):
        assert not any(sees(nobody).values())


@pytest.mark.parametrize("change", ["leaves", "is deactivated", "team is deactivated"])
def test_access_ends_at_once(north, change):
    agent = make.agent(north.team)
    if change == "leaves":
        Membership.objects.filter(user=agent).update(is_active=False)
    elif change == "is deactivated":
        agent.is_active = False
    else:
        north.team.is_active = False
        north.team.save()

    assert not any(sees(agent).values())
