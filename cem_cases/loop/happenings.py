"""What happened to cases, for the rules that ask: a row for each, where some rule does."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cem_cases import enqueue, rules
from cem_cases.loop import bulk
from cem_cases.models import Happening, Rule

logger = logging.getLogger(__name__)

Chain = Sequence[Sequence[int]]
"""The keys of the rules that acted one upon the other until here: of each link those
that acted together."""

TRIGGERS: Mapping[str, str] = {
    "case.opened": rules.Trigger.CASE_OPENED,
    "case.quiet": rules.Trigger.NO_UPDATE,
    "clock.warned": rules.Trigger.CLOCK_WARNED,
    "clock.breached": rules.Trigger.CLOCK_BREACHED,
} | {f"case.{change}": rules.Trigger.CASE_CHANGED for change in rules.CHANGES}
"""Kinds of events, with the trigger of the rules that look at them."""


@dataclass(slots=True)
class Appended:
    """An event that was appended to the audit: light, where a model instance is heavy."""

    stream: str
    sequence: int
    case_id: int | None
    at: datetime
    actor_id: Any
    kind: str
    payload: str
    previous_hash: str
    key_id: str
    hash: str = ""
    pk: int = 0
    """Its key, once it is written."""

    @property
    def data(self) -> dict[str, Any]:
        """Return the payload as it was given."""
        data: dict[str, Any] = json.loads(self.payload)
        return data


_chains: ContextVar[Mapping[int, Chain] | None] = ContextVar("chains", default=None)


@contextmanager
def caused_by(chains: Mapping[int, Chain]) -> Iterator[None]:
    """What happens to these cases in this block, rules have done: by the cases' keys."""
    token = _chains.set(chains)
    try:
        yield
    finally:
        _chains.reset(token)


def note(said: Sequence[Appended]) -> None:
    """Let the rules look at these events, where there are rules that ask for them.

    Call it in the transaction of the events. A chain of `rules.MAX_DEPTH` links goes no
    further.
    """
    found = [(row, trigger) for row in said for trigger in _triggers(row)]
    if not found:
        return
    asked = set(
        Rule.objects.filter(is_active=True, trigger__in={t for _, t in found})
        .order_by()
        .values_list("trigger", flat=True)
    )
    chains, rows = _chains.get() or {}, []
    for row, trigger in found:
        chain = chains.get(row.case_id or 0) or _sent_by(row)
        if trigger in asked and len(chain) >= rules.MAX_DEPTH:
            logger.warning("Rules act upon rules: %s ends at %r.", row.stream, chain)
        elif trigger in asked:
            rows.append(_happening(row, trigger, chain))
    if rows:
        bulk.insert(rows, keys=False)
        enqueue.ring()


def _triggers(row: Appended) -> Iterator[str]:
    if row.kind in TRIGGERS:
        yield TRIGGERS[row.kind]
    if row.kind == "case.contacted" and row.data["direction"] == "in":
        yield rules.Trigger.CONTACT_RECEIVED


def _sent_by(row: Appended) -> Chain:
    """Return the rule whose letter this contact is: it is not to act on its own."""
    rule = row.data.get("by_rule") if row.kind == "case.contacted" else None
    return () if rule is None else ((rule,),)


def _happening(row: Appended, trigger: str, chain: Chain) -> Happening:
    return Happening(
        case_id=row.case_id,  # type: ignore[misc]
        trigger=trigger,
        event_id=row.pk,
        at=row.at,
        chain=list(chain),
    )
