import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cem_cases.loop import audit, cases, sla
from cem_cases.models import Case, Escalation, Rule, Team
from tests import make
from tests.make import DAY, HOUR, MONDAY

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
    policy = make.policy(hours=4, days=3)
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
        "waiting_reason": None,
        "waiting_until": None,
        "policy": {"name": policy.name, "version": 1},
        "cycle": 1,
        "version": 2,
        "allowed_verbs": [
            *("assign", "decline", "note", "contact", "set-priority"),
            *("set-pending", "put-on-hold", "mark-complaint", "resolve"),
        ],
    }


def test_the_page_of_a_case_has_what_belongs_to_it(api, north, ada):
    policy = make.policy(hours=4, days=3)
    case = make.case(team=north, owner=ada, comment="Late!", answers={"again": False})
    cases.contact(
        case, by=ada, channel="phone", attempt="reached", body="Sorry", now=MONDAY
    )

    page = api(ada).get(f"/api/v1/cases/{case.pk}/").json()

    (response,) = page["responses"]
    assert response.keys() == {
        *("id", "survey", "touchpoint", "source_system", "external_id", "channel"),
        *("score", "band", "comment", "language", "sentiment", "wants_contact"),
        *("answers", "answered_at", "received_at", "explanation"),
    }
    assert (response["comment"], response["answers"]) == ("Late!", {"again": False})
    assert [clock["metric"] for clock in page["clocks"]] == [
        "first contact",
        "resolution",
    ]
    assert page["clocks"][0] == {
        "id": case.clocks.get(metric="first contact").pk,
        "metric": "first contact",
        "cycle": 1,
        "target_amount": 4 * 3600,
        "target_unit": "business seconds",
        "policy": {"name": policy.name, "version": 1},
        "started_at": "2025-03-03T09:00:00Z",
        "due_at": "2025-03-03T13:00:00Z",
        "paused_at": None,
        "warned_at": None,
        "breached_at": None,
        "breach_cause": None,
        "completed_at": "2025-03-03T09:00:00Z",
        "cancelled_at": None,
        "cancel_cause": None,
        "business_elapsed": 0,
        "calendar_elapsed": 0,
    }
    assert page["escalations"] == []
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
        "explanation": None,
    }
    assert events[0]["text"] is None


def test_case_and_timeline_say_which_rules_were_looked_at(api, north, ada):
    make.rule(name="Nine", conditions={"fact": "score", "operator": "is", "value": 9})
    case = make.case(team=north, owner=ada)
    Rule.objects.filter(name="Nine").delete()
    path = f"/api/v1/cases/{case.pk}/"

    opened, *_ = api(ada).get(f"{path}timeline/").json()["results"]
    (response,) = api(ada).get(path).json()["responses"]

    nine, north_ = opened["explanation"]
    assert nine["name"] is None
    assert (nine["matched"], nine["because"]) == (False, "score is 9 (was 3)")
    assert north_ == {
        "rule": case.rule_id,
        "version": 1,
        "name": "to north",
        "matched": True,
        "because": "channel is north (was north)",
    }
    assert response["explanation"] == opened["explanation"]


def test_a_timeline_knows_no_filters(api, north, ada):
    case = make.case(team=north)

    answered = api(ada).get(f"/api/v1/cases/{case.pk}/timeline/?status=new")

    assert answered.json()["errors"] == {"status": ["Is not a known parameter."]}


