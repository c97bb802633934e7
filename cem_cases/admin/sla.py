from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from cem_cases.admin import clockbar, several, words
from cem_cases.admin.base import Choice, Page, ReadOnly
from cem_cases.admin.timeline import name_of
from cem_cases.loop import escalation
from cem_cases.models import (
    WORK,
    Case,
    Clock,
    ClockMetric,
    Escalation,
    Pause,
)


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
        return (
            ("running", _("running")),
            ("overdue", _("overdue")),
            ("paused", _("paused")),
        )

    def narrow(
        self, queryset: QuerySet[Any], value: str, request: HttpRequest
    ) -> QuerySet[Any]:
        running: QuerySet[Any] = queryset.running()  # type: ignore[attr-defined]
        if value == "running":
            return running
        # while it is paused, the due time stands for the beginning of the pause
        since = Coalesce("paused_at", timezone.now())
        if value == "overdue":
            return running.filter(due_at__lt=since)
        return running.filter(paused_at__isnull=False)


@admin.register(Clock)
class ClockAdmin(OfCases):
    list_display = (
        "case",
        "metric",
        "cycle",
        "started",
        "target",
        "due",
        "stands",
    )
    list_select_related = ("case",)
    list_filter = (RunningFilter, MetricFilter)
    ordering = ("-pk",)
    sortable_by = ()
    fields = ("case_link", "explained")
    readonly_fields = fields

    @admin.display(description=_("case"))
    def case_link(self, clock: Clock) -> str:
        return self.link(clock.case, str(clock.case))

    @admin.display(description=_("how its due time came about"))
    def explained(self, clock: Clock) -> str:
        found = Clock.objects.filter(pk=clock.pk).explained().get()
        hand = clockbar.hand(found, timezone.now())
        looks, marks = clockbar.legend([hand])
        context = {"clock": hand, "looks": looks, "marks": marks}
        return render_to_string("cem_cases/admin/clock_page.html", context)

    @admin.display(description=_("started at"), ordering="started_at")
    def started(self, clock: Clock) -> str:
        return words.moment(clock.started_at)

    @admin.display(description=_("target"))
    def target(self, clock: Clock) -> str:
        return words.target(clock.target_amount, clock.target_unit)

    @admin.display(description=_("due at"), ordering="due_at")
    def due(self, clock: Clock) -> str:
        return words.moment(clock.due_at)

    @admin.display(description=_("state"))
    def stands(self, clock: Clock) -> str:
        return words.clock(clock, timezone.now()).badge()


@admin.register(Pause)
class PauseAdmin(OfCases):
    path = "clock__case"
    list_display = (
        "reason",
        "case_link",
        "clock",
        "status",
        "who",
        "began",
        "expected_end",
        "ended",
    )
    list_select_related = ("clock__case", "by")
    ordering = ("-pk",)
    sortable_by = ()

    @admin.display(description=_("case"))
    def case_link(self, pause: Pause) -> str:
        return self.link(pause.clock.case, str(pause.clock.case))

    @admin.display(description=_("by"), ordering="by")
    def who(self, pause: Pause) -> str:
        return name_of(pause.by) if pause.by else words.NOTHING

    @admin.display(description=_("from"), ordering="from_at")
    def began(self, pause: Pause) -> str:
        return words.moment(pause.from_at)

    @admin.display(description=_("expected end"), ordering="expected_end_at")
    def expected_end(self, pause: Pause) -> str:
        return words.moment(pause.expected_end_at)

    @admin.display(description=_("until"), ordering="until_at")
    def ended(self, pause: Pause) -> str:
        return words.moment(pause.until_at) if pause.until_at else words.NOTHING


class AcknowledgedFilter(Choice):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return (("open", _("not acknowledged")), ("seen", _("acknowledged")))

    def narrow(
        self, queryset: QuerySet[Any], value: str, request: HttpRequest
    ) -> QuerySet[Any]:
        return queryset.filter(acknowledged_at__isnull=value == "open")


@admin.register(Escalation)
class EscalationAdmin(OfCases):
    path = "clock__case"
    list_display = ("reason", "case_link", "done", "happened", "state", "who")
    list_select_related = ("clock__case", "acknowledged_by")
    list_filter = (AcknowledgedFilter,)
    ordering = ("-pk",)
    sortable_by = ()
    actions = ("acknowledge",)

    def has_work_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(WORK)

    @admin.action(
        description=_("Acknowledge selected escalations"), permissions=["work"]
    )
    def acknowledge(self, request: HttpRequest, queryset: QuerySet[Escalation]) -> None:
        rows = queryset.order_by("pk")[: several.MOST_AT_ONCE + 1]
        chosen = [(row.clock.case_id, row) for row in rows]
        done = several.each(self, request, chosen, escalation.acknowledge)
        text = ngettext(
            "%d escalation acknowledged.", "%d escalations acknowledged.", done
        )
        several.report(self, request, text, done)

    @admin.display(description=_("case"))
    def case_link(self, row: Escalation) -> str:
        return self.link(row.clock.case, str(row.clock.case))

    @admin.display(description=_("at"), ordering="at")
    def happened(self, row: Escalation) -> str:
        return words.moment(row.at)

    @admin.display(description=_("state"))
    def state(self, row: Escalation) -> str:
        if row.acknowledged_at is None:
            return words.Said(_now("not acknowledged"), "late").badge()
        when = words.moment(row.acknowledged_at)
        return words.Said(_now("acknowledged %s") % when, "quiet").badge()

    @admin.display(description=_("acknowledged by"), ordering="acknowledged_by")
    def who(self, row: Escalation) -> str:
        return name_of(row.acknowledged_by) if row.acknowledged_by else words.NOTHING
