import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cem_cases.loop import audit, cases
from cem_cases.models import Case
from tests import make
from tests.make import MONDAY

pytestmark = pytest.mark.django_db


@pytest.fixture
def north():
    return make.team("north")


@pytest.fixture
def ada(north):
    return make.agent(north, "ada")


@pytest.fixture
def do(api):
    """`do(user, case, "claim", …)` carries out a verb over HTTP."""

    def do(user, case, verb, /, **body):
        path = f"/api/v1/cases/{case.pk}/{verb}/"
        return api(user).generic("POST", path, json.dumps(body), "application/json")

    return do


# Reading --------------------------------------------------------------------------------


def test_a_case_has_the_documented_fields_and_no_others(api, north, ada):
    make.policy(hours=4, days=3)
    customer = {"external_id": "c1", "name": "Ann", "email": "ann@x.org"}
    case = make.case(team=north, owner=ada, score=2, customer=customer)

    (row,) = api(ada).get("/api/v1/cases/").json()["results"]

    assert row == {
        "number": case.pk,
        "status": "open",
        "kind": "recovery",
        "priority": "normal",
        "band": "detractor",
        "score": 2,
        "customer": {"id": case.customer_id, "external_id": "c1", "name": "Ann"},
        "team": "north",
        "owner": {"id": ada.pk, "username": "ada"},
        "opened_at": "2025-03-03T09:00:00Z",
        "due_at": "2025-03-03T13:00:00Z",
        "first_contact_at": None,
        "resolved_at": None,
        "closed_at": None,
        "root_cause": None,
        "outcome": None,
        "is_complaint": False,
        "cycle": 1,
        "version": 2,
        "allowed_verbs": ["assign", "note", "contact", "set-priority", "resolve"],
    }


def test_the_page_of_a_case_has_what_belongs_to_it(api, north, ada):
    make.policy(hours=4, days=3)
    case = make.case(team=north, owner=ada, comment="Late!", answers={"again": False})
    cases.contact(
        case, by=ada, channel="phone", attempt="reached", body="Sorry", now=MONDAY
    )

    page = api(ada).get(f"/api/v1/cases/{case.pk}/").json()

    (response,) = page["responses"]
    assert response.keys() == {
        *("id", "survey", "touchpoint", "source_system", "external_id", "channel"),
        *("score", "band", "comment", "language", "sentiment", "wants_contact"),
        *("answers", "answered_at", "received_at"),
    }
    assert (response["comment"], response["answers"]) == ("Late!", {"again": False})
    assert [clock["metric"] for clock in page["clocks"]] == [
        "first contact",
        "resolution",
    ]
    assert page["clocks"][0] == {
        "metric": "first contact",
        "cycle": 1,
        "target_seconds": 4 * 3600,
        "started_at": "2025-03-03T09:00:00Z",
        "warn_at": "2025-03-03T12:00:00Z",
        "due_at": "2025-03-03T13:00:00Z",
        "warned_at": None,
        "breached_at": None,
        "completed_at": "2025-03-03T09:00:00Z",
        "cancelled_at": None,
        "business_elapsed": 0,
        "calendar_elapsed": 0,
    }
    (contact,) = page["contacts"]
    assert contact == {
        "id": contact["id"],
        "direction": "out",
        "channel": "phone",
        "attempt": "reached",
        "subject": "",
        "body": "Sorry",
        "author": {"id": ada.pk, "username": "ada"},
        "at": "2025-03-03T09:00:00Z",
    }


def test_the_timeline_tells_what_happened(api, north, ada):
    case = make.case(team=north, owner=ada)
    cases.note(case, by=ada, text="Called twice.", now=MONDAY)

    events = api(ada).get(f"/api/v1/cases/{case.pk}/timeline/").json()["results"]

    assert [(event["sequence"], event["kind"]) for event in events] == [
        (1, "case.opened"),
        (2, "case.claimed"),
        (3, "case.noted"),
    ]
    assert [event["actor"] for event in events] == [
        None,
        {"id": ada.pk, "username": "ada"},
        {"id": ada.pk, "username": "ada"},
    ]
    assert events[2] == {
        "sequence": 3,
        "at": "2025-03-03T09:00:00Z",
        "kind": "case.noted",
        "actor": {"id": ada.pk, "username": "ada"},
        "payload": {"status": "open"},
        "text": "Called twice.",
    }
    assert events[0]["text"] is None


def test_a_timeline_knows_no_filters(api, north, ada):
    case = make.case(team=north)

    answered = api(ada).get(f"/api/v1/cases/{case.pk}/timeline/?status=new")

    assert answered.json()["errors"] == {"status": ["Is not a known parameter."]}


