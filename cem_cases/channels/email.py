"""E-mail: sends the digests that wait, through the site's own mail settings.

At least once: who dies in between leaves it to the next, and the repeat has the same
Message-ID.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core import mail
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse
from django.utils import timezone, translation

from cem_cases.channels import mailing, outbox
from cem_cases.conf import conf
from cem_cases.models import (
    Case,
    Delivery,
    LastDigest,
    Notification,
    address_of,
)

WAITS = tuple(
    timedelta(minutes=minutes) for minutes in (1, 5, 20, 60, 3 * 60, 6 * 60, 12 * 60)
)
"""How long to wait after each refusal; after one more it is given up."""
MOST_LINES = 50


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


def send_waiting(*, now: datetime, seconds: float | None = None) -> mailing.Sent:
    """Send what waits until nothing does, the time is up, or the mail server is away.

    Safe to run at any time, in any number of processes. Raises what the site's mail
    settings raise when they are wrong; whatever goes wrong with one mail is kept there.
    """
    kind = mailing.Kind(Delivery.objects.due, WAITS, _send, _finish)
    return mailing.send_waiting(kind, now=now, seconds=seconds)


def _send(delivery: Delivery, connection: Any, now: datetime) -> mailing.Outcome:
    """Hand the digest to the mail server; return what became of it, and why.

    What has been read meanwhile, or is not theirs to see any more, is left out.
    """
    person = delivery.recipient
    address = address_of(person)
    if not address:
        reason = "no address" if person.is_active else "inactive"
        return mailing.Outcome(Delivery.State.FAILED, reason)
    news = delivery.notifications.visible_to(person).unread()
    count = news.count()
    if not count:
        return mailing.Outcome(Delivery.State.DROPPED)
    notifications = news.select_related("case").order_by("-pk")[:MOST_LINES]
    connection.send_messages([_message(delivery, address, notifications, count)])
    return mailing.Outcome(Delivery.State.SENT)


@transaction.atomic
def _finish(delivery: Delivery, said: Mapping[str, Any]) -> None:
    if outbox.mark(delivery, **said) and said["sent_at"]:
        # the next digest keeps its distance from this moment
        last = LastDigest.objects.filter(recipient=delivery.recipient_id)
        last.update(at=said["sent_at"])


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
        subject=mailing.one_line(subject),
        body=body.strip() + "\n",
        from_email=conf().MAIL_FROM,
        to=[address],
        headers={"Message-ID": delivery.message_id, **mailing.HEADERS},
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
