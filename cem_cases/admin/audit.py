"""The audit, to be read. Its private texts are shown on the case's page only."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from cem_cases import audit
from cem_cases.admin.base import Choice, ForManagers, Page, ReadOnly
from cem_cases.models import AuditEvent, AuditHead, Case, Seal, sees_everything


class KindFilter(Choice):
    title = _("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [(kind, kind) for kind in audit.KINDS]


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnly, Page):
    list_display = ("at", "stream", "sequence", "kind", "actor")
    list_display_links = ("at",)
    list_select_related = ("actor",)
    list_filter = (KindFilter,)
    ordering = ("-pk",)
    sortable_by = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEvent]:
        """Events of visible cases; those of no case only for who sees everything."""
        rows = super().get_queryset(request)
        user: Any = request.user
        if sees_everything(user):
            return rows
        return rows.filter(case__in=Case.objects.visible_to(user))


@admin.register(AuditHead)
class AuditHeadAdmin(ForManagers, Page):
    list_display = ("stream", "sequence", "sealed_sequence")
    ordering = ("-pk",)
    sortable_by = ()


@admin.register(Seal)
class SealAdmin(ForManagers, Page):
    list_display = ("at", "key_id", "hash")
    ordering = ("-pk",)
    sortable_by = ()
