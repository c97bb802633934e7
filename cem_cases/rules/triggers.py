"""When rules are looked at, and which facts are known then."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from cem_cases.rules.facts import Scope


class Trigger(StrEnum):
    """What happened; rules of the same trigger act in the order of their positions."""

    RESPONSE_RECEIVED = "response received"
    CASE_OPENED = "case opened"
    CASE_CHANGED = "case changed"
    CONTACT_RECEIVED = "contact received"
    CLOCK_WARNED = "clock warned"
    CLOCK_BREACHED = "clock breached"
    NO_UPDATE = "no update"


ANSWER = frozenset({Scope.RESPONSE})
FOR_POLICIES = ANSWER | {Scope.POLICY}
"""What the conditions of an SLA policy may ask."""

_CASE = ANSWER | {Scope.CASE, Scope.POLICY}
KNOWN: Mapping[Trigger, frozenset[Scope]] = {
    Trigger.RESPONSE_RECEIVED: ANSWER,
    Trigger.CASE_OPENED: _CASE,
    Trigger.CASE_CHANGED: _CASE | {Scope.CHANGE},
    Trigger.CONTACT_RECEIVED: _CASE | {Scope.CONTACT},
    Trigger.CLOCK_WARNED: _CASE | {Scope.CLOCK},
    Trigger.CLOCK_BREACHED: _CASE | {Scope.CLOCK},
    Trigger.NO_UPDATE: _CASE,
}
"""What the conditions of a rule may ask, by its trigger."""

MAX_DEPTH = 5
"""How many rules may act one upon the other."""
