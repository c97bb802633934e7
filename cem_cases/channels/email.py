"""E-mail: sends the digests that wait, through the site's own mail settings.

At least once: each is taken by lease in one short transaction, sent in none, and marked
in another. Who dies in between leaves it to the next, and the repeat has the same
Message-ID. One that is refused is tried again, later each time; while the mail server
is away nothing is used up but time.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from smtplib import SMTPDataError, SMTPRecipientsRefused, SMTPSenderRefused
from typing import Any

from django.conf import settings
from django.core import mail
from django.db import transaction
from django.db.models import F, Q
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse
from django.utils import timezone, translation

from cem_cases.conf import conf
from cem_cases.models import (
    Case,
    Delivery,
    LastDigest,
    Notification,
    address_of,
)

logger = logging.getLogger(__name__)

LEASE = timedelta(minutes=10)
"""For how long a delivery is left to the worker that took it."""
WAITS = tuple(
    timedelta(minutes=minutes) for minutes in (1, 5, 20, 60, 3 * 60, 6 * 60, 12 * 60)
)
"""How long to wait after each refusal; after one more it is given up."""
AWAY_WAIT = timedelta(minutes=1)
TIMEOUT = 10
"""Seconds to wait for a mail server, where the site's own settings set no limit."""
REFUSALS = (SMTPRecipientsRefused, SMTPSenderRefused, SMTPDataError)
"""What a server answers to one mail: the next one may go through."""
MOST_LINES = 50
MOST_SUBJECT = 150
HEADERS = {
    "Auto-Submitted": "auto-generated",  # RFC 3834: answer with no automatic reply
    "X-Auto-Response-Suppress": "All",  # the same for Exchange
    "Precedence": "bulk",  # the same for what is older than the RFC
}


@dataclass(slots=True)
class Sent:
    """What came of sending."""

    sent: int = 0
    failed: int = 0
    """Tries that failed; each is tried again later, or given up."""
    dropped: int = 0
    """Of which nothing was left to tell: all read, or no longer theirs to see."""
    away: bool = False
    """Whether the mail server was away; then the rest waits for the next time."""
    more: bool = False
    """Whether the time was up before everything was sent."""


@dataclass(frozen=True, slots=True)
class Line:
    """One notification, as the templates of a digest say it."""

    number: int
    """Of the case."""
    text: str
    at: datetime
    due_at: datetime | None
    """When the case is due; None where it is not, or done."""
    url: str
    """Of the case's page; empty where it has none."""


def send_waiting(*, now: datetime, seconds: float | None = None) -> Sent:
    """Send what waits until nothing does, the time is up, or the mail server is away.

    Safe to run at any time, in any number of processes. Raises what the site's mail
    settings raise when they are wrong; whatever goes wrong with one mail is kept there.
    """
    done, until = Sent(), None if seconds is None else time.monotonic() + seconds
    _give_up(now)
    connection = _connection()
    try:
        while not done.away and not done.more and (delivery := _take(now)):
            _deliver(delivery, connection, done, now)
            done.more = until is not None and time.monotonic() > until
    finally:
        _close(connection)
    return done


def _give_up(now: datetime) -> None:
    """Give up what nobody finished, or what is no news any more."""
    over = Q(attempts__gt=len(WAITS)) | Q(give_up_at__lte=now)
    Delivery.objects.due(now).filter(over).update(state=Delivery.State.FAILED)


def _connection() -> Any:
    """Return the site's way to its mail server, closed; it never waits for ever."""
    mailers = getattr(mail, "mailers", None)  # they come with Django 6.1
    connection: Any = mailers.default if mailers else mail.get_connection()
    if getattr(connection, "timeout", TIMEOUT) is None:  # SMTP, with no limit set
        connection.timeout = TIMEOUT
    return connection


def _close(connection: Any) -> None:
    with contextlib.suppress(Exception):  # what was sent is sent
        connection.close()


@transaction.atomic
def _take(now: datetime) -> Delivery | None:
    """Lease the delivery that waits longest, and count the attempt; None: none waits."""
    due = Delivery.objects.due(now).order_by("next_attempt_at", "pk")
    delivery = due.select_for_update(skip_locked=True, no_key=True).first()
    if delivery is not None:
        delivery.attempts += 1
        delivery.next_attempt_at = now + LEASE
        delivery.error = "interrupted"  # true from now on, if this process dies
        delivery.save(update_fields=["attempts", "next_attempt_at", "error"])
    return delivery


