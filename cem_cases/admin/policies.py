"""The pages of SLA policies: what is promised, said in words while it is edited."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from cem_cases import rules
from cem_cases.admin import policyexamples
from cem_cases.admin.policyforms import (
    SHOW_EXAMPLES,
    PolicyForm,
    RowSet,
    starting_targets,
)
from cem_cases.admin.policyparts import StepInline, TargetInline
from cem_cases.admin.policyversions import VersionsPage
from cem_cases.loop import config
from cem_cases.models import BusinessCalendar, Case, SlaPolicy, Target

CONDITIONS_HELP = _(
    'Empty: holds for every case. {"fact": …, "operator": …, "value": …}, joined by '
    '{"all": […]}, {"any": […]} or {"not": …}. Example: {"fact": "customer.segment", '
    '"operator": "is", "value": "gold"}. All facts are listed below.'
)


@admin.register(SlaPolicy)
class SlaPolicyAdmin(VersionsPage):
    list_display = (
        "name",
        "position",
        "for_whom",
        "calendar",
        "is_active",
        "version",
    )
    list_select_related = ("calendar",)
    list_filter = ("is_active",)
    sortable_by = ("name", "position")
    form = PolicyForm
    readonly_fields = ("for_whom", "facts", "version")
    inlines = (TargetInline, StepInline)
    change_form_template = "cem_cases/admin/policy.html"

    class Media:
        js = (forms.Script("cem_cases/policy.js", defer=True),)

    # The form

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        seen = ["seen_version"] if self.may_edit(request, obj) else []
        about = ["for_whom", "version"] if obj else []
        is_plain = obj is None or not obj.conditions
        return [
            (None, {"fields": ["name", ("position", "is_active"), *about, *seen]}),
            (
                _("For which cases"),
                {
                    "fields": ["conditions", "facts"],
                    "classes": ["collapse"] if is_plain else [],
                },
            ),
            (
                _("Which time counts"),
                {"fields": ["calendar", "pauses_pending", "pauses_on_hold"]},
            ),
        ]

    def formfield_for_dbfield(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field and db_field.name == "conditions":
            field.help_text = CONDITIONS_HELP
        return field

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        calendars = list(BusinessCalendar.objects.all()[:2])
        only = {"calendar": calendars[0]} if len(calendars) == 1 else {}
        # with room before it: who is special needs a policy that is asked first
        return {"position": 10, **only, **super().get_changeform_initial_data(request)}

    def get_formset_kwargs(
        self, request: HttpRequest, obj: Any, inline: Any, prefix: str
    ) -> dict[str, Any]:
        found = super().get_formset_kwargs(request, obj, inline, prefix)
        saved = obj if obj is not None and obj.pk else None
        if self.may_edit(request, saved):
            found["shown"] = self._shown(request, saved, inline)
        return found

    def _shown(self, request: HttpRequest, policy: Any, inline: Any) -> Sequence[Any]:
        """Return the rows with which a table of the form is filled."""
        if request.method == "POST":
            return ()  # what was typed
        if policy is None:
            return starting_targets() if inline.model is Target else ()
        return list(inline.get_queryset(request).filter(policy=policy))

    @admin.display(description=_("for which cases"))
    def for_whom(self, policy: SlaPolicy) -> str:
        try:
            tree = rules.parse_conditions(policy.conditions, known=rules.FOR_POLICIES)
        except rules.InvalidRule as error:
            return _now("Cannot be read: %s") % error
        return _now("All") if tree == rules.AllOf() else _now("If %s") % tree

    # Saving

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: bool
    ) -> None:
        """Leave it to `save_related`: the loop saves a policy with its parts."""

    def save_related(
        self, request: HttpRequest, form: Any, formsets: Any, change: bool
    ) -> None:
        config.save_policy(
            form.instance,
            targets=form.tables["targets"].rows,
            steps=form.tables["steps"].rows,
            by=request.user,  # type: ignore[arg-type]
        )

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        """Name the version: what was changed in it is told by the audit."""
        return _now("Version %d.") % form.instance.version

    # The page

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> Any:
        form, policy = context["adminform"].form, context["original"]
        may_edit = self.may_edit(request, policy)
        context |= {
            "examples": self._examples(request, form),
            "examples_url": self.step_url(policy, "examples") if may_edit else None,
            "examples_priority": policyexamples.chosen_priority(request.POST),
            "examples_name": policyexamples.PRIORITY,
            "examples_button": SHOW_EXAMPLES,
            "priorities": Case.Priority.choices,
        }
        if policy is not None:
            context |= self.about_versions(request, policy)
        return super().render_change_form(request, context, *args, **kwargs)

    def _examples(self, request: HttpRequest, form: Any) -> policyexamples.Examples:
        priority = policyexamples.chosen_priority(request.POST)
        return policyexamples.of(form, priority, timezone.now())

    def get_urls(self) -> list[Any]:
        ours = [
            path(
                route,
                self.admin_site.admin_view(self.examples_view),
                name=f"cem_cases_slapolicy_{name}",
            )
            for route, name in (
                ("add/examples/", "add_examples"),
                ("<path:object_id>/examples/", "examples"),
            )
        ]
        return [*ours, *super().get_urls()]

    # The examples, while one edits

    def examples_view(
        self, request: HttpRequest, object_id: str | None = None
    ) -> HttpResponse:
        """Return what the form that is posted would mean. Nothing is saved."""
        return require_POST(self._examples_view)(request, object_id)

    def _examples_view(
        self, request: HttpRequest, object_id: str | None
    ) -> HttpResponse:
        policy = None
        may = self.has_change_permission if object_id else self.has_add_permission
        if not may(request):
            raise PermissionDenied
        if object_id is not None:
            policy = self.get_object(request, unquote(object_id))
            if policy is None:
                return self.nobody(request, object_id)
        form = self._read(request, policy)
        return TemplateResponse(
            request,
            "cem_cases/admin/policyexamples.html",
            {"examples": self._examples(request, form)},
        )

    def _read(self, request: HttpRequest, policy: SlaPolicy | None) -> PolicyForm:
        """Return the form with its tables, all of it checked, as for saving."""
        form_class = self.get_form(request, policy, change=policy is not None)
        form: PolicyForm = form_class(request.POST, instance=policy)
        form.is_valid()
        for formset, inline in self.get_formsets_with_inlines(request, policy):
            prefix = formset.get_default_prefix()
            kwargs = self.get_formset_kwargs(request, form.instance, inline, prefix)
            table: RowSet = formset(**kwargs)
            table.is_valid()
        return form
