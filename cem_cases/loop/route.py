"""From facts to decisions, from decisions to cases."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cem_cases import rules
from cem_cases.loop import facts, opening, policies
from cem_cases.models import Response, Rule

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Routed:
    """What came of a batch: cases opened, responses that joined an open case."""

    opened: int = 0
    joined: int = 0


def route(responses: Sequence[Response], *, now: datetime) -> Routed:
    """Do what the rules ask for these responses, and set their `case`.

    Takes analysed responses whose rows the caller has locked and will save, inside the
    caller's transaction. The number of statements does not depend on their number.
    """
    ruleset, found = active_rules(), policies.current()
    wanted = facts.wanted(
        [rule.conditions for rule in ruleset] + [p.conditions for p in found]
    )
    facts.load(responses, wanted)
    openings = []
    for response in responses:
        known = facts.of_response(response, wanted)
        decision = rules.decide(rules.plan(ruleset, known))
        if decision.opened_by:
            looks = tuple(rules.explain(ruleset, known))
            openings.append(opening.Opening(response, decision, looks, known))
    opened, joined = opening.open_cases(openings, found, now=now)
    return Routed(opened=len(opened), joined=len(joined))


def active_rules() -> Sequence[rules.Rule]:
    """Return the active rules in their order.

    A row that was changed around the admin and cannot be read is left out, and logged.
    """
    ruleset = []
    for row in Rule.objects.filter(
        is_active=True, trigger=Rule.Trigger.RESPONSE_RECEIVED
    ):
        try:
            ruleset.append(row.value())
        except rules.InvalidRule as error:
            logger.error("Rule %d is left out, it is invalid: %s", row.pk, error)
    return ruleset
