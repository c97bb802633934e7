from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from cem_cases.loop import cases, escalation
from cem_cases.models import Case, Clock, Escalation
from tests import make
from tests.make import HOUR, MONDAY

pytestmark = pytest.mark.django_db


@pytest.fixture
def find(api):
    """`find(user, q="…")` is the numbers of the cases found, or the answer if none."""

    def find(user, **parameters):
        answered = api(user).get("/api/v1/cases/", parameters)
        assert answered.status_code == 200, answered.json()
        return {row["number"] for row in answered.json()["results"]}

    return find


@pytest.fixture
def two():
    """A case of ada's in the north, and one of the south that nobody has."""
    north, south = make.team("north"), make.team("south")
    place = make.touchpoint(slug="delivery")
    ada = make.agent(north, "ada")
    one = make.case(
        team=north,
        owner=ada,
        score=2,
        touchpoint=place.slug,
        comment="100% late_",
        customer={"external_id": "c-1", "name": "Ada Lovelace", "email": "al@x.org"},
    )
    _escalate(one)
    other = make.case(team=south, score=5, comment="It's 100 late\\now; -- !a & (")
    Case.objects.filter(pk=one.pk).update(priority=1, due_at=MONDAY)
    Case.objects.filter(pk=other.pk).update(
        due_at=timezone.now() + timedelta(days=1), opened_at=MONDAY + HOUR
    )
    return one, other


def _escalate(case):
    version = make.policy(is_active=False).versions.get()
    clock = Clock.objects.create(
        case=case,
        metric="first contact",
        version=version,
        started_at=MONDAY,
        target_amount=60,
        target_unit="business seconds",
        due_at=MONDAY,
    )
    clock.escalations.create(level="late", action="notify owner", at=MONDAY)


BOTH, ONE, OTHER, NONE = {0, 1}, {0}, {1}, set()


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({}, BOTH),
        ({"status": "new"}, OTHER),
        ({"status": "new,open"}, BOTH),
        ({"status": "on hold"}, NONE),
        ({"priority": "urgent"}, ONE),
        ({"priority": "urgent,normal"}, BOTH),
        ({"team": "south"}, OTHER),
        ({"team": "no-such"}, NONE),
        ({"owner": "none"}, OTHER),
        ({"owner": "me"}, NONE),
        ({"owner": "9" * 18}, NONE),
        ({"overdue": "true"}, ONE),
        ({"overdue": "false"}, OTHER),
        ({"escalated": "true"}, ONE),
        ({"escalated": "false"}, OTHER),
        ({"due_before": "2025-03-03T10:00:00+01:00"}, NONE),  # due at that moment
        ({"due_before": "2025-03-03T09:00:01Z"}, ONE),
        ({"opened_after": "2025-03-03T09:00:00Z"}, OTHER),
        ({"opened_before": "2025-03-03T10:00:00Z"}, ONE),
        ({"band": "detractor"}, BOTH),
        ({"band": "passive,promoter"}, NONE),
        ({"survey": "nps"}, BOTH),
        ({"survey": "no-such"}, NONE),
        ({"touchpoint": "delivery"}, ONE),
        ({"customer": "c-1"}, ONE),
        ({"customer": "C-1"}, NONE),
        ({"q": "lovelace"}, ONE),
        ({"q": "AL@X"}, ONE),
        ({"q": "c-1"}, ONE),
        ({"q": "late"}, BOTH),
        ({"status": "new", "priority": "urgent"}, NONE),
        # literally (D13)
        ({"q": "%"}, ONE),
        ({"q": "_"}, ONE),
        ({"q": "\\"}, OTHER),
        ({"q": "'"}, OTHER),
        ({"q": '"'}, NONE),
        ({"q": ";--"}, NONE),
        ({"q": "; --"}, OTHER),
        ({"q": "!a & ("}, OTHER),
        ({"q": "😀"}, NONE),
        ({"q": "\u202e"}, NONE),
        ({"q": "#" + "9" * 100}, NONE),
    ],
)
def test_a_filter_finds_what_it_says(find, two, parameters, found):
    assert find(make.manager(), **parameters) == {two[n].pk for n in found}


def test_a_case_is_found_by_its_number(find, two):
    assert find(make.manager(), q=f"#{two[0].pk}") == {two[0].pk}


def test_a_case_is_not_escalated_any_more_once_somebody_has_seen_to_it(find, two):
    row = Escalation.objects.get()

    escalation.acknowledge(row, by=two[0].owner)

    assert find(make.manager(), escalated="true") == set()


def test_an_owner_is_found_by_me_and_by_id(find, two):
    ada = two[0].owner

    assert find(ada, owner="me") == find(ada, owner=str(ada.pk)) == {two[0].pk}


def test_a_resolved_case_is_never_overdue(find, two):
    cause = make.root_cause()
    cases.resolve(
        two[0],
        by=two[0].owner,
        root_cause=cause,
        outcome="recovered",
        note="Paid.",
    )
    Case.objects.filter(pk=two[0].pk).update(due_at=F("opened_at"))

    assert find(make.manager(), overdue="true") == set()
    assert find(make.manager(), overdue="false") == {case.pk for case in two}


@pytest.mark.parametrize("name", ["team", "q", "customer", "survey", "touchpoint"])
def test_what_one_may_not_see_is_answered_like_what_is_not_there(api, two, name):
    ben = make.agent(make.team(), "ben")
    unseen = {"team": "north", "customer": "c-1", "touchpoint": "delivery"}

    foreign = api(ben).get("/api/v1/cases/", {name: unseen.get(name, "late")})
    missing = api(ben).get("/api/v1/cases/", {name: "no-such"})

    assert foreign.status_code == missing.status_code == 200
    assert foreign.content == missing.content


def test_all_that_is_wrong_is_said_at_once(api):
    answered = api(make.manager()).get("/api/v1/cases/?status=x&colour=red&q=a&q=b")

    assert answered.json()["errors"] == {
        "colour": ["Is not a known parameter."],
        "q": ["Is given more than once."],
        "status": [
            "Use one or more, with commas: new, open, pending, on hold, resolved, closed."
        ],
    }
