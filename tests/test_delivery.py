"""From an answer to what goes out: real tasks, a real receiver, and what goes wrong."""

import json
import logging

import pytest
from django.core import mail
from django.core.management import call_command

from cem_cases import delivery, tasks
from cem_cases.channels import webhooks
from cem_cases.loop import invitations
from cem_cases.models import Contact, Invitation, Letter, Notification, WebhookCall
from tests import make, outgoing
from tests.channels import backends
from tests.receivers import loopback, receiver

pytestmark = pytest.mark.django_db


@pytest.fixture
def to(monkeypatch):
    with receiver() as made:
        monkeypatch.setattr(webhooks, "Wire", loopback)
        yield made


@pytest.fixture
def everything(to, settings):
    """A rule that does all there is to do, and an answer that it matches."""
    url = "https://example.org/s/{token}"
    settings.CEM_CASES = {**settings.CEM_CASES, "SURVEY_URL": url}
    outgoing.template()
    outgoing.endpoint(url=to.url)
    team = make.team("care")
    make.agent(team, "ada", role="lead")
    make.survey(slug="after-case")
    make.rule(
        "open case",
        {"do": "set team", "team": "care"},
        {"do": "notify", "who": ["leads"]},
        {"do": "send template", "template": "sorry"},
        {"do": "call webhook", "webhook": "crm"},
        {"do": "invite to survey", "survey": "after-case"},
        name="VIP",
    )
    customer = {"external_id": "c1", "email": "c1@example.org", "name": "Zoë"}
    return make.response(score=2, customer=customer)


def test_a_rule_lets_go_out_what_it_says(everything, to):
    tasks.sweep()
    tasks.sweep()

    everything.refresh_from_db()
    case = everything.case
    assert Notification.objects.get().recipient.username == "ada"
    assert Letter.objects.get(invitation=None).state == "sent"
    assert Contact.objects.get().case == case
    (told,) = to.told
    assert told["data"]["rule"]["name"] == "VIP"
    assert told["data"]["case"]["number"] == case.pk
    assert told["data"]["response"]["band"] == "detractor"
    # ten minutes later the invitation follows
    assert [message.to for message in mail.outbox] == [["c1@example.org"]]
    assert Invitation.objects.get().status == "waiting"


def test_the_drain_does_it_too_and_says_how_much(everything, to, capsys):
    call_command("cem_drain", "--json")

    totals = json.loads(capsys.readouterr().out)
    assert (totals["letters"], totals["calls"], totals["failed"]) == (1, 1, 0)


def test_wrong_mail_settings_keep_no_webhook_from_being_called(
    everything, to, settings, caplog
):
    backends.use(settings, "NoSuchBackend")
    tasks.drain()

    with caplog.at_level(logging.ERROR):
        done = delivery.deliver()

    assert (done.letters, done.calls) == (0, 1)
    assert [record.getMessage() for record in caplog.records] == [
        "No letters were sent: ImportError"
    ]
    assert Letter.objects.filter(state="waiting", attempts=0).exists()


def test_a_failure_on_the_way_undoes_no_decision(everything, to, settings):
    to.manners = lambda connection: None
    backends.use(settings, "Full")

    tasks.sweep()

    everything.refresh_from_db()
    assert everything.case is not None
    assert WebhookCall.objects.get().state == "waiting"


def test_what_breaks_among_invitations_keeps_no_letter_back(
    everything, to, monkeypatch
):
    def broken(*, now):
        raise RuntimeError

    tasks.drain()
    monkeypatch.setattr(invitations, "prepare", broken)

    assert delivery.deliver().letters == 1


def test_nothing_that_goes_out_names_anybody_in_the_log(
    everything, to, caplog, settings
):
    backends.use(settings, "Full")
    to.manners = lambda connection: None

    with caplog.at_level(logging.DEBUG, logger="cem_cases"):
        tasks.sweep()

    assert "SMTPDataError" in caplog.text
    for canary in ("c1@example.org", "Zoë", "whsec_"):
        assert canary not in caplog.text
