"""What all e-mails have in common: the site's mail server, its moods, our headers.

One that is refused is tried again, later each time; while the mail server is away
nothing is used up but time.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from smtplib import SMTPDataError, SMTPRecipientsRefused, SMTPSenderRefused
from typing import Any

from django.core import mail
from django.db.models import QuerySet

from cem_cases.channels import outbox

logger = logging.getLogger(__name__)

TIMEOUT = 10
"""Seconds to wait for a mail server, where the site's own settings set no limit."""
REFUSALS = (SMTPRecipientsRefused, SMTPSenderRefused, SMTPDataError)
"""What a server answers to one mail: the next one may go through."""
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
    """What was not to be sent any more."""
    away: bool = False
    """Whether the mail server was away; then the rest waits for the next time."""
    more: bool = False
    """Whether the time was up before everything was sent."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one e-mail."""

    state: str
    """`sent`, `failed`, `waiting`, or what this kind calls it when it is not sent."""
    reason: str = ""
    until: datetime | None = None
    """For `waiting`: until when."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """What else is kept."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of e-mail: where its rows wait, and how one is sent."""

    due: Callable[[datetime], QuerySet[Any]]
    waits: Sequence[timedelta]
    send: Callable[[Any, Any, datetime], Outcome]
    """Takes row, connection and instant; raises what the mail server answers."""
    finish: Callable[[Any, Mapping[str, Any]], None]
    """Takes the row and what to write."""


def send_waiting(kind: Kind, *, now: datetime, seconds: float | None) -> Sent:
    """Send what waits until nothing does, the time is up, or the mail server is away.

    Raises what the site's mail settings raise when they are wrong; whatever goes wrong
    with one mail is kept there.
    """
    done, until = Sent(), None if seconds is None else time.monotonic() + seconds
    outbox.give_up(kind.due(now), kind.waits, now)
    if not kind.due(now).exists():
        return done
    connection = open_later()
    try:
        while not done.away and not done.more and (row := _take(kind, now)):
            _deliver(kind, row, connection, done, now)
            done.more = until is not None and time.monotonic() > until
    finally:
        _close(connection)
    return done


def open_later() -> Any:
    """Return the site's way to its mail server, closed; it never waits for ever."""
    mailers = getattr(mail, "mailers", None)  # they come with Django 6.1
    connection: Any = mailers.default if mailers else mail.get_connection()
    if getattr(connection, "timeout", TIMEOUT) is None:  # SMTP, with no limit set
        connection.timeout = TIMEOUT
    return connection


def _close(connection: Any) -> None:
    with contextlib.suppress(Exception):  # what was sent is sent
        connection.close()


def _take(kind: Kind, now: datetime) -> Any:
    return outbox.take(kind.due(now), now)


def _deliver(kind: Kind, row: Any, connection: Any, done: Sent, now: datetime) -> None:
    """Try to send this one, and write down what came of it."""
    try:
        connection.open()
    except Exception as error:
        logger.warning("The mail server is away (%s).", outbox.name(error))
        done.away = True
        outbox.release(row, outbox.name(error), now + outbox.AWAY_WAIT)
        return
    try:
        outcome = kind.send(row, connection, now)
    except Exception as error:
        _close(connection)  # the next one gets a fresh one
        done.failed += 1
        done.away = isinstance(error, OSError) and not isinstance(error, REFUSALS)
        what, reason = type(row).__name__, outbox.name(error)
        logger.warning("%s %d was not sent: %s", what, row.pk, reason)
        outbox.postpone(row, reason, kind.waits, now)
    else:
        _finish(kind, row, outcome, done, now)


def _finish(kind: Kind, row: Any, outcome: Outcome, done: Sent, now: datetime) -> None:
    if outcome.until is not None:
        outbox.release(row, outcome.reason, outcome.until)
        return
    done.sent += outcome.state == "sent"
    done.failed += outcome.state == "failed"
    done.dropped += outcome.state not in ("sent", "failed")
    sent_at = now if outcome.state == "sent" else None
    said = {"state": outcome.state, "error": outcome.reason, "sent_at": sent_at}
    kind.finish(row, {**said, **outcome.changes})


def one_line(text: str) -> str:
    """Return a subject: header injection ends here."""
    return " ".join(text.split())[:MOST_SUBJECT]
