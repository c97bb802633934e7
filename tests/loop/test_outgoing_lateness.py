"""What the doctor says of letters, calls and invitations."""

import pytest

from cem_cases import rules
from cem_cases.loop import effects, invitations
from cem_cases.models import Letter, WebhookCall, WebhookEndpoint
from tests import make, outgoing
from tests.findings import MINUTE, told
from tests.make import DAY, HOUR, MONDAY

pytestmark = pytest.mark.django_db


def call(case=None):
    wish = outgoing.due(rules.CallWebhook("crm"), case or outgoing.case())
    effects.perform([wish], now=MONDAY)


def test_letters_that_nobody_sends():
    outgoing.letter()
    assert told("outgoing", MONDAY + 10 * MINUTE) == []
    assert told("outgoing", MONDAY + 11 * MINUTE) == [
        "warning: Letters to customers that nobody tries to send: 1."
    ]

    Letter.objects.update(attempts=1, next_attempt_at=MONDAY + HOUR)
    assert told("outgoing", MONDAY + 11 * MINUTE) == []


def test_letters_and_calls_that_failed():
    outgoing.letter()
    outgoing.endpoint()
    call()
    Letter.objects.update(state="failed")
    WebhookCall.objects.update(state="failed")

    assert told("outgoing", MONDAY + HOUR) == [
        "warning: Letters to customers of the last 7 days that failed: 1.",
        "warning: Calls of webhooks of the last 7 days that failed: 1.",
    ]
    assert told("outgoing", MONDAY + 8 * DAY) == []


def test_an_endpoint_that_fails_and_is_switched_off():
    outgoing.endpoint()
    call()
    rows = WebhookEndpoint.objects.all()
    rows.update(failing_since=MONDAY, failures=3, free_at=MONDAY + DAY)
    assert told("outgoing", MONDAY + HOUR) == []
    assert told("outgoing", MONDAY + 3 * HOUR) == [
        "warning: The webhook endpoint 'crm' has failed for 3 h."
    ]

    rows.update(is_active=False, disabled_at=MONDAY, disabled_because="it is gone")
    assert told("outgoing", MONDAY + 3 * HOUR) == [
        "warning: The webhook endpoint 'crm' was switched off 3 h ago: it is gone."
    ]


def test_a_rule_that_invites_without_a_page_to_answer_on(settings):
    make.survey(slug="after-case")
    make.rule({"do": "invite to survey", "survey": "after-case"}, name="Ask again")

    (said,) = [line for line in told("rules") if "SURVEY_URL" in line]
    assert "'Ask again'" in said


def test_invitations_that_nobody_sends(settings):
    url = "https://example.org/s/{token}"
    settings.CEM_CASES = {**settings.CEM_CASES, "SURVEY_URL": url}
    wish = outgoing.due(rules.Invite(make.survey().slug, 3), outgoing.case())
    effects.perform([wish], now=MONDAY)

    assert told("outgoing", MONDAY + 3 * DAY) == []
    later = MONDAY + 3 * DAY + HOUR
    assert told("outgoing", later) == [
        "warning: Invitations that are due and were not sent: 1."
    ]
    invitations.prepare(now=later)
    assert told("outgoing", later) == []
