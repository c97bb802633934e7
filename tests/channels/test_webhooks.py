"""Webhooks on their way: signed, at least once, and no receiver delays another."""

import base64
import hashlib
import hmac
import socket
import threading
import time
from datetime import timedelta

import pytest

from cem_cases import rules
from cem_cases.channels import outbox, webhooks
from cem_cases.loop import calls, effects
from cem_cases.models import WebhookCall, WebhookEndpoint
from tests import outgoing
from tests.make import MONDAY
from tests.receivers import answers, hangs, loopback, receiver
from tests.threads import at_once

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def call(name="crm", case=None, **fields):
    """A call that waits since Monday."""
    now = fields.pop("now", MONDAY)
    wish = outgoing.due(rules.CallWebhook(name), case or outgoing.case(), **fields)
    effects.perform([wish], now=now)
    return WebhookCall.objects.latest("pk")


def send(now=MONDAY, wire=None, seconds=5.0):
    return webhooks.send_waiting(now=now, seconds=seconds, wire=wire or loopback())


def fresh(row):
    return type(row).objects.get(pk=row.pk)


@pytest.fixture
def to():
    with receiver() as made:
        yield made


@pytest.fixture
def crm(to):
    return outgoing.endpoint(url=to.url)


# What is sent


def test_a_call_is_sent_once(to, crm):
    row = call()

    first, again = send(), send()

    assert (first.sent, first.failed, again.sent) == (1, 0, 0)
    assert len(to.requests) == 1
    row = fresh(row)
    assert (row.state, row.sent_at, row.status, row.answer) == (
        *("sent", MONDAY, 200, "ok"),
    )
    assert fresh(crm).free_at is None


def test_anybody_with_the_secret_can_verify_it(to, crm):
    row = call()
    send()

    ((_, headers, body),) = to.requests
    signed = b"%s.%s.%s" % (
        headers["webhook-id"].encode(),
        headers["webhook-timestamp"].encode(),
        body,
    )
    key = base64.b64decode(crm.secret.removeprefix("whsec_"))
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
    assert headers["webhook-id"] == row.message_id
    assert headers["webhook-timestamp"] == str(int(MONDAY.timestamp()))
    assert headers["content-type"] == "application/json"


def test_a_former_secret_of_the_site_still_signs(to, crm, settings):
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another"
    call()

    assert send().sent == 1


def test_without_the_secret_nothing_is_sent(to, crm, settings):
    settings.SECRET_KEY = "another"
    row = call()

    assert send().failed == 1
    assert to.requests == []
    assert "new one" in fresh(row).error


# Who dies in between


def test_a_repeat_after_a_crash_has_the_same_id(to, crm, monkeypatch):
    row = call()

    def dies(*args):
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(webhooks, "_mark", dies)
        with pytest.raises(SystemExit):
            send()
    assert send().sent == 0  # the lease holds
    assert fresh(row).error == "interrupted"
    assert send(MONDAY + webhooks.LEASE).sent == 1

    ids = [headers["webhook-id"] for _, headers, _ in to.requests]
    assert ids == [row.message_id] * 2


def test_a_late_finisher_changes_nothing(crm):
    row = call()
    mine = webhooks._take(crm.pk, MONDAY)
    theirs = webhooks._take(crm.pk, MONDAY + webhooks.LEASE)
    assert (mine.attempts, theirs.attempts) == (1, 2)

    webhooks._mark(mine, None, "TimeoutError", MONDAY)

    assert fresh(row).error == "interrupted"
    assert fresh(crm).free_at == MONDAY + 2 * webhooks.LEASE
    assert fresh(crm).failures == 0


# What goes wrong


def test_failures_wait_longer_each_time_and_then_give_up(to, crm):
    to.manners = answers(500, b"no")
    row, now, waits = call(), MONDAY, []

    for _ in range(len(outbox.WAITS) + 1):
        WebhookEndpoint.objects.update(free_at=None)
        assert send(now).failed == 1
        waits.append(fresh(row).next_attempt_at - now)
        now = fresh(row).next_attempt_at

    row = fresh(row)
    assert (row.state, row.status, row.error) == ("failed", 500, "HTTP 500")
    assert row.answer == "no"
    assert len(to.requests) == 8
    for wait, least in zip(waits, outbox.WAITS, strict=False):
        assert least <= wait <= least * 1.1
    assert now - MONDAY < timedelta(hours=72)
    assert send(now + HOUR).failed == 0


def test_after_three_days_it_is_given_up(to, crm):
    row = call()
    WebhookCall.objects.update(next_attempt_at=MONDAY + 72 * HOUR)

    send(MONDAY + 72 * HOUR)

    assert fresh(row).state == "failed"
    assert to.requests == []


def test_a_failed_call_is_sent_when_somebody_says_so(to, crm):
    row = call()
    WebhookCall.objects.update(state="failed", attempts=8, error="HTTP 500")
    later = MONDAY + 100 * HOUR

    assert calls.retry_failed([row], now=later) == 1
    assert send(later).sent == 1


@pytest.mark.parametrize("status", [100, 204, 301, 307, 400, 404, 500, 503])
def test_only_a_2xx_counts(to, crm, status):
    to.manners = answers(status, b"")
    call()

    assert send(wire=loopback(seconds=0.3)).sent == (status == 204)


def test_an_endpoint_that_is_gone_is_switched_off(to, crm):
    to.manners = answers(410, b"")
    first, second = call(), call()

    send()
    send(MONDAY + 100 * HOUR)

    assert (fresh(first).state, fresh(second).state) == ("failed", "failed")
    assert len(to.requests) == 1
    crm = fresh(crm)
    assert (crm.is_active, crm.disabled_at) == (False, MONDAY)
    assert crm.disabled_because == "it answered 410 (gone)"


