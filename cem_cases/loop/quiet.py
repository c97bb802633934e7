"""Cases that nobody has touched for long: told to the rules that ask for them.

Once for each rule's hours and each silence: what a person or the customer does ends it.
Business hours are those of the case's SLA policy; without one, those on the wall.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet

from cem_cases import rules, sla
from cem_cases.conf import conf
from cem_cases.loop import audit, batches, bulk, policies
from cem_cases.models import Case, Rule

logger = logging.getLogger(__name__)


def tell(*, now: datetime) -> int:
    """Append `case.quiet` to the cases that have come to some rule's hours; return how many.

    Rules look at these events as at all others, and nothing is told of a silence that
    was as long when the rule was switched on. One query where no rule asks.
    """
    return sum(_tell(hours, since, now) for hours, since in sorted(_asked().items()))


def _asked() -> Mapping[int, datetime | None]:
    """Return the hours that rules ask for, with since when the first of them does."""
    rows = Rule.objects.filter(is_active=True, trigger=rules.Trigger.NO_UPDATE)
    found: dict[int, datetime | None] = {}
    for hours, since in rows.values_list("quiet_hours", "active_since"):
        hours = hours or 0  # never empty: a constraint says so
        before = found.get(hours, since)
        found[hours] = min(before, since) if before and since else None
    return found


def _tell(hours: int, since: datetime | None, now: datetime) -> int:
    waiting = _quiet(hours, since, now)
    done = 0

    @transaction.atomic
    def batch(only: int | None) -> int:
        nonlocal done
        rows = waiting if only is None else waiting.filter(pk=only)
        rows = rows.select_for_update(no_key=True, skip_locked=True, of=("self",))
        found = list(rows.order_by("pk")[: conf().BATCH_SIZE])
        for case in found:
            case.quiet_hours = hours
        bulk.update(found, ["quiet_hours"])
        audit.append([_event(case, hours) for case in found], now=now)
        done += len(found)
        return len(found)

    batches.through(batch, waiting)
    return done


def _event(case: Case, hours: int) -> audit.NewEvent:
    return audit.NewEvent(
        kind="case.quiet",
        case=case,
        payload={
            "hours": hours,
            "since": case.last_activity_at,
            "status": case.status,
        },
    )


def _quiet(hours: int, since: datetime | None, now: datetime) -> QuerySet[Case]:
    """Return active cases that are quiet for so long, and were not when the rule began."""
    rows = Case.objects.active().filter(quiet_hours__lt=hours)
    # by the clock on the wall at least so long: few, and found by an index
    rows = rows.filter(last_activity_at__lte=now - timedelta(hours=hours))
    found = Q(policy_version=None) & _between(None, hours, since, now)
    keys = rows.order_by().values_list("policy_version", flat=True).distinct()
    versions = policies.of({key for key in keys if key})
    for key, policy in versions.items():
        calendar = policy.terms.calendar
        try:
            found |= Q(policy_version=key) & _between(calendar, hours, since, now)
        except sla.NeverOpen as error:
            logger.error("Policy version %d has no business hours: %s", key, error)
    return rows.filter(found)


def _between(
    calendar: sla.Calendar | None, hours: int, since: datetime | None, now: datetime
) -> Q:
    """Return that the last activity is so many business hours ago, but not too many."""
    until = Q(last_activity_at__lte=_ago(calendar, hours, now))
    if since is None:
        return until
    return until & Q(last_activity_at__gt=_ago(calendar, hours, since))


def _ago(calendar: sla.Calendar | None, hours: int, now: datetime) -> datetime:
    """Return the instant since which so many business hours have passed."""
    if calendar is None:
        return now - timedelta(hours=hours)
    return calendar.subtract(now, hours * 3600)
