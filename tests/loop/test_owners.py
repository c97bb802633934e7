from datetime import timedelta

import pytest

from cem_cases.loop import owners
from cem_cases.models import Absence, Membership
from cem_cases.rules import Strategy
from tests import make
from tests.make import DAY, MONDAY

pytestmark = pytest.mark.django_db


@pytest.fixture
def north(db):
    return make.team("north")


def assign(team, times=1, strategy=Strategy.ROUND_ROBIN):
    roster = owners.Roster({team.pk}, now=MONDAY)
    given = [roster.assign(team.pk, strategy)[1] for _ in range(times)]
    roster.save()
    return given


def test_the_turn_goes_on_where_the_last_batch_ended(north):
    agents = [make.agent(north).pk for _ in range(3)]

    first, second = assign(north, 2), assign(north, 2)

    assert first + second == [*agents, agents[0]]


@pytest.mark.parametrize(
    ("from_at", "until_at", "chosen"),
    [
        (MONDAY, MONDAY + DAY, False),  # absent from the first moment…
        (MONDAY - DAY, MONDAY, True),  # …and back at the last
        (MONDAY + timedelta(seconds=1), MONDAY + DAY, True),
    ],
)
def test_nobody_gets_a_case_while_absent(north, from_at, until_at, chosen):
    agent = make.agent(north)
    Absence.objects.create(user=agent, from_at=from_at, until_at=until_at)

    assert assign(north) == [agent.pk if chosen else None]


def test_a_deactivated_user_gets_no_case(north):
    make.agent(north, is_active=False)  # the membership
    gone = make.agent(north)
    gone.is_active = False
    gone.save()

    assert assign(north) == [None]


def test_capacity_counts_within_a_batch(north):
    agent = make.agent(north, capacity=2)

    assert assign(north, 3) == [agent.pk, agent.pk, None]
    assert Membership.objects.get().open_cases == 2


def test_choosing_costs_the_same_for_one_and_for_many(north, django_assert_num_queries):
    for _ in range(3):
        make.agent(north)

    for times in (1, 50):
        with django_assert_num_queries(5):
            assign(north, times)


def test_members_are_those_who_may_own(north):
    agent, stranger = make.agent(north), make.agent(make.team("south"))

    assert list(owners.members(north.pk)) == [agent]
    assert owners.may_own(agent, north.pk)
    assert not owners.may_own(stranger, north.pk)
    assert not owners.may_own(agent, None)
