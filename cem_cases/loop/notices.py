"""Who is told what: the list in the admin, and the digests that are e-mailed of it.

A notification is a row, written in the transaction of what it tells. `gather` makes
digests of those that nobody has read yet; `cem_cases.channels.email` sends them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.mail.utils import DNS_NAME
from django.db import transaction
from django.db.models import Q
from django.utils.encoding import punycode

from cem_cases.conf import conf
from cem_cases.loop import bulk
from cem_cases.loop.happenings import Appended
from cem_cases.models import (
    AuditEvent,
    Delivery,
    LastDigest,
    Notification,
    address_of,
    sees_everything,
)
from cem_cases.models.notices import MAILED_FOR, of_own_team

PEOPLE_AT_ONCE = 100
"""For how many people one transaction makes digests."""
MOST_LETTERS = 300


@dataclass(frozen=True, slots=True)
class Note:
    """What some people are to be told about an event of a case."""

    event: Appended | AuditEvent
    """Saved, and of a case."""
    recipients: Iterable[Any]
    """Keys of users."""
    text: str
    """One line, in plain words, without personal data of the customer."""


def tell(notes: Sequence[Note], *, now: datetime) -> int:
    """Put these notes on the lists of their recipients; return how many entries.

    A person is told of an event once, by the first note that names them. Call it inside
    the transaction of the change, once for each event: raises IntegrityError for one
    that was told before. Statements: two at most on PostgreSQL.
    """
    rows: dict[tuple[int, Any], Notification] = {}
    for note in notes:
        text = " ".join(note.text.split())[:MOST_LETTERS]
        for key in note.recipients:
            row = Notification(
                recipient_id=key,
                case_id=note.event.case_id,  # type: ignore[misc]
                event_id=note.event.pk,
                text=text,
                at=now,
            )
            rows.setdefault((note.event.pk, key), row)
    unique = ("event_id", "recipient_id")
    return len(bulk.insert(list(rows.values()), unique=unique, keys=False))


@transaction.atomic
def mark_read(
    notifications: Iterable[Notification], *, by: AbstractBaseUser, now: datetime
) -> int:
    """Mark those that are this person's and unread; return how many."""
    rows = list(
        Notification.objects.unread()
        .filter(recipient=by.pk, pk__in=[row.pk for row in notifications])
        .select_for_update(no_key=True)
        .order_by("pk")
    )
    for row in rows:
        row.read_at = now
    bulk.update(rows, ["read_at"])
    return len(rows)


def gather(*, now: datetime) -> int:
    """Make the digests that are due; return how many.

    One for each person with an address and with news: all that is unread, not mailed
    yet, about cases that they may see. At most one in `DIGEST_MINUTES`, and none while
    the one before is on its way. Safe to run in any number of processes.
    """
    recipients = (
        Notification.objects.to_mail(now)
        .order_by("recipient_id")
        .values_list("recipient_id", flat=True)
        .distinct()
    )
    of = domain()
    made, after = 0, Q()
    while keys := list(recipients.filter(after)[:PEOPLE_AT_ONCE]):
        made += _make_digests(keys, of, now)
        after = Q(recipient__gt=keys[-1])
    return made


@transaction.atomic
def retry_failed(deliveries: Iterable[Delivery], *, now: datetime) -> int:
    """Let failed deliveries wait again, from their first attempt; return how many.

    Several of one person go out as far apart as digests do.
    """
    keys = [delivery.pk for delivery in deliveries]
    rows = Delivery.objects.failed().filter(pk__in=keys).select_for_update(no_key=True)
    gap, before = timedelta(minutes=conf().DIGEST_MINUTES), Counter[Any]()
    found = list(rows.order_by("pk"))
    for row in found:
        row.state, row.attempts, row.error = Delivery.State.WAITING, 0, ""
        row.next_attempt_at = now + before[row.recipient_id] * gap
        row.give_up_at = row.next_attempt_at + MAILED_FOR
        before[row.recipient_id] += 1
    bulk.update(found, ["state", "attempts", "error", "next_attempt_at", "give_up_at"])
    return len(found)


def domain() -> str:
    """Return the domain of new Message-IDs: the site's, or this machine's."""
    host = urlsplit(conf().SITE_URL).hostname
    return punycode(host) if host else str(DNS_NAME)


@transaction.atomic
def _make_digests(keys: Sequence[Any], domain: str, now: datetime) -> int:
    people = {
        user.pk: user
        for user in get_user_model()._default_manager.filter(pk__in=keys)
        if address_of(user)
    }
    ready = _lock_ready([key for key in keys if key in people], now)
    news = _news({key: people[key] for key in ready}, now)
    digests = {
        key: Delivery(
            recipient_id=key,
            message_id=f"<{uuid4().hex}@{domain}>",
            created_at=now,
            next_attempt_at=now,
            give_up_at=now + MAILED_FOR,
        )
        for key in dict.fromkeys(row.recipient_id for row in news)
    }
    bulk.insert(list(digests.values()))
    for key in digests:
        ready[key].at = now
    bulk.update([ready[key] for key in digests], ["at"])
    for row in news:
        row.delivery = digests[row.recipient_id]
    bulk.update(news, ["delivery"])
    return len(digests)


def _lock_ready(keys: Sequence[Any], now: datetime) -> dict[Any, LastDigest]:
    """Return, locked and by person, the last digests of those who may get the next.

    Those whose digest somebody else is making are left to them.
    """
    rows = LastDigest.objects.filter(recipient__in=keys)
    known = set(rows.values_list("recipient_id", flat=True))
    LastDigest.objects.bulk_create(
        [LastDigest(recipient_id=key) for key in keys if key not in known],
        ignore_conflicts=True,  # somebody else may begin the same now
    )
    since = now - timedelta(minutes=conf().DIGEST_MINUTES)
    ready = rows.of_the_ready(since).order_by("pk")
    locked = ready.select_for_update(no_key=True, skip_locked=True, of=("self",))
    return {last.pk: last for last in locked}


def _news(people: dict[Any, AbstractBaseUser], now: datetime) -> list[Notification]:
    """Return, locked, what is to be mailed to these people.

    What somebody is marking as read at this moment is left out.
    """
    rows = list(
        Notification.objects.to_mail(now)
        .filter(recipient__in=people)
        .annotate(is_of_own_team=of_own_team())
        .select_for_update(no_key=True, skip_locked=True, of=("self",))
        .order_by("pk")
    )
    others = {row.recipient_id for row in rows if not row.is_of_own_team}
    managers = {key for key in others if sees_everything(people[key])}
    return [row for row in rows if row.is_of_own_team or row.recipient_id in managers]
