"""The pages of SLA policies: what is promised, said in words while it is edited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from cem_cases import rules
from cem_cases.admin import amounts, policyexamples, words
from cem_cases.admin.base import Inline
from cem_cases.admin.fields import QuietRawIdWidget
from cem_cases.admin.policyforms import (
    SHOW_EXAMPLES,
    PolicyForm,
    RowSet,
    StepForm,
    StepSet,
    TargetForm,
    TargetSet,
    starting_targets,
)
from cem_cases.admin.route import DecidingPage
from cem_cases.admin.timeline import name_of
from cem_cases.loop import config, sla
from cem_cases.models import (
    AuditEvent,
    BusinessCalendar,
    Case,
    Clock,
    ClockMetric,
    EscalationStep,
    PolicyVersion,
    SlaPolicy,
    Target,
    sees_everything,
)

MOST_VERSIONS = 20
MOST_MOVES = 200
"""Clocks of a preview that are listed; all of them are counted."""
CONDITIONS_HELP = _(
    'Empty: holds for every case. {"fact": …, "operator": …, "value": …}, joined by '
    '{"all": […]}, {"any": […]} or {"not": …}. Example: {"fact": "customer.segment", '
    '"operator": "is", "value": "gold"}. All facts are listed below.'
)


class PartInline(Inline):
    """Rows that are saved with their policy: who may change it may change them."""

    template = "cem_cases/admin/policyrows.html"
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


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a policy, as it is listed."""

    number: int
    saved_at: datetime
    who: str
    clocks: int | None
    """How many running clocks go by it; None for who may not know."""


