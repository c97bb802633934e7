"""The page of a rule: built from rows of fact, comparison and value, said in a sentence.

The JSON below the rows is the real field of the form; without a script it is written by
hand. See `static/cem_cases/admin/rule` for the rows.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.urls import path, reverse
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from cem_cases.admin import rulebuilder, ruleform, words
from cem_cases.admin.replay import ReplayPages
from cem_cases.admin.rulelist import RuleListPage
from cem_cases.loop import lint
from cem_cases.models import Rule

MOST_WARNINGS = 10


@admin.register(Rule)
class RuleAdmin(ReplayPages, RuleListPage):
    form = ruleform.RuleForm
    readonly_fields = ("said", "facts", "version", "active_since")
    change_form_template = "cem_cases/admin/rule.html"

    class Media:
        js = (forms.Script("cem_cases/admin/rule/main.js", type="module"),)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        seen = ["seen_version"] if self.may_edit(request, obj) else []
        about = [("version", "active_since")] if obj else []
        return [
            (
                None,
                {"fields": ["name", ("position", "is_active", "stop"), *about, *seen]},
            ),
            (_("When"), {"fields": ["trigger", "quiet_hours", "conditions"]}),
            (_("Then"), {"fields": ["actions"]}),
            (_("In words"), {"fields": ["said"]}),
            (_("What conditions can ask about"), {"fields": ["facts"]}),
        ]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        last = Rule.objects.order_by("-position").values_list("position", flat=True)
        position = (last.first() or 0) + 10
        return {"position": position, **super().get_changeform_initial_data(request)}

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> Any:
        if self.may_edit(request, context["original"]):
            form = context["adminform"].form
            name = f"{self.admin_site.name}:cem_cases_rule_sentence"
            context["builder"] = {
                **rulebuilder.data(),
                "errors": form.places(),
                "url": reverse(name),
            }
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description=_("sentence"))
    def said(self, rule: Rule) -> str:
        """Return the sentence of the rule as it was saved; the script keeps it fresh."""
        text = _now("Shown here once it is saved.")
        if rule.pk is not None:
            text = words.rule_sentence(rule, rulebuilder.names())
        return render_to_string("cem_cases/admin/rulesentence.html", {"text": text})

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: bool
    ) -> None:
        """Save it, and say what there is to say about it beside the other rules."""
        super().save_model(request, obj, form, change)
        for text in lint.warnings(obj)[:MOST_WARNINGS]:
            self.message_user(request, text, messages.WARNING)

    # The sentence, while one edits

    def get_urls(self) -> list[Any]:
        ours = path(
            "sentence/",
            self.admin_site.admin_view(self.sentence_view),
            name="cem_cases_rule_sentence",
        )
        return [ours, *super().get_urls()]

    def sentence_view(self, request: HttpRequest) -> HttpResponse:
        """Return what a rule means as it is typed, or what is wrong. Nothing is saved."""
        return require_POST(self._sentence_view)(request)

    def _sentence_view(self, request: HttpRequest) -> HttpResponse:
        if not (self.has_view_permission(request) or self.has_add_permission(request)):
            raise PermissionDenied
        return JsonResponse(ruleform.checked(request.POST, rulebuilder.names()))
