"""Webhooks: tells other systems what rules want them told, signed.

Threads only talk to the network; rows are taken and marked by the one that started
them. An endpoint is called once at a time, by whichever process, and left in peace
after a failure: one bad receiver delays no other.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef

from cem_cases.channels import outbox
from cem_cases.channels.wire import Answer, Refused, Wire
from cem_cases.conf import conf, site_secrets
from cem_cases.models import WebhookCall, WebhookEndpoint
from cem_cases.outbound import secrets, signing

logger = logging.getLogger(__name__)

THREADS = 8
SECONDS = 10.0
"""For how long a sweep begins calls; each may take `wire.SECONDS` more."""
LEASE = timedelta(minutes=2)
"""For how long a call and its endpoint are left to the worker that took them."""
GRACE = 2.0
"""Seconds after its deadline that a call is waited for: looking up a name has no limit."""
PEACE = timedelta(seconds=10)
"""How long an endpoint is left in peace after a failure; twice as long each time."""
LONGEST_PEACE = timedelta(hours=1)
LONGEST_RETRY_AFTER = timedelta(hours=6)
FAILS_FOR = timedelta(hours=120)
"""An endpoint that fails for so long is switched off."""
MOST_ENDPOINTS = 100


@dataclass(slots=True)
class Called:
    """What came of calling."""

    sent: int = 0
    failed: int = 0
    """Calls that failed; each is tried again later, or given up."""
    more: bool = False
    """Whether the time was up before every call was begun."""


@dataclass(slots=True)
class _Round:
    """One sweep: what is on its way, and who was called how often."""

    now: datetime
    wire: Wire
    pool: ThreadPoolExecutor
    until: float
    done: Called = field(default_factory=Called)
    served: Counter[int] = field(default_factory=Counter)
    calls: dict[Future[Answer], tuple[WebhookCall, float]] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        return time.monotonic() > self.until


def send_waiting(
    *, now: datetime, seconds: float = SECONDS, wire: Wire | None = None
) -> Called:
    """Call whom there is something to tell, for a bounded time.

    Safe to run at any time, in any number of processes. Whatever goes wrong with one
    call is kept there.
    """
    outbox.give_up(WebhookCall.objects.due(now), outbox.WAITS, now)
    if not WebhookCall.objects.due(now).exists():
        return Called()
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="cem-cases-webhook")
    round_ = _Round(now, wire or Wire(), pool, time.monotonic() + seconds)
    try:
        _go_round(round_)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return round_.done


def _go_round(round_: _Round) -> None:
    while True:
        while len(round_.calls) < THREADS and not round_.is_over:
            call = _next(round_)
            if call is None:
                break
            _begin(round_, call)
        if not round_.calls:
            round_.done.more = round_.is_over
            return
        for future in _finished(round_):
            call, _ = round_.calls.pop(future)
            _settle(round_, call, future)


def _finished(round_: _Round) -> list[Future[Answer]]:
    """Return the calls that are done, or have overrun their time."""
    done, rest = wait(round_.calls, timeout=1, return_when=FIRST_COMPLETED)
    late = time.monotonic() - round_.wire.seconds - GRACE
    return [*done, *(future for future in rest if round_.calls[future][1] < late)]


def _next(round_: _Round) -> WebhookCall | None:
    """Take the next call, of the endpoint that was called least often so far."""
    due = WebhookCall.objects.due(round_.now).filter(endpoint=OuterRef("pk"))
    free = WebhookEndpoint.objects.free(round_.now).filter(Exists(due))
    keys = free.order_by(F("free_at").asc(nulls_first=True), "pk")
    found = list(keys.values_list("pk", flat=True)[:MOST_ENDPOINTS])
    for key in sorted(found, key=lambda key: round_.served[key]):
        if call := _take(key, round_.now):
            round_.served[key] += 1
            return call
    return None


@transaction.atomic
def _take(key: int, now: datetime) -> WebhookCall | None:
    """Lease an endpoint and its oldest call; None: somebody else was first."""
    rows = WebhookEndpoint.objects.free(now).filter(pk=key)
    endpoint = rows.select_for_update(skip_locked=True, no_key=True).first()
    if endpoint is None:
        return None
    due = WebhookCall.objects.due(now).filter(endpoint=key)
    call: WebhookCall | None = outbox.take(due, now, LEASE)
    if call is not None:
        endpoint.free_at = now + LEASE
        endpoint.save(update_fields=["free_at"])
        call.endpoint = endpoint
    return call


def _begin(round_: _Round, call: WebhookCall) -> None:
    future = round_.pool.submit(
        _post,
        round_.wire,
        _endpoint(call),
        call,
        int(round_.now.timestamp()),
        conf().WEBHOOK_HTTP,
        site_secrets(),
    )
    round_.calls[future] = call, time.monotonic()


def _post(
    wire: Wire,
    endpoint: WebhookEndpoint,
    call: WebhookCall,
    at: int,
    allow_http: bool,
    known: Any,
) -> Answer:
    """Sign and send; in a thread, without the database."""
    secret = secrets.recover(
        secrets.signing_secret, known, endpoint.key, endpoint.fingerprint
    )
    if secret is None:
        raise Refused("the secret of the site has changed: give the endpoint a new one")
    body = call.payload.encode()
    headers = signing.headers(secret, call.message_id, at, body)
    return wire.post(endpoint.url, body, headers, allow_http=allow_http)


def _settle(round_: _Round, call: WebhookCall, future: Future[Answer]) -> None:
    """Write down what came of a call."""
    answer: Answer | None = None
    try:
        answer = future.result(timeout=0)
        error = "" if 200 <= answer.status < 300 else f"HTTP {answer.status}"
    except Refused as refused:
        error = str(refused)[:200]
    except Exception as failed:  # of the network, of TLS, of the payload
        error = outbox.name(failed)
    round_.done.sent += not error
    round_.done.failed += bool(error)
    if error:
        logger.warning("Webhook call %d failed: %s", call.pk, error)
    _mark(call, answer, error, round_.now)


@transaction.atomic
def _mark(call: WebhookCall, answer: Answer | None, error: str, now: datetime) -> None:
    endpoint = _endpoint(call)
    said: Mapping[str, Any] = {
        "status": answer and answer.status,
        "answer": answer.body if answer else "",
    }
    if not error:
        _free(endpoint, free_at=None, failures=0, failing_since=None)
        outbox.mark(call, state="sent", sent_at=now, error="", **said)
        return
    asked = _retry_after(answer, now)
    _free(endpoint, **_after_failure(endpoint, answer, asked, now))
    if answer and answer.status == 410:
        outbox.mark(call, state="failed", error=error, **said)
        return
    waits = outbox.spread(outbox.WAITS, call.pk)
    outbox.postpone(call, error, waits, now, at_least=asked, **said)


def _free(endpoint: WebhookEndpoint, **changes: Any) -> None:
    """Let the endpoint be called again; not if our lease ran out meanwhile."""
    mine = WebhookEndpoint.objects.filter(pk=endpoint.pk, free_at=endpoint.free_at)
    mine.update(**changes)


def _after_failure(
    endpoint: WebhookEndpoint, answer: Answer | None, asked: timedelta, now: datetime
) -> dict[str, Any]:
    since = endpoint.failing_since or now
    peace = min(PEACE * 2 ** min(endpoint.failures, 20), LONGEST_PEACE)
    changes: dict[str, Any] = {
        "free_at": now + max(peace, asked),
        "failures": endpoint.failures + 1,
        "failing_since": since,
    }
    because = ""
    if answer and answer.status == 410:
        because = "it answered 410 (gone)"
    elif now - since >= FAILS_FOR:
        because = f"it failed for {FAILS_FOR // timedelta(hours=1)} hours"
    if because:
        logger.error("Webhook endpoint %d is switched off: %s", endpoint.pk, because)
        off = {"is_active": False, "disabled_at": now, "disabled_because": because}
        changes |= off
    return changes


def _retry_after(answer: Answer | None, now: datetime) -> timedelta:
    """Return how long the receiver wants to be left in peace, within bounds."""
    if answer is None or answer.status not in (429, 503):
        return timedelta()
    asked = answer.retry_after.strip()
    try:
        if asked.isascii() and asked.isdecimal():
            found = timedelta(seconds=int(asked[:9]))
        else:
            at = parsedate_to_datetime(asked)
            found = (at if at.tzinfo else at.replace(tzinfo=UTC)) - now
    except (ValueError, OverflowError):  # nothing that we understand
        return timedelta()
    return min(max(found, timedelta()), LONGEST_RETRY_AFTER)


def _endpoint(call: WebhookCall) -> WebhookEndpoint:
    endpoint = call.endpoint
    assert endpoint is not None  # noqa: S101  (taken by its endpoint)
    return endpoint
