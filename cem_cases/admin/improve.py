from __future__ import annotations

from django.contrib import admin

from cem_cases.admin.base import Page
from cem_cases.models import RootCause


@admin.register(RootCause)
class RootCauseAdmin(Page):
    """Why customers were let down. One that cases name can be switched off only."""

    list_display = ("name", "code", "department", "parent", "is_active")
    list_select_related = ("parent",)
    list_filter = ("is_active",)
    search_fields = ("name", "code", "department")
    prepopulated_fields = {"code": ("name",)}
