"""The form of a calendar: opening hours as people write them, not as JSON."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.core.exceptions import ValidationError
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from cem_cases import sla
from cem_cases.admin.fields import MAX_JSON
from cem_cases.exceptions import InvalidInput, MissingExtra
from cem_cases.loop import holidays
from cem_cases.models import BusinessCalendar

CLOSED = "closed"


class Suggesting(forms.TextInput):
    """A text with suggestions, which need neither a script nor to be all there are."""

    suggestions: Sequence[str] = ()

    def render(
        self, name: str, value: Any, attrs: Any = None, renderer: Any = None
    ) -> Any:
        list_id = f"cem-{name}-list"
        attrs = {**(attrs or {}), "list": list_id, "autocomplete": "off"}
        return format_html(
            '{}<datalist id="{}">{}</datalist>',
            super().render(name, value, attrs, renderer),
            list_id,
            format_html_join(
                "", '<option value="{}">', ((each,) for each in self.suggestions)
            ),
        )


class OpeningsField(forms.Field):
    """The openings of a weekday: `09:00-12:30 13:00-17:00`, or nothing when closed."""

    widget = forms.TextInput(
        attrs={"class": "vTextField", "dir": "ltr", "autocomplete": "off"}
    )

    def __init__(self, label: Any) -> None:
        super().__init__(label=label, required=False)

    def to_python(self, value: Any) -> list[list[str]]:
        return read_openings(value or "")

    def prepare_value(self, value: Any) -> str:
        return value if isinstance(value, str) else write_openings(value or [])


class SpecialField(forms.Field):
    """Dates with openings of their own, a line each: `2026-12-24 09:00-12:00`."""

    widget = forms.Textarea(
        attrs={"rows": 5, "dir": "ltr", "spellcheck": "false", "class": "cem-json"}
    )

    def to_python(self, value: Any) -> dict[str, list[list[str]]]:
        if len(value or "") > MAX_JSON:
            raise ValidationError(_("This is too long."), code="too_long")
        found: dict[str, list[list[str]]] = {}
        wrong = []
        for line in filter(str.strip, (value or "").splitlines()):
            day, *rest = line.split(maxsplit=1)
            try:
                if day in found:
                    raise ValidationError(_now("this date stands twice."))
                found[day] = _of_date(day, "".join(rest).strip())
            except ValidationError as error:
                wrong += [_named(day[:40], text) for text in error.messages]
        if wrong:
            raise ValidationError(wrong)
        return found

    def prepare_value(self, value: Any) -> str:
        if not isinstance(value, Mapping):
            return str(value or "")
        return "\n".join(
            f"{day} {write_openings(openings) or CLOSED}"
            for day, openings in sorted(value.items())
        )


class CalendarForm(forms.ModelForm):
    """Refuses to save over what somebody else has saved since the form was shown."""

    hours_mon = OpeningsField(_("Monday"))
    hours_tue = OpeningsField(_("Tuesday"))
    hours_wed = OpeningsField(_("Wednesday"))
    hours_thu = OpeningsField(_("Thursday"))
    hours_fri = OpeningsField(_("Friday"))
    hours_sat = OpeningsField(_("Saturday"))
    hours_sun = OpeningsField(_("Sunday"))
    special = SpecialField(
        label=_("Special hours"),
        required=False,
        help_text=_(
            "A line for each date: 2026-12-24 09:00-12:00, or 2026-12-31 closed. They go "
            "before the weekly hours and before a holiday."
        ),
    )
    seen = forms.CharField(widget=forms.HiddenInput, required=False)
    refused: Sequence[str] = ()
    """What the loop had against the same when it was tried just now."""

    class Meta:
        model = BusinessCalendar
        fields = ("name", "zone", "country", "subdivision")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # On a page that can only be read, Django leaves the fields of the model out.
        if "zone" in self.fields:
            self._offer()
            self._show()

    def _offer(self) -> None:
        zone = Suggesting(attrs={"class": "vTextField"})
        zone.suggestions = zone_names()
        self.fields["zone"].widget = zone
        region = Suggesting(attrs={"class": "vTextField"})
        self.fields["subdivision"].widget = region
        saved = self.instance.country
        try:
            names = dict(holidays.countries())
            region.suggestions = holidays.subdivisions(saved)
        except MissingExtra as error:
            self.fields["country"].help_text = str(error)
            return
        names.setdefault(saved, saved)  # known no longer, and kept nevertheless
        named = sorted((name, code) for code, name in names.items() if code)
        self.fields["country"] = forms.ChoiceField(
            label=self.fields["country"].label,
            required=False,
            choices=[("", "—"), *((code, f"{name} ({code})") for name, code in named)],
        )

    def _show(self) -> None:
        hours = self.instance.hours
        for day in sla.WEEKDAYS:
            openings = hours.get(day) if isinstance(hours, Mapping) else None
            self.initial[f"hours_{day}"] = openings or []
        self.digest = digest(self.instance)
        self.initial["seen"] = self.digest

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        self.instance.hours = {
            day: openings
            for day in sla.WEEKDAYS
            if (openings := self.cleaned_data.get(f"hours_{day}"))
        }
        self._check_country()
        if self.instance.pk and self.cleaned_data.get("seen") != self.digest:
            raise ValidationError(
                _(
                    "Somebody else saved this calendar while you were looking at it. "
                    "Open it in another tab, compare, and save there."
                ),
                code="stale",
            )
        if self.refused:
            raise ValidationError(list(self.refused), code="refused")
        return cleaned

    def _check_country(self) -> None:
        country, subdivision = map(self.cleaned_data.get, ("country", "subdivision"))
        if subdivision and not country:
            self.add_error("country", _("Say whose subdivision it is."))
        if not country or not {"country", "subdivision"} & set(self.changed_data):
            return
        try:
            holidays.check_country(country, subdivision or "")
        except MissingExtra:
            return  # whoever may not look the holidays up may still note the country
        except InvalidInput as error:
            for name, messages in error.errors.items():
                self.add_error(name, messages)

    def add_error(self, field: str | None, error: Any) -> None:
        """Show what is wrong with all hours together above the form, once."""
        found = getattr(error, "error_dict", None)
        if found and "hours" in found:
            found = dict(found)
            of_hours = found.pop("hours")
            if not any(name.startswith("hours_") for name in self.errors):
                super().add_error(None, ValidationError(of_hours))
            if not found:
                return
            error = ValidationError(found)
        super().add_error(field, error)


@cache
def zone_names() -> Sequence[str]:
    return sorted(available_timezones() - {"Factory", "localtime"})


def digest(calendar: BusinessCalendar) -> str:
    """Return a digest of all that the page of this calendar shows."""
    if calendar.pk is None:
        return ""
    rows = calendar.holidays.order_by("day").values_list(
        "day", "name", "source", "is_active"
    )
    fields = [field.value_from_object(calendar) for field in calendar._meta.fields]
    text = json.dumps([fields, [list(map(str, row)) for row in rows]], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def write_openings(openings: Any) -> str:
    """Return the openings of a day as people write them.

    >>> write_openings([["09:00", "12:30"], ["13:00", "17:00"]])
    '09:00-12:30 13:00-17:00'
    """
    try:
        return " ".join(f"{opens}-{closes}" for opens, closes in openings)
    except (TypeError, ValueError):  # stored around the loop: shown, and refused
        return json.dumps(openings)


def read_openings(text: str) -> list[list[str]]:
    """Return the openings that somebody wrote.

    >>> read_openings("9:00 - 12:30, 13:00-17:00")
    [['09:00', '12:30'], ['13:00', '17:00']]

    Raises ValidationError, which names the opening that is wrong.
    """
    spaced = " ".join(text.replace(",", " ").translate(_DASHES).split())
    written = spaced.replace(" -", "-").replace("- ", "-").split()
    if len(written) > MOST_OPENINGS:
        raise ValidationError(_("These are too many openings."), code="too_long")
    openings = [_opening(entry) for entry in written]
    try:
        sla.parse_calendar({"zone": "UTC", "hours": {"mon": openings}})
    except sla.InvalidCalendar as error:
        entry = written[int(_INDEX.findall(error.path)[0])]
        raise ValidationError(_named(entry, error.message)) from None
    return openings


MOST_OPENINGS = 100
_DASHES = str.maketrans({0x2013: "-", 0x2014: "-"})  # as word processors write it
_INDEX = re.compile(r"\[([0-9]+)\]")
_WRITTEN = re.compile(r"([0-9]{1,2}:[0-9]{2})-([0-9]{1,2}:[0-9]{2})")


def _opening(entry: str) -> list[str]:
    found = _WRITTEN.fullmatch(entry)
    if not found:
        raise ValidationError(
            _("“%(entry)s” is not an opening such as 09:00-17:00."),
            params={"entry": entry[:40]},
        )
    return [time.zfill(5) for time in found.groups()]


def _named(entry: str, message: str) -> str:
    return message if entry in message else f"{entry}: {message}"


def _of_date(day: str, text: str) -> list[list[str]]:
    if not text:
        raise ValidationError(_("say when it is open, or write “closed”."))
    openings = [] if text.lower() == CLOSED else read_openings(text)
    try:
        sla.parse_calendar({"zone": "UTC", "special": {day: openings}})
    except sla.InvalidCalendar as error:
        raise ValidationError(error.message) from None
    return openings
