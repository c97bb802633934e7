"""The pages of calendars: what they come to, their form, and holidays from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core import signing
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html_join
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from cem_cases import sla
from cem_cases.admin import calendarfile, words
from cem_cases.admin.base import Page
from cem_cases.admin.calendarform import CLOSED, CalendarForm, write_openings
from cem_cases.admin.holidays import (
    HolidayInline,
    Shown,
    every_row,
    first_shown,
    is_of_holidays,
)
from cem_cases.exceptions import CemCasesError, InvalidInput
from cem_cases.loop import config, holidays
from cem_cases.models import BusinessCalendar, PolicyVersion

MOST_SAID = 12
HOURS = [f"hours_{day}" for day in sla.WEEKDAYS]


@admin.register(BusinessCalendar)
class BusinessCalendarAdmin(Page):
    list_display = ("name", "zone", "stands")
    search_fields = ("name",)
    form = CalendarForm
    inlines = (HolidayInline,)
    change_form_template = "cem_cases/admin/calendar.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[BusinessCalendar]:
        return super().get_queryset(request).prefetch_related("holidays")

    @admin.display(description=_("now"))
    def stands(self, calendar: BusinessCalendar) -> str:
        return stands(calendar, timezone.now())

    # The page

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        may_change = self.has_change_permission(request, obj) or obj is None
        hours = HOURS if may_change else ["weekly"]
        special = ["special"] if may_change else ["dated"]
        described = _(
            "09:00-12:30 13:00-17:00; empty is closed, 00:00-24:00 is open all day. A "
            "night is parted at midnight: 22:00-24:00, and 00:00-06:00 on the next day."
        )
        return [
            (None, {"fields": ["name", "zone", *(["seen"] if may_change else [])]}),
            (_("Opening hours"), {"fields": hours + special, "description": described}),
            (_("Public holidays"), {"fields": [("country", "subdivision")]}),
        ]

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form: Any = super().get_form(request, obj, change=change, **kwargs)
        form.refused = getattr(request, "cem_refused", ())
        return form

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Show the form once more, as it was typed, where the loop refuses it."""
        try:
            return self._locked_view(request, object_id, form_url, extra_context)
        except ValidationError as error:
            request.cem_refused = error.messages  # type: ignore[attr-defined]
            return self._locked_view(request, object_id, form_url, extra_context)

    def _locked_view(
        self, request: HttpRequest, object_id: str | None, *args: Any
    ) -> Any:
        """Nobody else adds holidays from the moment when the form compares them."""
        if request.method != "POST" or object_id is None:
            return super().changeform_view(request, object_id, *args)
        with transaction.atomic():
            calendar = self.get_object(request, unquote(object_id))
            if calendar is not None:
                config.lock_calendar(calendar.pk)
            return super().changeform_view(request, object_id, *args)

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: bool
    ) -> None:
        """Leave it to `save_related`: the loop saves a calendar with its holidays."""

    def save_related(
        self, request: HttpRequest, form: Any, formsets: Any, change: bool
    ) -> None:
        rows = next(
            (every_row(found) for found in formsets if is_of_holidays(found)), None
        )
        versions = config.save_calendar(form.instance, holidays=rows, by=request.user)  # type: ignore[arg-type]
        self._tell(request, versions)

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> Any:
        calendar = context["original"]
        if calendar is not None:
            context |= self._about(request, calendar)
        return super().render_change_form(request, context, *args, **kwargs)

    def _about(self, request: HttpRequest, calendar: Any) -> dict[str, Any]:
        # not `original`: what was typed may stand in it by now
        saved = self.get_queryset(request).get(pk=calendar.pk)
        return {
            "sentences": list(sentences(saved, timezone.now())),
            "saved": saved,
            "shown": Shown.of(saved, first_shown(request)),
            "may_change": self.has_change_permission(request, saved),
            "top_up_url": self._step_url(saved, "top_up"),
            "import_url": self._step_url(saved, "import"),
        }

    @admin.display(description=_("weekly hours"))
    def weekly(self, calendar: BusinessCalendar) -> str:
        labels = (CalendarForm.base_fields[name].label for name in HOURS)
        return _lines(
            f"{label}: {write_openings(calendar.hours.get(day, [])) or CLOSED}"
            for day, label in zip(sla.WEEKDAYS, labels, strict=True)
        )

    @admin.display(description=_("special hours"))
    def dated(self, calendar: BusinessCalendar) -> str:
        return _lines(
            f"{day}: {write_openings(openings) or CLOSED}"
            for day, openings in sorted(calendar.special.items())
        )

    # Holidays from elsewhere

    def get_urls(self) -> list[Any]:
        steps = (
            ("holidays/", self.top_up_view, "top_up"),
            ("import/", self.import_view, "import"),
            ("import/keep/", self.keep_view, "keep"),
        )
        return [
            *(
                path(
                    f"<path:object_id>/{route}",
                    self.admin_site.admin_view(view),
                    name=f"cem_cases_businesscalendar_{name}",
                )
                for route, view, name in steps
            ),
            *super().get_urls(),
        ]

    def top_up_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Add the holidays of the country that are missing."""
        calendar = self._changeable(request, object_id)
        if calendar is None:
            return self._nobody(request, object_id)
        if request.method == "POST":
            try:
                added = holidays.top_up(calendar, by=request.user)  # type: ignore[arg-type]
            except CemCasesError as error:
                self.message_user(request, str(error), messages.WARNING)
            else:
                self._tell_added(request, calendar, added)
        return self._back(calendar)

    def import_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Take a calendar file, and show what of it would be kept."""
        calendar = self._changeable(request, object_id)
        if calendar is None:
            return self._nobody(request, object_id)
        sent = (request.POST, request.FILES) if request.method == "POST" else ()
        form, preview = calendarfile.FileForm(*sent), None
        if form.is_valid():
            try:
                preview = holidays.read_ics(
                    form.cleaned_data["file"].read(), now=timezone.now()
                )
            except InvalidInput as error:
                form.add_error("file", error.errors["file"])
        context: dict[str, Any] = {"form": form, "preview": preview}
        if preview is not None:
            lines = calendarfile.lines(calendar, preview.entries)
            new = [line.entry for line in lines if line.is_new]
            signed = calendarfile.sign(calendar, new)
            context |= {"lines": lines, "new": len(new), "signed": signed}
        return self._import_page(request, calendar, context)

    def keep_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Keep what was chosen of a preview; it comes back signed, and is asked again."""
        calendar = self._changeable(request, object_id)
        if calendar is None:
            return self._nobody(request, object_id)
        if request.method != "POST":
            return HttpResponseRedirect(self._step_url(calendar, "import"))
        try:
            shown = calendarfile.signed(calendar, request.POST.get("signed", ""))
        except signing.BadSignature:
            text = _now("This preview is too old. Choose the file again.")
            self.message_user(request, text, messages.WARNING)
            return HttpResponseRedirect(self._step_url(calendar, "import"))
        chosen = set(request.POST.getlist("day"))
        entries = [entry for entry in shown if entry.day.isoformat() in chosen]
        try:
            added = holidays.keep(calendar, entries, by=request.user)  # type: ignore[arg-type]
        except CemCasesError as error:
            self.message_user(request, str(error), messages.WARNING)
        else:
            self._tell_added(request, calendar, added)
        return self._back(calendar)

    def _changeable(
        self, request: HttpRequest, object_id: str
    ) -> BusinessCalendar | None:
        found: BusinessCalendar | None = self.get_object(request, unquote(object_id))
        if not self.has_change_permission(request, found):
            raise PermissionDenied
        return found

    def _nobody(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Answer as Django does for a row that is not there."""
        return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined]

    def _back(self, calendar: BusinessCalendar) -> HttpResponse:
        return HttpResponseRedirect(str(self.url(calendar)))

    def _step_url(self, calendar: BusinessCalendar, step: str) -> str:
        name = f"{self.admin_site.name}:cem_cases_businesscalendar_{step}"
        return reverse(name, args=[calendar.pk])

    def _import_page(
        self, request: HttpRequest, calendar: BusinessCalendar, context: Any
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            **context,
            "title": _("Import a calendar file"),
            "opts": self.opts,
            "original": calendar,
            "media": self.media,
            "has_view_permission": self.has_view_permission(request, calendar),
            "page_url": self.url(calendar),
            "import_url": self._step_url(calendar, "import"),
            "keep_url": self._step_url(calendar, "keep"),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(
            request, "cem_cases/admin/calendar_import.html", context
        )

    def _tell_added(
        self, request: HttpRequest, calendar: BusinessCalendar, added: holidays.Added
    ) -> None:
        days = [_said(row.day, row.name) for row in added.days[:MOST_SAID]]
        count = len(added.days)
        if not days:
            text = _now("No day was added: all are there already, or none was chosen.")
            self.message_user(request, text, messages.INFO)
            return
        more = _now(" and %d more") % (count - len(days)) if count > len(days) else ""
        text = ngettext("%d day was added:", "%d days were added:", count) % count
        self.log_change(request, calendar, text.rstrip(":"))
        self.message_user(request, f"{text} {', '.join(days)}{more}.", messages.SUCCESS)
        self._tell(request, added.versions)

    def _tell(self, request: HttpRequest, versions: Sequence[PolicyVersion]) -> None:
        if not versions:
            return
        text = ngettext(
            "%d policy got a new version; running clocks keep the one they began with.",
            "%d policies got a new version; running clocks keep the one they began with.",
            len(versions),
        )
        self.message_user(request, text % len(versions), messages.INFO)


def stands(calendar: BusinessCalendar, now: datetime) -> str:
    """Return whether this calendar is open, or when it opens next."""
    try:
        found = sla.parse_calendar(calendar.as_data())
        opens = found.next_open(now)
    except sla.InvalidCalendar as error:
        return _now("Cannot be read: %s") % error
    except sla.NeverOpen:
        return _now("Does not open any more.")
    if opens <= now:
        return _now("Open now.")
    at = date_format(opens.astimezone(found.zone), "D j M Y, H:i")
    return _now("Closed now, opens on %s.") % at


def sentences(calendar: BusinessCalendar, now: datetime) -> Iterator[str]:
    """Yield what this calendar comes to, in words."""
    yield stands(calendar, now)
    try:
        found = sla.parse_calendar(calendar.as_data())
    except sla.InvalidCalendar:
        return
    openings = [opening for day in found.hours.values() for opening in day]
    minutes = sum(opening.closes - opening.opens for opening in openings)
    if minutes:
        yield _now("%s open a week.") % words.span(minutes * 60, days=False)
    today = now.astimezone(found.zone).date()
    closed = [
        _said(row.day, row.name)
        for row in calendar.holidays.all()
        if row.is_active and row.day >= today and row.day not in found.special
    ]
    if closed:
        yield _now("Next holidays: %s.") % ", ".join(closed[:3])
    else:
        yield _now("No holidays ahead.")


def _said(day: date, name: str) -> str:
    return f"{date_format(day, 'j M Y')} {name}".strip()


def _lines(texts: Iterator[str]) -> str:
    return format_html_join("", "<div>{}</div>", ((text,) for text in texts))
