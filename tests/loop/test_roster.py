import logging
from datetime import timedelta

import pytest
from django.db import connection

from cem_cases.loop.roster import Roster
from cem_cases.models import Absence, BusinessCalendar, Membership, Team
from cem_cases.rules import Chooser, Hint, Strategy, Wanted
from tests import make
from tests.make import DAY, HOUR, MONDAY

pytestmark = pytest.mark.django_db

ROUND = Wanted((Strategy.ROUND_ROBIN,))
ACCOUNT = Wanted((Strategy.ACCOUNT_OWNER,))
MIDNIGHT = MONDAY - 9 * HOUR


@pytest.fixture
def north(db):
    return make.team("north")


def assign(team, times=1, wanted=ROUND, now=MONDAY, **how):
    roster = Roster({team.pk}, now=now)
    given = [roster.assign(team.pk, wanted, **how)[1] for _ in range(times)]
    roster.save()
    return given


def away(user, substitute=None, **fields):
    return Absence.objects.create(
        **{"user": user, "from_at": MONDAY, "until_at": MONDAY + DAY}
        | {"substitute": substitute}
        | fields
    )


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
    make.absence(agent, from_at, until_at)

    assert assign(north) == [agent.pk if chosen else None]


def test_who_works_there_no_more_gets_no_case(north):
    make.agent(north, is_active=False)  # the membership
    gone = make.agent(north)
    gone.is_active = False
    gone.save()
    make.agent(north, role="manager")

    assert assign(north) == [None]


def test_nobody_gets_a_case_outside_working_hours():
    north = make.team("north", calendar=make.office())
    agent = make.agent(north)

    assert assign(north, now=MIDNIGHT) == [None]
    assert assign(north, now=MONDAY) == [agent.pk]
    BusinessCalendar.objects.get().holidays.create(day=MONDAY.date())
    assert assign(north, now=MONDAY) == [None]


def test_working_hours_that_cannot_be_read_hold_nobody_up(caplog):
    calendar = BusinessCalendar.objects.create(name="Broken", hours={"someday": 7})
    north = make.team("north", calendar=calendar)
    agent = make.agent(north)

    with caplog.at_level(logging.ERROR):
        assert assign(north, now=MIDNIGHT) == [agent.pk]
    assert "cannot be read" in caplog.text


def test_capacity_counts_within_a_batch(north):
    agent = make.agent(north, capacity=2)

    assert assign(north, 3) == [agent.pk, agent.pk, None]
    assert Membership.objects.get().open_cases == 2


def test_skills_are_compared_whatever_their_case(north):
    make.agent(north)
    german = make.agent(north, skills=["German", 7])

    asked = Wanted((Strategy.ROUND_ROBIN,), frozenset({"german"}))

    assert assign(north, 2, asked) == [german.pk, german.pk]


@pytest.mark.parametrize("spoiled", [7, True, "german", {"german": 1}])
def test_skills_that_somebody_spoiled_hold_nobody_up(north, spoiled):
    ada = make.agent(north)
    Membership.objects.update(skills=spoiled)
    asked = Wanted((Strategy.ROUND_ROBIN,), frozenset({"german"}))

    assert assign(north, 1) == [ada.pk]
    assert assign(north, 1, asked) == [None]


def test_an_absent_account_owners_substitute_takes_the_case(north):
    ada, bob = make.agent(north), make.agent(north)
    away(ada)  # without a substitute…
    away(ada, substitute=bob)  # …and with one

    given = assign(north, 1, ACCOUNT, hint=Hint(str(ada.pk)))

    assert given == [bob.pk]


def test_of_a_team_that_is_not_asked_about_nobody_is_chosen(north):
    roster = Roster([], now=MONDAY)

    assert roster.assign(north.pk, ROUND)[1] is None
    assert roster.give(north.pk, 1, Chooser.PERSON) is None
    assert not roster.has_room(north.pk)


@pytest.mark.parametrize("times", [1, 50])
def test_choosing_costs_the_same_for_one_and_for_many(
    north, times, django_assert_num_queries
):
    for _ in range(3):
        make.agent(north)
    Team.objects.update(calendar=make.office())

    with django_assert_num_queries(6):
        assign(north, times)


def test_what_is_given_by_name_is_nobodys_turn(north):
    ada, bob = make.agent(north), make.agent(north)
    roster = Roster([north.pk], now=MONDAY)

    assert roster.give(north.pk, ada.pk, Chooser.REOPENING) == ada.pk
    roster.save()

    assert assign(north, 2) == [ada.pk, bob.pk]
    assert Membership.objects.get(user=ada).open_cases == 2


def test_who_has_left_is_asked_about_and_released_and_given_nothing(north):
    gone = make.agent(north, is_active=False, open_cases=2)
    roster = Roster([north.pk], now=MONDAY, also=[gone.pk])

    roster.release(north.pk, gone.pk)
    roster.release(None, gone.pk)
    roster.release(north.pk, 10**6)

    assert roster.assign(north.pk, ROUND)[1] is None
    roster.save()
    assert Membership.objects.get().open_cases == 1


class TestSimulated:
    def roster(self, team, **options):
        options = {"now": MONDAY, "is_simulated": True} | options
        return Roster([team.pk], **options)

    def test_writes_and_locks_nothing(self, north, fingerprint, settings):
        agent = make.agent(north)
        before = fingerprint()

        with connection.execute_wrapper(self.no_locks):
            roster = self.roster(north)
            assert roster.assign(north.pk, ROUND)[1] == agent.pk

        with pytest.raises(AssertionError):
            roster.save()
        assert fingerprint() == before

    def no_locks(self, execute, sql, *rest):
        assert "FOR NO KEY UPDATE" not in sql
        return execute(sql, *rest)

    def test_asks_who_was_there_at_each_moment(self, north):
        Team.objects.update(calendar=make.office())
        ada, bob = make.agent(north), make.agent(north)
        make.absence(ada, MONDAY - 7 * DAY, MONDAY - 6 * DAY)
        make.absence(bob, MONDAY - 6 * DAY, MONDAY - 5 * DAY)
        roster = self.roster(north, since=MONDAY - 10 * DAY)

        def at(moment):
            return roster.assign(north.pk, ROUND, at=moment)[1]

        assert [at(MONDAY - 7 * DAY + n * HOUR) for n in range(3)] == [bob.pk] * 3
        assert at(MONDAY - 6 * DAY) == ada.pk
        assert at(MONDAY - 6 * DAY - timedelta(microseconds=1)) is None, "at night"
        assert at(MONDAY - 7 * DAY) == bob.pk, "there is no order"
        assert {at(MONDAY), at(MONDAY)} == {ada.pk, bob.pk}

    def test_gets_load_back(self, north):
        agent = make.agent(north, capacity=1)
        roster = self.roster(north)

        assert roster.assign(north.pk, ROUND)[1] == agent.pk
        assert roster.assign(north.pk, ROUND)[1] is None
        roster.release(north.pk, agent.pk)
        assert roster.assign(north.pk, ROUND)[1] == agent.pk
