"""The form of an SLA policy: its own fields, its table of targets, its escalation steps.

Each part checks what it can by itself; then the loop is asked about the whole, and what
it says is shown at its place. Rows have no identity: a save replaces them all, so the
tables are filled from the saved rows, and what comes back are new ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.models import BaseInlineFormSet
from django.utils import timezone
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from cem_cases.admin import amounts
from cem_cases.admin.timeline import name_of
from cem_cases.admin.versioned import VersionedForm
from cem_cases.loop import config
from cem_cases.models import (
    BusinessCalendar,
    Case,
    ClockMetric,
    EscalationStep,
    Target,
)

SHOW_EXAMPLES = "_examples"
"""The button that shows the examples and saves nothing, where there is no script."""

_HOURS = {
    ClockMetric.FIRST_CONTACT: (1, 2, 4, 8),
    ClockMetric.RESOLUTION: (8, 16, 24, 40),
}


def starting_targets() -> list[Target]:
    """Return what a new policy promises until somebody says better."""
    return [
        Target(metric=metric, priority=priority, amount=3600 * n, warn_percents=[75])
        for metric, hours in _HOURS.items()
        for priority, n in zip(Case.Priority.values, hours, strict=True)
    ]


class PolicyForm(VersionedForm):
    """The fields of the policy itself; it knows the tables below it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.tables: dict[str, RowSet] = {}
        if not self.is_bound and isinstance(
            calendar := self.initial.get("calendar"), BusinessCalendar
        ):
            self.instance.calendar = calendar  # the examples go by it
        # the tables are given this row as theirs, and nothing else
        self.instance.form_of_page = self

    @property
    def has_errors(self) -> bool:
        """Whether it or one of its tables has errors."""
        return bool(self.errors) or any(t.has_errors for t in self.tables.values())

    @property
    def is_savable(self) -> bool:
        """Whether it is right, and is to be saved at all."""
        return not self.has_errors and SHOW_EXAMPLES not in self.data

    def check_whole(self) -> None:
        """Ask the loop what is wrong with all of it together, and show it there."""
        if self.has_errors:
            return
        targets, steps = self.tables["targets"], self.tables["steps"]
        for path, text in config.problems(
            self.instance, targets.rows, steps.rows, now=timezone.now()
        ):
            self._tell(path, capfirst(text))

    def _tell(self, path: str, text: str) -> None:
        """Show this message at the place that the path names: `targets[2].amount`."""
        name, *rest = re.findall(r"\w+", path)
        if name not in self.tables:
            self.add_error(name if name in self.fields else None, text)
        elif not rest:
            self.tables[name].non_form_errors().append(text)
        else:
            row = self.tables[name].filled[int(rest[0])]
            field = rest[1] if len(rest) > 1 else None
            row.add_error(field if field in row.fields else None, text)


class Fixed(forms.HiddenInput):
    """A value that is said in words, and cannot be changed."""

    is_hidden = False

    def __init__(self, words: Mapping[str, Any]) -> None:
        super().__init__()
        self.words = words

    def render(
        self, name: str, value: Any, attrs: Any = None, renderer: Any = None
    ) -> Any:
        said = self.words.get(str(value), value)
        hidden = super().render(name, value, attrs, renderer)
        return format_html('{}<span class="cem-fixed">{}</span>', hidden, said)


