"""Form fields of the admin: JSON that is safe to store, keys that name nobody."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.contrib.admin.widgets import ForeignKeyRawIdWidget
from django.core.exceptions import ValidationError
from django.db.models import ManyToOneRel
from django.forms.fields import InvalidJSONInput
from django.utils.translation import gettext_lazy as _

MAX_JSON = 50_000


class JsonField(forms.JSONField):
    """JSON, laid out to be read; what no database could keep is refused.

    Those are a zero character, half a character, a number without end, and a nesting
    so deep that reading it back would fail. Left empty, or null, it is what the row
    starts with.
    """

    def __init__(self, **kwargs: Any) -> None:
        kwargs["widget"] = forms.Textarea(
            attrs={"class": "cem-json", "rows": 14, "spellcheck": "false", "dir": "ltr"}
        )
        kwargs["show_hidden_initial"] = False
        super().__init__(**kwargs)

    def to_python(self, value: Any) -> Any:
        if value in self.empty_values and callable(self.initial):
            return self.initial()
        if isinstance(value, str):
            _refuse_unreadable(value)
        try:
            found = super().to_python(value)
            text = json.dumps(found, allow_nan=False, ensure_ascii=False)
            text.encode()
        except (RecursionError, ValueError) as error:
            raise self._refusal() from error
        if "\\u0000" in text:
            raise self._refusal()
        return self.initial() if found is None and callable(self.initial) else found

    def _refusal(self) -> ValidationError:
        return ValidationError(
            _("Holds something that cannot be stored."), code="unstorable"
        )

    def bound_data(self, data: Any, initial: Any) -> Any:
        """Return what was typed, as it was typed: reading it again may fail."""
        return InvalidJSONInput(data or "") if not self.disabled else initial

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, InvalidJSONInput):
            return value
        return json.dumps(value, indent=2, ensure_ascii=False)


def _refuse_unreadable(text: str) -> None:
    if len(text) > MAX_JSON:
        raise ValidationError(_("This is too long."), code="too_long")
    try:
        json.loads(text or "null")
    except json.JSONDecodeError as error:
        raise ValidationError(
            _("This is no JSON: line %(line)d, column %(column)d: %(problem)s."),
            code="invalid",
            params={
                "line": error.lineno,
                "column": error.colno,
                "problem": error.msg,
            },
        ) from error
    except (RecursionError, ValueError):
        return  # refused with the rest of what cannot be stored


class QuietRawIdWidget(ForeignKeyRawIdWidget):
    """A key typed or looked up, whose row is named beside it, not asked for again."""

    def label_and_url_for_value(self, value: Any) -> tuple[str, str]:
        return "", ""


class RawIdWidget(ForeignKeyRawIdWidget):
    """A key typed or looked up; it names the row only to who may view such rows.

    Django's own names whatever row the key belongs to, and so tells about all of them.
    """

    def __init__(self, rel: ManyToOneRel, admin_site: Any, *, user: Any) -> None:
        super().__init__(rel, admin_site)
        self.user = user

    def label_and_url_for_value(self, value: Any) -> tuple[str, str]:
        meta = self.rel.model._meta
        may = self.user.has_perm(f"{meta.app_label}.view_{meta.model_name}")
        rows = self.rel.model._default_manager.all()
        see = getattr(rows, "visible_to", None)
        rows = see(self.user) if see else rows
        try:
            if not may or not rows.filter(pk=value).exists():
                return "", ""
        except (ValueError, ValidationError):
            return "", ""
        return super().label_and_url_for_value(value)
