"""What rules let go out becomes rows: once, in a fixed number of statements."""

import json

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from cem_cases import rules
from cem_cases.loop import audit, calls, effects, invitations, letters
from cem_cases.models import (
    AuditEvent,
    Contact,
    Invitation,
    Letter,
    Membership,
    Notification,
    Template,
    WebhookCall,
    WebhookEndpoint,
)
from tests import make, outgoing
from tests.make import DAY, HOUR, MONDAY
from tests.notices import event
from tests.threads import at_once

pytestmark = pytest.mark.django_db

Audience = rules.Audience


@pytest.fixture
def case(db):
    return outgoing.case()


@pytest.fixture
def site(settings):
    url = "https://example.org/s/{token}"
    settings.CEM_CASES = {**settings.CEM_CASES, "SURVEY_URL": url}


def perform(*due, now=MONDAY):
    with transaction.atomic():
        effects.perform(due, now=now)


def told(*audiences, case, users=(), **fields):
    """Whom a rule tells."""
    perform(outgoing.due(rules.Notify(audiences, users), case, **fields))
    return set(Notification.objects.values_list("recipient__username", flat=True))


# Notifications


def test_each_audience_is_told(case):
    owner = make.agent(case.team, "owner")
    make.agent(case.team, "lead", role="lead")
    make.agent(case.team, "manager", role="manager")
    case.watchers.add(make.agent(case.team, "watcher"))
    make.agent(make.team(), "stranger", role="lead")
    type(case).objects.filter(pk=case.pk).update(owner=owner, status="open")

    for audience, names in {
        Audience.OWNER: {"owner"},
        Audience.LEADS: {"lead"},
        Audience.MANAGERS: {"manager"},
        Audience.WATCHERS: {"watcher"},
        Audience.TEAM: {"owner", "lead", "manager", "watcher"},
    }.items():
        Notification.objects.all().delete()
        assert told(audience, case=case) == names


def test_users_are_told_by_name_if_they_may_see_the_case(case):
    make.agent(case.team, "ada")
    make.agent(case.team, "gone", is_active=False)
    Membership.objects.filter(user__username="gone").update(is_active=True)
    type(make.user("off", is_active=False)).objects.filter(username="gone").update(
        is_active=False
    )
    make.agent(make.team(), "stranger")
    make.manager("boss")

    names = ("ada", "gone", "off", "stranger", "boss", "nobody")
    assert told(case=case, users=names) == {"ada", "boss"}


def test_a_watcher_who_may_not_see_the_case_any_more_is_not_told(case):
    watcher = make.agent(case.team, "watcher")
    case.watchers.add(watcher)
    Membership.objects.filter(user=watcher).update(is_active=False)

    assert told(Audience.WATCHERS, case=case) == set()


def test_the_line_says_which_rule_and_why_and_nothing_of_the_customer(case):
    make.agent(case.team, "ada")
    rule = outgoing.rule("VIP detractors")

    told(Audience.TEAM, case=case, rule=rule)

    text = Notification.objects.get().text
    assert text == f"Rule 'VIP detractors': case #{case.pk} (band is detractor)."


def test_it_is_about_the_event_or_else_the_last_one_of_the_case(case):
    make.agent(case.team, "ada")
    earlier = event(case)
    last = event(case)

    told(Audience.TEAM, case=case)
    told(Audience.TEAM, case=case, event=earlier.pk)

    found = Notification.objects.order_by("pk").values_list("event", flat=True)
    assert list(found) == [last.pk, earlier.pk]


def test_a_person_is_told_of_an_event_once_whoever_tells(case):
    make.agent(case.team, "ada")

    told(Audience.TEAM, case=case)
    told(Audience.TEAM, Audience.LEADS, case=case)

    assert Notification.objects.count() == 1


def test_without_a_case_there_is_nothing_to_tell(case):
    due = outgoing.due(
        rules.Notify((Audience.TEAM,)),
        customer=case.customer_id,
        response=case.opening_response_id,
    )

    perform(due)

    assert not Notification.objects.exists()


# Letters


def test_a_letter_is_a_row_that_waits(case):
    template = outgoing.template()
    rule = outgoing.rule()

    perform(outgoing.due(rules.SendTemplate("sorry"), case, rule=rule))

    letter = Letter.objects.get()
    assert (letter.state, letter.template, letter.customer_id, letter.case) == (
        *("waiting", template, case.customer_id, case),
    )
    assert (letter.rule_id, letter.rule_version) == (rule.key, rule.version)
    assert letter.next_attempt_at == MONDAY