@admin.register(SlaPolicy)
class SlaPolicyAdmin(DecidingPage):
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
        seen = ["seen_version"] if self._may_edit(request, obj) else []
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

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form: Any = super().get_form(request, obj, change=change, **kwargs)
        form.refused = getattr(request, "cem_refused", ())
        return form

    def get_formset_kwargs(
        self, request: HttpRequest, obj: Any, inline: Any, prefix: str
    ) -> dict[str, Any]:
        found = super().get_formset_kwargs(request, obj, inline, prefix)
        saved = obj if obj is not None and obj.pk else None
        if self._may_edit(request, saved):
            found["shown"] = self._shown(request, saved, inline)
        return found

    def _shown(self, request: HttpRequest, policy: Any, inline: Any) -> Sequence[Any]:
        """Return the rows with which a table of the form is filled."""
        if request.method == "POST":
            return ()  # what was typed
        if policy is None:
            return starting_targets() if inline.model is Target else ()
        return list(inline.get_queryset(request).filter(policy=policy))

    def _may_edit(self, request: HttpRequest, policy: Any) -> bool:
        if policy is None:
            return self.has_add_permission(request)
        return self.has_change_permission(request, policy)

    @admin.display(description=_("for which cases"))
    def for_whom(self, policy: SlaPolicy) -> str:
        try:
            tree = rules.parse_conditions(policy.conditions, of_case=True)
        except rules.InvalidRule as error:
            return _now("Cannot be read: %s") % error
        return _now("All") if tree == rules.AllOf() else _now("If %s") % tree

    # Saving

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> SlaPolicy | None:
        """Return the policy; locked while a form is saved over it.

        So of two that are sent at a time, the second is told of the first.
        """
        found: SlaPolicy | None = super().get_object(request, object_id, from_field)
        if found is not None and getattr(request, "cem_saves", False):
            rows = SlaPolicy.objects.select_for_update(no_key=True)
            found.refresh_from_db(from_queryset=rows)
        return found

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Show the form once more, as it was typed, where the loop refuses it."""
        request.cem_saves = request.method == "POST"  # type: ignore[attr-defined]
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except ValidationError as error:
            request.cem_refused = error.messages  # type: ignore[attr-defined]
            return super().changeform_view(request, object_id, form_url, extra_context)

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
        may_edit = self._may_edit(request, policy)
        context |= {
            "examples": self._examples(request, form),
            "examples_url": self._step_url(policy, "examples") if may_edit else None,
            "examples_priority": policyexamples.chosen_priority(request.POST),
            "examples_name": policyexamples.PRIORITY,
            "examples_button": SHOW_EXAMPLES,
            "priorities": Case.Priority.choices,
        }
        if policy is not None:
            context |= self._about_versions(request, policy)
        return super().render_change_form(request, context, *args, **kwargs)

    def _examples(self, request: HttpRequest, form: Any) -> policyexamples.Examples:
        priority = policyexamples.chosen_priority(request.POST)
        return policyexamples.of(form, priority, timezone.now())

    def _step_url(self, policy: SlaPolicy | None, step: str) -> str:
        name = f"{self.admin_site.name}:cem_cases_slapolicy"
        if policy is None:
            return reverse(f"{name}_add_{step}")
        return reverse(f"{name}_{step}", args=[policy.pk])

    def _about_versions(self, request: HttpRequest, policy: Any) -> dict[str, Any]:
        may_move = self._may_move(request, policy)
        return {
            "versions": versions(policy, counted=sees_everything(request.user)),  # type: ignore[arg-type]
            "migrate_url": self._step_url(policy, "migrate")
            if may_move and _movable(policy).exists()
            else None,
        }

    def get_urls(self) -> list[Any]:
        steps = (
            ("add/examples/", self.examples_view, "add_examples"),
            ("<path:object_id>/examples/", self.examples_view, "examples"),
            ("<path:object_id>/migrate/", self.migrate_view, "migrate"),
        )
        ours = [
            path(
                route,
                self.admin_site.admin_view(view),
                name=f"cem_cases_slapolicy_{name}",
            )
            for route, view, name in steps
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
        if object_id is not None:
            policy = self.get_object(request, unquote(object_id))
            if policy is None:
                return self._nobody(request, object_id)
        if not self._may_edit(request, policy):
            raise PermissionDenied
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

    # Running clocks on older versions

    def migrate_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show what moving the running clocks to the newest version changes; do it."""
        policy = self.get_object(request, unquote(object_id))
        if policy is None:
            return self._nobody(request, object_id)
        if not self._may_move(request, policy):
            raise PermissionDenied
        if request.method == "POST":
            return self._migrate(request, policy)
        moves = sla.migrate_preview(policy)
        moves.sort(key=lambda move: not move.is_late)  # what breaches comes first
        context = {
            **self.admin_site.each_context(request),
            "title": _now("Move running clocks to version %d") % policy.version,
            "opts": self.opts,
            "original": policy,
            "media": self.media,
            "policy_url": self.url(policy),
            "has_view_permission": True,
            "moves": [self._line(move) for move in moves[:MOST_MOVES]],
            "totals": _totals(moves),
            "hidden": max(len(moves) - MOST_MOVES, 0),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "cem_cases/admin/policymigrate.html", context)

    def _migrate(self, request: HttpRequest, policy: SlaPolicy) -> HttpResponse:
        if request.POST.get("version") != str(policy.version):
            text = _now("Version %d was saved meanwhile: look at it once more.")
            self.message_user(request, text % policy.version, messages.WARNING)
            return HttpResponseRedirect(self._step_url(policy, "migrate"))
        found = _totals(sla.migrate(policy, by=request.user))  # type: ignore[arg-type]
        self.message_user(request, found.sentence(policy.version), messages.SUCCESS)
        return HttpResponseRedirect(str(self.url(policy)))

    def _line(self, move: sla.Move) -> tuple[sla.Move, str, str | None]:
        """Return the move with its metric in words and the page of its case."""
        case = Case(pk=move.case)
        return move, str(ClockMetric(move.metric).label), self.url(case)

    def _may_move(self, request: HttpRequest, policy: SlaPolicy) -> bool:
        # the preview tells of the cases of all teams
        may_change = self.has_change_permission(request, policy)
        return may_change and sees_everything(request.user)  # type: ignore[arg-type]

    def _nobody(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Answer as Django does for a row that is not there."""
        return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Totals:
    """How much a migration changes."""

    clocks: int
    cases: int
    late: int

    def sentence(self, version: int) -> str:
        said = ngettext(
            "%(clocks)d running clock goes by version %(version)d now.",
            "%(clocks)d running clocks go by version %(version)d now.",
            self.clocks,
        ) % {"clocks": self.clocks, "version": version}
        if not self.late:
            return said
        more = ngettext("%d breached by it.", "%d breached by it.", self.late)
        return f"{said} {more % self.late}"


def _totals(moves: Sequence[sla.Move]) -> Totals:
    return Totals(
        clocks=len(moves),
        cases=len({move.case for move in moves}),
        late=sum(move.is_late for move in moves),
    )


def _movable(policy: SlaPolicy) -> QuerySet[Clock]:
    """Return the running clocks whose cases still go by an older version."""
    return Clock.objects.running().filter(
        version__policy=policy,
        version__number__lt=policy.version,
        case__policy_version__number__lt=policy.version,
    )


# Versions


def versions(policy: SlaPolicy, *, counted: bool) -> list[Version]:
    """Return the newest versions, and older ones by which clocks still run.

    `counted`: with the number of those clocks.
    """
    running = Clock.objects.running().filter(version__policy=policy)
    counts = dict(
        running.order_by().values_list("version").annotate(Count("pk"))
        if counted
        else ()
    )
    newest = Q(number__gt=policy.version - MOST_VERSIONS)
    rows = list(
        PolicyVersion.objects.filter(newest | Q(pk__in=counts), policy=policy)
        .defer("terms")
        .order_by("-number")
    )
    authors = _authors(policy, rows)
    return [
        Version(
            number=row.number,
            saved_at=row.created_at,
            who=authors.get(row.created_at, ""),
            clocks=counts.get(row.pk, 0) if counted else None,
        )
        for row in rows
    ]


def _authors(policy: SlaPolicy, rows: Sequence[PolicyVersion]) -> dict[datetime, str]:
    """Return who made each version, by the instant at which it was made.

    An event has the same instant as the version that it tells of.
    """
    events = AuditEvent.objects.filter(
        kind__in=("slapolicy.created", "slapolicy.changed", "businesscalendar.changed"),
        at__in=[row.created_at for row in rows],
    ).select_related("actor")
    found = {}
    for event in events:
        if event.kind == "businesscalendar.changed":
            is_ours = policy.pk in event.data.get("policies", ())
            through = _now("%s, in the calendar")
        else:
            is_ours, through = event.data.get("id") == policy.pk, "%s"
        if is_ours and event.actor is not None:
            found[event.at] = through % name_of(event.actor)
    return found
