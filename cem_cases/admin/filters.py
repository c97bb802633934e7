"""The sidebar of the list of cases. None of them reads the cases to know its choices."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from cem_cases.admin import words
from cem_cases.admin.base import Choice
from cem_cases.models import Case, Escalation, Team, sees_everything


class StatusFilter(Choice):
    title = _("status")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [("active", _("not done yet")), *Case.Status.choices]

    def narrow(
        self, queryset: QuerySet[Any], value: str, request: HttpRequest
    ) -> QuerySet[Any]:
        if value == "active":
            active: QuerySet[Any] = queryset.active()  # type: ignore[attr-defined]
            return active
        return queryset.filter(status=value)


class OwnerFilter(Choice):
    title = _("owner")
    parameter_name = "owner"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return (("me", _("me")), ("nobody", _("nobody")))

    def narrow(
        self, queryset: QuerySet[Any], value: str, request: HttpRequest
    ) -> QuerySet[Any]:
        return queryset.filter(owner=request.user.pk if value == "me" else None)


class DueFilter(Choice):
    title = _("due")
    parameter_name = "due"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return (("overdue", _("overdue")), ("today", _("today")))

    def narrow(
        self, queryset: QuerySet[Any], value: str, request: HttpRequest
    ) -> QuerySet[Any]:
        now = timezone.now()
        if value == "overdue":
            late: QuerySet[Any] = queryset.overdue(now)  # type: ignore[attr-defined]
            return late
        midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0)
        tomorrow = midnight.replace(microsecond=0) + timedelta(days=1)
        active = queryset.active()  # type: ignore[attr-defined]
        return active.filter(due_at__gte=now, due_at__lt=tomorrow)


class EscalatedFilter(Choice):
    title = _("escalation")
    parameter_name = "escalated"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [("open", _("not acknowledged"))]

    def narrow(
        self, queryset: QuerySet[Any], value: str, request: HttpRequest
    ) -> QuerySet[Any]:
        waiting = Escalation.objects.open().filter(clock__case=OuterRef("pk"))
        return queryset.filter(Exists(waiting))


class PriorityFilter(Choice):
    title = _("priority")
    parameter_name = "priority"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return Case.Priority.choices


class TeamFilter(Choice):
    """Teams whose cases the user may see: one that is not theirs is like none."""

    title = _("team")
    parameter_name = "team"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        user: Any = request.user
        teams = Team.objects.all()
        if not sees_everything(user):
            teams = teams.of(user)
        return teams.values_list("pk", "name")


class BandFilter(Choice):
    title = _("band")
    parameter_name = "band"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [(band, _now(band)) for band in words.TONES]

    def narrow(
        self, queryset: QuerySet[Any], value: str, request: HttpRequest
    ) -> QuerySet[Any]:
        return queryset.filter(opening_response__band=value)