def test_a_template_that_there_is_not_is_said_on_the_row(case):
    perform(outgoing.due(rules.SendTemplate("nope"), case))

    letter = Letter.objects.get()
    assert (letter.state, letter.error) == ("not sent", letters.NO_TEMPLATE)


def test_the_same_twice_in_one_rule_is_one_letter(case):
    outgoing.template()
    due = outgoing.due(rules.SendTemplate("sorry"), case)

    perform(due, due)

    assert Letter.objects.count() == 1


@pytest.mark.parametrize("kind", ["letter", "call", "invitation"])
def test_a_rule_does_a_thing_once_about_a_subject(case, kind, site):
    outgoing.template()
    outgoing.endpoint()
    survey = make.survey()
    effect = {
        "letter": rules.SendTemplate("sorry"),
        "call": rules.CallWebhook("crm"),
        "invitation": rules.Invite(survey.slug),
    }[kind]
    due = outgoing.due(effect, case)
    perform(due)

    with pytest.raises(IntegrityError):
        perform(due)
    perform(outgoing.due(effect, case, rule=due.rule, event=event(case).pk))


def test_a_sent_letter_is_a_contact_of_its_case_and_an_event(case):
    letter = outgoing.letter(case)
    Letter.objects.update(state="sent", sent_at=MONDAY, subject="Hi", body="Sorry.")
    before = type(case).objects.get(pk=case.pk)

    assert letters.settle(now=MONDAY + HOUR) == 1
    assert letters.settle(now=MONDAY + HOUR) == 0

    contact = Contact.objects.get()
    assert (contact.case, contact.direction, contact.channel) == (case, "out", "email")
    assert (contact.attempt, contact.author, contact.at) == ("sent", None, MONDAY)
    assert (contact.subject, contact.body) == ("Hi", "Sorry.")
    said = AuditEvent.objects.filter(kind="case.contacted").get()
    assert (said.case, said.actor_id) == (case, None)
    assert said.data["contact"] == contact.pk
    assert said.data["by_rule"] == letter.rule_id
    # its words are in one place only, and no machine has spoken with the customer
    letter.refresh_from_db()
    assert (letter.subject, letter.body, letter.noted_at) == ("", "", MONDAY + HOUR)
    after = type(case).objects.get(pk=case.pk)
    assert after.first_contact_at is None
    assert (after.version, after.last_activity_at) == (
        *(before.version, before.last_activity_at),
    )
    assert not list(audit.verify())


@pytest.mark.django_db(transaction=True)
def test_a_letter_whose_case_is_locked_is_noted_the_next_time():
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    case = outgoing.case()
    outgoing.letter(case)
    Letter.objects.update(state="sent", sent_at=MONDAY)

    with transaction.atomic():
        type(case).objects.select_for_update().get(pk=case.pk)
        assert at_once([lambda: letters.settle(now=MONDAY)]) == [0]

    assert letters.settle(now=MONDAY) == 1


def test_the_clock_of_the_first_contact_goes_on(db):
    make.policy()
    case = outgoing.case()
    outgoing.letter(case)
    Letter.objects.update(state="sent", sent_at=MONDAY)

    letters.settle(now=MONDAY)

    clock = case.clocks.get(metric="first contact")
    assert clock.completed_at is None


def test_a_letter_without_a_case_is_only_a_row(case):
    outgoing.template()
    perform(
        outgoing.due(
            rules.SendTemplate("sorry"),
            customer=case.customer_id,
            response=case.opening_response_id,
        )
    )
    Letter.objects.update(state="sent", sent_at=MONDAY, subject="Hi", body="Sorry.")

    letters.settle(now=MONDAY)

    assert not Contact.objects.exists()
    assert Letter.objects.get().body == "Sorry."


def test_a_case_whose_audit_is_broken_keeps_no_other_letter(case):
    """One poison row; the others are noted."""
    other = outgoing.case()
    for each in (case, other):
        outgoing.letter(each)
    Letter.objects.update(state="sent", sent_at=MONDAY)
    stream = audit.stream_of(case.pk)
    audit.AuditHead.objects.filter(stream=stream).update(sequence=0)

    letters.settle(now=MONDAY)

    assert Contact.objects.get().case == other
    assert Letter.objects.filter(noted_at=None).count() == 1


# Calls


