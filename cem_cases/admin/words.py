"""How rows are said: durations, due times, bands. Words first; colour only repeats them.

Nothing here reads the clock or the database.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from cem_cases import rules
from cem_cases.models import Case, Clock, Rule, TimeUnit

SOON = timedelta(hours=4)
NOTHING = "—"
TONES: Mapping[str, str] = {
    "detractor": "bad",
    "dissatisfied": "bad",
    "difficult": "bad",
    "passive": "middling",
    "neutral": "middling",
    "promoter": "good",
    "satisfied": "good",
    "easy": "good",
}
PRIORITY_TONES: Mapping[int, str] = {
    Case.Priority.URGENT: "bad",
    Case.Priority.HIGH: "middling",
    Case.Priority.NORMAL: "plain",
    Case.Priority.LOW: "quiet",
}
STATUS_TONES: Mapping[str, str] = {
    Case.Status.NEW: "new",
    Case.Status.RESOLVED: "good",
    Case.Status.CLOSED: "quiet",
}


@dataclass(frozen=True, slots=True)
class Said:
    """Some words, and the tone in which they are shown."""

    text: str
    tone: str = "plain"

    def badge(self) -> str:
        return format_html(
            '<span class="cem-badge cem-{}">{}</span>', self.tone, self.text
        )


def span(seconds: float, *, days: bool = True) -> str:
    """Return a duration in one or two units, as exact as people plan by it.

    Open time of a calendar has no days: a day of it may be eight hours.

    >>> span(7500), span(30 * 3600), span(80 * 3600), span(80 * 3600, days=False)
    ('2 h 5 min', '1 d 6 h', '3 d', '80 h')
    """
    minutes = round(seconds / 60)
    if minutes < 1:
        return _("less than a minute")
    hours, minutes = divmod(minutes, 60)
    whole_days, hours = divmod(hours, 24) if days else (0, hours)
    parts = [
        (whole_days, _("%d d")),
        (hours if whole_days < 2 else 0, _("%d h")),
        (minutes if not whole_days else 0, _("%d min")),
    ]
    return " ".join(unit % count for count, unit in parts if count)


def target(amount: int, unit: str) -> str:
    """Return a target as people promise it.

    >>> target(14_400, "business seconds"), target(3, "business days")
    ('4 h', '3 business days')
    >>> target(86_400 * 56, "calendar seconds")
    '56 d around the clock'
    """
    if unit == TimeUnit.BUSINESS_DAYS:
        return ngettext("%d business day", "%d business days", amount) % amount
    if unit == TimeUnit.CALENDAR_SECONDS:
        return _("%s around the clock") % span(amount)
    return span(amount, days=False)


def promise(amount: int, unit: str) -> str:
    """Return a target, saying of which time it is.

    >>> promise(14_400, "business seconds"), promise(3, "business days")
    ('4 h of open time', '3 business days')
    """
    found = target(amount, unit)
    return _("%s of open time") % found if unit == TimeUnit.BUSINESS_SECONDS else found


def due(case: Case, now: datetime) -> Said:
    """Return when the case's next clock is due; if none ticks, until when it waits."""
    if case.due_at is not None and case.is_active:
        return until(case.due_at, now)
    if case.waiting_until is not None:
        return Said(_("waits until %s") % when(case.waiting_until, now), "later")
    return Said(NOTHING, "none")


def until(due_at: datetime, now: datetime) -> Said:
    """Return how long there is to go, or how long it is overdue.

    >>> from datetime import UTC
    >>> noon = datetime(2025, 3, 3, 12, tzinfo=UTC)
    >>> until(noon, noon - timedelta(hours=2)), until(noon, noon + timedelta(hours=3))
    (Said(text='due in 2 h', tone='soon'), Said(text='overdue by 3 h', tone='late'))
    """
    left = (due_at - now).total_seconds()
    if left <= 0:
        return Said(_("overdue by %s") % span(-left), "late")
    is_soon = left <= SOON.total_seconds()
    return Said(_("due in %s") % span(left), "soon" if is_soon else "later")