PATHS = ["", "timeline/", "clocks/"]
TOMORROW = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)
WAIT = {"reason": "A photo.", "until": TOMORROW.isoformat()}
BODIES = {
    "claim": {},
    "assign": {"to": None},
    "decline": {"reason": "x"},
    "note": {"text": "x"},
    "contact": {"channel": "phone", "attempt": "reached"},
    "set-priority": {"priority": "high"},
    "set-pending": WAIT,
    "put-on-hold": WAIT,
    "resume": {},
    "mark-complaint": {"is_complaint": True},
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
        ("mark-complaint", "open"),
        ("set-pending", "pending"),
        ("put-on-hold", "on hold"),
        ("resume", "open"),
        ("decline", "new"),
        ("claim", "open"),
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
    assert (shown["version"], shown["cycle"]) == (case.version, case.cycle) == (16, 2)
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
    if verb in ("decline", "set-pending", "put-on-hold", "resume"):
        case = cases.claim(case, by=ada)
    if verb == "resume":
        case = cases.set_pending(case, by=ada, reason="x", until=TOMORROW)
    cases.note(case, by=ada, text="first")
    before = fingerprint()

    stale = do(ada, case, verb, version=case.version, **BODIES[verb])

    assert (stale.status_code, stale.json()["code"]) == (409, "stale_version")
    assert fingerprint() == before
    fresh = do(ada, case, verb, version=case.version + 1, **BODIES[verb])
    assert fresh.status_code == 200


DOCUMENTED = {
    "assign": {"team"},
    "set-priority": {"priority"},
    "mark-complaint": {"is_complaint"},
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
        *(
            (verb, WAIT | {"until": until}, "until")
            for verb in ("set-pending", "put-on-hold")
            for until in (
                *(None, True, 7, 1_700_000_000, [], {}, "", " ", "tomorrow"),
                *("2026-03-01", "2026-03-01T10:00:00", "2026-02-30T10:00:00Z"),
                *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"),
                *("10000-01-01T00:00:00Z", "2020-01-01T00:00:00Z"),
                *("2150-01-01T00:00:00Z", "2026-03-01T10:00:00Z\x00", "9" * 5000),
                *("kilimanjaro", "2026-03-01T25:00:00Z", "2026-03-01T10:00:00+99:00"),
            )
        ),
        ("set-pending", {"reason": "x"}, "until"),
        ("set-pending", {"until": WAIT["until"]}, "reason"),
        ("set-pending", WAIT | {"reason": " "}, "reason"),
        ("set-pending", WAIT | {"reason": None}, "reason"),
        ("set-pending", WAIT | {"reason": 7}, "reason"),
        ("set-pending", WAIT | {"reason": "x" * 201}, "reason"),
        ("put-on-hold", WAIT | {"reason": "a\x00"}, "reason"),
        *(
            ("mark-complaint", {"is_complaint": value}, "is_complaint")
            for value in (None, 0, 1, "true", "no", "", [], {})
        ),
        ("mark-complaint", {}, "is_complaint"),
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
    case = make.case(team=north, owner=ada)
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


def test_a_naive_end_is_told_that_its_zone_is_missing(do, north, ada):
    case = make.case(team=north, owner=ada)

    answered = do(ada, case, "set-pending", reason="x", until="2026-03-01T10:00:00")

    assert answered.json()["errors"] == {
        "until": [
            "Must be a date and time with its zone, such as 2026-03-01T14:30:00Z."
        ]
    }


def test_a_case_that_waits_says_for_what_and_until_when(do, north, ada):
    case = make.case(team=north, owner=ada)
    until = TOMORROW.astimezone(timezone(timedelta(hours=5, minutes=45)))

    waits = do(ada, case, "set-pending", reason="A photo.", until=until.isoformat())

    shown = waits.json()
    assert (shown["status"], shown["waiting_reason"]) == ("pending", "A photo.")
    assert shown["waiting_until"] == f"{TOMORROW:%Y-%m-%dT%H:%M:%SZ}"
    assert "resume" in shown["allowed_verbs"]
    resumed = do(ada, case, "resume").json()
    assert (resumed["waiting_reason"], resumed["waiting_until"]) == (None, None)


# Clocks ---------------------------------------------------------------------------------


@pytest.fixture
def explained(north, ada):
    """A case with a pause, another target, and a clock that was cancelled."""
    make.policy(hours=4, days=3, also={"statutory": (86_400, "calendar seconds")})
    case = make.case(team=north, owner=ada)
    case = cases.set_pending(
        case, by=ada, reason="A photo.", until=MONDAY + DAY, now=MONDAY + 3 * HOUR
    )
    case = cases.resume(case, by=ada, now=MONDAY + 4 * HOUR)
    case = cases.set_priority(case, by=ada, priority=1, now=MONDAY + 5 * HOUR)
    case = cases.mark_complaint(case, by=ada, now=MONDAY + 5 * HOUR)
    return cases.mark_complaint(case, by=ada, is_complaint=False, now=MONDAY + 6 * HOUR)


def test_a_clock_explains_its_due_time(api, ada, explained):
    page = api(ada).get(f"/api/v1/cases/{explained.pk}/clocks/").json()

    assert page["next"] is None
    first, resolution, statutory = page["results"]
    said = resolution["explanation"]
    assert said["due_at"] == resolution["due_at"] == "2025-03-04T10:00:00Z"
    pause = {
        "status": "pending",
        "reason": "A photo.",
        "by": {"id": ada.pk, "username": "ada"},
        "from_at": "2025-03-03T12:00:00Z",
        "expected_end_at": "2025-03-04T09:00:00Z",
        "until_at": "2025-03-03T13:00:00Z",
    }
    ends = ["12:00", "13:00", "17:00"]
    assert said["segments"][:3] == [
        {
            "start": f"2025-03-03T{start}:00Z",
            "end": f"2025-03-03T{end}:00Z",
            "kind": kind,
            "counted_seconds": counted,
            "pause": why,
        }
        for start, end, kind, counted, why in zip(
            ["09:00", *ends],
            ends,
            ["open", "paused", "open"],
            [3 * 3600, 0, 4 * 3600],
            [None, pause, None],
            strict=False,
        )
    ]
    assert said["changes"] == [
        {
            "at": "2025-03-03T14:00:00Z",
            "cause": "priority",
            "before_amount": 24 * 3600,
            "before_unit": "business seconds",
            "before_version": 1,
            "due_before_at": "2025-03-06T10:00:00Z",
            "due_after_at": "2025-03-04T10:00:00Z",
        }
    ]
    assert first["breach_cause"] == "late"  # before the target changed
    assert (statutory["cancel_cause"], statutory["metric"]) == (
        "no complaint",
        "statutory",
    )


def test_up_to_the_due_time_the_target_was_counted(api, ada, explained):
    page = api(ada).get(f"/api/v1/cases/{explained.pk}/clocks/").json()

    for clock in page["results"][:2]:
        said = clock["explanation"]
        counted = [s for s in said["segments"] if s["end"] <= said["due_at"]]
        seconds = sum(segment["counted_seconds"] for segment in counted)
        assert seconds == clock["target_amount"]


def test_a_clock_of_terms_that_cannot_be_read_has_no_explanation(
    api, ada, explained, monkeypatch
):
    def value(version):
        raise ValueError

    monkeypatch.setattr("cem_cases.models.sla.PolicyVersion.value", value)

    page = api(ada).get(f"/api/v1/cases/{explained.pk}/clocks/").json()

    assert [clock["explanation"] for clock in page["results"]] == [None] * 3


def test_clocks_come_in_pages(api, ada, explained):
    client, path = api(ada), f"/api/v1/cases/{explained.pk}/clocks/?page_size=2"

    first = client.get(path).json()
    second = client.get(first["next"]).json()

    assert [len(page["results"]) for page in (first, second)] == [2, 1]
    assert second["next"] is None
    assert client.get(f"{path}&metric=resolution").status_code == 400


# Escalations ----------------------------------------------------------------------------


@pytest.fixture
def escalated(north, ada):
    step = {"metric": "first contact", "percent": 100, "action": "notify owner"}
    make.policy(hours=4, steps=[step])
    case = make.case(team=north, owner=ada)
    sla.sweep(now=MONDAY + 5 * HOUR)
    return case


def acknowledge(client, case, key, body=None):
    path = f"/api/v1/cases/{case.pk}/escalations/{key}/acknowledge/"
    return client.post(path, body or {}, format="json")


def test_an_escalation_is_acknowledged_once(api, ada, escalated):
    client, row = api(ada), Escalation.objects.get()
    shown = client.get(f"/api/v1/cases/{escalated.pk}/").json()["escalations"]
    expected = {
        "id": row.pk,
        "clock": row.clock_id,
        "metric": "first contact",
        "cycle": 1,
        "level": "100 % of the target: notify owner",
        "action": "notify owner",
        "reason": "first contact: 100 % of the target",
        "done": "1 told",
        "at": "2025-03-03T14:00:00Z",
        "acknowledged_at": None,
        "acknowledged_by": None,
    }
    assert shown == [expected]

    answered = acknowledge(client, escalated, row.pk)
    again = acknowledge(client, escalated, row.pk)

    row.refresh_from_db()
    said = answered.json()
    assert (answered.status_code, row.acknowledged_by) == (200, ada)
    assert said.keys() == expected.keys()
    assert said["acknowledged_by"] == {"id": ada.pk, "username": "ada"}
    assert said["acknowledged_at"] is not None
    assert (again.status_code, again.json()["code"]) == (409, "not_allowed_now")
    assert not list(audit.verify())


def test_an_escalation_that_is_not_this_cases_is_answered_like_none(
    api, north, ada, escalated, fingerprint
):
    mine = make.case(team=north)
    row, client = Escalation.objects.get(), api(ada)
    before = fingerprint()

    answers = [
        acknowledge(client, case, key)
        for case, key in (
            (mine, row.pk),
            (escalated, row.pk + 999),
            (escalated, "x"),
            (escalated, "0"),
            (escalated, "9" * 30),
            (escalated, f"%00{row.pk}"),
            (escalated, f"{row.pk}%0A"),
        )
    ]
    Case.objects.filter(pk=escalated.pk).update(team=make.team("south"))
    answers.append(acknowledge(client, escalated, row.pk))

    assert {answered.status_code for answered in answers} == {404}
    assert len({answered.content for answered in answers}) == 1
    Case.objects.filter(pk=escalated.pk).update(team=north)
    Team.objects.filter(slug="south").delete()
    assert fingerprint() == before


@pytest.mark.parametrize("body", [{"version": 1}, {"by": 1}, [1], "x", None])
def test_to_acknowledge_takes_no_fields(api, ada, escalated, body, fingerprint):
    before, row = fingerprint(), Escalation.objects.get()
    path = f"/api/v1/cases/{escalated.pk}/escalations/{row.pk}/acknowledge/"

    answered = api(ada).generic("POST", path, json.dumps(body), "application/json")

    assert answered.status_code == 400
    assert fingerprint() == before


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
                last_activity_at=MONDAY,
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
    assert one[0] == many[0] == 6
    longer = queries(client, f"{path}timeline/")
    assert len(longer[1]["results"]) == 12
    assert timeline[0] == longer[0] == 4


def test_the_clocks_of_a_case_take_the_same_queries_however_many_they_are(
    api, north, ada
):
    make.policy(also={"next update": (3600, "business seconds")})
    case = make.case(team=north, owner=ada)
    client = api(ada)
    client.get("/api/v1/cases/")
    path = f"/api/v1/cases/{case.pk}/clocks/"

    def more(count):
        nonlocal case
        for n in range(count):
            now = MONDAY + n * HOUR / 10
            call = {"channel": "phone", "attempt": "reached", "now": now}
            case = cases.contact(case, by=ada, **call)
            case = cases.set_priority(case, by=ada, priority=1 + n % 2, now=now)
            case = cases.set_pending(
                case, by=ada, reason="x", until=now + HOUR, now=now
            )
            case = cases.resume(case, by=ada, now=now + HOUR / 20)

    more(1)
    one = queries(client, path)
    more(10)
    many = queries(client, path)

    assert (len(one[1]["results"]), len(many[1]["results"])) == (3, 13)
    # the case, its clocks, their pauses and changes
    assert one[0] == many[0] == 4


def test_of_what_belongs_to_a_case_the_newest_hundred_are_shown(api, north, ada):
    case = make.case(team=north, owner=ada)
    for n in range(101):
        case.contacts.create(channel=f"c{n}", attempt="sent", at=MONDAY)

    shown = api(ada).get(f"/api/v1/cases/{case.pk}/").json()["contacts"]

    assert [contact["channel"] for contact in shown] == [f"c{n}" for n in range(1, 101)]
