"""What rules let go out: letters and calls on their way, and where they come from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from cem_cases.admin import words
from cem_cases.admin.base import Choice, KeptForGood, Page, ReadOnly, visible
from cem_cases.loop import calls, letters, moment
from cem_cases.models import (
    Letter,
    Outgoing,
    Template,
    WebhookCall,
    WebhookEndpoint,
)
from cem_cases.outbound import placeholders

MOST_AT_ONCE = 10_000
"""Rows that one action takes."""
STATE_TONES: Mapping[str, str] = {
    Outgoing.State.FAILED: "late",
    Outgoing.State.SENT: "good",
    Outgoing.State.NOT_SENT: "quiet",
}


class StateFilter(Choice):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return Outgoing.State.choices


class OnTheWay(ReadOnly, Page):
    """Rows that go out by themselves: those of cases that the user may see."""

    list_select_related = ("case", "rule")
    list_filter = (StateFilter,)
    ordering = ("-pk",)
    sortable_by = ()
    actions = ("try_again",)

    def has_retry_permission(self, request: HttpRequest) -> bool:
        code = f"cem_cases.change_{self.opts.model_name}"
        return request.user.has_perm(code)

    @admin.action(description=_("Try again to send them"), permissions=["retry"])
    def try_again(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        failed = visible(queryset, request).failed()[:MOST_AT_ONCE]  # type: ignore[attr-defined]
        count = self.retry(failed)
        text = ngettext("%d waits again.", "%d wait again.", count)
        level = messages.SUCCESS if count else messages.WARNING
        self.message_user(request, text % count, level)

    def retry(self, failed: QuerySet[Any]) -> int:
        """Let these rows wait again; return how many."""
        raise NotImplementedError

    @admin.display(description=_("state"))
    def said(self, row: Outgoing) -> str:
        tone = STATE_TONES.get(row.state, "plain")
        badge = words.Said(row.get_state_display(), tone).badge()
        return format_html('{} <span class="cem-quiet">{}</span>', badge, row.error)

    @admin.display(description=_("next attempt"))
    def next_attempt(self, row: Outgoing) -> str:
        if row.state != Outgoing.State.WAITING:
            return words.NOTHING
        return words.moment(row.next_attempt_at)

    @admin.display(description=_("case"))
    def case_link(self, row: Any) -> str:
        return self.link(row.case, str(row.case)) if row.case else words.NOTHING


@admin.register(Letter)
class LetterAdmin(OnTheWay):
    """E-mails to customers. What was said is with the contacts of their cases."""

    list_display = (
        *("created_at", "name", "case_link", "said", "attempts", "next_attempt"),
        "sent_at",
    )
    fields = (
        *("created_at", "name", "rule", "rule_version", "case_link", "said"),
        *("attempts", "next_attempt", "sent_at", "message_id", "subject", "body"),
    )
    readonly_fields = ("case_link", "said", "next_attempt")

    def retry(self, failed: QuerySet[Any]) -> int:
        return letters.retry_failed(failed, now=moment.now())


@admin.register(WebhookCall)
class WebhookCallAdmin(OnTheWay):
    list_display = (
        *("created_at", "name", "case_link", "said", "status", "attempts"),
        *("next_attempt", "sent_at"),
    )
    fields = (
        *("created_at", "name", "rule", "rule_version", "case_link", "said"),
        *("status", "attempts", "next_attempt", "sent_at", "message_id"),
        *("what_is_told", "what_was_answered"),
    )
    readonly_fields = (
        *("case_link", "said", "next_attempt", "what_is_told", "what_was_answered"),
    )

    def retry(self, failed: QuerySet[Any]) -> int:
        return calls.retry_failed(failed, now=moment.now())

    @admin.display(description=_("payload"))
    def what_is_told(self, call: WebhookCall) -> str:
        told = json.dumps(json.loads(call.payload), indent=2, ensure_ascii=False)
        return format_html('<div class="cem-text cem-verbatim">{}</div>', told)

    @admin.display(description=_("last answer"))
    def what_was_answered(self, call: WebhookCall) -> str:
        if not call.answer:
            return words.NOTHING
        return format_html('<div class="cem-text cem-verbatim">{}</div>', call.answer)


class EndpointForm(forms.ModelForm):
    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if url := self.cleaned_data.get("url"):
            try:
                calls.check_url(WebhookEndpoint(url=url))
            except ValidationError as error:
                self.add_error("url", error.message_dict["url"])
        return cleaned


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(KeptForGood, Page):
    """Other systems. The secret of one is shown once, and never again."""

    form = EndpointForm
    list_display = ("name", "url", "health", "include_comment")
    list_filter = ("is_active",)
    search_fields = ("name", "url")
    fields = ("name", "url", "is_active", "include_comment", "health", "secret")
    readonly_fields = ("health", "secret")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        # rules name endpoints, and would lose this one
        return self.readonly_fields if obj is None else ("name", *self.readonly_fields)

    def has_rotate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("cem_cases.rotate_webhook_secret")

    def get_urls(self) -> list[Any]:
        rotate = path(
            "<path:object_id>/rotate/",
            self.admin_site.admin_view(self.rotate_view),
            name="cem_cases_webhookendpoint_rotate",
        )
        return [rotate, *super().get_urls()]

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: bool
    ) -> None:
        obj.new_secret = calls.save_endpoint(obj, by=request.user)  # type: ignore[arg-type]

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        return self._secret_page(request, obj, obj.new_secret)

    def rotate_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask whether the endpoint is to get another secret; give it, and show it."""
        if not self.has_rotate_permission(request):
            raise PermissionDenied
        endpoint = self.get_object(request, unquote(object_id))
        if endpoint is None:
            raise Http404
        secret = ""
        if request.method == "POST":
            secret = calls.rotate_secret(endpoint, by=request.user)  # type: ignore[arg-type]
        return self._secret_page(request, endpoint, secret)

    def _secret_page(
        self, request: HttpRequest, endpoint: WebhookEndpoint, secret: str
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": _now("Secret of %s") % endpoint,
            "opts": self.opts,
            "media": self.media,
            "endpoint_url": self.url(endpoint),
            "endpoint": endpoint,
            "secret": secret,
        }
        request.current_app = self.admin_site.name
        name = "cem_cases/admin/webhooksecret.html"
        return TemplateResponse(request, name, context)

    @admin.display(description=_("state"))
    def health(self, endpoint: WebhookEndpoint) -> str:
        if not endpoint.is_active:
            badge = words.Said(_now("off"), "quiet").badge()
            said = endpoint.disabled_because
        elif endpoint.failing_since:
            badge = words.Said(_now("failing"), "late").badge()
            said = _now("since %s") % words.moment(endpoint.failing_since)
        else:
            badge, said = words.Said(_now("on"), "good").badge(), ""
        return format_html('{} <span class="cem-quiet">{}</span>', badge, said)

    @admin.display(description=_("secret"))
    def secret(self, endpoint: WebhookEndpoint) -> str:
        if endpoint.pk is None:
            return _now("Shown once, when the endpoint is saved.")
        name = f"{self.admin_site.name}:cem_cases_webhookendpoint_rotate"
        return format_html(
            '{} <a href="{}">{}</a>',
            _now("Not shown again."),
            reverse(name, args=[endpoint.pk]),
            _now("Give it another one…"),
        )


