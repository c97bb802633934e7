"""How every channel takes its work: by lease, and once more when that came to nothing.

A row is taken in one short transaction, worked on in none, and marked in another. Who
dies in between leaves it to the next, when the lease is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q, QuerySet

LEASE = timedelta(minutes=10)
"""For how long a row is left to the worker that took it."""
WAITS = tuple(
    timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 360, 960, 36 * 60)
)
"""How long something of a rule waits after each failure; after one more it is given up."""
AWAY_WAIT = timedelta(minutes=1)
INTERRUPTED = "interrupted"
"""What a row says while it is being sent: true, if that process dies."""


def give_up(due: QuerySet[Any], waits: Sequence[timedelta], now: datetime) -> None:
    """Give up what nobody finished, or what is too old."""
    over = Q(attempts__gt=len(waits)) | Q(give_up_at__lte=now)
    due.filter(over).update(state="failed")


@transaction.atomic
def take(due: QuerySet[Any], now: datetime, lease: timedelta = LEASE) -> Any:
    """Lease the row that waits longest, and count the attempt; None: none waits."""
    rows = due.order_by("next_attempt_at", "pk")
    row = rows.select_for_update(skip_locked=True, no_key=True, of=("self",)).first()
    if row is not None:
        row.attempts += 1
        row.next_attempt_at = now + lease
        row.error = INTERRUPTED
        row.save(update_fields=["attempts", "next_attempt_at", "error"])
    return row


def mark(row: Any, **changes: Any) -> bool:
    """Write this down; False where the lease ran out and somebody else has it now."""
    mine = type(row).objects.filter(
        pk=row.pk, attempts=row.attempts, state="waiting", error=INTERRUPTED
    )
    return bool(mine.update(**changes))


def release(row: Any, error: str, until: datetime) -> None:
    """Let it wait as if it had not been taken: nobody was there to refuse it."""
    mark(row, attempts=F("attempts") - 1, next_attempt_at=until, error=error)


def postpone(
    row: Any,
    error: str,
    waits: Sequence[timedelta],
    now: datetime,
    *,
    at_least: timedelta = timedelta(),
    **changes: Any,
) -> None:
    """Let it wait longer than last time, or give it up."""
    if row.attempts > len(waits):
        mark(row, state="failed", error=error, **changes)
        return
    wait = max(waits[row.attempts - 1], at_least)
    mark(row, next_attempt_at=now + wait, error=error, **changes)


def spread(waits: Sequence[timedelta], key: int) -> Sequence[timedelta]:
    """Return these waits for the row with this key, up to a tenth longer.

    What failed together is not tried again together. The same row always gets the same.
    """
    return [
        wait * (1 + (key * 7919 + n * 104_729) % 1000 / 10_000)
        for n, wait in enumerate(waits)
    ]


def name(error: BaseException) -> str:
    """Return what kind of error it is; never its text, which may quote an address."""
    return type(error).__name__
