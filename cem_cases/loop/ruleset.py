"""The rules that act, compiled once for each state in which their rows are."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.utils.dateparse import parse_datetime

from cem_cases import rules
from cem_cases.loop import bulk
from cem_cases.models import Rule, RuleRun

logger = logging.getLogger(__name__)

COLUMNS = (
    *("pk", "version", "name", "conditions", "actions", "stop", "active_since"),
    "quiet_hours",
)


@dataclass(frozen=True, slots=True)
class Active:
    """The active rules of one trigger, and since when each of them acts."""

    rules: rules.RuleSet
    since: Mapping[int, datetime]
    quiet_hours: Mapping[int, int]
    """Of rules with the trigger *no update*: after how many business hours."""

    def that_knew(self, at: datetime) -> Collection[int] | None:
        """Return the keys of the rules that were active at this instant; None: all.

        A rule never acts on what was there before it was switched on.
        """
        later = {key for key, since in self.since.items() if since > at}
        if not later:
            return None
        return {rule.key for rule in self.rules.rules} - later


def active(trigger: str) -> Active:
    """Return the active rules of this trigger, in their order.

    A row that was changed around the admin and cannot be read is left out, and logged.
    """
    rows = Rule.objects.filter(is_active=True, trigger=trigger)
    found = list(rows.order_by("position", "pk").values_list(*COLUMNS))
    return _compiled(trigger, json.dumps(found, default=datetime.isoformat))


@lru_cache(maxsize=32)
def _compiled(trigger: str, rows: str) -> Active:
    found: list[rules.Rule] = []
    since: dict[int, datetime] = {}
    quiet: dict[int, int] = {}
    for pk, version, name, conditions, actions, stop, began, hours in json.loads(rows):
        rule = _read(trigger, pk, version, name, conditions, actions, stop)
        if rule is not None:
            found.append(rule)
            began = began and parse_datetime(began)
            since |= {pk: began} if began else {}
            quiet |= {pk: hours} if hours else {}
    return Active(rules.RuleSet(found), since, quiet)


def _read(
    trigger: str,
    key: int,
    version: int,
    name: str,
    conditions: Any,
    actions: Any,
    stop: bool,
) -> rules.Rule | None:
    try:
        tree, wanted = rules.parse_rule(trigger, conditions, actions)
    except rules.InvalidRule as error:
        logger.error("Rule %d is left out, it is invalid: %s", key, error)
        return None
    return rules.Rule(key, version, name, tree, wanted, stop)


def note_runs(
    subject: int, acted: Iterable[tuple[rules.Rule, int]], *, now: datetime
) -> None:
    """Write that these rules acted on the subjects of this kind with these keys.

    Raises IntegrityError where one did before.
    """
    bulk.add(
        RuleRun,
        ["rule", "rule_version", "subject_id"],
        [(rule.key, rule.version, key) for rule, key in acted],
        same={"subject": subject, "at": now},
        keys=False,
    )