@admin.register(Template)
class TemplateAdmin(Page):
    list_display = ("name", "slug", "language", "subject")
    search_fields = ("name", "slug")
    fields = (
        *("name", "slug", "language", "subject", "body", "placeholders", "preview"),
    )
    readonly_fields = ("placeholders", "preview")
    prepopulated_fields = {"slug": ("name",)}

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        # rules name templates by their slugs, and would lose this one
        return self.readonly_fields if obj is None else ("slug", *self.readonly_fields)

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return {} if obj else self.prepopulated_fields

    @admin.display(description=_("placeholders"))
    def placeholders(self, template: Template) -> str:
        """Return the list of all that is replaced."""
        known = [(f"{{{{ {name} }}}}", p) for name, p in placeholders.KNOWN.items()]
        page = "cem_cases/admin/placeholders.html"
        return render_to_string(page, {"placeholders": known})

    @admin.display(description=_("preview"))
    def preview(self, template: Template) -> str:
        """Return the saved text as a customer would read it, with examples."""
        if template.pk is None:
            return _now("Shown here once it is saved.")
        examples = placeholders.examples()
        return format_html(
            '<b>{}</b><div class="cem-text cem-verbatim" dir="auto">{}</div>',
            placeholders.fill(template.subject, examples),
            placeholders.fill(template.body, examples),
        )
