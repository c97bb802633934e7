from __future__ import annotations

import json
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from cem_cases import rules
from cem_cases.admin import words
from cem_cases.admin.base import Inline, KeptForGood, Page, json_fields
from cem_cases.admin.fields import QuietRawIdWidget
from cem_cases.admin.timeline import name_of
from cem_cases.loop import config
from cem_cases.models import Absence, Membership, Rule, Team
from cem_cases.rules.operators import APPLIES

CONDITIONS_HELP = _(
    'Empty: holds for every response. {"fact": …, "operator": …, "value": …}, joined by '
    '{"all": […]}, {"any": […]} or {"not": …}. Example: {"all": [{"fact": "score", '
    '"operator": "at most", "value": 6}, {"fact": "wants_contact", "operator": "is", '
    '"value": true}]}. All facts are listed below.'
)
ACTIONS_HELP = _(
    'Example: [{"do": "open case", "priority": "high"}, {"do": "set team", "team": '
    '"care"}, {"do": "assign", "by": "least loaded"}]. There is also {"do": "set '
    'priority", "priority": "urgent"} and {"do": "assign", "by": "round robin"}.'
)


class VersionedForm(forms.ModelForm):
    """Refuses to save over what somebody else has saved since the form was shown."""

    seen_version = forms.IntegerField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # On a page that can only be read, Django leaves all fields out.
        if "seen_version" in self.fields:
            self.fields["seen_version"].initial = self.instance.version

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        seen = self.cleaned_data.get("seen_version")
        if self.instance.pk and seen != self.instance.version:
            raise ValidationError(
                _(
                    "Somebody else saved version %(now)s while you were looking at "
                    "version %(seen)s. Open it in another tab, compare, and save there."
                ),
                params={"now": self.instance.version, "seen": seen},
                code="stale_version",
            )
        return cleaned


class DecidingPage(KeptForGood, Page):
    """What decides over cases: each save is a new version, and is in the audit."""

    form = VersionedForm
    formfield_overrides = json_fields

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: bool
    ) -> None:
        config.save(obj, by=request.user)  # type: ignore[arg-type]

    @admin.display(description=_("all facts"))
    def facts(self, row: Any) -> str:
        """Return the catalogue of facts: the reference page of who writes conditions."""
        found = [*rules.CATALOGUE.values(), *rules.FAMILIES.values()]
        return render_to_string(
            "cem_cases/admin/facts.html",
            {
                "facts": [(fact, json.dumps(fact.example)) for fact in found],
                "operators": [(kind.value, words) for kind, words in APPLIES.items()],
            },
        )


@admin.register(Rule)
class RuleAdmin(DecidingPage):
    list_display = ("name", "position", "sentence", "is_active", "stop", "version")
    list_filter = ("is_active",)
    sortable_by = ("name", "position")
    search_fields = ("name",)
    readonly_fields = ("sentence", "facts", "version")
    fields = (
        "name",
        ("position", "is_active", "stop"),
        "trigger",
        "sentence",
        "conditions",
        "actions",
        "facts",
        "version",
        "seen_version",
    )

    def formfield_for_dbfield(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        helps = {"conditions": CONDITIONS_HELP, "actions": ACTIONS_HELP}
        if field and db_field.name in helps:
            field.help_text = helps[db_field.name]
        return field

    @admin.display(description=_("in words"))
    def sentence(self, rule: Rule) -> str:
        if rule.pk is None:
            return _now("Shown here once it is saved.")
        return words.rule_sentence(rule.conditions, rule.actions)


class MembershipInline(Inline):
    """Who works here. Somebody who leaves is switched off: their cases stay counted."""

    model = Membership
    fields = (
        "who",
        "user",
        "role",
        "capacity",
        "is_active",
        "open_cases",
        "last_assigned",
    )
    readonly_fields = ("who", "open_cases", "last_assigned")
    raw_id_fields = ("user",)
    can_delete = False

    def formfield_for_foreignkey(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        if db_field.name == "user":  # named in "who": one query less for each member
            kwargs["widget"] = QuietRawIdWidget(db_field.remote_field, self.admin_site)
            return db_field.formfield(**kwargs)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    @admin.display(description=_("member"))
    def who(self, membership: Membership) -> str:
        return words.NOTHING if membership.pk is None else name_of(membership.user)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        return super().get_queryset(request).select_related("user", "team")


@admin.register(Team)
class TeamAdmin(Page):
    list_display = ("name", "slug", "people", "is_active")
    list_filter = ("is_active",)
    ordering = ("name",)
    search_fields = ("name", "slug")
    prepopulated_fields = {"slug": ("name",)}
    readonly_fields = ("assigned_count",)
    inlines = (MembershipInline,)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        # rules name teams by their slugs, and would lose this one
        return self.readonly_fields if obj is None else ("slug", *self.readonly_fields)

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return {} if obj else self.prepopulated_fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Team]:
        working = Count("memberships", filter=Q(memberships__is_active=True))
        return super().get_queryset(request).annotate(people=working)

    @admin.display(description=_("active members"))
    def people(self, team: Team) -> int:
        count: int = team.people  # type: ignore[attr-defined]
        return count


@admin.register(Absence)
class AbsenceAdmin(Page):
    list_display = ("user", "from_at", "until_at", "substitute", "reason")
    list_select_related = ("user", "substitute")
    ordering = ("-from_at",)
    raw_id_fields = ("user", "substitute")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Absence]:
        return super().get_queryset(request).visible_to(request.user)  # type: ignore[attr-defined]
