"""What people are told: everybody's own list, and the e-mails for managers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from cem_cases.admin import words
from cem_cases.admin.base import (
    Choice,
    ForManagers,
    Page,
    ReadOnly,
    may_view,
    visible,
)
from cem_cases.loop import moment, notices
from cem_cases.models import Case, Delivery, LastDigest, Notification

MOST_AT_ONCE = 10_000
"""Rows that one action takes."""
STATE_TONES: Mapping[str, str] = {
    Delivery.State.FAILED: "late",
    Delivery.State.SENT: "good",
    Delivery.State.DROPPED: "quiet",
}


class ReadFilter(Choice):
    title = _("read")
    parameter_name = "read"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return (("no", _("unread")), ("yes", _("read")))

    def narrow(
        self, queryset: QuerySet[Any], value: str, request: HttpRequest
    ) -> QuerySet[Any]:
        return queryset.filter(read_at__isnull=value == "no")


@admin.register(Notification)
class NotificationAdmin(ReadOnly, Page):
    """One's own list. Who may view cases has one; it takes no permission of its own."""

    list_display = ("case_link", "what", "due", "told_at", "state")
    list_display_links = None
    list_select_related = ("case",)
    list_filter = (ReadFilter,)
    ordering = ("-pk",)
    sortable_by = ()
    actions = ("mark_as_read",)
    fields = ("case_link", "text", "at", "read_at")
    readonly_fields = ("case_link",)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_view(request, Case)

    @admin.action(description=_("Mark as read"), permissions=["view"])
    def mark_as_read(
        self, request: HttpRequest, queryset: QuerySet[Notification]
    ) -> None:
        chosen = visible(queryset, request).unread()[:MOST_AT_ONCE]  # type: ignore[attr-defined]
        user: Any = request.user
        count = notices.mark_read(chosen, by=user, now=moment.now())
        text = ngettext("%d marked as read.", "%d marked as read.", count)
        self.message_user(request, text % count, messages.SUCCESS)

    @admin.display(description=_("case"))
    def case_link(self, notification: Notification) -> str:
        return self.link(notification.case, str(notification.case))

    @admin.display(description=_("what"))
    def what(self, notification: Notification) -> str:
        if notification.read_at:
            return format_html("<bdi>{}</bdi>", notification.text)
        return format_html("<b><bdi>{}</bdi></b>", notification.text)

    @admin.display(description=_("case is due"))
    def due(self, notification: Notification) -> str:
        return words.due(notification.case, timezone.now()).badge()

    @admin.display(description=_("told"))
    def told_at(self, notification: Notification) -> str:
        return words.moment(notification.at)

    @admin.display(description=_("state"))
    def state(self, notification: Notification) -> str:
        if notification.read_at:
            return words.Said(_now("read"), "quiet").badge()
        return words.Said(_now("unread"), "new").badge()


class StateFilter(Choice):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return Delivery.State.choices


@admin.register(Delivery)
class DeliveryAdmin(ForManagers, Page):
    """The e-mails, without their addresses and words."""

    list_display = (
        "created_at",
        "recipient",
        "said",
        "attempts",
        "next_attempt",
        "sent_at",
    )
    list_select_related = ("recipient",)
    list_filter = (StateFilter,)
    ordering = ("-pk",)
    sortable_by = ()
    actions = ("try_again",)

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("cem_cases.change_delivery")

    @admin.action(description=_("Try again to send them"), permissions=["retry"])
    def try_again(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        failed = queryset.failed()[:MOST_AT_ONCE]  # type: ignore[attr-defined]
        count = notices.retry_failed(failed, now=moment.now())
        text = ngettext("%d e-mail waits again.", "%d e-mails wait again.", count)
        level = messages.SUCCESS if count else messages.WARNING
        self.message_user(request, text % count, level)

    @admin.display(description=_("state"))
    def said(self, delivery: Delivery) -> str:
        tone = STATE_TONES.get(delivery.state, "plain")
        badge = words.Said(delivery.get_state_display(), tone).badge()
        return format_html(
            '{} <span class="cem-quiet">{}</span>', badge, delivery.error
        )

    @admin.display(description=_("next attempt"))
    def next_attempt(self, delivery: Delivery) -> str:
        if delivery.state != Delivery.State.WAITING:
            return words.NOTHING
        return words.moment(delivery.next_attempt_at)


@admin.register(LastDigest)
class LastDigestAdmin(ForManagers, Page):
    list_display = ("recipient", "at")
    list_select_related = ("recipient",)
    ordering = ("-pk",)
    sortable_by = ()