PATHS = ["", "timeline/"]
BODIES = {
    "claim": {},
    "assign": {"to": None},
    "note": {"text": "x"},
    "contact": {"channel": "phone", "attempt": "reached"},
    "set-priority": {"priority": "high"},
    "resolve": {"root_cause": "late-delivery", "outcome": "recovered", "note": "x"},
    "reopen": {"reason": "x"},
    "close": {},
}


def test_each_sees_the_cases_of_their_teams(api, north, ada):
    south = make.team("south")
    ben = make.agent(south, "ben")
    mine, theirs, nobodys = make.case(team=north), make.case(team=south), make.case()
    Case.objects.filter(pk=nobodys.pk).update(team=None)

    def seen(user):
        found = api(user).get("/api/v1/cases/").json()["results"]
        return {row["number"] for row in found}

    assert seen(ada) == {mine.pk}
    assert seen(ben) == {theirs.pk}
    assert seen(make.manager()) == {mine.pk, theirs.pk, nobodys.pk}
    assert seen(make.user("cy", "view_case")) == set()


@pytest.mark.parametrize("path", PATHS)
def test_a_case_of_others_is_answered_like_one_that_is_not_there(api, ada, path):
    theirs = make.case(team=make.team("south"), comment="kilimanjaro")

    foreign = api(ada).get(f"/api/v1/cases/{theirs.pk}/{path}")
    missing = api(ada).get(f"/api/v1/cases/{theirs.pk + 999}/{path}")

    assert foreign.status_code == missing.status_code == 404
    assert foreign.content == missing.content
    assert foreign.headers == missing.headers


@pytest.mark.parametrize("verb", BODIES)
@pytest.mark.parametrize("body", ["right", "wrong"])
def test_nobody_acts_on_a_case_of_others(do, ada, fingerprint, verb, body):
    make.root_cause()
    theirs = make.case(team=make.team("south"))
    given = BODIES[verb] if body == "right" else {"colour": "red"}
    before = fingerprint()

    foreign = do(ada, theirs, verb, **given)
    theirs.pk += 999
    missing = do(ada, theirs, verb, **given)

    assert foreign.status_code == missing.status_code == 404
    assert foreign.content == missing.content
    assert fingerprint() == before


def test_who_leaves_the_team_sees_nothing_from_then_on(api, do, north, ada):
    case = make.case(team=north)
    assert api(ada).get(f"/api/v1/cases/{case.pk}/").status_code == 200

    north.memberships.update(is_active=False)

    assert api(ada).get(f"/api/v1/cases/{case.pk}/").status_code == 404
    assert do(ada, case, "claim").status_code == 404


# Working --------------------------------------------------------------------------------


def test_a_case_is_worked_from_its_claim_to_its_end(do, north, ada):
    make.root_cause("late-delivery")
    make.policy()
    case = make.case(team=north)

    for verb, status in (
        ("claim", "open"),
        ("note", "open"),
        ("contact", "open"),
        ("set-priority", "open"),
        ("assign", "new"),
        ("resolve", "resolved"),
        ("reopen", "open"),
        ("resolve", "resolved"),
        ("close", "closed"),
    ):
        answered = do(ada, case, verb, **BODIES[verb])
        assert (answered.status_code, answered.json()["status"]) == (200, status), verb

    shown = answered.json()
    case.refresh_from_db()
    assert (shown["version"], shown["cycle"]) == (case.version, case.cycle) == (10, 2)
    assert (shown["root_cause"], shown["outcome"]) == ("late-delivery", "recovered")
    assert (shown["priority"], shown["owner"]["username"]) == ("high", "ada")
    assert shown["allowed_verbs"] == ["note"]
    assert not list(audit.verify())


def test_of_two_claims_the_second_is_refused_and_told_the_winner(do, north, ada):
    ben = make.agent(north, "ben")
    case = make.case(team=north)
    do(ada, case, "claim")

    answered = do(ben, case, "claim")

    assert answered.status_code == 409
    assert answered["Content-Type"] == "application/problem+json"
    assert answered.json() == {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "code": "already_claimed",
        "detail": f"Case #{case.pk} belongs to ada already.",
    }


@pytest.mark.parametrize("verb", ["reopen", "close"])
def test_a_transition_that_is_not_possible_lists_those_that_are(do, north, ada, verb):
    case = make.case(team=north)

    answered = do(ada, case, verb, **BODIES[verb])

    assert answered.status_code == 409
    assert answered.json()["code"] == "not_allowed_now"
    assert "Possible now: claim" in answered.json()["detail"]


