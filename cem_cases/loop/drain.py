"""From waiting rows to routed ones: claim a batch, take it through the loop, mark it.

All in one transaction: whoever dies in between leaves the rows waiting. When one row
fails, the batch is split until that row fails alone; it waits a growing delay and is
parked after `MAX_ATTEMPTS`. The others go through.
"""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import QuerySet

from cem_cases import enqueue
from cem_cases.conf import conf
from cem_cases.loop import analyze, audit, facts, moment, route
from cem_cases.models import Response

logger = logging.getLogger(__name__)

TRANSIENT = (OperationalError, InterfaceError)
TRIES = 3
"""How often a batch is tried when the database gives up on it (deadlock, lock wait)."""
LONGEST_WAIT = timedelta(hours=1)
PACKAGE = Path(__file__).parent.parent


@dataclass(slots=True)
class Drained:
    """What one drain did."""

    processed: int = 0
    opened: int = 0
    joined: int = 0
    failed: int = 0
    """Rows that failed this time; each is tried again later, or parked."""
    more: bool = False
    """Whether the time was up before everything was done."""


def drain(*, seconds: float | None = None, now: datetime | None = None) -> Drained:
    """Process what waits until nothing does, or until the time is up.

    Safe to run at any time, in any number of processes. `now` is for the due times of
    retries only: the clocks of a case start when its response was received.
    """
    done, until = Drained(), None if seconds is None else time.monotonic() + seconds
    now = now or moment.now()
    size = conf().BATCH_SIZE
    while _settle(done, now, Response.objects.waiting(now).order_by("pk")[:size]):
        if until is not None and time.monotonic() > until:
            done.more = True
            break
    return done


def _settle(done: Drained, now: datetime, rows: QuerySet[Response]) -> bool:
    """Process these rows, and return whether there were any.

    Where that fails: the halves of them, down to the one that fails alone.
    """
    for attempt in range(1, TRIES + 1):
        batch: list[int] = []
        try:
            with transaction.atomic():
                locked = rows.select_for_update(skip_locked=True, no_key=True)
                batch.extend(locked.values_list("pk", flat=True))
                routed = _process(batch, now)
        except ImproperlyConfigured:
            raise  # no row is to blame
        except Exception as error:
            if isinstance(error, TRANSIENT) and attempt < TRIES:
                continue
            if not batch:
                raise
            _isolate(done, now, batch, error)
            return True
        else:
            done.processed += len(batch)
            done.opened += routed.opened
            done.joined += routed.joined
            break
    return bool(batch)


def _process(batch: Sequence[int], now: datetime) -> route.Routed:
    if not batch:
        return route.Routed()
    by = route.setup()
    answers = facts.answers(batch, by.facts)
    analyze.analyze(answers)
    return route.route(answers, by, now=now)


def _isolate(
    done: Drained, now: datetime, keys: Sequence[int], error: Exception
) -> None:
    if len(keys) == 1:
        done.failed += _postpone(keys[0], now, error)
        return
    middle = len(keys) // 2
    for half in (keys[:middle], keys[middle:]):
        # Asked again: another worker may have taken some of them meanwhile.
        rows = Response.objects.waiting(now).filter(pk__in=half)
        _settle(done, now, rows.order_by("pk"))


@transaction.atomic
def _postpone(key: int, now: datetime, error: Exception) -> bool:
    """Count the failure; wait twice as long as last time, or park the row.

    Returns False where another worker took the row meanwhile: then it is theirs.
    """
    rows = Response.objects.waiting(now).filter(pk=key)
    response = rows.only("attempts").select_for_update(no_key=True).first()
    if response is None:
        return False
    response.attempts += 1
    response.error = _describe(error)
    wait = timedelta(seconds=conf().RETRY_SECONDS * 2 ** (response.attempts - 1))
    response.next_attempt_at = now + min(wait, LONGEST_WAIT)
    if response.attempts >= conf().MAX_ATTEMPTS:
        response.failed_at = now
        audit.append([_parked(response)], now=now)
    response.save(update_fields=["attempts", "error", "next_attempt_at", "failed_at"])
    logger.error("Response %d failed: %s", response.pk, response.error)
    return True


def _parked(response: Response) -> audit.NewEvent:
    return audit.NewEvent(
        kind="response.failed",
        payload={"response": response.pk, "error": response.error},
    )


def _describe(error: Exception) -> str:
    """Return what failed and where; never the message, which may quote the row.

    Where it was raised, and from which line of ours, if that is another.
    """
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(PACKAGE)]
    places = [
        f"{Path(frame.filename).name}:{frame.lineno}"
        for frame in (frames[-1], ours[-1])
    ]
    return f"{type(error).__name__} in {', from '.join(dict.fromkeys(places))}"[:200]


def retry_failed(responses: Sequence[Response]) -> int:
    """Let parked responses wait again, from their first attempt; return how many."""
    with transaction.atomic():
        count = (
            Response.objects.failed()
            .filter(pk__in=[response.pk for response in responses])
            .update(failed_at=None, attempts=0, next_attempt_at=None, error="")
        )
        enqueue.ring()
    return count