def _deliver(delivery: Delivery, connection: Any, done: Sent, now: datetime) -> None:
    """Try to send this one, and write down what came of it."""
    try:
        connection.open()
    except Exception as error:
        logger.warning("The mail server is away (%s).", _name(error))
        done.away = True
        _release(delivery, error, now)
        return
    try:
        state, reason = _send(delivery, connection)
    except Exception as error:
        _close(connection)  # the next one gets a fresh one
        done.failed += 1
        done.away = isinstance(error, OSError) and not isinstance(error, REFUSALS)
        _postpone(delivery, error, now)
    else:
        done.sent += state == Delivery.State.SENT
        done.failed += state == Delivery.State.FAILED
        done.dropped += state == Delivery.State.DROPPED
        _finish(delivery, state, reason, now)


def _send(delivery: Delivery, connection: Any) -> tuple[Delivery.State, str]:
    """Hand the digest to the mail server; return what became of it, and why.

    What has been read meanwhile, or is not theirs to see any more, is left out.
    """
    person = delivery.recipient
    address = address_of(person)
    if not address:
        return Delivery.State.FAILED, "no address" if person.is_active else "inactive"
    news = delivery.notifications.visible_to(person).unread()
    count = news.count()
    if not count:
        return Delivery.State.DROPPED, ""
    notifications = news.select_related("case").order_by("-pk")[:MOST_LINES]
    connection.send_messages([_message(delivery, address, notifications, count)])
    return Delivery.State.SENT, ""


def _mark(delivery: Delivery, **changes: Any) -> bool:
    """Write this down; False where the lease ran out and somebody else has it now."""
    mine = Delivery.objects.filter(
        pk=delivery.pk, attempts=delivery.attempts, state=Delivery.State.WAITING
    )
    return bool(mine.update(**changes))


@transaction.atomic
def _finish(
    delivery: Delivery, state: Delivery.State, reason: str, now: datetime
) -> None:
    sent_at = now if state == Delivery.State.SENT else None
    if _mark(delivery, state=state, error=reason, sent_at=sent_at) and sent_at:
        # the next digest keeps its distance from this moment
        LastDigest.objects.filter(recipient=delivery.recipient_id).update(at=now)


def _release(delivery: Delivery, error: Exception, now: datetime) -> None:
    """Let it wait as if it had not been taken: nobody was there to refuse it."""
    _mark(
        delivery,
        attempts=F("attempts") - 1,
        next_attempt_at=now + AWAY_WAIT,
        error=_name(error),
    )


def _postpone(delivery: Delivery, error: Exception, now: datetime) -> None:
    """Let it wait longer than last time, or give it up."""
    logger.warning("Delivery %d was not sent: %s", delivery.pk, _name(error))
    if delivery.attempts > len(WAITS):
        _mark(delivery, state=Delivery.State.FAILED, error=_name(error))
        return
    wait = WAITS[delivery.attempts - 1]
    _mark(delivery, next_attempt_at=now + wait, error=_name(error))


def _name(error: Exception) -> str:
    """Return what kind of error it is; never its text, which may quote an address."""
    return type(error).__name__


def _message(
    delivery: Delivery, address: str, news: Iterable[Notification], count: int
) -> mail.EmailMultiAlternatives:
    """Return the digest, in the language and the time zone of the site."""
    with (
        translation.override(settings.LANGUAGE_CODE),
        timezone.override(timezone.get_default_timezone()),
    ):
        lines = [_line(notification) for notification in news]
        context = {
            "lines": lines,
            "count": count,
            "left_out": count - len(lines),
            "minutes": conf().DIGEST_MINUTES,
            "list_url": _url("notification_changelist"),
        }
        subject, body, html = (
            render_to_string(f"cem_cases/email/{name}", context)
            for name in ("digest_subject.txt", "digest.txt", "digest.html")
        )
    message = mail.EmailMultiAlternatives(
        subject=" ".join(subject.split())[:MOST_SUBJECT],
        body=body.strip() + "\n",
        from_email=conf().MAIL_FROM,
        to=[address],
        headers={"Message-ID": delivery.message_id, **HEADERS},
    )
    message.attach_alternative(html, "text/html")
    return message


def _line(notification: Notification) -> Line:
    case: Case = notification.case
    return Line(
        number=case.pk,
        text=notification.text,
        at=notification.at,
        due_at=case.due_at if case.is_active else None,
        url=_url("case_change", case.pk),
    )


def _url(page: str, *args: Any) -> str:
    """Return the full address of this page of the admin; empty where there is none."""
    site = conf().SITE_URL.rstrip("/")
    try:
        return site and site + reverse(f"admin:cem_cases_{page}", args=args)
    except NoReverseMatch:
        return ""
