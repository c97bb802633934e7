"""What a rule would have done with past answers: decided as by a worker, nothing kept."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, cast

from django.contrib.auth.models import AbstractBaseUser
from rest_framework import serializers
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from cem_cases.api.door import Door
from cem_cases.api.permissions import has_all
from cem_cases.api.serializers import StrictIn
from cem_cases.conf import conf
from cem_cases.exceptions import InvalidInput
from cem_cases.loop import moment, replay
from cem_cases.models import VIEW_ALL, Rule, Survey

EDIT, VIEW = "cem_cases.change_rule", "cem_cases.view_rule"


class MayReplay(BasePermission):
    """To replay takes `change_rule`, or `view_rule` and `view_all_cases`."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        user = request.user
        return has_all(user, [EDIT]) or has_all(user, [VIEW, VIEW_ALL])


class DaysOpen(serializers.Field):
    """A number of days, or one of two words; what number is for the loop to say."""

    def to_internal_value(self, data: Any) -> float | str:
        if data in (replay.NEVER, replay.AS_USUAL):
            return str(data)
        is_number = isinstance(data, int | float) and not isinstance(data, bool)
        if not is_number or not math.isfinite(data):
            text = f"Must be a number, {replay.NEVER!r} or {replay.AS_USUAL!r}."
            raise serializers.ValidationError(text)
        return cast(float, data)


class ReplayIn(StrictIn):
    version = None  # type: ignore[assignment]  # there is none to have looked at
    rule = serializers.PrimaryKeyRelatedField(queryset=Rule.objects.all(), default=None)
    draft = serializers.JSONField(default=None)
    days = serializers.IntegerField(
        default=replay.DAYS, min_value=1, max_value=replay.MOST_DAYS
    )
    survey = serializers.SlugRelatedField(
        slug_field="slug", queryset=Survey.objects.all(), default=None
    )
    days_open = DaysOpen(default=replay.AS_USUAL)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        draft = attrs.pop("draft")
        if draft is None:
            return attrs
        if attrs["rule"] is not None:
            raise serializers.ValidationError({"draft": ["Give this, or a rule."]})
        return {**attrs, "rule": _draft(draft)}


class Replays(Door):
    """Only reads. `TooMuch` (422) says how it can be done where it is too much here."""

    permission_classes = (MayReplay,)

    def post(self, request: Request) -> Response:
        given = ReplayIn(data=request.data)
        given.is_valid(raise_exception=True)
        asked = given.validated_data
        until = moment.now()
        found = replay.replay(
            asked["rule"],
            since=until - timedelta(days=asked["days"]),
            until=until,
            survey=asked["survey"],
            days_open=asked["days_open"],
            by=cast(AbstractBaseUser, request.user),  # MayReplay has seen it
            most=conf().REPLAY_MAX,
        )
        return Response(found.as_data())


def _draft(fields: Any) -> Rule:
    try:
        return replay.draft(fields)
    except InvalidInput as error:
        raise serializers.ValidationError(_below(error.errors)) from None


def _below(errors: Mapping[str, Any]) -> dict[str, Any]:
    """Return these errors as those of the draft."""
    return {".".join(filter(None, ["draft", name])): e for name, e in errors.items()}
