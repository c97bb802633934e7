"""SLA policies as they are reckoned with: their versions, and which one is a case's.

A policy and its calendar are edited as rows; each save makes a version, which holds all
of it and never changes. Cases and clocks go by versions only.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F

from cem_cases import rules, sla
from cem_cases.models import (
    Case,
    EscalationStep,
    Holiday,
    PolicyVersion,
    SlaPolicy,
    Target,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Policy:
    """One version of a policy, as it is reckoned with."""

    version: PolicyVersion
    conditions: rules.Node
    terms: sla.Terms


@dataclass(frozen=True, slots=True)
class Choice:
    """Which policy is a case's, and why: each policy looked at, with what decided."""

    policy: Policy | None
    looks: Sequence[Mapping[str, Any]] = ()


def current() -> Sequence[Policy]:
    """Return the newest version of each active policy, in their order.

    A version that cannot be read, because somebody changed it with SQL, is left out
    and logged.
    """
    newest = PolicyVersion.objects.filter(
        policy__is_active=True, number=F("policy__version")
    )
    rows = newest.select_related("policy").order_by("policy__position", "policy_id")
    return [policy for policy in map(_read, rows) if policy is not None]


def of(version_ids: Collection[int]) -> Mapping[int, Policy]:
    """Return these versions by their keys, without those that cannot be read."""
    rows = PolicyVersion.objects.filter(pk__in=version_ids).select_related("policy")
    return {row.pk: policy for row in rows if (policy := _read(row)) is not None}


def of_case(case: Case) -> Policy | None:
    """Return the version under which this case stands."""
    version = case.policy_version_id
    return of([version]).get(version) if version else None


def _read(row: PolicyVersion) -> Policy | None:
    try:
        conditions, terms = row.value()
    except (rules.InvalidRule, sla.InvalidPolicy) as error:
        logger.error("Version %d of a policy is left out: %s", row.pk, error)
        return None
    return Policy(row, conditions, terms)


def choose(found: Iterable[Policy], facts: rules.Facts) -> Choice:
    """Return the first policy whose conditions hold, with what was looked at."""
    looks = []
    for policy in found:
        holds = policy.conditions.holds(facts)
        looks.append(_look(policy, facts, holds))
        if holds:
            return Choice(policy, looks)
    return Choice(None, looks)


def named(policy: Policy) -> Choice:
    """Return the choice of a policy that a rule names, whatever its conditions say."""
    look = {
        "policy": policy.version.policy_id,
        "version": policy.version.number,
        "name": policy.version.policy.name,
        "matched": True,
        "because": "set by a rule",
    }
    return Choice(policy, [look])


def _look(policy: Policy, facts: rules.Facts, holds: bool) -> Mapping[str, Any]:
    decided = rules.deciding(policy.conditions, facts)
    because = "; ".join(rules.seen(condition, facts) for condition in decided)
    return {
        "policy": policy.version.policy_id,
        "version": policy.version.number,
        "name": policy.version.policy.name,
        "matched": holds,
        "because": because or "always",
    }


def terms_data(
    policy: SlaPolicy,
    targets: Iterable[Target],
    steps: Iterable[EscalationStep],
    holidays: Iterable[Holiday] | None = None,
) -> dict[str, Any]:
    """Return what these rows, saved or not, say together: what `sla.parse_terms` reads.

    `holidays`: of the calendar, instead of the saved ones.
    """
    pauses = {"pending": policy.pauses_pending, "on hold": policy.pauses_on_hold}
    return {
        "calendar": policy.calendar and policy.calendar.as_data(holidays),
        "conditions": policy.conditions,
        "pauses": [status for status, pauses_then in pauses.items() if pauses_then],
        "targets": [
            {
                "metric": target.metric,
                "priority": target.priority,
                "amount": target.amount,
                "unit": target.unit,
                "warn_percents": target.warn_percents,
            }
            for target in targets
        ],
        "steps": [
            {
                "metric": step.metric,
                "percent": step.percent,
                "minutes": step.minutes,
                "action": step.action,
                "user": None if step.user_id is None else str(step.user_id),
            }
            for step in steps
        ],
    }


def publish(
    policy: SlaPolicy, terms: Mapping[str, Any], *, now: datetime
) -> PolicyVersion:
    """Make the next version of a saved policy; from now on new clocks go by it.

    Call it inside the transaction that changed the policy, its row locked.
    """
    policy.version += 1
    policy.save(update_fields=["version"])
    return PolicyVersion.objects.create(
        policy=policy,
        number=policy.version,
        terms=json.dumps(terms, sort_keys=True, separators=(",", ":")),
        created_at=now,
    )