def test_a_call_tells_what_was_true_when_the_rule_acted(case):
    outgoing.endpoint()
    rule = outgoing.rule("VIP")

    perform(outgoing.due(rules.CallWebhook("crm"), case, rule=rule))
    type(case).objects.filter(pk=case.pk).update(priority=1)

    call = WebhookCall.objects.get()
    told = json.loads(call.payload)
    assert (told["id"], told["type"]) == (call.message_id, "rule.matched")
    assert told["timestamp"] == MONDAY.isoformat()
    assert told["data"]["rule"] == {"key": rule.key, "name": "VIP", "version": 1}
    assert told["data"]["case"] == {
        "number": case.pk,
        "status": "new",
        "priority": "normal",
        "kind": "recovery",
        "team": case.team.slug,
        "is_complaint": False,
        "opened_at": MONDAY.isoformat(),
        "due_at": None,
    }
    assert told["data"]["response"] == {
        "id": case.opening_response_id,
        "survey": "nps",
        "score": 3,
        "band": "detractor",
    }


@pytest.mark.parametrize("include", [False, True])
def test_the_comment_is_told_only_where_the_endpoint_asks_for_it(include):
    outgoing.endpoint("other", include_comment=True)
    outgoing.endpoint(include_comment=include)
    case = outgoing.case(comment="A 🙂 \u2028 private word")

    perform(
        outgoing.due(rules.CallWebhook("crm"), case),
        outgoing.due(rules.CallWebhook("other"), case),
    )

    payload = WebhookCall.objects.get(name="crm").payload
    assert ("private word" in payload) is include
    assert "ada@example.org" not in payload


@pytest.mark.parametrize(
    ("name", "reason"), [("nope", calls.NO_ENDPOINT), ("off", calls.SWITCHED_OFF)]
)
def test_a_webhook_that_cannot_be_called_is_said_on_the_row(case, name, reason):
    outgoing.endpoint("off", is_active=False)

    perform(outgoing.due(rules.CallWebhook(name), case))

    call = WebhookCall.objects.get()
    assert (call.state, call.error) == ("not sent", reason)


def test_a_call_about_no_case_says_so(case):
    outgoing.endpoint()

    perform(
        outgoing.due(
            rules.CallWebhook("crm"),
            customer=case.customer_id,
            response=case.opening_response_id,
        )
    )

    assert json.loads(WebhookCall.objects.get().payload)["data"]["case"] is None


def test_an_endpoint_has_a_secret_that_is_not_in_the_database(db):
    endpoint = outgoing.endpoint()

    assert endpoint.secret.startswith("whsec_")
    assert endpoint.secret not in str(list(WebhookEndpoint.objects.values()))
    kinds = AuditEvent.objects.values_list("kind", flat=True)
    assert list(kinds) == ["webhookendpoint.created"]
    assert endpoint.secret not in AuditEvent.objects.get().payload


def test_another_secret_is_another(db):
    endpoint = outgoing.endpoint()

    assert calls.rotate_secret(endpoint, by=None) not in ("", endpoint.secret)
    kinds = AuditEvent.objects.order_by("pk").values_list("kind", flat=True)
    assert kinds.last() == "webhookendpoint.rotated"


def test_saving_an_endpoint_again_shows_no_secret_and_forgets_failures(db):
    endpoint = outgoing.endpoint()
    rows = WebhookEndpoint.objects.filter(pk=endpoint.pk)
    rows.update(is_active=False, failures=9, failing_since=MONDAY, free_at=MONDAY)
    found = rows.get()
    found.is_active = True

    assert calls.save_endpoint(found, by=None) == ""
    assert (rows.get().failures, rows.get().failing_since) == (0, None)


@pytest.mark.parametrize("url", ["http://hooks.example.com/", "https://127.1/", "x"])
def test_a_url_that_is_refused_is_not_saved(db, url):
    with pytest.raises(ValidationError, match="Must"):
        calls.save_endpoint(WebhookEndpoint(name="crm", url=url), by=None)


def test_http_is_allowed_by_a_setting(db, settings):
    settings.CEM_CASES = {**settings.CEM_CASES, "WEBHOOK_HTTP": True}
    endpoint = WebhookEndpoint(name="crm", url="http://hooks.example.com/")

    assert calls.save_endpoint(endpoint, by=None)


# Invitations


def invite(case, survey, *, days=0, now=MONDAY, **fields):
    perform(outgoing.due(rules.Invite(survey.slug, days), case, **fields), now=now)
    return Invitation.objects.latest("pk")


def fresh(row):
    return type(row).objects.get(pk=row.pk)


def outcome(row):
    return fresh(row).status, fresh(row).reason


def test_an_invitation_waits_for_its_day(case, site):
    invitation = invite(case, make.survey(), days=14)

    assert invitations.prepare(now=MONDAY + 13 * DAY) == 0
    assert invitations.prepare(now=MONDAY + 14 * DAY) == 1
    assert invitations.prepare(now=MONDAY + 14 * DAY) == 0

    letter = Letter.objects.get()
    assert (letter.invitation, letter.case) == (invitation, None)
    assert fresh(invitation).expires_at == MONDAY + 44 * DAY