def test_an_endpoint_that_fails_for_five_days_is_switched_off(to, crm):
    to.manners = answers(500)
    call()
    send()
    assert fresh(crm).failing_since == MONDAY
    call(now=MONDAY + 119 * HOUR)
    send(MONDAY + 119 * HOUR)
    assert fresh(crm).is_active

    call(now=MONDAY + 120 * HOUR)
    send(MONDAY + 121 * HOUR)

    assert not fresh(crm).is_active
    assert "120 hours" in fresh(crm).disabled_because


def test_one_success_forgets_the_failures(to, crm):
    to.manners = answers(500)
    call()
    send()
    to.manners = answers(200)
    send(MONDAY + HOUR)

    assert (fresh(crm).failures, fresh(crm).failing_since) == (0, None)


def test_an_endpoint_is_left_in_peace_after_a_failure(to, crm):
    to.manners = answers(500)
    for _ in range(5):
        call()

    send()
    assert len(to.requests) == 1
    send(MONDAY + 9 * SECOND)
    assert len(to.requests) == 1
    send(MONDAY + 10 * SECOND)
    assert len(to.requests) == 2
    assert fresh(crm).free_at == MONDAY + 30 * SECOND


@pytest.mark.parametrize(
    ("status", "asked", "wait"),
    [
        (429, "300", 5 * MINUTE),
        (503, "300", 5 * MINUTE),
        (503, "Mon, 03 Mar 2025 09:05:00 GMT", 5 * MINUTE),
        (503, "99999999999999999999", 6 * HOUR),
        (503, "Mon, 03 Mar 9999 09:05:00 GMT", 6 * HOUR),
        (503, "-5", None),
        (503, "soon", None),
        (503, f"Mon, 03 Mar 2025 09:05:00 +{'9' * 20}", None),
        (503, f"Mon, 03 Mar {'9' * 20} 09:05:00 GMT", None),
        (503, "Mon, 03 Mar 1825 09:05:00 GMT", None),
        (500, "300", None),
    ],
)
def test_retry_after_is_honoured_within_bounds(to, crm, status, asked, wait):
    to.manners = answers(status, b"", Retry_After=asked)
    row = call()

    send()

    assert fresh(crm).free_at - MONDAY == (wait or 10 * SECOND)
    least = wait or MINUTE
    assert least <= fresh(row).next_attempt_at - MONDAY <= least * 1.1


def test_an_address_inward_is_refused_and_tried_again(to, crm):
    row = call()

    assert send(wire=loopback(is_public=lambda address: False)).failed == 1

    assert to.requests == []
    assert fresh(row).error == "the host is not on the public internet"
    assert fresh(row).state == "waiting"


def test_a_site_never_calls_inward(to, crm, settings):
    settings.CEM_CASES = {**settings.CEM_CASES, "WEBHOOK_HTTP": True}
    call()

    assert webhooks.send_waiting(now=MONDAY, seconds=1).failed == 1
    assert to.requests == []


def test_a_broken_endpoint_keeps_nobody_else_waiting(to, crm):
    broken = call()
    WebhookEndpoint.objects.filter(pk=crm.pk).update(url="https://[", fingerprint="x")
    other = outgoing.endpoint("erp", url=to.url)
    fine = call("erp")

    assert (send().sent, fresh(fine).state) == (1, "sent")
    assert fresh(broken).state == "waiting"
    assert fresh(other).failures == 0


# Others


def test_a_dripping_receiver_does_not_delay_the_others():
    started = time.monotonic()
    with receiver(hangs) as slow, receiver() as quick:
        outgoing.endpoint("slow", url=slow.url)
        outgoing.endpoint("quick", url=quick.url)
        for _ in range(3):
            call("slow")
        rows = [call("quick") for _ in range(10)]

        done = send(wire=loopback(seconds=0.5), seconds=3)

    assert (done.sent, done.failed) == (10, 1)
    assert all(fresh(row).state == "sent" for row in rows)
    assert len(slow.requests) == 1
    assert time.monotonic() - started < 10


def test_a_sweep_ends_in_time_though_a_name_is_never_found():
    def look_up(host, port):
        time.sleep(3)
        return []

    outgoing.endpoint()
    row = call()
    started = time.monotonic()

    webhooks.GRACE, before = 0.2, webhooks.GRACE
    try:
        send(wire=loopback(look_up=look_up, seconds=0.2))
    finally:
        webhooks.GRACE = before

    assert time.monotonic() - started < 2.5
    assert fresh(row).error == "TimeoutError"


def test_an_endpoint_is_called_once_at_a_time(to, crm):
    most, now = [], set()

    def watched(host, port):
        now.add(threading.get_ident())
        most.append(len(now))
        time.sleep(0.05)
        now.remove(threading.get_ident())
        return [(socket.AF_INET, ("127.0.0.1", port))]

    for _ in range(4):
        call()

    assert send(wire=loopback(look_up=watched)).sent == 4
    assert most == [1] * 4


@pytest.mark.django_db(transaction=True)
def test_senders_mostshare_the_work(to):
    for n in range(4):
        outgoing.endpoint(f"crm-{n}", url=to.url)
        for _ in range(3):
            call(f"crm-{n}")

    at_once([lambda: send()] * 3)
    send()

    assert not WebhookCall.objects.exclude(state="sent").exists()
    ids = [headers["webhook-id"] for _, headers, _ in to.requests]
    assert sorted(ids) == sorted(
        WebhookCall.objects.values_list("message_id", flat=True)
    )


def test_an_endpoint_that_is_off_is_not_called(to, crm):
    row = call()
    WebhookEndpoint.objects.update(is_active=False)

    assert send().sent == 0
    assert fresh(row).state == "waiting"
