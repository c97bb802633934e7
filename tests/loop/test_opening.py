from datetime import timedelta

import pytest

from cem_cases.loop import cases, drain, explanations
from cem_cases.models import AuditEvent, Case, Membership, Response
from tests import make
from tests.make import HOUR, MONDAY

pytestmark = pytest.mark.django_db


@pytest.fixture
def north(db):
    return make.team("north")


def held(user):
    return Membership.objects.get(user=user).open_cases


def test_the_clocks_start_when_the_answer_was_received():
    make.rule()
    make.policy(hours=4)
    make.response(now=MONDAY)

    drain.drain(now=MONDAY + 2 * HOUR)

    case = Case.objects.get()
    assert case.opened_at == MONDAY
    assert case.due_at == MONDAY + 4 * HOUR


def test_a_case_without_a_policy_has_no_due_time():
    make.rule()
    make.response()

    drain.drain(now=MONDAY)

    assert Case.objects.get().due_at is None


def test_the_event_tells_which_rules_were_looked_at_and_what_decided():
    make.rule(
        "open case",
        conditions={"fact": "score", "operator": "is"} | {"value": 9},
        name="Nine",
    )
    make.rule("open case", name="Detractor")
    make.response(score=2)

    drain.drain(now=MONDAY)

    event = AuditEvent.objects.get(kind="case.opened")
    looks = explanations.of_opening(Case.objects.get())[event.data["explanation"]]
    assert [(look.name, look.matched, look.because) for look in looks] == [
        ("Nine", False, "score is 9 (was 2)"),
        ("Detractor", True, "band is detractor (was detractor)"),
    ]


def test_nobody_eligible_leaves_the_case_in_the_queue_and_says_why(north):
    make.agent(north, capacity=0)
    make.rule_for(north)
    make.response()

    drain.drain(now=MONDAY)

    case = Case.objects.get()
    assert (case.team, case.owner, case.status) == (north, None, "new")
    event = case.events.last()
    assert event.kind == "case.not_assigned"
    assert event.data["candidates"][0]["verdict"] == "at capacity"


def test_a_team_that_is_gone_leaves_a_trace(north):
    make.rule_for(north)
    north.is_active = False
    north.save()
    make.response()

    drain.drain(now=MONDAY)

    case = Case.objects.get()
    assert case.team is None
    assert case.events.get().data["team_not_found"] == "north"


@pytest.mark.parametrize("by", ["round robin", "least loaded"])
def test_work_is_shared_evenly_over_batches(north, settings, by):
    settings.CEM_CASES = {**settings.CEM_CASES, "BATCH_SIZE": 7}
    agents = [make.agent(north, capacity=None) for _ in range(3)]
    make.rule_for(north, by=by)
    for _ in range(20):
        make.response()

    drain.drain(now=MONDAY)

    loads = [held(agent) for agent in agents]
    assert sum(loads) == 20
    assert max(loads) - min(loads) <= 1


def test_a_joined_response_can_raise_the_priority_and_so_the_due_time():
    make.rule()
    make.policy(hours=3)
    make.survey(slug="raising", metric="nps", repeat="join and raise priority")
    customer = {"external_id": "c1"}
    make.response(survey="raising", customer=customer)
    drain.drain(now=MONDAY)
    before = Case.objects.get()

    make.response(survey="raising", customer=customer)
    drain.drain(now=MONDAY)

    after = Case.objects.get()
    assert (before.priority, after.priority) == (3, 2)
    assert after.due_at == MONDAY + 2 * HOUR < before.due_at
    assert Response.objects.filter(case=after).count() == 2


def test_a_survey_can_ask_for_another_case_each_time():
    make.rule()
    make.survey(slug="each", metric="nps", repeat="open another")
    for _ in range(2):
        make.response(survey="each", customer={"external_id": "c1"})

    assert drain.drain(now=MONDAY).opened == 2


def test_a_resolved_case_is_not_joined(north):
    ada = make.agent(north, "ada")
    make.rule_for(north)
    make.response(customer={"external_id": "c1"})
    drain.drain(now=MONDAY)
    cases.resolve(
        Case.objects.get(),
        by=ada,
        root_cause=make.root_cause(),
        outcome="recovered",
        note="Refunded.",
    )

    make.response(customer={"external_id": "c1"})

    assert drain.drain(now=MONDAY + timedelta(days=1)).opened == 1