@pytest.mark.parametrize("verb", [verb for verb in BODIES if verb != "note"])
def test_a_closed_case_stays_closed(do, north, ada, fingerprint, verb):
    cause = make.root_cause()
    case = make.case(team=north, owner=ada)
    cases.resolve(case, by=ada, root_cause=cause, outcome="recovered", note="x")
    cases.close(case, by=ada)
    before = fingerprint()

    answered = do(ada, case, verb, **BODIES[verb])

    assert answered.status_code == 409
    assert fingerprint() == before


@pytest.mark.parametrize(
    "verb", [verb for verb in BODIES if verb not in ("reopen", "close")]
)
def test_nothing_is_done_on_top_of_a_change_one_has_not_seen(
    do, north, ada, fingerprint, verb
):
    make.root_cause()
    case = make.case(team=north)
    cases.note(case, by=ada, text="first")
    before = fingerprint()

    stale = do(ada, case, verb, version=1, **BODIES[verb])

    assert (stale.status_code, stale.json()["code"]) == (409, "stale_version")
    assert fingerprint() == before
    assert do(ada, case, verb, version=2, **BODIES[verb]).status_code == 200


DOCUMENTED = {
    "assign": {"team"},
    "set-priority": {"priority"},
    "resolve": {"outcome", "root_cause"},
}


@pytest.mark.parametrize("verb", BODIES)
def test_a_verb_takes_its_own_fields_only(do, north, ada, fingerprint, verb):
    make.root_cause()
    case = make.case(team=north)
    ours = {field.name for field in Case._meta.get_fields()} - {"version"}
    others = (ours | {"id", "by", "now", "case", "owner_id"}) - DOCUMENTED.get(
        verb, set()
    )
    before = fingerprint()

    answered = do(ada, case, verb, **BODIES[verb] | dict.fromkeys(others, 1))

    assert answered.status_code == 400
    assert answered.json()["errors"] == {
        name: ["Is not a known field."] for name in others
    }
    assert fingerprint() == before


@pytest.mark.parametrize(
    ("verb", "body", "field"),
    [
        ("assign", {}, "to"),
        ("assign", {"to": True}, "to"),
        ("assign", {"to": 1.5}, "to"),
        ("assign", {"to": ["ada"]}, "to"),
        ("assign", {"to": "a\x00"}, "to"),
        ("assign", {"to": 10**29}, "to"),
        ("assign", {"to": None, "team": None}, "team"),
        ("assign", {"to": None, "team": "a\ud800"}, "team"),
        ("note", {}, "text"),
        ("note", {"text": None}, "text"),
        ("note", {"text": " "}, "text"),
        ("note", {"text": 7}, "text"),
        ("note", {"text": "x" * 10_001}, "text"),
        ("note", {"text": "a\x00"}, "text"),
        ("contact", {"channel": "phone"}, "attempt"),
        ("contact", {"channel": "phone", "attempt": "kilimanjaro"}, "attempt"),
        ("contact", {"channel": "", "attempt": "sent"}, "channel"),
        ("contact", {"channel": "x" * 101, "attempt": "sent"}, "channel"),
        (
            "contact",
            {"channel": "a", "attempt": "sent", "direction": "up"},
            "direction",
        ),
        ("set-priority", {"priority": 1}, "priority"),
        ("set-priority", {"priority": "kilimanjaro"}, "priority"),
        ("resolve", {"outcome": "recovered", "note": "x"}, "root_cause"),
        (
            "resolve",
            {"root_cause": "kilimanjaro", "outcome": "recovered", "note": "x"},
            "root_cause",
        ),
        (
            "resolve",
            {"root_cause": "late-delivery", "outcome": "kilimanjaro", "note": "x"},
            "outcome",
        ),
        (
            "resolve",
            {"root_cause": "late-delivery", "outcome": "not reached", "note": "x"},
            "outcome",
        ),
        (
            "resolve",
            {"root_cause": "retired", "outcome": "recovered", "note": "x"},
            "root_cause",
        ),
    ],
)
def test_what_is_wrong_is_said_by_field(do, north, ada, fingerprint, verb, body, field):
    make.root_cause()
    make.root_cause("retired", is_active=False)
    case = make.case(team=north)
    before = fingerprint()

    answered = do(ada, case, verb, **body)

    assert answered.status_code == 400
    assert answered.json()["errors"].keys() == {field}
    assert "kilimanjaro" not in answered.content.decode()
    assert fingerprint() == before


def test_a_case_is_given_to_a_member_by_name_or_by_id(do, north, ada):
    ben = make.agent(north, "ben")
    case = make.case(team=north)

    assert do(ada, case, "assign", to="ben").json()["owner"]["id"] == ben.pk
    assert do(ada, case, "assign", to=ada.pk).json()["owner"]["username"] == "ada"
    assert do(ada, case, "assign", to=None).json()["owner"] is None


def test_text_is_never_taken_for_the_id_of_a_user(do, north, ada):
    case = make.case(team=north)

    assert do(ada, case, "assign", to=str(ada.pk)).status_code == 400


