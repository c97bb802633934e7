import pytest

from cem_cases.loop import staffcheck
from cem_cases.models import Case, Membership, Team
from tests import make
from tests.loop.test_staffing import held, resolve, routed

pytestmark = pytest.mark.django_db


@pytest.fixture
def north(db):
    return make.team("north")


def said():
    return [f"{level}: {says}" for level, says, _ in staffcheck.of_owners()]


def test_of_cases_that_belong_to_members_it_says_that_they_do(north):
    ada = make.agent(north)
    make.case(team=north, owner=ada)
    resolve(make.case(team=north, owner=ada), ada)

    assert said() == ["ok: Active cases belong to members, and their counters agree."]


def test_an_owner_who_is_no_member_is_a_warning(north):
    case = make.case(team=north, owner=make.user("eve"))

    assert said() == [
        "warning: Active cases whose owner is no active member of their team: 1, such "
        f"as {case}."
    ]


def test_a_team_that_is_switched_off_with_cases_is_a_warning(north):
    case = make.case(team=north)
    Team.objects.update(is_active=False)

    assert said() == [
        "warning: Team 'North' is switched off and has active cases: 1, such as "
        f"{case}."
    ]


def test_a_counter_that_disagrees_is_a_warning_until_it_is_reconciled(north):
    ada, bob = make.agent(north, "ada"), make.agent(north, "bob")
    make.case(team=north, owner=ada)
    Membership.objects.filter(user=ada).update(open_cases=7)
    Membership.objects.filter(user=bob).update(open_cases=2)

    assert said() == [
        "warning: Counters of open cases that do not agree with the cases: 2, such as "
        "that of 'ada' in 'North': it says 7, and 1 are there."
    ]
    found = staffcheck.reconcile()

    assert [(c.before, c.after) for c in found] == [(7, 1), (2, 0)]
    assert (held(ada), held(bob)) == (1, 0)
    assert staffcheck.reconcile() == []


def test_a_case_for_skills_that_nobody_has_is_a_warning(north):
    make.agent(north, skills=["German"])
    by = {"do": "assign", "by": "round robin"}
    routed(north, {**by, "skills": ["german", "finnish"]}, count=2)

    assert said() == [
        "warning: Cases wait in the queue of 'North' for somebody with the skills "
        "finnish, german: nobody there has them."
    ]
    Membership.objects.update(skills=["finnish", "GERMAN"])
    assert said()[0].startswith("ok")
    assert Case.objects.to_assign().count() == 2


@pytest.mark.parametrize("spoiled", [7, "german", [7], {"german": 1}])
def test_skills_that_somebody_spoiled_are_none(north, spoiled):
    make.agent(north)
    routed(north, {"do": "assign", "by": "round robin", "skills": ["german"]})
    Membership.objects.update(skills=spoiled)

    assert "nobody there has them" in said()[0]
    Case.objects.update(assignment={"by": ["round robin"], "skills": spoiled})
    assert said()[0].startswith("ok")
