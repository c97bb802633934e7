import json
from datetime import UTC, datetime

import pytest

from tests import make
from tests.admin import at
from tests.make import DAY

pytestmark = pytest.mark.django_db

SET = at.rows("rule") + "replay/"
RUN = {"run": "1", "days": "90", "survey": "", "days_open": "as usual"}
HOSTILE = '<img src=x onerror=alert(1)><script>alert("x")</script>'


def one(rule):
    return f"{at.rows('rule')}{rule.pk}/replay/"


def form(**fields):
    """A rule as its page sends it."""
    return {
        "name": "Draft",
        "trigger": "response received",
        "position": "10",
        "conditions": json.dumps(make.DETRACTOR),
        "actions": '[{"do": "open case"}]',
    } | fields


@pytest.fixture
def lately(db):
    return datetime.now(UTC) - 5 * DAY


@pytest.fixture
def answers(lately):
    return [make.response(now=lately), make.response(score=9, now=lately)]


@pytest.mark.parametrize(
    ("permissions", "status"),
    [
        ([], 403),
        (["view_rule"], 403),
        (["view_all_cases"], 403),
        (["view_rule", "view_all_cases"], 200),
        (["change_rule"], 200),
    ],
)
def test_who_may_replay(door, permissions, status):
    client = door(make.user("", *permissions, is_staff=True))
    rule = make.rule()

    for path in (SET, one(rule)):
        assert client.get(path).status_code == status
        assert client.post(path, RUN).status_code == status


def test_a_saved_rule_is_replayed(door, root, answers, fingerprint):
    rule = make.rule(is_active=False, name="Detractors")
    before = fingerprint()

    text = at.text(door(root).post(one(rule), RUN))

    assert (
        "In the last 90 days: 1 of 2 answers would have matched; 1 case would have been "
        "opened, 0 would have joined one." in text
    )
    assert "Detractors switched off" in text
    assert fingerprint() == before


def test_the_form_of_a_rule_is_replayed_before_it_is_saved(door, root, answers):
    rule = make.rule(conditions={"fact": "score", "operator": "is", "value": 1})
    client = door(root)

    shown = client.post(one(rule), form(name="Better"))
    again = client.post(one(rule), form(name="Better") | RUN)
    new = client.post(SET, form(position="") | RUN)

    assert "data-starts" in shown.content.decode()
    assert "as it stands in the form, not saved" in at.text(shown)
    assert "1 of 2 answers would have matched" in at.text(again)
    assert "1 of 2 answers would have matched" in at.text(new)
    rule.refresh_from_db()
    assert rule.version == 1


def test_progress_and_result_come_in_lines(door, root, answers, settings):
    settings.CEM_CASES = {**settings.CEM_CASES, "BATCH_SIZE": 1}

    answer = door(root).post(
        SET, form() | RUN, headers={"Accept": "application/x-ndjson"}
    )

    lines = [json.loads(line) for line in b"".join(answer).splitlines()]
    assert lines[:3] == [{"done": n, "total": 2} for n in range(3)]
    assert "1 of 2 answers would have matched" in lines[-1]["html"]
    assert "<script" not in lines[-1]["html"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"days": "0"}, "Days back:"),
        ({"days": "x"}, "Days back:"),
        ({"survey": "99999"}, "Survey:"),
        ({"days_open": "soon"}, "Each case stays open:"),
        ({"conditions": "{"}, "conditions: Must be valid JSON."),
        ({"conditions": "[" * 90_000}, "conditions: Must be valid JSON."),
        ({"conditions": '{"fact": "scor"}'}, "conditions.fact: 'scor' is not a fact."),
        ({"actions": "{}"}, "actions: Must be a list."),
        ({"position": "first"}, "position: Must be a whole number"),
        ({"position": "9" * 40}, "position: Must be a whole number"),
        ({"trigger": "case opened"}, "Only rules with the trigger"),
    ],
)
def test_what_is_wrong_is_said(door, root, fields, said):
    answer = door(root).post(SET, form() | RUN | fields)

    assert answer.status_code == 200
    assert said in at.text(answer)


def test_too_many_answers_are_for_the_command(door, root, answers, settings):
    settings.CEM_CASES = {**settings.CEM_CASES, "REPLAY_MAX": 1}

    assert "cem_replay" in at.text(door(root).post(SET, form() | RUN))


def test_the_result_says_who_would_have_had_what(door, root, north, lately):
    make.agent(north, "ada", capacity=2)
    for _ in range(3):
        make.response(now=lately)
    actions = [
        {"do": "open case"},
        {"do": "set team", "team": "north"},
        {"do": "assign", "by": "round robin"},
    ]

    answer = door(root).post(
        SET, form(actions=json.dumps(actions)) | RUN | {"days_open": "never"}
    )

    text = at.text(answer)
    assert "3 cases, at most 3 open at a time, room for 2." in text
    assert "1 case waits in the queue 1 at capacity. 1 still waits at the end." in text
    assert "2 of 2" in text
    assert 'class="cem-load-used cem-load-full"' in answer.content.decode()
    assert "Only the replay opens a case: 3" in text


def test_empty_results_say_what_is_missing(door, root, answers):
    client = door(root)
    nobody = form(conditions='{"fact": "score", "operator": "is", "value": 5}')

    assert "No rule for new answers is active." in at.text(client.post(SET, RUN))
    text = at.text(client.post(SET, nobody | RUN))
    assert "No answer matches: look at the conditions, or take more days." in text
    assert "No case would be opened" in text
    text = at.text(client.post(SET, RUN | {"days": "1"}))
    assert "No answers reached us in this time. Take more days" in text


def test_what_people_write_stays_text(door, root, lately):
    team = make.team(
        "north",
    )
    team.name = HOSTILE
    team.save()
    make.agent(team)
    make.rule_for(team, name=HOSTILE)
    make.response(
        now=lately, customer={"external_id": "c", "name": HOSTILE}, comment=HOSTILE
    )

    answer = door(root).post(SET, form(name=HOSTILE) | RUN)

    body = answer.content.decode()
    assert "<img src=x" not in body
    assert body.count("&lt;img src=x") >= 4


def test_pages_of_rules_lead_to_the_replay(door, root):
    rule = make.rule()
    client = door(root)

    page = client.get(at.page(rule)).content.decode()
    assert f'href="{one(rule)}"' in page
    assert f'formaction="{one(rule)}"' in page
    assert page.index('name="_save"') < page.index("formaction=")
    assert (
        f'formaction="{SET}"' in client.get(at.rows("rule") + "add/").content.decode()
    )
    assert f'href="{SET}"' in client.get(at.rows("rule")).content.decode()


def test_who_may_not_replay_is_not_led_there(door):
    rule = make.rule()
    client = door(make.user("", "view_rule", is_staff=True))

    for path in (at.page(rule), at.rows("rule")):
        assert "replay/" not in client.get(path).content.decode()


def test_a_rule_that_is_not_there_is_not_found(door, root):
    answer = door(root).get(at.rows("rule") + "99999/replay/")

    assert answer.status_code == 302
