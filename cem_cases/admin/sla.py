from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from cem_cases.admin import words
from cem_cases.admin.base import Choice, Inline, Page, ReadOnly, json_fields
from cem_cases.admin.route import CONDITIONS_HELP, DecidingPage
from cem_cases.models import (
    BusinessCalendar,
    Case,
    Clock,
    ClockMetric,
    Escalation,
    EscalationStep,
    Pause,
    SlaPolicy,
    Target,
)


@admin.register(BusinessCalendar)
class BusinessCalendarAdmin(Page):
    list_display = ("name", "zone")
    search_fields = ("name",)
    formfield_overrides = json_fields


class TargetInline(Inline):
    model = Target
    fields = ("metric", "priority", "seconds", "in_words", "warn_percent")
    readonly_fields = ("in_words",)

    def get_extra(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> int:
        return 0 if obj else len(_every_target())

    @admin.display(description=_("in words"))
    def in_words(self, target: Target) -> str:
        if not target.seconds:
            return words.NOTHING
        return words.span(target.seconds, days=False)


def _every_target() -> list[dict[str, Any]]:
    return [
        {"metric": metric, "priority": priority}
        for metric in ClockMetric.values
        for priority in Case.Priority.values
    ]


@admin.register(SlaPolicy)
class SlaPolicyAdmin(DecidingPage):
    list_display = (
        "name",
        "position",
        "sentence",
        "calendar",
        "is_active",
        "version",
    )
    list_select_related = ("calendar",)
    list_filter = ("is_active",)
    sortable_by = ("name", "position")
    readonly_fields = ("sentence", "facts", "version")
    fields = (
        "name",
        ("position", "is_active"),
        "calendar",
        "sentence",
        "conditions",
        "facts",
        "version",
        "seen_version",
    )
    inlines = (TargetInline,)

    def formfield_for_dbfield(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field and db_field.name == "conditions":
            field.help_text = CONDITIONS_HELP
        return field

    def get_formset_kwargs(
        self, request: HttpRequest, obj: Any, inline: Any, prefix: str
    ) -> dict[str, Any]:
        found = super().get_formset_kwargs(request, obj, inline, prefix)
        if obj is None or obj.pk is None:
            found["initial"] = _every_target()
        return found

    @admin.display(description=_("for whom"))
    def sentence(self, policy: SlaPolicy) -> str:
        return words.rule_sentence(policy.conditions)


class OfCases(ReadOnly, Page):
    """Rows of cases: those of the cases that the user may see."""

    path = "case"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        seen = Case.objects.visible_to(request.user)  # type: ignore[arg-type]
        return super().get_queryset(request).filter(**{f"{self.path}__in": seen})


class MetricFilter(Choice):
    title = _("metric")
    parameter_name = "metric"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return ClockMetric.choices


class RunningFilter(Choice):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return (("running", _("running")), ("overdue", _("overdue")))

    def narrow(
        self, queryset: QuerySet[Any], value: str, request: HttpRequest
    ) -> QuerySet[Any]:
        running: QuerySet[Any] = queryset.running()  # type: ignore[attr-defined]
        if value == "running":
            return running
        return running.filter(due_at__lte=timezone.now())


@admin.register(Clock)
class ClockAdmin(OfCases):
    list_display = (
        "case",
        "metric",
        "cycle",
        "started_at",
        "target",
        "due_at",
        "stands",
    )
    list_select_related = ("case",)
    list_filter = (RunningFilter, MetricFilter)
    ordering = ("-pk",)
    sortable_by = ()

    @admin.display(description=_("target"))
    def target(self, clock: Clock) -> str:
        return words.span(clock.target_seconds, days=False)

    @admin.display(description=_("state"))
    def stands(self, clock: Clock) -> str:
        return words.clock(clock, timezone.now()).badge()


@admin.register(Pause)
class PauseAdmin(OfCases):
    path = "clock__case"
    list_display = ("clock", "reason", "from_at", "expected_end_at", "until_at")
    list_select_related = ("clock",)


@admin.register(Escalation)
class EscalationAdmin(OfCases):
    path = "clock__case"
    list_display = ("clock", "step", "at", "acknowledged_at", "acknowledged_by")
    list_select_related = ("clock", "step", "acknowledged_by")


@admin.register(EscalationStep)
class EscalationStepAdmin(ReadOnly, Page):
    list_display = ("policy", "metric", "percent", "action")
    list_select_related = ("policy",)
