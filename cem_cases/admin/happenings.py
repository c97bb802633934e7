from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from cem_cases.admin import words
from cem_cases.admin.base import Page, ReadOnly, visible
from cem_cases.loop import drain
from cem_cases.models import Happening


@admin.register(Happening)
class HappeningAdmin(ReadOnly, Page):
    """What happened to cases and rules have not looked at: it waits, or has failed."""

    list_display = ("trigger", "case", "at", "state", "attempts", "error")
    list_select_related = ("case",)
    ordering = ("-pk",)
    sortable_by = ()
    actions = ("try_again",)
    fields = (
        "trigger",
        "case",
        "at",
        "state",
        "attempts",
        "next_attempt_at",
        "failed_at",
        "error",
    )
    readonly_fields = ("state",)

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("cem_cases.change_happening")

    @admin.action(
        description=_("Let the rules try again to look at them"), permissions=["retry"]
    )
    def try_again(self, request: HttpRequest, queryset: QuerySet[Happening]) -> None:
        chosen = visible(queryset, request)
        count = drain.retry_failed(list(chosen.failed()), Happening)  # type: ignore[attr-defined]
        text = ngettext("%d waits again.", "%d wait again.", count)
        level = messages.SUCCESS if count else messages.WARNING
        self.message_user(request, text % count, level)

    @admin.display(description=_("state"))
    def state(self, row: Happening) -> Any:
        if row.failed_at:
            return words.Said(_now("failed"), "late").badge()
        return words.Said(_now("waiting"), "quiet").badge()
