from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from cem_cases.admin import words
from cem_cases.admin.base import Inline, Page
from cem_cases.admin.fields import QuietRawIdWidget
from cem_cases.admin.timeline import name_of
from cem_cases.loop import config
from cem_cases.models import Absence, Membership, Team

MOST_SKILLS = 50
LONGEST_SKILL = 50


class SkillsField(forms.CharField):
    """Words with commas between them; each once, whatever its case."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            required=False,
            max_length=MOST_SKILLS * LONGEST_SKILL,
            widget=forms.TextInput(attrs={"dir": "auto", "autocomplete": "off"}),
            **kwargs,
        )

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(map(str, value)) if isinstance(value, list) else value

    def clean(self, value: Any) -> list[str]:
        typed = super().clean(value) or ""
        skills = [" ".join(word.split()) for word in typed.split(",")]
        found = {skill.casefold(): skill for skill in skills if skill}
        if len(found) > MOST_SKILLS:
            raise ValidationError(_("At most 50 skills."), code="many")
        if any(len(word) > LONGEST_SKILL for word in found):
            text = _("A skill has at most 50 letters; put commas between them.")
            raise ValidationError(text, code="long")
        return list(found.values())

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), data)


class MembershipForm(forms.ModelForm):
    skills = SkillsField(
        label=_("skills"),
        help_text=_("Such as german, billing. Rules may ask for them."),
    )


class MembershipInline(Inline):
    """Who works here. Somebody who leaves is switched off: their cases stay counted.

    Then the next sweep puts their open cases back into the queue.
    """

    model = Membership
    form = MembershipForm
    fields = (
        "who",
        "user",
        "role",
        "capacity",
        "skills",
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
    list_display = ("name", "slug", "people", "calendar", "is_active")
    list_select_related = ("calendar",)
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

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: bool
    ) -> None:
        """Leave it to `save_related`: the loop saves a team with its members."""

    def save_related(
        self, request: HttpRequest, form: Any, formsets: Any, change: bool
    ) -> None:
        members = [row for formset in formsets for row in formset.save(commit=False)]
        config.save_team(form.instance, members=members, by=request.user)  # type: ignore[arg-type]

    @admin.display(description=_("active members"))
    def people(self, team: Team) -> int:
        count: int = team.people  # type: ignore[attr-defined]
        return count


@admin.register(Absence)
class AbsenceAdmin(Page):
    list_display = (
        "user",
        "from_at",
        "until_at",
        "substitute",
        "open_cases",
        "handed_over_at",
        "reason",
    )
    list_select_related = ("user", "substitute")
    ordering = ("-from_at",)
    raw_id_fields = ("user", "substitute")
    readonly_fields = ("handed_over_at",)
    fields = (
        "user",
        ("from_at", "until_at"),
        "substitute",
        "open_cases",
        "reason",
        "handed_over_at",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Absence]:
        return super().get_queryset(request).visible_to(request.user)  # type: ignore[attr-defined]
