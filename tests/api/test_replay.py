import json
from datetime import UTC, datetime

import pytest

from tests import make
from tests.make import DAY

pytestmark = pytest.mark.django_db

PATH = "/api/v1/rules/replay/"
DRAFT = {"conditions": make.DETRACTOR, "actions": [{"do": "open case"}]}


@pytest.fixture
def answers(db):
    at = datetime.now(UTC) - 2 * DAY
    return [make.response(now=at), make.response(now=at), make.response(score=9)]


@pytest.fixture
def ask(api):
    client = api(make.user("", "change_rule", "view_all_cases"))
    return lambda **body: client.post(PATH, body, format="json")


@pytest.mark.parametrize(
    ("permissions", "status"),
    [
        ([], 403),
        (["view_all_cases"], 403),
        (["view_rule"], 403),
        (["view_case", "work_case"], 403),
        (["view_rule", "view_all_cases"], 200),
        (["change_rule"], 200),
    ],
)
def test_it_takes_a_permission(api, permissions, status):
    client = api(make.user("", *permissions))

    assert client.post(PATH, {}, format="json").status_code == status
    assert client.get(PATH).status_code in (403, 405)


def test_a_draft_is_replayed(ask, answers, fingerprint):
    before = fingerprint()

    answered = ask(draft=DRAFT, days=10, days_open=2)

    data = answered.json()
    assert answered.status_code == 200
    assert (data["answers"], data["matched"], data["opened"]) == (2, 2, 2)
    assert (data["days_open"], len(data["examples"])) == (2, 2)
    assert fingerprint() == before


def test_a_saved_rule_is_replayed_and_without_one_the_set(ask, answers):
    rule = make.rule(is_active=False, name="off")

    assert ask(rule=rule.pk).json()["opened"] == 2
    assert ask().json()["opened"] == 0
    assert ask(rule=rule.pk).json()["rule"] == "off"


def test_a_survey_narrows_it(ask, answers):
    make.survey(slug="other")

    assert ask(survey="nps").json()["answers"] == 2
    assert ask(survey="other").json()["answers"] == 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"colour": "red"}, "colour"),
        ({"version": 1}, "version"),
        ({"days": 0}, "days"),
        ({"days": 10**9}, "days"),
        ({"days": "many"}, "days"),
        ({"survey": "gone"}, "survey"),
        ({"survey": ["nps"]}, "survey"),
        ({"rule": 99_999}, "rule"),
        ({"rule": "x"}, "rule"),
        ({"rule": 10**30}, "rule"),
        ({"days_open": 0}, "days_open"),
        ({"days_open": True}, "days_open"),
        ({"days_open": "soon"}, "days_open"),
        ({"days_open": [1]}, "days_open"),
        ({"draft": 3}, "draft"),
        ({"draft": {"colour": 1}}, "draft.colour"),
        ({"draft": {"position": -1}}, "draft.position"),
        ({"draft": {"position": 10**30}}, "draft.position"),
        ({"draft": {"stop": "yes"}}, "draft.stop"),
        ({"draft": {"actions": {}}}, "draft.actions"),
        ({"draft": {"trigger": "case opened"}}, "draft.trigger"),
        (
            {"draft": {"conditions": {"all": [{"fact": "scor"}]}}},
            "draft.conditions.all[0].fact",
        ),
        ({"draft": {**DRAFT, "actions": [{"do": "dance"}]}}, "draft.actions[0]"),
    ],
)
def test_what_is_wrong_is_named(ask, body, field):
    answered = ask(**body)

    assert answered.status_code == 400
    assert field in answered.json()["errors"]


def test_a_rule_and_a_draft_are_one_too_many(ask):
    answered = ask(rule=make.rule().pk, draft=DRAFT)

    assert answered.status_code == 400
    assert "draft" in answered.json()["errors"]


def test_too_many_answers_are_for_the_command(ask, answers, settings):
    settings.CEM_CASES = {**settings.CEM_CASES, "REPLAY_MAX": 1}

    answered = ask()

    assert answered.status_code == 422
    assert answered.json()["code"] == "too_much"
    assert "cem_replay" in answered.json()["detail"]


def test_examples_are_of_what_one_may_see(api):
    north, south = make.team("north"), make.team("south")
    mine = make.case(team=north)
    theirs = make.case(team=south)
    lead = make.user("lead", "change_rule")
    north.memberships.create(user=lead)

    answered = api(lead).post(PATH, {"draft": DRAFT, "days": 3650}, format="json")

    data = answered.json()
    assert data["matched"] == 2
    assert [example["really"] for example in data["examples"]] == [mine.pk]
    numbers = json.dumps([data["examples"], data["differences"]["examples"]])
    assert str(theirs.opening_response.customer) not in numbers
    assert f'"number": {theirs.pk}' not in numbers
