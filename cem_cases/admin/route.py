from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from cem_cases.admin import words
from cem_cases.admin.base import Inline, Page
from cem_cases.admin.fields import QuietRawIdWidget
from cem_cases.admin.timeline import name_of
from cem_cases.models import Absence, Membership, Team


class MembershipInline(Inline):
    """Who works here. Somebody who leaves is switched off: their cases stay counted."""

    model = Membership
    fields = (
        "who",
        "user",
        "role",
        "capacity",
        "is_active",
        "open_cases",
        "last_assigned",
    )
    readonly_fields = ("who", "open_cases", "last_assigned")
    raw_id_fields = ("user",)
    can_delete = False

    def formfield_for_foreignkey(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        if db_field.name == "user":  # named in "who": one query less for each member
            kwargs["widget"] = QuietRawIdWidget(db_field.remote_field, self.admin_site)
            return db_field.formfield(**kwargs)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    @admin.display(description=_("member"))
    def who(self, membership: Membership) -> str:
        return words.NOTHING if membership.pk is None else name_of(membership.user)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        return super().get_queryset(request).select_related("user", "team")


@admin.register(Team)
class TeamAdmin(Page):
    list_display = ("name", "slug", "people", "is_active")
    list_filter = ("is_active",)
    ordering = ("name",)
    search_fields = ("name", "slug")
    prepopulated_fields = {"slug": ("name",)}
    readonly_fields = ("assigned_count",)
    inlines = (MembershipInline,)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        # rules name teams by their slugs, and would lose this one
        return self.readonly_fields if obj is None else ("slug", *self.readonly_fields)

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return {} if obj else self.prepopulated_fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Team]:
        working = Count("memberships", filter=Q(memberships__is_active=True))
        return super().get_queryset(request).annotate(people=working)

    @admin.display(description=_("active members"))
    def people(self, team: Team) -> int:
        count: int = team.people  # type: ignore[attr-defined]
        return count


@admin.register(Absence)
class AbsenceAdmin(Page):
    list_display = ("user", "from_at", "until_at", "substitute", "reason")
    list_select_related = ("user", "substitute")
    ordering = ("-from_at",)
    raw_id_fields = ("user", "substitute")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Absence]:
        return super().get_queryset(request).visible_to(request.user)  # type: ignore[attr-defined]
