"""A calendar file on its way into a calendar: chosen, looked at, and then kept.

Between the steps nothing is stored: what was shown stands in the page, signed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django import forms
from django.core import signing
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from cem_cases.admin import words
from cem_cases.intake.ics import MAX_BYTES, Entry
from cem_cases.models import BusinessCalendar, Holiday

SALT = "cem_cases.calendars.import"
KEPT_SECONDS = 3600
"""How long a preview may be kept after it was shown."""


class FileForm(forms.Form):
    file = forms.FileField(
        label=_("Calendar file"),
        widget=forms.FileInput(attrs={"accept": ".ics,text/calendar"}),
        help_text=_(
            "Its whole days are shown first; nothing is kept until you say so. At most "
            "1 MB."
        ),
    )

    def clean_file(self) -> Any:
        found = self.cleaned_data["file"]
        if found.size > MAX_BYTES:
            raise ValidationError(_("The file is larger than 1 MB."), code="too_large")
        return found


@dataclass(frozen=True, slots=True)
class Line:
    """One day of a calendar file, as it is looked at before it is kept."""

    entry: Entry
    state: words.Said
    is_new: bool


def lines(calendar: BusinessCalendar, entries: Sequence[Entry]) -> list[Line]:
    """Return the days of a file, each with whether the calendar has it already."""
    there = {row.day: row for row in calendar.holidays.all()}
    return [_line(entry, there) for entry in entries]


def sign(calendar: BusinessCalendar, entries: Sequence[Entry]) -> str:
    """Return these days as the page carries them to the next step."""
    shown = [[entry.day.isoformat(), entry.name] for entry in entries]
    return signing.dumps([calendar.pk, shown], salt=SALT, compress=True)


def signed(calendar: BusinessCalendar, text: str) -> list[Entry]:
    """Return the days that were signed for this calendar, or raise BadSignature."""
    key, shown = signing.loads(text, salt=SALT, max_age=KEPT_SECONDS)
    if key != calendar.pk:
        raise signing.BadSignature("This is the preview of another calendar.")
    return [Entry(date.fromisoformat(day), name) for day, name in shown]


def _line(entry: Entry, there: Mapping[date, Holiday]) -> Line:
    row = there.get(entry.day)
    if row is None:
        return Line(entry, words.Said(_now("new"), "new"), is_new=True)
    text = _now("already there") if row.is_active else _now("there, switched off")
    return Line(entry, words.Said(text, "quiet"), is_new=False)