@pytest.mark.parametrize("kind", ["name", "id"])
def test_a_user_of_another_team_is_as_unknown_as_nobody(
    do, north, ada, fingerprint, kind
):
    ben = make.agent(make.team("south"), "ben")
    gone = make.agent(north, "gone")
    gone.is_active = False
    gone.save()
    case = make.case(team=north)
    before = fingerprint()

    answers = {
        do(ada, case, "assign", to=to).content
        for to in (
            (ben.username, gone.username, "nobody")
            if kind == "name"
            else (ben.pk, gone.pk, 999_999)
        )
    }

    assert len(answers) == 1
    assert b"Must be an active member" in answers.pop()
    assert fingerprint() == before


def test_a_case_moves_to_another_team_of_mine_only(do, north, ada, fingerprint):
    mine = make.team("mine")
    make.agent(make.team("south"), "ben")
    mine.memberships.create(user=ada)
    cy = make.agent(mine, "cy")
    case = make.case(team=north)
    before = fingerprint()

    foreign = do(ada, case, "assign", to="ben", team="south")
    missing = do(ada, case, "assign", to="ben", team="no-such")

    assert foreign.status_code == missing.status_code == 400
    assert foreign.content == missing.content
    assert fingerprint() == before
    moved = do(ada, case, "assign", to="cy", team="mine").json()
    assert (moved["team"], moved["owner"]["id"]) == ("mine", cy.pk)
    assert do(ada, case, "assign", to=None, team="north").json()["team"] == "north"


def test_who_sees_all_moves_a_case_to_any_team_in_use(do, north):
    boss = make.user("boss", "view_case", "view_all_cases", "assign_case")
    make.agent(make.team("south"), "ben")
    make.team("shut", is_active=False)
    case = make.case(team=north)

    assert do(boss, case, "assign", to="ben", team="south").status_code == 200
    assert do(boss, case, "assign", to=None, team="shut").status_code == 400


def test_only_what_one_may_do_is_offered(api, north):
    case = make.case(team=north)
    user = make.user("", "view_case", "assign_case")
    north.memberships.create(user=user)

    page = api(user).get(f"/api/v1/cases/{case.pk}/").json()

    assert page["allowed_verbs"] == ["assign"]


# Queries --------------------------------------------------------------------------------


def queries(client, path):
    with CaptureQueriesContext(connection) as captured:
        answered = client.get(path)
    assert answered.status_code == 200
    return len(captured), answered.json()


def test_a_list_takes_the_same_queries_for_1_case_and_for_100(api, north, ada):
    def more(count):
        response = make.response(touchpoint=make.touchpoint().slug)
        Case.objects.bulk_create(
            Case(
                customer=make.response().customer,
                team=north,
                owner=ada,
                status="resolved",
                opened_at=MONDAY,
                resolved_at=MONDAY,
                root_cause=make.root_cause(f"cause-{n}"),
                outcome="recovered",
                opening_response=response if n == 0 else make.response(),
            )
            for n in range(count)
        )

    client = api(ada)
    more(1)
    client.get("/api/v1/cases/")  # from here on, the user's permissions are known

    one = queries(client, "/api/v1/cases/?page_size=200")
    more(100)
    hundred = queries(client, "/api/v1/cases/?page_size=200")

    assert len(hundred[1]["results"]) == 101
    assert one[0] == hundred[0] == 1


def test_the_page_of_a_case_takes_the_same_queries_however_much_belongs_to_it(
    api, north, ada
):
    make.policy()
    case = make.case(team=north, owner=ada)
    client = api(ada)
    client.get("/api/v1/cases/")
    path = f"/api/v1/cases/{case.pk}/"
    one = queries(client, path)
    timeline = queries(client, f"{path}timeline/")

    for _ in range(10):
        cases.contact(case, by=ada, channel="phone", attempt="no answer")
        extra = make.response()
        extra.case = case
        extra.save()

    many = queries(client, path)
    assert (len(many[1]["contacts"]), len(many[1]["responses"])) == (10, 11)
    assert one[0] == many[0] == 4
    longer = queries(client, f"{path}timeline/")
    assert len(longer[1]["results"]) == 12
    assert timeline[0] == longer[0] == 2


def test_of_what_belongs_to_a_case_the_newest_hundred_are_shown(api, north, ada):
    case = make.case(team=north, owner=ada)
    for n in range(101):
        case.contacts.create(channel=f"c{n}", attempt="sent", at=MONDAY)

    shown = api(ada).get(f"/api/v1/cases/{case.pk}/").json()["contacts"]

    assert [contact["channel"] for contact in shown] == [f"c{n}" for n in range(1, 101)]
