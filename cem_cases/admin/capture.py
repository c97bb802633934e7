from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from cem_cases.admin import words
from cem_cases.admin.base import (
    Choice,
    Inline,
    Page,
    ReadOnly,
    visible,
)
from cem_cases.admin.customers import matching
from cem_cases.loop import drain, explanations
from cem_cases.models import (
    Case,
    Customer,
    Invitation,
    Question,
    Response,
    Survey,
    Touchpoint,
)

STATES = {
    "waiting": _("waiting"),
    "processed": _("processed"),
    "failed": _("failed"),
}
STATE_TONES: Mapping[str, str] = {"processed": "quiet", "failed": "late"}


class StateFilter(Choice):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return STATES.items()

    def narrow(
        self, queryset: QuerySet[Any], value: str, request: HttpRequest
    ) -> QuerySet[Any]:
        narrowed: Mapping[str, Any] = {
            "waiting": queryset.unprocessed,  # type: ignore[attr-defined]
            "failed": queryset.failed,  # type: ignore[attr-defined]
            "processed": lambda: queryset.exclude(processed_at=None),
        }
        found: QuerySet[Any] = narrowed[value]()
        return found


class SurveyFilter(Choice):
    title = _("survey")
    parameter_name = "survey"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return Survey.objects.values_list("pk", "name")


@admin.register(Response)
class ResponseAdmin(ReadOnly, Page):
    """The answers as they came in, and what the loop made of them."""

    list_display = ("answer", "customer_name", "survey", "case_link", "said", "state")
    list_select_related = ("survey", "customer")
    list_filter = (StateFilter, SurveyFilter)
    ordering = ("-pk",)
    sortable_by = ()
    search_fields = ("external_id",)
    search_help_text = _("Customer's name, e-mail or external id; id of the response.")
    actions = ("try_again",)
    fields = (
        "survey",
        "customer",
        "said",
        "comment",
        "all_answers",
        "touchpoint",
        "channel",
        "language",
        "sentiment",
        "wants_contact",
        "weight",
        "case_link",
        "why",
        "source_system",
        "external_id",
        "answered_at",
        "received_at",
        "state",
        "processed_at",
        "attempts",
        "next_attempt_at",
        "failed_at",
        "error",
    )
    readonly_fields = ("said", "all_answers", "case_link", "why", "state")

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("cem_cases.change_response")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        text = search_term.strip()
        if not text:
            return queryset, False
        found = matching(text, "customer__") | Q(external_id=text)
        return queryset.filter(found), False

    @admin.action(description=_("Try again to process them"), permissions=["retry"])
    def try_again(self, request: HttpRequest, queryset: QuerySet[Response]) -> None:
        chosen = visible(queryset, request)
        count = drain.retry_failed(list(chosen.failed()))  # type: ignore[attr-defined]
        text = ngettext("%d response waits again.", "%d responses wait again.", count)
        level = messages.SUCCESS if count else messages.WARNING
        self.message_user(request, text % count, level)

    @admin.display(description=_("response"))
    def answer(self, response: Response) -> str:
        return Truncator(response.external_id).chars(16)

    @admin.display(description=_("customer"))
    def customer_name(self, response: Response) -> str:
        return str(response.customer)

    @admin.display(description=_("score"))
    def said(self, response: Response) -> str:
        return words.band(response.score, response.band).badge()

    @admin.display(description=_("case"))
    def case_link(self, response: Response) -> str:
        if response.case_id is None:
            return words.NOTHING
        case = Case(pk=response.case_id)
        return self.link(case, str(case))

    @admin.display(description=_("rules looked at"))
    def why(self, response: Response) -> str:
        """Return the rules in their order: which matched, and what decided."""
        kept = response.explanation
        if kept is None:
            return words.NOTHING
        looks = explanations.read([kept.looks])[kept.looks]
        return render_to_string("cem_cases/admin/explanation.html", {"looks": looks})

    @admin.display(description=_("state"))
    def state(self, response: Response) -> str:
        tone = STATE_TONES.get(response.state, "plain")
        badge = words.Said(str(STATES[response.state]), tone).badge()
        if not response.error:
            return badge
        failures = ngettext(
            "%(count)d failed attempt: %(error)s",
            "%(count)d failed attempts: %(error)s",
            response.attempts,
        ) % {"count": response.attempts, "error": response.error}
        return format_html('{} <span class="cem-quiet">{}</span>', badge, failures)

    @admin.display(description=_("answers"))
    def all_answers(self, response: Response) -> str:
        return words.value(response.answers) if response.answers else words.NOTHING


class QuestionInline(Inline):
    model = Question
    fields = ("position", "key", "text", "kind")
    extra = 1


@admin.register(Survey)
class SurveyAdmin(Page):
    list_display = ("name", "slug", "metric", "kind", "touchpoint", "is_active")
    list_select_related = ("touchpoint",)
    list_filter = ("metric", "kind", "is_active")
    search_fields = ("name", "slug")
    prepopulated_fields = {"slug": ("name",)}
    inlines = (QuestionInline,)


@admin.register(Touchpoint)
class TouchpointAdmin(Page):
    list_display = ("name", "slug", "journey_stage", "channel", "department")
    search_fields = ("name", "slug", "department")
    prepopulated_fields = {"slug": ("name",)}


@admin.register(Invitation)
class InvitationAdmin(ReadOnly, Page):
    list_display = (
        *("survey", "customer", "status", "reason", "send_after", "sent_at"),
        "expires_at",
    )
    list_select_related = ("survey", "customer")
    list_filter = ("status",)
    ordering = ("-pk",)
    exclude = ("token_hash", "key")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Invitation]:
        customers = Customer.objects.visible_to(request.user)  # type: ignore[arg-type]
        return super().get_queryset(request).filter(customer__in=customers)