class RowForm(forms.ModelForm):
    """One row. It is saved, and checked against the others, with the whole policy."""

    needs: Sequence[str] = ()
    """What a row must have that is not left empty."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.required = field.required and name not in self.needs
            # the heads of the columns are no labels to who hears the page
            field.widget.attrs["aria-label"] = capfirst(field.label)

    @property
    def is_filled(self) -> bool:
        raise NotImplementedError

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        for name in self.needs if self.is_filled else ():
            if self.cleaned_data.get(name) in (None, "") and name not in self.errors:
                missing = self.fields[name].error_messages["required"]
                self.add_error(name, ValidationError(missing, code="required"))
        return cleaned

    def validate_unique(self) -> None:
        """Leave it to the check of the whole: the saved rows will not be there."""

    def _get_validation_exclusions(self) -> set[str]:
        # the same for the constraints of the database: a query for each row less
        return {field.name for field in self._meta.model._meta.fields}


class TargetForm(RowForm):
    """How long one metric may take at one priority. Without an amount: no promise."""

    needs = ("metric", "priority")
    group = ""
    """The metric in words, of a row that has one."""
    amount = forms.CharField(
        label=_("within"),
        required=False,
        max_length=amounts.MOST_TYPED,
        widget=forms.TextInput(attrs={"size": 10, "autocomplete": "off"}),
        help_text=_("4 h, 90 min, 3 d"),
    )
    warn_percents = forms.CharField(
        label=_("warn at %"),
        required=False,
        max_length=amounts.MOST_TYPED,
        widget=forms.TextInput(attrs={"size": 8, "autocomplete": "off"}),
        help_text=_("75, or 50, 90"),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "unit" in self.fields:  # not on a page that can only be read
            self._fix_what_it_is_for()

    def _fix_what_it_is_for(self) -> None:
        """Say the metric and the priority of a row that has both; name its fields."""
        words = [
            {str(key): label for key, label in choices}
            for choices in (ClockMetric.choices, Case.Priority.choices)
        ]
        known = [
            words[n].get(str(self[name].value())) for n, name in enumerate(self.needs)
        ]
        if not all(known):
            return
        self.group = str(known[0])
        for n, name in enumerate(self.needs):
            self.fields[name].widget = Fixed(words[n])
        for name in ("amount", "unit", "warn_percents"):
            field = self.fields[name]
            said = ", ".join(map(str, [*known, field.label]))
            field.widget.attrs["aria-label"] = capfirst(said)

    @property
    def is_filled(self) -> bool:
        if str(self["amount"].value() or "").strip():
            return True
        # emptied, it is no promise; without its amount a new row is unfinished
        return not self.group and any(self[name].value() for name in self.needs)

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if self.is_filled and not {"amount", "unit"} & self.errors.keys():
            self._read_amount(self.cleaned_data["amount"], self.cleaned_data["unit"])
        return cleaned

    def _read_amount(self, text: str, unit: str) -> None:
        try:
            self.cleaned_data["amount"] = amounts.parse(text, unit)
        except ValidationError as error:
            self.add_error("amount", error)

    def clean_warn_percents(self) -> list[int]:
        return amounts.parse_percents(self.cleaned_data["warn_percents"])


class StepForm(RowForm):
    """What happens when a clock comes to a point."""

    needs = ("metric", "action")
    group = ""

    @property
    def who(self) -> str:
        """Return the name of a saved watcher. A key that is typed is not named."""
        return self.initial.get("who") or ""

    @property
    def is_filled(self) -> bool:
        names = ("metric", "action", "percent", "minutes", "user")
        return any(self[name].value() not in (None, "") for name in names)


class RowSet(BaseInlineFormSet):
    """A table of the policy. What is posted are new rows, all of them.

    `shown`: the rows with which it is filled at first; without them it is to be read
    only, and has the saved ones.
    """

    name = ""

    def __init__(
        self, *args: Any, shown: Sequence[Any] | None = None, **kwargs: Any
    ) -> None:
        if shown is not None:
            kwargs["queryset"] = self.model._default_manager.none()  # type: ignore[union-attr]
            kwargs["initial"] = [self.say(row) for row in shown]
        super().__init__(*args, **kwargs)
        self.shown, self.extra = shown, len(self.initial_extra or ())
        self.page: PolicyForm | None = getattr(self.instance, "form_of_page", None)
        if self.page is not None:
            self.page.tables[self.name] = self

    @staticmethod
    def say(row: Any) -> dict[str, Any]:
        """Return a row as the table shows it."""
        raise NotImplementedError

    def initial_form_count(self) -> int:
        return 0 if self.is_bound else super().initial_form_count()

    def add_fields(self, form: Any, index: int | None) -> None:
        super().add_fields(form, index)
        form.empty_permitted = False  # a row says itself when it is left empty

    @property
    def filled(self) -> list[Any]:
        """Return the forms of the rows that are meant, of those that were posted."""
        return [form for form in self._kept() if form.is_filled]

    @property
    def rows(self) -> list[Any]:
        """Return the rows that are meant, as far as they are right."""
        if self.is_bound:
            return [form.instance for form in self.filled if not form.errors]
        return list(self.get_queryset() if self.shown is None else self.shown)

    @property
    def has_errors(self) -> bool:
        found = self.non_form_errors()
        return bool(found) or any(form.errors for form in self._kept())

    def _kept(self) -> list[Any]:
        # not `deleted_forms`, which asks whether all of it is valid
        return [form for form in self.forms if not self._should_delete_form(form)]  # type: ignore[attr-defined]

    def is_valid(self) -> bool:
        return super().is_valid() and self.page is not None and self.page.is_savable

    def validate_unique(self) -> None:
        """Leave it to the check of the whole."""


class TargetSet(RowSet):
    name = "targets"

    @staticmethod
    def say(row: Target) -> dict[str, Any]:
        return {
            "metric": row.metric,
            "priority": row.priority,
            "amount": amounts.write(row.amount, row.unit),
            "unit": row.unit,
            "warn_percents": amounts.write_percents(row.warn_percents),
        }


class StepSet(RowSet):
    name = "steps"

    @staticmethod
    def say(row: EscalationStep) -> dict[str, Any]:
        names = ("metric", "percent", "minutes", "action")
        said = {name: getattr(row, name) for name in names}
        return said | {"user": row.user_id, "who": row.user and name_of(row.user)}

    def clean(self) -> None:
        """Be the last: check the whole, when its rows and all else are read."""
        super().clean()
        if self.page is not None:
            self.page.check_whole()
