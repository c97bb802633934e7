"""Letters on their way: to whom, how often, and with which words."""

import re
from datetime import timedelta
from email import message_from_bytes, policy

import pytest
from django.core import mail

from cem_cases import rules
from cem_cases.channels import letters, outbox
from cem_cases.loop import effects, invitations
from cem_cases.loop import letters as loop_letters
from cem_cases.models import Contact, Customer, Invitation, Letter, Template
from cem_cases.outbound import secrets
from tests import make, outgoing
from tests.channels import backends
from tests.make import DAY, HOUR, MONDAY
from tests.threads import at_once

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)


def send(now=MONDAY):
    return letters.send_waiting(now=now)


def fresh(row):
    return type(row).objects.get(pk=row.pk)


def said(row):
    return fresh(row).state, fresh(row).error


def parsed():
    """The only mail there is, as it went over the wire."""
    (message,) = mail.outbox
    return message_from_bytes(message.message().as_bytes(), policy=policy.default)


@pytest.fixture
def case(db):
    return outgoing.case()


# What is sent


def test_a_letter_is_sent_once(case):
    letter = outgoing.letter(case)

    first, again = send(), send(MONDAY + HOUR)

    assert (first.sent, again.sent) == (1, 0)
    assert parsed()["To"] == "ada@example.org"
    assert parsed()["Subject"] == f"About case {case.pk}"
    assert parsed().get_content() == "Dear Ada,\nwe are sorry.\n"
    assert (fresh(letter).state, fresh(letter).sent_at) == ("sent", MONDAY)


def test_it_says_of_itself_that_a_machine_wrote_it(case):
    letter = outgoing.letter(case)
    send()

    assert parsed()["Message-ID"] == letter.message_id
    assert re.fullmatch(r"<[0-9a-f]{32}@[^@\s<>]+>", letter.message_id)
    assert parsed()["Auto-Submitted"] == "auto-generated"
    assert parsed()["X-Auto-Response-Suppress"] == "All"
    assert parsed()["Precedence"] == "bulk"


def test_every_placeholder_is_replaced():
    touchpoint = make.touchpoint(name="Delivery")
    team = make.team("care")
    case = outgoing.case(team=team, touchpoint=touchpoint.slug, score=2)
    names = [name for name in letters.placeholders.KNOWN if name != "survey_link"]
    outgoing.template(body="\n".join(f"{n}: {{{{ {n} }}}}" for n in names))
    outgoing.letter(case)

    send()

    assert parsed().get_content().splitlines() == [
        "customer_name: Ada",
        "company: ",
        f"case_number: {case.pk}",
        "survey_name: NPS",
        "score: 2",
        "touchpoint_name: Delivery",
        "answered_on: March 3, 2025",
        "agent_name: our team",
        "team_name: Care",
    ]


@pytest.mark.parametrize(
    "name",
    [
        "Ada\r\nBcc: evil@example.com",
        "Ada\nContent-Type: text/html\n\n<b>",
        "Ada\x0b\x0c\x85\u2028Bcc: evil@example.com",
        "A" * 10_000,
        "{{ score }}{% now %}",
        "\u202eadA",
    ],
)
def test_a_hostile_name_neither_injects_headers_nor_stops_the_letter(case, name):
    """R7: stock Django raises BadHeaderError, and the mail is poison."""
    outgoing.customer(case, name=name[:200])
    outgoing.template(subject="For {{ customer_name }}: {{ customer_name }}")
    outgoing.letter(case)

    assert send().sent == 1

    message = parsed()
    assert message["Bcc"] is None
    assert mail.outbox[0].recipients() == ["ada@example.org"]
    assert message.get_content_type() == "text/plain"
    assert len(mail.outbox[0].subject) <= 150
    assert "\u202e" not in mail.outbox[0].subject


