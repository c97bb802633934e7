import itertools
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from cem_cases.api.permissions import VERBS
from cem_cases.loop import sla
from cem_cases.models import Escalation
from tests import make

READING = ["cases/", "cases/{}/", "cases/{}/timeline/", "cases/{}/clocks/"]
WAIT = {
    "reason": "a photo",
    "until": (datetime.now(UTC) + timedelta(days=1)).isoformat(),
}
BODIES = {
    "assign": {"to": None},
    "decline": {"reason": "again"},
    "note": {"text": "called"},
    "contact": {"channel": "phone", "attempt": "reached"},
    "set-priority": {"priority": "high"},
    "set-pending": WAIT,
    "put-on-hold": WAIT,
    "mark-complaint": {"is_complaint": True},
    "resolve": {"root_cause": "late-delivery", "outcome": "recovered", "note": "paid"},
    "reopen": {"reason": "again"},
}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("permissions", "status"),
    [
        ([], 403),
        (["view_all_cases"], 403),
        (["work_case"], 403),
        (["change_case", "add_case", "add_response"], 403),
        (["view_case"], 200),
    ],
)
@pytest.mark.parametrize("path", READING)
def test_to_read_takes_view(api, path, permissions, status):
    case = make.case(team=(north := make.team("north")))
    user = make.user("", *permissions)
    north.memberships.create(user=user)

    answered = api(user).get(f"/api/v1/{path.format(case.pk)}")

    assert answered.status_code == status


@pytest.mark.django_db
@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("work", [False, True])
@pytest.mark.parametrize("assign", [False, True])
def test_each_verb_takes_its_permission(api, verb, work, assign):
    case = make.case(team=(north := make.team("north")))
    make.root_cause()
    permissions = itertools.compress(["work_case", "assign_case"], [work, assign])
    user = make.user("", "view_case", *permissions)
    north.memberships.create(user=user)

    answered = api(user).post(
        f"/api/v1/cases/{case.pk}/{verb}/", BODIES.get(verb, {}), format="json"
    )

    may = assign if verb == "assign" else work
    # a new case has no owner, nothing to wait for, and is neither waiting nor resolved
    owned = ("decline", "set-pending", "put-on-hold", "resume")
    refused = 409 if verb in ("reopen", "close", *owned) else 200
    assert answered.status_code == (refused if may else 403)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("permissions", "status"),
    [
        (["view_case"], 403),
        (["work_case"], 403),
        (["view_case", "assign_case"], 403),
        (["view_case", "work_case"], 200),
    ],
)
def test_to_acknowledge_takes_work(api, permissions, status):
    step = {"metric": "first contact", "percent": 100, "action": "notify lead"}
    make.policy(hours=4, steps=[step])
    case = make.case(team=(north := make.team("north")))
    sla.sweep(now=make.MONDAY + 5 * make.HOUR)
    user = make.user("", *permissions)
    north.memberships.create(user=user)
    key = Escalation.objects.get().pk

    answered = api(user).post(
        f"/api/v1/cases/{case.pk}/escalations/{key}/acknowledge/", {}, format="json"
    )

    assert answered.status_code == status
    assert Escalation.objects.open().exists() is (status == 403)


@pytest.mark.django_db
@pytest.mark.parametrize("verb", VERBS)
def test_to_work_without_seeing_is_nothing(api, fingerprint, verb):
    case = make.case(team=(north := make.team("north")))
    user = make.user("", "work_case", "assign_case")
    north.memberships.create(user=user)
    before = fingerprint()

    answered = api(user).post(
        f"/api/v1/cases/{case.pk}/{verb}/", BODIES.get(verb, {}), format="json"
    )

    assert answered.status_code == 403
    assert fingerprint() == before


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("permissions", "status"),
    [([], 403), (["view_case", "work_case"], 403), (["add_response"], 201)],
)
def test_to_send_responses_takes_add_response(api, permissions, status):
    make.nps()

    answered = api(make.user("", *permissions)).post(
        "/api/v1/responses/", make.answer(), format="json"
    )

    assert answered.status_code == status


@pytest.mark.django_db
def test_a_session_needs_its_csrf_token(fingerprint):
    case = make.case(team=(north := make.team("north")))
    ada = make.agent(north)
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(ada)
    before = fingerprint()

    answered = browser.post(f"/api/v1/cases/{case.pk}/claim/")

    assert answered.status_code == 403
    assert "CSRF" in answered.json()["detail"]
    assert fingerprint() == before
    browser.cookies["csrftoken"] = token = "a" * 32
    answered = browser.post(
        f"/api/v1/cases/{case.pk}/claim/",
        content_type="application/json",
        headers={"x-csrftoken": token},
    )
    assert answered.status_code == 200
