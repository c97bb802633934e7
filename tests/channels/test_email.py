"""The digests on their way: sent at least once, and nothing else waits for them."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from datetime import timedelta
from email import message_from_bytes, policy

import pytest
from django.core import mail
from django.utils import timezone

from cem_cases import tasks
from cem_cases.channels import email, mailing, outbox
from cem_cases.loop import notices
from cem_cases.models import Clock, Delivery, Membership, Notification, Response
from tests import make
from tests.channels import backends
from tests.make import HOUR, MONDAY
from tests.notices import agent, tell
from tests.threads import at_once

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def case(db):
    return make.case()


@pytest.fixture
def ada(case):
    return agent(case.team)


@pytest.fixture
def waiting(case, ada):
    """A delivery for Ada that waits since Monday."""
    tell(ada, case)
    notices.gather(now=MONDAY)
    return Delivery.objects.get()


def waiting_for(case, *names):
    """Deliveries that wait since Monday, in this order of their people."""
    for name in names:
        tell(agent(case.team, name), case)
        notices.gather(now=MONDAY)
    return list(Delivery.objects.order_by("pk"))


def fresh(delivery):
    return Delivery.objects.get(pk=delivery.pk)


def parsed():
    """The only mail there is, as it went over the wire."""
    (message,) = mail.outbox
    return message_from_bytes(message.message().as_bytes(), policy=policy.default)


# What is sent


def test_a_digest_is_sent_once(waiting):
    done = email.send_waiting(now=MONDAY)
    again = email.send_waiting(now=MONDAY + HOUR)

    assert (done.sent, done.failed, again.sent) == (1, 0, 0)
    assert [message.to for message in mail.outbox] == [["ada@example.org"]]
    assert fresh(waiting).state == "sent"
    assert (fresh(waiting).sent_at, fresh(waiting).error) == (MONDAY, "")


def test_it_says_of_itself_that_a_machine_wrote_it(waiting):
    email.send_waiting(now=MONDAY)

    headers = parsed()
    assert headers["Message-ID"] == waiting.message_id
    assert re.fullmatch(r"<[0-9a-f]{32}@[^@\s<>]+>", headers["Message-ID"])
    assert headers["Auto-Submitted"] == "auto-generated"
    assert headers["X-Auto-Response-Suppress"] == "All"
    assert headers["Precedence"] == "bulk"


def test_one_notice_is_its_subject(waiting, case):
    email.send_waiting(now=MONDAY)

    assert parsed()["Subject"] == f"{case}: The first contact is due soon."


def test_many_notices_are_counted_in_the_subject(case, ada):
    tell(ada, case)
    newest = make.case(team=case.team)
    tell(ada, newest)
    notices.gather(now=MONDAY)

    email.send_waiting(now=MONDAY)

    subject = parsed()["Subject"]
    assert subject == f"2 notices about your cases, the newest about {newest}"


def test_it_tells_case_words_and_due_time_in_plain_text_and_html(case, ada, settings):
    settings.TIME_ZONE = "Asia/Tokyo"
    type(case).objects.filter(pk=case.pk).update(due_at=MONDAY + HOUR)
    tell(ada, case)
    notices.gather(now=MONDAY)

    email.send_waiting(now=MONDAY)

    message = parsed()
    for kind in ("plain", "html"):
        text = message.get_body((kind,)).get_content()
        assert str(case) in text
        assert "The first contact is due soon." in text
        assert "due 3 Mar 2025, 19:00" in text
        assert "http" not in text
        assert "at most one such e-mail in 10 minutes" in text


def test_a_done_case_has_no_due_time(case, ada):
    tell(ada, case)
    notices.gather(now=MONDAY)
    type(case).objects.filter(pk=case.pk).update(due_at=None)

    email.send_waiting(now=MONDAY)

    assert "due 3" not in parsed().get_body(("plain",)).get_content()


def test_with_an_address_of_the_site_it_links_to_the_pages(case, ada, settings):
    settings.CEM_CASES = {
        **settings.CEM_CASES,
        "SITE_URL": "https://desk.example.org/",
        "MAIL_FROM": "Desk <desk@example.org>",
    }
    tell(ada, case)
    notices.gather(now=MONDAY)

    email.send_waiting(now=MONDAY)

    message = parsed()
    page = f"https://desk.example.org/admin/cem_cases/case/{case.pk}/change/"
    assert page in message.get_body(("plain",)).get_content()
    assert f'href="{page}"' in message.get_body(("html",)).get_content()
    assert "/notification/" in message.get_body(("html",)).get_content()
    assert message["From"] == "Desk <desk@example.org>"
    assert message["Message-ID"].endswith("@desk.example.org>")


def test_a_site_without_the_admin_has_no_links(waiting, settings):
    settings.CEM_CASES = {**settings.CEM_CASES, "SITE_URL": "https://example.org"}
    settings.ROOT_URLCONF = "cem_cases.api.urls"

    email.send_waiting(now=MONDAY)

    assert "http" not in parsed().get_body(("plain",)).get_content()


def test_the_sender_is_the_sites_own(waiting, settings):
    settings.DEFAULT_FROM_EMAIL = "site@example.org"

    email.send_waiting(now=MONDAY)

    assert parsed()["From"] == "site@example.org"


def test_a_long_list_is_cut(case, ada):
    for n in range(email.MOST_LINES + 2):
        tell(ada, case, f"Notice {n}.")
    notices.gather(now=MONDAY)

    email.send_waiting(now=MONDAY)

    text = parsed().get_body(("plain",)).get_content()
    assert text.count("Notice") == email.MOST_LINES
    assert "Notice 51." in text
    assert "And 2 more, in your list." in text


def test_a_site_can_override_the_templates(waiting, settings, tmp_path):
    folder = tmp_path / "cem_cases" / "email"
    folder.mkdir(parents=True)
    (folder / "digest_subject.txt").write_text("{{ count }} from us")
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [str(tmp_path)]}]

    email.send_waiting(now=MONDAY)

    assert parsed()["Subject"] == "1 from us"


HOSTILE = (
    "</p><script>alert(1)</script>\r\nBcc: all@example.org\n\n.\r\n"
    "{{ settings.SECRET_KEY }}"
)


def test_hostile_words_stay_words(case, ada):
    tell(ada, case)
    Notification.objects.update(text=HOSTILE)  # around `tell`, which knows one line
    notices.gather(now=MONDAY)

    assert email.send_waiting(now=MONDAY).sent == 1

    message = parsed()
    html = message.get_body(("html",)).get_content()
    assert message["Bcc"] is None
    assert "Bcc: all@example.org" in message["Subject"]
    assert mail.outbox[0].recipients() == ["ada@example.org"]
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert "{{ settings.SECRET_KEY }}" in html
    assert "<script>" in message.get_body(("plain",)).get_content()  # not escaped there


def test_nothing_of_the_customer_is_in_it(ada, case):
    private = {"name": "canary-name", "email": "canary@example.com"}
    other = make.case(team=case.team, comment="canary comment", customer=private)
    tell(ada, other)
    notices.gather(now=MONDAY)

    email.send_waiting(now=MONDAY)

    assert "canary" not in mail.outbox[0].message().as_string()


def test_the_next_digest_keeps_its_distance_from_a_late_one(waiting, ada, case):
    email.send_waiting(now=MONDAY + HOUR)
    tell(ada, case, at=MONDAY + HOUR)

    assert notices.gather(now=MONDAY + HOUR + 10 * MINUTE - SECOND) == 0
    assert notices.gather(now=MONDAY + HOUR + 10 * MINUTE) == 1


# To whom


@pytest.mark.parametrize(
    ("fields", "error"),
    [({"email": ""}, "no address"), ({"is_active": False}, "inactive")],
)
def test_who_cannot_get_mail_any_more_gets_none(waiting, ada, fields, error):
    type(ada).objects.update(**fields)

    done = email.send_waiting(now=MONDAY)

    assert (done.sent, done.failed, mail.outbox) == (0, 1, [])
    assert (fresh(waiting).state, fresh(waiting).error) == ("failed", error)
    assert email.send_waiting(now=MONDAY + HOUR).failed == 0


def test_what_was_read_meanwhile_is_dropped(waiting, ada):
    notices.mark_read(Notification.objects.all(), by=ada, now=MONDAY)

    done = email.send_waiting(now=MONDAY)

    assert (done.sent, done.dropped, mail.outbox) == (0, 1, [])
    assert (fresh(waiting).state, fresh(waiting).sent_at) == ("dropped", None)


def test_what_is_not_theirs_to_see_any_more_is_left_out(case, ada):
    other = make.case()
    Membership.objects.create(team=other.team, user=ada)
    tell(ada, case)
    tell(ada, other)
    notices.gather(now=MONDAY)
    case.team.memberships.update(is_active=False)

    email.send_waiting(now=MONDAY)

    text = parsed().get_body(("plain",)).get_content()
    assert str(other) in text
    assert f"{case}:" not in text


# What goes wrong


def test_a_mail_server_that_is_away_uses_nothing_up(case, settings, caplog):
    first, second = waiting_for(case, "ada", "bob")
    backends.use(settings, "Away")

    for minutes in range(60):
        done = email.send_waiting(now=MONDAY + minutes * MINUTE)
        assert done.away
        assert (done.sent, done.failed) == (0, 0)
    assert (fresh(first).state, fresh(first).attempts) == ("waiting", 0)
    assert fresh(first).error == fresh(second).error == "ConnectionRefusedError"
    assert "mail.example.org" not in caplog.text

    backends.use(settings, backends.LOCMEM)
    assert email.send_waiting(now=MONDAY + 61 * MINUTE).sent == 2


@pytest.mark.parametrize(
    ("later", "state"),
    [(72 * HOUR - SECOND, "waiting"), (72 * HOUR, "failed"), (99 * HOUR, "failed")],
)
def test_a_server_that_stays_away_is_waited_for_three_days(
    waiting, settings, later, state
):
    backends.use(settings, "Away")
    email.send_waiting(now=MONDAY)

    email.send_waiting(now=MONDAY + later)

    assert fresh(waiting).state == state
    assert fresh(waiting).error == "ConnectionRefusedError"


def test_one_bad_address_does_not_stop_the_others(case, settings, caplog):
    deliveries = waiting_for(case, "ada", "bad", "bob")
    backends.use(settings, "Refuses")

    done = email.send_waiting(now=MONDAY)

    assert (done.sent, done.failed, done.away) == (2, 1, False)
    states = [fresh(delivery).state for delivery in deliveries]
    assert states == ["sent", "waiting", "sent"]
    assert fresh(deliveries[1]).error == "SMTPRecipientsRefused"
    assert "bad@example.org" not in caplog.text


def test_a_refused_one_waits_longer_each_time_and_is_given_up(
    waiting, settings, caplog
):
    backends.use(settings, "Full")
    now, waits = MONDAY, []

    while fresh(waiting).state == "waiting":
        assert email.send_waiting(now=now - SECOND).failed == 0
        assert email.send_waiting(now=now).failed == 1
        waits.append(fresh(waiting).next_attempt_at - now)
        now = fresh(waiting).next_attempt_at

    assert fresh(waiting).attempts == 8
    assert waits[:-1] == sorted(email.WAITS)
    assert sum(waits[:-1], timedelta()) <= 72 * HOUR
    assert (fresh(waiting).state, fresh(waiting).error) == ("failed", "SMTPDataError")
    assert "ada@example.org" not in caplog.text


def test_a_line_that_breaks_ends_the_run_and_counts_as_an_attempt(case, settings):
    first, second = waiting_for(case, "ada", "bob")
    backends.use(settings, "Breaks")

    done = email.send_waiting(now=MONDAY)

    assert (done.failed, done.away, len(mail.outbox)) == (1, True, 1)
    assert (fresh(first).attempts, fresh(second).attempts) == (1, 0)
    assert fresh(first).error == "SMTPServerDisconnected"


def test_a_template_that_is_broken_is_the_fault_of_no_server(
    waiting, settings, tmp_path
):
    folder = tmp_path / "cem_cases" / "email"
    folder.mkdir(parents=True)
    (folder / "digest.html").write_text("{% nonsense %}")
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [str(tmp_path)]}]

    done = email.send_waiting(now=MONDAY)

    assert (done.failed, done.away) == (1, False)
    assert fresh(waiting).error == "TemplateSyntaxError"


@pytest.fixture
def steps():
    """What a watched backend was asked to do, and whether a transaction was open."""
    backends.Watched.calls.clear()
    return backends.Watched.calls


@pytest.mark.django_db(transaction=True)
def test_one_connection_sends_all_outside_any_transaction(case, settings, steps):
    waiting_for(case, "ada", "bob")
    backends.use(settings, "Watched")

    email.send_waiting(now=MONDAY)

    # the second `open` finds it open
    expected = ["open", "send", "open", "send", "close"]
    assert steps == [(step, False) for step in expected]


def test_after_a_failure_the_next_one_gets_a_fresh_connection(case, settings, steps):
    waiting_for(case, "bad", "ada")
    backends.use(settings, "Refuses")

    email.send_waiting(now=MONDAY)

    expected = ["open", "close", "open", "send", "close"]
    assert [step for step, _ in steps] == expected


def test_closing_badly_harms_nothing(waiting, settings):
    backends.use(settings, "ClosesBadly")

    assert email.send_waiting(now=MONDAY).sent == 1


def test_time_that_is_up_leaves_the_rest_for_the_next(case):
    waiting_for(case, "ada", "bob", "eve")

    done = email.send_waiting(now=MONDAY, seconds=0)

    assert (done.sent, done.more) == (1, True)
    assert email.send_waiting(now=MONDAY).sent == 2


# Who dies, and who is late


def test_what_a_killed_sender_left_is_sent_again_under_the_same_id(waiting, settings):
    backends.use(settings, "Dies")
    with pytest.raises(SystemExit):
        email.send_waiting(now=MONDAY)
    assert (fresh(waiting).state, fresh(waiting).error) == ("waiting", "interrupted")
    backends.use(settings, backends.LOCMEM)

    assert email.send_waiting(now=MONDAY + outbox.LEASE - SECOND).sent == 0
    assert email.send_waiting(now=MONDAY + outbox.LEASE).sent == 1

    first, second = (message.message()["Message-ID"] for message in mail.outbox)
    assert first == second == waiting.message_id
    assert (fresh(waiting).state, fresh(waiting).attempts) == ("sent", 2)


def test_one_that_kills_its_senders_is_given_up(waiting, settings):
    backends.use(settings, "Dies")
    for n in range(8):
        with pytest.raises(SystemExit):
            email.send_waiting(now=MONDAY + n * outbox.LEASE)

    assert email.send_waiting(now=MONDAY + 8 * outbox.LEASE).failed == 0

    assert len(mail.outbox) == 8
    assert (fresh(waiting).state, fresh(waiting).error) == ("failed", "interrupted")


KILLED = """
import django; django.setup()
from datetime import UTC, datetime
from django.conf import settings
from cem_cases.channels import email, mailing, outbox
from tests.channels import backends
backends.use(settings, "Killed", file_path={folder!r})
email.send_waiting(now=datetime.fromisoformat({now!r}))
"""


@pytest.mark.guarantee
@pytest.mark.django_db(transaction=True)
def test_a_killed_process_sends_twice_at_most_and_loses_nothing(
    waiting, test_database_url, tmp_path
):
    script = KILLED.format(folder=str(tmp_path), now=MONDAY.isoformat())
    died = subprocess.run(
        [sys.executable, "-c", script],
        env={
            **os.environ,
            "DATABASE_URL": test_database_url,
            "DJANGO_SETTINGS_MODULE": "demo_project.settings",
        },
        check=False,
    )
    assert died.returncode == -signal.SIGKILL

    assert email.send_waiting(now=MONDAY + outbox.LEASE).sent == 1

    (file,) = tmp_path.iterdir()
    assert f"Message-ID: {waiting.message_id}" in file.read_text()
    assert parsed()["Message-ID"] == waiting.message_id


def test_a_late_finisher_changes_nothing(waiting):
    mine = outbox.take(Delivery.objects.due(MONDAY), MONDAY)
    later = MONDAY + outbox.LEASE
    theirs = outbox.take(Delivery.objects.due(later), later)
    assert (mine.attempts, theirs.attempts) == (1, 2)

    outbox.postpone(mine, "ValueError", email.WAITS, MONDAY)

    assert fresh(waiting).next_attempt_at == MONDAY + 2 * outbox.LEASE
    assert fresh(waiting).error == "interrupted"


@pytest.mark.django_db(transaction=True)
def test_senders_at_once_share_the_work(case):
    waiting_for(case, *(f"agent-{n}" for n in range(12)))

    done = at_once([lambda: email.send_waiting(now=MONDAY)] * 4)

    assert sum(each.sent for each in done) == 12
    assert len({message.to[0] for message in mail.outbox}) == len(mail.outbox) == 12


# With the sweep


@pytest.fixture
def work(case, ada):
    """What a sweep finds now: a response, clocks that are overdue, news for Ada."""
    make.policy()
    late = make.case(team=case.team)
    tell(ada, late, at=timezone.now())
    return make.response()


@pytest.mark.parametrize("backend", ["Away", "Full", "NoSuchBackend"])
def test_without_a_mail_server_cases_and_clocks_go_on(work, settings, caplog, backend):
    backends.use(settings, backend)

    tasks.sweep()

    assert not Response.objects.unprocessed().exists()
    assert Clock.objects.exclude(breached_at=None).exists()
    assert Delivery.objects.get().state == "waiting"
    assert "example.org" not in caplog.text


def test_a_sweep_delivers(work):
    tasks.sweep()
    tasks.sweep()

    assert [message.to for message in mail.outbox] == [["ada@example.org"]]


def test_a_sweep_names_what_kept_it_from_delivering(work, settings, caplog):
    backends.use(settings, "NoSuchBackend")

    tasks.sweep()

    (said,) = [r for r in caplog.records if r.name == "cem_cases.delivery"]
    assert re.fullmatch(r"Nothing was delivered: \w+", said.getMessage())


@pytest.mark.parametrize(("limit", "seconds"), [(None, mailing.TIMEOUT), (3, 3)])
def test_a_site_without_a_time_limit_gets_one(settings, limit, seconds):
    backends.use(settings, backends.SMTP, host="127.0.0.1", timeout=limit)

    assert mailing.open_later().timeout == seconds


def test_a_mail_server_that_never_answers_is_left_after_the_limit(waiting, settings):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        backends.use(settings, backends.SMTP, host="127.0.0.1", port=port, timeout=0.2)
        began = time.monotonic()

        done = email.send_waiting(now=MONDAY)

    assert done.away
    assert time.monotonic() - began < 5
    assert fresh(waiting).attempts == 0
