"""What goes out, in the admin: who sees it, who may try again, and whose secret it is."""

import re

import pytest
from django.contrib.auth.models import Permission

from cem_cases import rules
from cem_cases.loop import effects, letters
from cem_cases.models import Letter, Membership, Template, WebhookCall, WebhookEndpoint
from tests import make, outgoing
from tests.admin import at

LETTERS, CALLS = at.rows("letter"), at.rows("webhookcall")
ENDPOINTS, TEMPLATES = at.rows("webhookendpoint"), at.rows("template")
SECRET = re.compile(r"whsec_[A-Za-z0-9+/=]+")
FIELDS = {"name": "crm", "url": "https://hooks.example.com/", "is_active": "on"}


def allow(user, *codes):
    user.user_permissions.add(*Permission.objects.filter(codename__in=codes))
    return user


@pytest.fixture
def case(north):
    return outgoing.case(team=north)


@pytest.fixture
def gone_out(case):
    """A letter and a call of the case, failed."""
    outgoing.endpoint()
    outgoing.letter(case)
    wish = outgoing.due(rules.CallWebhook("crm"), case)
    effects.perform([wish], now=make.MONDAY)
    for model in (Letter, WebhookCall):
        model.objects.update(state="failed", attempts=8, error="TimeoutError")
    return Letter.objects.get(), WebhookCall.objects.get()


@pytest.fixture
def reader(ada):
    return allow(ada, "view_letter", "view_webhookcall", "view_webhookendpoint")


@pytest.fixture
def rule_admin(db):
    user = make.user("rules", is_staff=True)
    codes = ("add", "change", "view")
    return allow(user, *(f"{code}_webhookendpoint" for code in codes))


# Letters and calls


@pytest.mark.parametrize("path", [LETTERS, CALLS])
def test_an_agent_sees_what_goes_out_of_cases_of_their_teams(
    door, reader, gone_out, path
):
    answered = door(reader).get(path)

    assert "TimeoutError" in at.text(answered)
    assert len(answered.context["cl"].result_list) == 1


@pytest.mark.parametrize("number", [1, 20])
@pytest.mark.parametrize("path", [LETTERS, CALLS])
def test_the_lists_cost_the_same_for_one_row_and_for_many(
    door, root, case, path, number, django_assert_num_queries
):
    outgoing.endpoint()
    outgoing.template()
    for _ in range(number):
        wanted = [rules.SendTemplate("sorry"), rules.CallWebhook("crm")]
        due = [outgoing.due(each, case) for each in wanted]
        effects.perform(due, now=make.MONDAY)
    client = door(root)

    with django_assert_num_queries(4):  # session, user, count, the rows
        shown = client.get(path).context["cl"].result_list

    assert len(shown) == number


@pytest.mark.parametrize("path", [LETTERS, CALLS])
def test_of_other_cases_they_see_nothing(door, reader, gone_out, path):
    Membership.objects.filter(user=reader).update(is_active=False)

    client = door(reader)
    assert not client.get(path).context["cl"].result_list
    for row in gone_out:
        assert client.get(at.page(row)).status_code == 302


@pytest.mark.parametrize("path", [LETTERS, CALLS])
def test_without_permission_there_is_no_list(door, ada, gone_out, path):
    assert door(ada).get(path).status_code == 403


@pytest.mark.parametrize(
    ("path", "code"), [(LETTERS, "letter"), (CALLS, "webhookcall")]
)
def test_what_failed_is_tried_again_by_who_may(door, reader, gone_out, path, code):
    row = next(r for r in gone_out if r._meta.model_name == code)
    data = {"action": "try_again", "_selected_action": [row.pk]}

    door(reader).post(path, data)
    assert type(row).objects.get().state == "failed"

    allow(reader, f"change_{code}")
    answered = door(reader).post(path, data, follow=True)
    assert at.said(answered) == ["1 waits again."]
    assert type(row).objects.get().state == "waiting"


def test_who_may_try_again_cannot_do_so_with_other_cases(door, reader, gone_out):
    allow(reader, "change_letter")
    Membership.objects.filter(user=reader).update(is_active=False)

    data = {"action": "try_again", "_selected_action": [gone_out[0].pk]}
    door(reader).post(LETTERS, data)

    assert Letter.objects.get().state == "failed"