def test_without_a_page_for_the_survey_the_row_says_so(case):
    assert outcome(invite(case, make.survey())) == ("not sent", invitations.NO_URL)


def test_a_page_that_was_taken_away_meanwhile(case, site, settings):
    invitation = invite(case, make.survey(), days=1)
    settings.CEM_CASES = {**settings.CEM_CASES, "SURVEY_URL": ""}

    invitations.prepare(now=MONDAY + DAY)

    assert outcome(invitation) == ("not sent", invitations.NO_URL)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"opted_out_at": MONDAY}, "opted out"),
        ({"erased_at": MONDAY}, "erased"),
        ({"email": ""}, "no e-mail address"),
    ],
)
def test_who_is_not_invited_and_why(case, site, changes, reason):
    invitation = invite(case, make.survey())
    outgoing.customer(case, **changes)

    invitations.prepare(now=MONDAY)

    assert outcome(invitation) == ("not sent", reason)
    assert not Letter.objects.exists()


def test_a_survey_that_is_not_active_invites_nobody(case, site):
    invitation = invite(case, make.survey(is_active=False))

    invitations.prepare(now=MONDAY)

    assert outcome(invitation) == ("not sent", invitations.NOT_ACTIVE)


def test_nobody_is_invited_again_sooner_than_the_survey_says(case, site):
    weekly = make.survey(contact_every_days=7)
    monthly = make.survey(contact_every_days=30)
    first = invite(case, weekly)
    twin = invite(case, weekly)
    invitations.prepare(now=MONDAY)
    Letter.objects.update(state="sent", sent_at=MONDAY)
    letters.settle(now=MONDAY)
    early = invite(case, weekly, now=MONDAY + 6 * DAY)
    other = invite(case, monthly, now=MONDAY + 8 * DAY)
    later = invite(case, weekly, now=MONDAY + 8 * DAY)
    invitations.prepare(now=MONDAY + 8 * DAY)

    assert fresh(first).status == "sent"
    assert fresh(twin).reason == "was invited less than 7 days before"
    assert fresh(early).reason == ""  # it waited, and then it was late enough
    assert "30 days" in fresh(other).reason
    assert "7 days" in fresh(later).reason


def test_a_failed_letter_says_so_on_its_invitation(case, site):
    invitation = invite(case, make.survey())
    invitations.prepare(now=MONDAY)
    Letter.objects.update(state="failed", error="SMTPRecipientsRefused")

    letters.settle(now=MONDAY)

    assert outcome(invitation) == ("not sent", "SMTPRecipientsRefused")


# Batches


@pytest.mark.parametrize("kind", ["notify", "letter", "call", "invitation"])
def test_the_number_of_statements_does_not_depend_on_the_batch(kind, site):
    if connection.vendor == "sqlite":
        pytest.skip("statements are counted on PostgreSQL")
    outgoing.template()
    outgoing.endpoint(include_comment=True)
    survey = make.survey()
    team = make.team("north")
    for n in range(3):
        make.agent(team, f"agent-{n}", role="lead")
    make.manager("boss")
    effect = {
        "notify": rules.Notify((*Audience,), ("agent-1", "boss")),
        "letter": rules.SendTemplate("sorry"),
        "call": rules.CallWebhook("crm"),
        "invitation": rules.Invite(survey.slug),
    }[kind]
    cases = [outgoing.case(team=team) for _ in range(60)]
    rule = outgoing.rule()

    counts = []
    for part in (cases[:3], cases[3:30], cases[30:]):
        due = [outgoing.due(effect, case, rule=rule) for case in part]
        with transaction.atomic(), CaptureQueriesContext(connection) as found:
            effects.perform(due, now=MONDAY)
        counts.append(len(found))

    most = {"notify": 10, "letter": 2, "call": 4, "invitation": 2}[kind]
    assert max(counts) <= most, counts


def test_nothing_costs_nothing(django_assert_num_queries):
    with django_assert_num_queries(0):
        effects.perform([], now=MONDAY)


# Templates


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"body": "{{ customer.email }}"}, "body"),
        ({"subject": "{{ nope }}"}, "subject"),
        ({"body": "{% load x %}"}, "body"),
        ({"body": "{{ survey_link }}"}, "body"),
        ({"slug": "survey-invitation", "body": "no link"}, "body"),
    ],
)
def test_a_template_that_asks_for_what_there_is_not_is_refused(fields, field):
    with pytest.raises(ValidationError) as refused:
        Template(**{"slug": "a", "name": "a", "body": "b"} | fields).full_clean()

    assert field in refused.value.message_dict