def band(score: int | None, band: str) -> Said:
    """Return a score with what it means: `3 detractor`."""
    if score is None:
        return Said(NOTHING, "none")
    return Said(f"{score} {_(band)}".strip(), TONES.get(band, "plain"))


def priority(case: Case) -> Said:
    return Said(case.get_priority_display(), PRIORITY_TONES.get(case.priority, "plain"))


def status(case: Case) -> Said:
    return Said(case.get_status_display(), STATUS_TONES.get(case.status, "plain"))


def clock(clock: Clock, now: datetime) -> Said:
    """Return how this clock stands, or how it ended."""
    if clock.cancelled_at is not None:
        cause = f" ({clock.get_cancel_cause_display()})" if clock.cancel_cause else ""
        return Said(_("cancelled%s") % cause, "quiet")
    if clock.completed_at is not None:
        return _done(clock, clock.completed_at)
    if clock.paused_at is not None:
        said = Said(_("paused"), "paused")
        if clock.paused_at > clock.due_at:
            return Said(_("overdue, paused"), "late")
    else:
        said = until(clock.due_at, now)
    if clock.breached_at is not None and said.tone != "late":
        return Said(_("%s, was overdue before") % said.text, "late")
    return said


def _done(clock: Clock, at: datetime) -> Said:
    is_late = clock.breached_at is not None or at > clock.due_at
    text = _("done late") if is_late else _("done in time")
    if clock.breach_cause == Clock.BreachCause.TARGET_CHANGED:
        text = _("%s (target changed)") % text
    if clock.paused_at is not None:
        text = _("%s, ended while paused") % text
    return Said(text, "late" if is_late else "good")


def moment(at: datetime) -> str:
    """Return a moment in the reader's zone; the month by its name, so none mistakes it."""
    return date_format(timezone.localtime(at), "j M Y, H:i")


def day(at: datetime) -> str:
    return date_format(timezone.localtime(at), "j M Y")


def when(at: datetime, now: datetime) -> str:
    """Return a moment near to now, with its weekday; its year, where it is another."""
    local = timezone.localtime(at)
    same = local.year == timezone.localtime(now).year
    return date_format(local, "D j M, H:i" if same else "D j M Y, H:i")


def stretch(start: datetime, end: datetime, now: datetime) -> str:
    """Return from when to when; the day once, where both are on it."""
    first, last = timezone.localtime(start), timezone.localtime(end)
    same = first.date() == last.date()
    ends = date_format(last, "H:i") if same else when(end, now)
    return f"{when(start, now)} \N{EN DASH} {ends}"


def value(found: Any) -> str:
    """Return one answer or attribute as people write it.

    >>> value(["fast", "kind"]), value(4)
    ('fast, kind', '4')
    """
    if found is None or found == "":
        return NOTHING
    if isinstance(found, bool):
        return _("yes") if found else _("no")
    if isinstance(found, list):
        return ", ".join(map(value, found))
    if isinstance(found, dict):
        return "; ".join(f"{key}: {value(item)}" for key, item in found.items())
    return str(found)


def rule_sentence(rule: Rule, names: rules.Names | None = None) -> str:
    """Return a rule as a sentence, or that it cannot be read.

    >>> low = {"fact": "score", "operator": "at most", "value": 6}
    >>> rule_sentence(Rule(conditions=low, actions=[{"do": "mark as complaint"}]))
    'When score is at most 6: mark it as a complaint.'
    """
    try:
        when, then = rules.parse_rule(rule.trigger, rule.conditions, rule.actions)
    except rules.InvalidRule as error:
        return _("Cannot be read: %s") % error
    return rules.sentence(
        rule.trigger,
        when,
        then,
        stop=rule.stop,
        quiet_hours=rule.quiet_hours,
        names=names,
    )
