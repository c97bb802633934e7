"""From waiting rows to routed ones: claim a batch, take it through the loop, mark it.

All in one transaction: whoever dies in between leaves the rows waiting. When one row
fails, the batch is split until that row fails alone; it waits a growing delay and is
parked after `MAX_ATTEMPTS`. The others go through.
"""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import QuerySet

from cem_cases import enqueue
from cem_cases.conf import conf
from cem_cases.loop import analyze, audit, bulk, facts, moment, react, route
from cem_cases.models import Happening, Response

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
    reacted: int = 0
    """Happenings of cases at which rules have looked."""
    failed: int = 0
    """Rows that failed this time; each is tried again later, or parked."""
    more: bool = False
    """Whether the time was up before everything was done."""


def drain(*, seconds: float | None = None, now: datetime | None = None) -> Drained:
    """Process what waits until nothing does, or until the time is up.

    Safe to run at any time, in any number of processes. `now` is for the due times of
    retries and for what rules do about cases: the clocks of a new one start when its
    response was received.
    """
    done, until = Drained(), None if seconds is None else time.monotonic() + seconds
    now = now or moment.now()
    size = conf().BATCH_SIZE
    while any(
        _settle(line, done, now, line.waiting(now).order_by("pk")[:size])
        for line in LINES
    ):
        if until is not None and time.monotonic() > until:
            done.more = True
            break
    return done


@dataclass(frozen=True, slots=True)
class _Line:
    """Rows that wait, what is done with a batch of them, and what is said of a failure."""

    model: type[Response] | type[Happening]
    process: Callable[[Sequence[int], datetime], Mapping[str, int]]
    """Takes the keys of locked rows; returns what to add to which field of Drained."""
    parked: Callable[[Any], audit.NewEvent]
    needed: Sequence[str] = ("attempts",)
    """What is read of a row that fails: another column of it may be unreadable."""

    def waiting(self, now: datetime) -> QuerySet[Any]:
        return self.model.objects.waiting(now)


def _settle(line: _Line, done: Drained, now: datetime, rows: QuerySet[Any]) -> bool:
    """Process these rows, and return whether there were any.

    Where that fails: the halves of them, down to the one that fails alone.
    """
    for attempt in range(1, TRIES + 1):
        batch: list[int] = []
        counts: Mapping[str, int] = {}
        try:
            with transaction.atomic():
                locked = rows.select_for_update(skip_locked=True, no_key=True)
                batch.extend(locked.values_list("pk", flat=True))
                if batch:
                    counts = line.process(batch, now)
        except ImproperlyConfigured:
            raise  # no row is to blame
        except Exception as error:
            if isinstance(error, TRANSIENT) and attempt < TRIES:
                continue
            if not batch:
                raise
            _isolate(line, done, now, batch, error)
            return True
        else:
            for name, count in counts.items():
                setattr(done, name, getattr(done, name) + count)
            break
    return bool(batch)


@bulk.unwatched()
def _route(batch: Sequence[int], now: datetime) -> Mapping[str, int]:
    by = route.setup()
    answers = facts.answers(batch, by.facts | analyze.needed())
    analyze.analyze(answers)
    routed = route.route(answers, by, now=now)
    return {
        "processed": len(answers),
        "opened": routed.opened,
        "joined": routed.joined,
    }


@bulk.unwatched()
def _react(batch: Sequence[int], now: datetime) -> Mapping[str, int]:
    return {"reacted": react.react(batch, now=now)}


def _isolate(
    line: _Line, done: Drained, now: datetime, keys: Sequence[int], error: Exception
) -> None:
    if len(keys) == 1:
        done.failed += _postpone(line, keys[0], now, error)
        return
    middle = len(keys) // 2
    for half in (keys[:middle], keys[middle:]):
        # Asked again: another worker may have taken some of them meanwhile.
        rows = line.waiting(now).filter(pk__in=half)
        _settle(line, done, now, rows.order_by("pk"))


@transaction.atomic
def _postpone(line: _Line, key: int, now: datetime, error: Exception) -> bool:
    """Count the failure; wait twice as long as last time, or park the row.

    Returns False where another worker took the row meanwhile: then it is theirs.
    """
    rows = line.waiting(now).filter(pk=key).select_for_update(no_key=True)
    row = rows.only(*line.needed).first()
    if row is None:
        return False
    row.attempts += 1
    row.error = _describe(error)
    wait = timedelta(seconds=conf().RETRY_SECONDS * 2 ** (row.attempts - 1))
    row.next_attempt_at = now + min(wait, LONGEST_WAIT)
    if row.attempts >= conf().MAX_ATTEMPTS:
        row.failed_at = now
        audit.append([line.parked(row)], now=now)
    row.save(update_fields=["attempts", "error", "next_attempt_at", "failed_at"])
    logger.error("%s %d failed: %s", line.model.__name__, row.pk, row.error)
    return True


def _response_parked(row: Response) -> audit.NewEvent:
    return audit.NewEvent(
        kind="response.failed",
        payload={"response": row.pk, "error": row.error},
    )


def _happening_parked(row: Happening) -> audit.NewEvent:
    return audit.NewEvent(
        kind="happening.failed",
        payload={"happening": row.pk, "event": row.event_id, "error": row.error},
    )


LINES = (
    _Line(Response, _route, _response_parked),
    _Line(Happening, _react, _happening_parked, ("attempts", "event")),
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


def retry_failed(
    rows: Sequence[Response] | Sequence[Happening],
    model: type[Response] | type[Happening] = Response,
) -> int:
    """Let parked rows wait again, from their first attempt; return how many."""
    with transaction.atomic():
        count: int = (
            model.objects.failed()
            .filter(pk__in=[row.pk for row in rows])
            .update(failed_at=None, attempts=0, next_attempt_at=None, error="")
        )
        enqueue.ring()
    return count
