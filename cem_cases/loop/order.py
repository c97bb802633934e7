"""In which order the rules of a trigger act: rules change places, as new versions."""

from __future__ import annotations

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from cem_cases.loop import config, moment
from cem_cases.models import Rule


@transaction.atomic
def move(rule: Rule, places: int, *, by: AbstractBaseUser | None) -> bool:
    """Let a rule act `places` later (or earlier) among those of its trigger.

    Each rule whose position changes by that is saved as its next version. Return whether
    it moved: it does not beyond the first and the last place.
    """
    rows = Rule.objects.select_for_update(no_key=True).filter(trigger=rule.trigger)
    before = sorted(rows.order_by("pk"), key=lambda row: (row.position, row.pk))
    start = [row.pk for row in before].index(rule.pk)
    target = start + places
    if not 0 <= target < len(before) or not places:
        return False
    after = [*before]
    after.insert(target, after.pop(start))
    now, least = moment.now(), 0
    for row, place in zip(after, (row.position for row in before), strict=True):
        position = max(place, least)
        least = position + 1
        if row.position != position:
            row.position = position
            config.save(row, by=by, now=now)
    return True
