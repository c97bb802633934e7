"""Who may do what. Who may see which case is `Case.objects.visible_to`, not this."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from cem_cases.models import ASSIGN, WORK

INGEST = "cem_cases.add_response"
VIEW = "cem_cases.view_case"

VERBS: Mapping[str, str] = {
    "claim": WORK,
    "assign": ASSIGN,
    "decline": WORK,
    "note": WORK,
    "contact": WORK,
    "set-priority": WORK,
    "set-pending": WORK,
    "put-on-hold": WORK,
    "resume": WORK,
    "mark-complaint": WORK,
    "resolve": WORK,
    "reopen": WORK,
    "close": WORK,
}
"""The verbs as they stand in URLs, and the permission that each one takes."""
ACTIONS: Mapping[str, str] = {**VERBS, "acknowledge": WORK}
"""All that is done to cases; an escalation is acknowledged, whatever the status."""


class MayIngest(BasePermission):
    """To send in responses takes `add_response`."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return has_all(request.user, [INGEST])


class MayReadAndWork(BasePermission):
    """To read cases takes `view_case`; each verb takes its own permission as well."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        verb = (getattr(view, "action", None) or "").replace("_", "-")
        return has_all(request.user, [VIEW, *filter(None, [ACTIONS.get(verb)])])


def has_all(user: Any, permissions: Iterable[str]) -> bool:
    """Whether somebody is there, and holds all of these."""
    return bool(user and user.is_authenticated and user.has_perms(permissions))
