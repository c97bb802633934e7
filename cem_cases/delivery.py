"""Everything that waits to go out, sent: what `tasks` and `cem_drain` both do.

Each part is tried for itself. Wrong mail settings keep no webhook from being called, and
nothing here keeps a case or a clock waiting.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from cem_cases.channels import email, webhooks
from cem_cases.channels import letters as mailbox
from cem_cases.loop import invitations, letters, moment, notices

logger = logging.getLogger(__name__)

SECONDS = 10.0
"""How long one sweep sends of each kind; the next goes on."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """How much went out."""

    sent: int = 0
    """Digests."""
    letters: int = 0
    calls: int = 0


def deliver() -> Delivered:
    """Send what waits, for a bounded time; what goes wrong is logged.

    Safe to run at any time, in any number of processes.
    """
    now = moment.now()

    def digests() -> int:
        notices.gather(now=now)
        return email.send_waiting(now=now, seconds=SECONDS).sent

    def to_customers() -> int:
        try:
            return mailbox.send_waiting(now=now, seconds=SECONDS).sent
        finally:
            letters.settle(now=now)

    def calls() -> int:
        return webhooks.send_waiting(now=now, seconds=SECONDS).sent

    _tried("Nobody was invited", lambda: invitations.prepare(now=now))
    return Delivered(
        sent=_tried("Nothing was delivered", digests),
        letters=_tried("No letters were sent", to_customers),
        calls=_tried("No webhooks were called", calls),
    )


def _tried(failure: str, part: Callable[[], int]) -> int:
    try:
        return part()
    except Exception as error:  # its text may quote an address
        logger.error("%s: %s", failure, type(error).__name__)
        return 0
