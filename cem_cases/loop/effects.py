"""What rules let go out: notifications, e-mails, calls of webhooks, invitations.

Everything is a row, written in the transaction of what the rules decided; `channels`
carries it out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cem_cases import rules


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
    """The response's key, where a response made the rule act."""
    event: int | None = None
    """The key of the event that made the rule act, where one did."""


def perform(due: Sequence[Due], *, now: datetime) -> None:
    """Write what these effects need to go out; call it inside the transaction."""