# To whom not


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"opted_out_at": MONDAY}, "opted out"),
        ({"erased_at": MONDAY, "email": ""}, "erased"),
        ({"email": ""}, "no e-mail address"),
        ({"email": "nobody"}, "the e-mail address is not valid"),
        ({"email": "a@b.example\nBcc: c@d.example"}, "the e-mail address is not valid"),
    ],
)
def test_who_is_not_written_to_and_why(case, changes, reason):
    letter = outgoing.letter(case)
    outgoing.customer(case, **changes)

    done = send()

    assert (done.sent, done.dropped) == (0, 1)
    assert said(letter) == ("not sent", reason)
    assert mail.outbox == []


def test_a_template_that_is_gone(case):
    letter = outgoing.letter(case)
    Template.objects.all().delete()

    send()

    assert said(letter) == ("not sent", "the template is gone")


# No loops


def test_the_same_template_goes_to_a_customer_once_a_day(case):
    outgoing.letter(case)
    send()
    again = outgoing.letter(case, now=MONDAY + HOUR)
    send(MONDAY + HOUR)
    next_day = outgoing.letter(case, now=MONDAY + DAY)
    send(MONDAY + DAY)

    assert fresh(again).state == "not sent"
    assert "the same template" in fresh(again).error
    assert fresh(next_day).state == "sent"


def test_another_customer_gets_it(case):
    outgoing.letter(case)
    outgoing.letter(outgoing.case("bob@example.org"))

    assert send().sent == 2


def test_a_customer_gets_one_in_ten_minutes_and_the_next_waits(case):
    outgoing.letter(case)
    second = outgoing.letter(case, "how-to-return")

    assert send().sent == 1
    assert said(second) == ("waiting", "at most one automatic e-mail in 10 minutes")
    assert fresh(second).attempts == 0
    assert send(MONDAY + 9 * MINUTE).sent == 0
    assert send(MONDAY + 10 * MINUTE).sent == 1


def test_a_loop_makes_twenty_mails_a_day_at_most(case):
    now = MONDAY
    for n in range(30):
        outgoing.letter(case, f"template-{n}", now=now)
        send(now)
        now += 11 * MINUTE

    assert len(mail.outbox) == 20
    refused = Letter.objects.filter(state="not sent")
    assert refused.count() == 10
    assert "20 automatic" in refused.first().error


# Who dies in between, and what goes wrong


def test_a_repeat_after_a_crash_has_the_same_message_id(case, settings):
    letter = outgoing.letter(case)
    backends.use(settings, "Dies")
    with pytest.raises(SystemExit):
        send()
    backends.use(settings, backends.LOCMEM)

    assert send().sent == 0  # the lease holds
    assert said(letter) == ("waiting", "interrupted")
    assert send(MONDAY + outbox.LEASE).sent == 1

    ids = [message.extra_headers["Message-ID"] for message in mail.outbox]
    assert ids == [letter.message_id] * 2


def test_what_is_being_sent_counts_as_sent(case):
    outgoing.letter(case)
    outgoing.letter(case)

    mine = outbox.take(Letter.objects.due(MONDAY), MONDAY)
    assert send().dropped == 1

    outbox.mark(mine, state="sent", sent_at=MONDAY, error="")
    assert Letter.objects.filter(state="sent").count() == 1


def test_while_the_mail_server_is_away_nothing_is_used_up(case, settings):
    letter = outgoing.letter(case)
    backends.use(settings, "Away")

    for n in range(20):
        assert send(MONDAY + n * 2 * MINUTE).away
    backends.use(settings, backends.LOCMEM)
    assert fresh(letter).attempts == 0
    assert send(MONDAY + HOUR).sent == 1


def test_a_refused_letter_waits_longer_each_time_and_the_others_go(settings):
    backends.use(settings, "Refuses")
    bad = outgoing.letter(outgoing.case("bad@example.org"))
    good = outgoing.letter(outgoing.case("good@example.org"))

    now = MONDAY
    for _ in range(len(outbox.WAITS) + 1):
        send(now)
        now = fresh(bad).next_attempt_at

    assert fresh(good).state == "sent"
    assert said(bad) == ("failed", "SMTPRecipientsRefused")
    assert fresh(bad).attempts == 8
    assert now - MONDAY < timedelta(hours=72)


