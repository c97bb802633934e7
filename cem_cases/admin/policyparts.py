"""The tables on the page of an SLA policy: its targets, its escalation steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from cem_cases.admin import amounts, words
from cem_cases.admin.base import Inline
from cem_cases.admin.fields import QuietRawIdWidget
from cem_cases.admin.policyforms import StepForm, StepSet, TargetForm, TargetSet
from cem_cases.admin.timeline import name_of
from cem_cases.models import EscalationStep, Target


class PartInline(Inline):
    """Rows that are saved with their policy: who may change it may change them."""

    template = "cem_cases/admin/policyrows.html"
    most_rows = 200
    has_examples = False
    intro: str | Promise = ""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, "change" if obj else "add")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_add_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_add_permission(request, obj)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return any(self._may(request, verb) for verb in ("view", "change", "add"))

    def _may(self, request: HttpRequest, verb: str) -> bool:
        return request.user.has_perm(f"cem_cases.{verb}_slapolicy")


class TargetInline(PartInline):
    model = Target
    form = TargetForm
    formset = TargetSet
    has_examples = True
    intro = _(
        "Write a time such as 4 h, 90 min or 1 h 30 min; business days as 3 or 3 d. What "
        "is left empty is not promised, and a metric needs a target for each priority or "
        "for none. Next update and statutory response may be added; the latter is for "
        "complaints, in calendar hours, and never pauses."
    )
    readonly_fields = ("within", "warns")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if self.has_change_permission(request, obj):
            return ("metric", "priority", "amount", "unit", "warn_percents")
        return ("metric", "priority", "within", "warns")

    def formfield_for_choice_field(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        if db_field.name == "unit":
            kwargs["choices"] = amounts.UNITS
        return super().formfield_for_choice_field(db_field, request, **kwargs)

    @admin.display(description=_("within"))
    def within(self, target: Target) -> str:
        return words.target(target.amount, target.unit)

    @admin.display(description=_("warn at %"))
    def warns(self, target: Target) -> str:
        return amounts.write_percents(target.warn_percents) or words.NOTHING


class StepInline(PartInline):
    model = EscalationStep
    form = StepForm
    formset = StepSet
    raw_id_fields = ("user",)
    intro = _(
        "Each step is taken once for each clock, when that comes to the point: either a "
        "share of the target (150: half of it over), or minutes from the due time (-30: "
        "half an hour before it, 0: when it is due). Minutes count while the clock does."
    )
    hints: Mapping[str, Mapping[str, str | Promise]] = {
        "minutes": {"label": _("or minutes"), "help_text": _("-30: before due")},
        "percent": {"help_text": _("of the target")},
        "user": {"help_text": _("to add")},
    }
    readonly_fields = ("who",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        may_edit = self.has_change_permission(request, obj)
        return ("metric", "percent", "minutes", "action", "user" if may_edit else "who")

    def formfield_for_dbfield(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        kwargs |= self.hints.get(db_field.name, {})
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def formfield_for_foreignkey(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        if db_field.name == "user":  # named in "who": one query less for each step
            kwargs["widget"] = QuietRawIdWidget(db_field.remote_field, self.admin_site)
            return db_field.formfield(**kwargs)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    @admin.display(description=_("watcher"))
    def who(self, step: EscalationStep) -> str:
        return name_of(step.user) if step.user else words.NOTHING

    def get_queryset(self, request: HttpRequest) -> QuerySet[EscalationStep]:
        return super().get_queryset(request).select_related("user")