def test_what_was_told_and_answered_is_shown_as_text(door, root, gone_out):
    hostile = "<script>alert(1)</script>"
    WebhookCall.objects.update(answer=hostile)

    answered = door(root).get(at.page(gone_out[1]))

    assert "rule.matched" in at.text(answered)
    assert hostile not in answered.content.decode()


# Endpoints


def test_the_secret_is_shown_once(door, rule_admin):
    client = door(rule_admin)

    answered = client.post(f"{ENDPOINTS}add/", FIELDS)

    (secret,) = SECRET.findall(at.text(answered))
    assert "no-store" in answered["Cache-Control"]
    endpoint = WebhookEndpoint.objects.get()
    for path in (at.page(endpoint), ENDPOINTS, f"{ENDPOINTS}{endpoint.pk}/history/"):
        assert secret not in client.get(path).content.decode()


def test_another_secret_takes_a_permission_of_its_own(door, rule_admin):
    endpoint = outgoing.endpoint()
    path = f"{ENDPOINTS}{endpoint.pk}/rotate/"
    client = door(rule_admin)
    assert client.get(path).status_code == client.post(path).status_code == 403

    client = door(allow(make.user("two", is_staff=True), "rotate_webhook_secret"))
    assert client.get(path).status_code in (200, 404)
    client = door(allow(rule_admin, "rotate_webhook_secret"))
    assert not SECRET.findall(at.text(client.get(path)))
    assert WebhookEndpoint.objects.get().fingerprint == endpoint.fingerprint
    (secret,) = SECRET.findall(at.text(client.post(path)))
    assert secret != endpoint.secret
    assert WebhookEndpoint.objects.get().fingerprint != endpoint.fingerprint
    assert client.post(f"{ENDPOINTS}999/rotate/").status_code == 404


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/",
        "https://127.0.0.1/",
        "https://localhost/",
        "https://user:pw@example.com/",
        "https://exa\tmple.com/",
        "https://example.com/" + "a" * 3000,
        "",
    ],
)
def test_a_url_that_is_refused_is_an_error_of_its_field(door, rule_admin, url):
    answered = door(rule_admin).post(f"{ENDPOINTS}add/", FIELDS | {"url": url})

    assert answered.status_code == 200
    assert len(answered.context["adminform"].form.errors["url"]) == 1
    assert not WebhookEndpoint.objects.exists()


def test_an_endpoint_is_switched_off_and_keeps_its_name(door, rule_admin):
    endpoint = outgoing.endpoint()

    data = {"name": "other", "url": "https://hooks.example.com:8443/x"}
    door(rule_admin).post(at.page(endpoint), data)

    found = WebhookEndpoint.objects.get()
    assert (found.name, found.url, found.is_active) == ("crm", data["url"], False)
    assert found.fingerprint == endpoint.fingerprint


def test_one_that_switched_itself_off_says_why(door, root):
    outgoing.endpoint()
    WebhookEndpoint.objects.update(
        is_active=False, disabled_at=make.MONDAY, disabled_because="it answered 410"
    )

    assert "it answered 410" in at.text(door(root).get(ENDPOINTS))


# Templates


def test_a_template_is_shown_as_a_customer_would_read_it(door, root):
    template = outgoing.template()

    shown = at.text(door(root).get(at.page(template)))

    assert "About case 4711" in shown
    assert "Dear Ada Lovelace" in shown
    assert "{{ agent_name }}" in shown


@pytest.mark.parametrize("body", ["{{ nope }}", "{% now %}", "{{ survey_link }}"])
def test_what_nobody_replaces_is_refused_with_the_list(door, root, body):
    data = {"name": "Sorry", "slug": "sorry", "subject": "Hi", "body": body}

    answered = door(root).post(f"{TEMPLATES}add/", data)

    assert answered.context["adminform"].form.errors["body"]
    assert not Template.objects.exists()


# The case


def test_a_letter_stands_in_the_timeline_of_its_case(door, ada, case):
    outgoing.letter(case)
    Letter.objects.update(
        state="sent", sent_at=make.MONDAY, subject="We are sorry", body="Truly."
    )
    letters.settle(now=make.MONDAY)

    shown = at.text(door(ada).get(at.page(case)))

    assert "We are sorry" in shown
    assert "Truly." in shown
