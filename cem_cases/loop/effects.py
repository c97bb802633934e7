"""What rules let go out: notifications, e-mails, calls of webhooks, invitations.

Everything is a row, written in the transaction of what the rules decided; `channels`
carries it out.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cem_cases import rules
from cem_cases.loop import calls, invitations, letters, outgoing, telling

Due = outgoing.Due


def perform(due: Sequence[Due], *, now: datetime) -> None:
    """Write what these effects need to go out; call it inside the transaction.

    The number of statements does not depend on theirs. What cannot go out (a template
    that is gone, a webhook that is off) is a row with its reason. Raises IntegrityError
    for an effect that was performed before.
    """
    told = [(d, d.effect) for d in due if isinstance(d.effect, rules.Notify)]
    written = [(d, d.effect) for d in due if isinstance(d.effect, rules.SendTemplate)]
    called = [(d, d.effect) for d in due if isinstance(d.effect, rules.CallWebhook)]
    invited = [(d, d.effect) for d in due if isinstance(d.effect, rules.Invite)]
    telling.tell(told, now=now)
    letters.write(written, now=now)
    calls.write(called, now=now)
    invitations.write(invited, now=now)
