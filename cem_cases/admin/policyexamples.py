"""What a policy would mean for a case opened now, and at other moments, in sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from cem_cases import sla
from cem_cases.admin import words
from cem_cases.admin.policyforms import PolicyForm, RowForm
from cem_cases.loop import policies
from cem_cases.models import Case, ClockMetric, Holiday, Target
from cem_cases.sla.examples import Moment, Occasion, dues, moments

PRIORITY = "examples-priority"
"""What the choice of the priority is called in the form."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """One moment, and when a case opened then would be due; or why there is none."""

    start: str
    dues: Sequence[tuple[str, str, str]] = ()
    """The metric, when it is due, and on what condition."""


@dataclass(slots=True)
class Examples:
    """What is said below the targets."""

    zone: str
    sentences: list[Sentence] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """Which entries are not right yet."""


def chosen_priority(data: Any) -> int:
    """Return the priority that was chosen, or the normal one."""
    found = str(data.get(PRIORITY, ""))
    known = {str(priority): priority for priority in Case.Priority.values}
    return known.get(found, Case.Priority.NORMAL)


def of(form: PolicyForm, priority: int, now: datetime) -> Examples:
    """Return the examples for a policy as it stands in the form, saved or not.

    Targets that are wrong are left out, and named with all else that is.
    """
    calendar = form.instance.calendar
    holidays = list(calendar.holidays.all()) if calendar else []
    zone = calendar.zone if calendar else timezone.get_current_timezone_name()
    found = Examples(zone, wrong=list(_wrong(form)))
    # what it does besides has no bearing on when it is due
    targets = form.tables["targets"].rows
    raw = policies.terms_data(form.instance, targets, (), holidays)
    try:
        terms = sla.parse_terms(raw)
    except sla.InvalidPolicy as error:
        if not any(capfirst(error.message) in text for text in found.wrong):
            found.wrong.append(_words_of(error, targets))
        return found
    if not any(key[1] == priority for key in terms.promises):
        nothing = _("Nothing is promised for cases of %s priority.")
        found.sentences.append(Sentence(nothing % Case.Priority(priority).label))
        return found
    names = {holiday.day: holiday for holiday in holidays}
    here = now.astimezone(timezone.get_current_timezone())
    for moment in moments(terms.calendar, here):
        found.sentences.append(
            _sentence(moment, terms, priority, names)
            if moment.at
            else Sentence(_none(moment.occasion, zone, calendar is not None))
        )
    return found


def _sentence(
    moment: Moment, terms: sla.Terms, priority: int, holidays: dict[date, Holiday]
) -> Sentence:
    assert moment.at is not None  # noqa: S101  (else there is nothing to reckon)
    holiday = holidays.get(moment.day) if moment.day else None
    start = _start(moment) % {
        "at": date_format(moment.at, "D j M Y H:i"),
        "holiday": (holiday and holiday.name) or _("a holiday"),
        "shift": words.span(abs(moment.shift).total_seconds()),
    }
    promised = dues(terms, priority, moment.at)
    said = [
        (str(ClockMetric(metric).label), _due(due_at, moment.at), _condition(metric))
        for metric, due_at in promised.items()
    ]
    return Sentence(start, said)


def _start(moment: Moment) -> str:
    if moment.occasion == Occasion.NOW:
        return _("A case opened now (%(at)s)")
    if moment.occasion == Occasion.FRIDAY_EVENING:
        return _("A case opened on Friday evening (%(at)s)")
    if moment.occasion == Occasion.HOLIDAY_EVE:
        return _("A case opened on the day before %(holiday)s (%(at)s)")
    if moment.shift > timedelta(0):
        return _(
            "A case opened on the day before the clocks go forward by %(shift)s (%(at)s)"
        )
    return _("A case opened on the day before the clocks go back by %(shift)s (%(at)s)")


def _none(occasion: Occasion, zone: str, has_calendar: bool) -> str:
    if occasion == Occasion.CLOCK_CHANGE:
        return _("The clocks of %s never change: there is no such day to show.") % zone
    if has_calendar:
        return _("No holiday is ahead in the calendar that closes an open day.")
    return _("Without a calendar no holiday counts.")


def _condition(metric: str) -> str:
    if metric == ClockMetric.NEXT_UPDATE:
        return _("if the customer is reached at once")
    if metric == ClockMetric.STATUTORY:
        return _("if it is a complaint")
    return ""


def _due(due_at: datetime | None, start: datetime) -> str:
    if due_at is None:
        return _("never")
    local = due_at.astimezone(start.tzinfo)
    return date_format(
        local, "D j M H:i" if local.year == start.year else "D j M Y H:i"
    )


# What is wrong


def _wrong(form: PolicyForm) -> Iterator[str]:
    """Yield what is wrong in the form. What is only missing yet needs no word."""
    if not form.is_bound:
        return
    yield from _errors(form)
    for table in form.tables.values():
        yield from map(str, table.non_form_errors())
        for row in table.filled:
            for text in _errors(row):
                yield f"{_row(row)}: {text}"


def _errors(form: PolicyForm | RowForm) -> Iterator[str]:
    for name, errors in form.errors.as_data().items():
        label = form.fields[name].label if name in form.fields else ""
        for error in errors:
            if error.code != "required":
                text = " ".join(error.messages)
                yield f"{capfirst(label)}: {text}" if label else text


def _row(row: RowForm) -> str:
    """Return which row this is: its choices, in words."""
    said = []
    for name in row.needs:
        known = {str(key): label for key, label in row.fields[name].choices}  # type: ignore[attr-defined]
        value = str(row[name].value() or "")
        if value in known and value:
            said.append(str(known[value]))
    return capfirst(", ".join(said)) or _("New row")


def _words_of(error: sla.InvalidPolicy, targets: Sequence[Target]) -> str:
    """Return the message with the row that it is about: `targets[2].amount`."""
    place = re.match(r"targets\[(\d+)\]", error.path)
    if place is None:
        return capfirst(str(error))
    return f"{capfirst(str(targets[int(place[1])]))}: {error.message}"
