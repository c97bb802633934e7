"""What rules want to go out, and what the rows of all of it have in common.

The rows are in `models.outgoing`; `channels` takes them by lease and sends them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from cem_cases import rules
from cem_cases.models import TRIED_FOR, Outgoing, RuleRun


@dataclass(frozen=True, slots=True)
class Due:
    """That a rule wants something to go out, and about what."""

    rule: rules.Rule
    effect: rules.Effect
    customer: int
    """The customer's key."""
    case: int | None
    """The case's key; None: there is none, nobody can be notified of it."""
    response: int | None = None
    """The key of the response that made the rule act, or opened the case."""
    event: int | None = None
    """The key of the event that made the rule act, where one did."""

    @property
    def subject(self) -> tuple[int | None, int | None]:
        """Return on what the rule acted, as `RuleRun` says it, and its key."""
        if self.event is not None:
            return RuleRun.Subject.EVENT, self.event
        if self.response is not None:
            return RuleRun.Subject.RESPONSE, self.response
        return (None if self.case is None else RuleRun.Subject.CASE), self.case

    @property
    def once(self) -> tuple[int, int | None, int | None]:
        """Return what the unique constraints go by: the rule, and on what it acted."""
        return self.rule.key, *self.subject


def by_whom(due: Due) -> dict[str, Any]:
    """Return the fields that say which rule wanted a row, and about what."""
    kind, key = due.subject
    return {
        "rule_id": due.rule.key,
        "rule_version": due.rule.version,
        "subject_kind": kind,
        "subject_id": key,
    }


def sending(now: datetime) -> dict[str, Any]:
    """Return the fields of a row that waits to be sent, as it begins."""
    return {
        "created_at": now,
        "next_attempt_at": now,
        "give_up_at": now + TRIED_FOR,
    }


def refused(reason: str) -> dict[str, Any]:
    """Return the fields of a row that is there only to say why nothing goes out."""
    return {"state": Outgoing.State.NOT_SENT, "error": reason}


def new_key() -> str:
    """Return 128 random bits, in 32 letters."""
    return uuid4().hex
