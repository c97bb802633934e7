"""The holidays on the page of a calendar: some at a time, and none of them lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import QuerySet
from django.forms import BaseInlineFormSet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from cem_cases.admin.base import Inline
from cem_cases.models import BusinessCalendar, Holiday

MOST_SHOWN = 30
"""A form has five fields a holiday, and Django takes 1,000 fields from a form."""


class HolidayFormSet(BaseInlineFormSet):
    """The first so many of them; a date stands once, also where it is not shown."""

    def get_queryset(self) -> Any:
        if not hasattr(self, "_queryset"):
            self._queryset = super().get_queryset()[:MOST_SHOWN]
        return self._queryset

    def validate_unique(self) -> None:
        kept = [form for form in self.forms if form not in self.deleted_forms]
        found = (form.cleaned_data.get("day") for form in kept if form.is_valid())
        days = [day for day in found if day]
        if self.has_changed():
            days += _unseen(self).values_list("day", flat=True)
        if twice := sorted(day for day, count in Counter(days).items() if count > 1):
            named = ", ".join(date_format(day, "j M Y") for day in twice)
            raise ValidationError(_("These dates stand twice: %s.") % named)


class HolidayInline(Inline):
    """The holidays from some date on. Who may change the calendar may change these."""

    model = Holiday
    formset = HolidayFormSet
    extra = 1
    most_rows = 400
    fields = ("day", "name", "is_active", "source")
    readonly_fields = ("source",)
    formfield_overrides = {
        models.DateField: {
            "widget": forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
        }
    }

    def get_queryset(self, request: HttpRequest) -> QuerySet[Holiday]:
        return super().get_queryset(request).filter(day__gte=first_shown(request))

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _may(request, "change" if obj else "add")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _may(request, "change")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _may(request, "change")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return any(_may(request, verb) for verb in ("view", "change", "add"))


@dataclass(frozen=True, slots=True)
class Shown:
    """What the page shows of a calendar's holidays, and where the others are."""

    years: Sequence[tuple[int, int, bool]]
    """Year, how many, whether some of them are shown."""
    next_day: date | None
    """From which day on more are to be had."""

    @classmethod
    def of(cls, calendar: BusinessCalendar, first: date) -> Shown:
        days = sorted(row.day for row in calendar.holidays.all())
        ahead = [day for day in days if day >= first]
        shown = {day.year for day in ahead[:MOST_SHOWN]}
        counted = Counter(day.year for day in days)
        return cls(
            years=[(year, count, year in shown) for year, count in counted.items()],
            next_day=ahead[MOST_SHOWN] if len(ahead) > MOST_SHOWN else None,
        )


def first_shown(request: HttpRequest) -> date:
    """Return from which day on holidays are shown: this year's, if nothing is said."""
    try:
        return date.fromisoformat(request.GET.get("from", ""))
    except ValueError:
        return timezone.localdate().replace(month=1, day=1)


def is_of_holidays(formset: Any) -> bool:
    found: bool = formset.model is Holiday
    return found


def every_row(formset: Any) -> list[Holiday]:
    """Return all holidays that the calendar is to have: what was sent, and the rest."""
    formset.save(commit=False)
    deleted = formset.deleted_forms
    kept = [form.instance for form in formset.initial_forms if form not in deleted]
    return [*_unseen(formset), *kept, *formset.new_objects]


def _unseen(formset: Any) -> QuerySet[Holiday]:
    """Return the holidays that were not on the page."""
    if not formset.instance.pk:
        return Holiday.objects.none()
    keys = [form.instance.pk for form in formset.initial_forms]
    return Holiday.objects.filter(calendar=formset.instance).exclude(pk__in=keys)


def _may(request: HttpRequest, verb: str) -> bool:
    return request.user.has_perm(f"cem_cases.{verb}_businesscalendar")