def test_a_failed_letter_is_sent_when_somebody_says_so(case):
    letter = outgoing.letter(case)
    Letter.objects.update(state="failed", attempts=8, error="SMTPDataError")
    loop_letters.settle(now=MONDAY)

    assert loop_letters.retry_failed([letter], now=MONDAY + 5 * DAY) == 1
    assert send(MONDAY + 5 * DAY).sent == 1
    assert loop_letters.settle(now=MONDAY + 5 * DAY) == 1
    assert Contact.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_senders_at_once_share_the_work():
    outgoing.template()
    for n in range(8):
        outgoing.letter(outgoing.case(f"c{n}@example.org"))

    at_once([send] * 3)
    send()

    assert sorted(m.to[0] for m in mail.outbox) == [
        f"c{n}@example.org" for n in range(8)
    ]


# Invitations


@pytest.fixture
def site(settings):
    url = "https://example.org/s/{token}"
    settings.CEM_CASES = {**settings.CEM_CASES, "SURVEY_URL": url}
    return settings


def invite(case, survey, now=MONDAY):
    wish = outgoing.due(rules.Invite(survey.slug), case)
    effects.perform([wish], now=now)
    invitations.prepare(now=now)
    return Invitation.objects.latest("pk")


def link():
    (found,) = re.findall(r"https://example.org/s/([\w-]+)", parsed().get_content())
    return found


def test_an_invitation_has_its_link_of_which_we_keep_the_hash(case, site):
    survey = make.survey(slug="again", name="How we recovered")
    invitation = invite(case, survey)

    send()
    loop_letters.settle(now=MONDAY)

    invitation = fresh(invitation)
    assert invitation.token_hash == secrets.fingerprint(link())
    assert (invitation.status, invitation.sent_at) == ("sent", MONDAY)
    assert "How we recovered" in parsed()["Subject"]
    assert "Dear Ada" in parsed().get_content()
    assert "for 30 days" in parsed().get_content()
    dump = str(list(Letter.objects.values())) + str(list(Invitation.objects.values()))
    assert link() not in dump


def test_a_template_of_ones_own_invites_instead(case, site):
    outgoing.template(
        "survey-invitation", subject="{{ survey_name }}", body="Go: {{ survey_link }}"
    )
    invite(case, make.survey(name="Again"))

    send()

    assert parsed()["Subject"] == "Again"
    assert parsed().get_content().startswith("Go: https://example.org/s/")


def test_a_repeat_after_a_crash_has_the_same_link(case, site):
    invite(case, make.survey())
    backends.use(site, "Dies")
    with pytest.raises(SystemExit):
        send()
    backends.use(site, backends.LOCMEM)
    send(MONDAY + outbox.LEASE)

    first, second = (message.body for message in mail.outbox)
    assert first == second


def test_with_another_secret_of_the_site_the_link_is_a_good_one(case, site):
    invitation = invite(case, make.survey())
    site.SECRET_KEY = "another"

    send()

    assert fresh(invitation).token_hash == secrets.fingerprint(link())


def test_an_invitation_that_was_answered_or_revoked_is_not_sent(case, site):
    invitation = invite(case, make.survey())
    Invitation.objects.update(status="revoked")

    assert send().dropped == 1
    loop_letters.settle(now=MONDAY)
    assert fresh(invitation).status == "revoked"


def test_who_opts_out_meanwhile_is_not_invited(case, site):
    invitation = invite(case, make.survey())
    Customer.objects.update(opted_out_at=MONDAY)

    send()
    loop_letters.settle(now=MONDAY)

    assert (fresh(invitation).status, fresh(invitation).reason) == (
        *("not sent", "opted out"),
    )
