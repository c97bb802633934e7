"""Saving what decides over cases: each edit is a new version and an audit event."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.utils import timezone

from cem_cases.loop import audit
from cem_cases.models import Rule, SlaPolicy


@transaction.atomic
def save(
    row: Rule | SlaPolicy, *, by: AbstractBaseUser, now: datetime | None = None
) -> None:
    """Save a rule or a policy as its next version, and note who did it.

    Cases and running clocks keep the version with which they began.
    Raises ValidationError.
    """
    row.full_clean()
    model = type(row)
    is_new = row._state.adding
    if not is_new:
        row.version = (
            model.objects.select_for_update(no_key=True).get(pk=row.pk).version + 1
        )
    row.save()
    event = audit.NewEvent(
        kind=f"{model._meta.model_name}.{'created' if is_new else 'changed'}",
        actor=by,
        payload={
            field.attname: _plain(field.value_from_object(row))
            for field in model._meta.concrete_fields
        },
    )
    audit.append([event], now=now or timezone.now())


def _plain(value: Any) -> str | int | None:
    if value is None or isinstance(value, bool | int | str):
        return value
    return json.dumps(value, cls=DjangoJSONEncoder, sort_keys=True)
