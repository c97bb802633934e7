"""Pages of what decides over cases: each save is a version, and overwrites no other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.translation import gettext_lazy as _

from cem_cases import rules
from cem_cases.admin.base import KeptForGood, Page, json_fields
from cem_cases.loop import config
from cem_cases.rules.operators import APPLIES


class VersionedForm(forms.ModelForm):
    """Refuses to save over what somebody else has saved since the form was shown."""

    seen_version = forms.IntegerField(widget=forms.HiddenInput, required=False)
    refused: Sequence[str] = ()
    """What the loop said when it was to be saved: somebody else was a moment quicker."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # On a page that can only be read, Django leaves all fields out.
        if "seen_version" in self.fields:
            self.fields["seen_version"].initial = self.instance.version

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if self.refused:
            raise ValidationError(list(self.refused))
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

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form: Any = super().get_form(request, obj, change=change, **kwargs)
        form.refused = getattr(request, "cem_refused", ())
        return form

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        """Return the row; locked while a form is saved over it.

        So of two that are sent at a time, the second is told of the first.
        """
        found = super().get_object(request, object_id, from_field)
        if found is not None and getattr(request, "cem_saves", False):
            rows = self.model._default_manager.select_for_update(no_key=True)
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

    def may_edit(self, request: HttpRequest, row: Any) -> bool:
        """Whether the user may save this row; None: a new one."""
        if row is None:
            return self.has_add_permission(request)
        return self.has_change_permission(request, row)

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
