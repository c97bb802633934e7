"""What may happen to a case, as a table: verb → from which status → to which.

A case without an owner is *new*; a verb that leaves the status alone maps to itself.
Closed is the end: what comes later opens a follow-up case.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Status(StrEnum):
    """Where a case stands."""

    NEW = "new"
    OPEN = "open"
    PENDING = "pending"
    ON_HOLD = "on hold"
    RESOLVED = "resolved"
    CLOSED = "closed"


ACTIVE = (Status.NEW, Status.OPEN, Status.PENDING, Status.ON_HOLD)
"""The statuses in which somebody still has to do something."""

WAITING = (Status.PENDING, Status.ON_HOLD)
"""The statuses in which we wait: pending on the customer, on hold on others."""

_same = {status: status for status in ACTIVE}

TRANSITIONS: Mapping[str, Mapping[Status, Status]] = {
    "claim": {Status.NEW: Status.OPEN},
    "assign": {**_same, Status.NEW: Status.OPEN},
    "decline": dict.fromkeys((Status.OPEN, *WAITING), Status.NEW),
    "unassign": dict.fromkeys(ACTIVE, Status.NEW),
    "set priority": _same,
    "mark complaint": _same,
    "set pending": dict.fromkeys((Status.OPEN, *WAITING), Status.PENDING),
    "put on hold": dict.fromkeys((Status.OPEN, *WAITING), Status.ON_HOLD),
    "resume": dict.fromkeys(WAITING, Status.OPEN),
    "note": {status: status for status in Status},
    "contact": {**_same, Status.RESOLVED: Status.RESOLVED},
    "resolve": dict.fromkeys(ACTIVE, Status.RESOLVED),
    "reopen": {Status.RESOLVED: Status.OPEN},
    "close": {Status.RESOLVED: Status.CLOSED},
}

OWNERS_OWN = frozenset({"decline"})
"""What nobody but the owner of the case may do."""


def target(verb: str, status: str) -> Status | None:
    """Return the status after `verb`, or None where it is not allowed.

    >>> target("resolve", "open"), target("reopen", "closed")
    (<Status.RESOLVED: 'resolved'>, None)
    """
    return TRANSITIONS[verb].get(Status(status))


def allowed(status: str) -> tuple[str, ...]:
    """Return the verbs that a case in this status allows."""
    return tuple(verb for verb in TRANSITIONS if target(verb, status) is not None)
