"""The forms of what may be done to a case: each asks what its verb takes.

A form checks what a form can check; the loop checks everything, and its refusals return
into the form, beside what was typed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from cem_cases.admin import words
from cem_cases.admin.timeline import name_of
from cem_cases.exceptions import CemCasesError, InvalidInput, StaleVersion
from cem_cases.loop import given
from cem_cases.models import (
    Absence,
    Case,
    Clock,
    ClockMetric,
    Contact,
    Membership,
    RootCause,
    Team,
    sees_everything,
)

LOCAL = "%Y-%m-%dT%H:%M"
"""How browsers write a date and time."""


def _text(rows: int = 5) -> forms.Textarea:
    return forms.Textarea(attrs={"rows": rows, "dir": "auto"})


class VerbForm(forms.Form):
    """What a verb asks for. It carries the version of the case its user looked at."""

    required_css_class = "cem-required"
    version = forms.IntegerField(min_value=1, widget=forms.HiddenInput)
    is_stale = False
    """Whether the loop refused it because the case was changed meanwhile."""

    def __init__(self, *args: Any, case: Case, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["version"], self.label_suffix = case.version, ""
        self.case, self.user = case, user

    @property
    def label(self) -> str | Promise:
        """What the form is called, where that depends on the case; else empty."""
        return ""

    @property
    def intro(self) -> str | Promise:
        """What happens to the case, where that depends on it; else empty."""
        return ""

    def arguments(self) -> dict[str, Any]:
        """Return the keyword arguments of the loop's function."""
        return self.cleaned_data

    def refuse(self, error: CemCasesError) -> None:
        """Show why the loop refused, each message at its field."""
        self.is_stale = isinstance(error, StaleVersion)
        if not isinstance(error, InvalidInput):
            self.add_error(None, str(error))
            return
        for name, messages in error.errors.items():
            for message in messages:
                self.add_error(name if name in self.fields else None, message)

    def see(self, case: Case) -> None:
        """Carry this version from now on, as its user is shown it; typed text stays."""
        self.case = case
        self.data = {**self.data.dict(), "version": str(case.version)}  # type: ignore[attr-defined]


class NoteForm(VerbForm):
    text = forms.CharField(
        label=_("Note"),
        max_length=given.MAX_TEXT,
        widget=_text(),
        help_text=_("Internal: the customer never sees it."),
    )


class ContactForm(VerbForm):
    direction = forms.ChoiceField(
        label=_("Direction"),
        choices=Contact.Direction.choices,
        initial=Contact.Direction.OUT,
        widget=forms.RadioSelect,
    )
    channel = forms.CharField(
        label=_("Channel"),
        max_length=100,
        widget=forms.TextInput(attrs={"list": "cem-channels", "autocomplete": "off"}),
        help_text=_("Such as phone, email or chat."),
    )
    attempt = forms.ChoiceField(
        label=_("What came of it"),
        choices=[("", "—"), *Contact.OUTGOING],
        required=False,
        help_text=_(
            "Only for a contact to the customer; sent, reached and voicemail count as "
            "the first contact."
        ),
    )
    subject = forms.CharField(
        label=_("Subject"),
        max_length=200,
        required=False,
        widget=forms.TextInput(attrs={"dir": "auto"}),
    )
    body = forms.CharField(
        label=_("What was said"),
        max_length=given.MAX_TEXT,
        required=False,
        widget=_text(),
        help_text=_("Only noted here: nothing is sent."),
    )


class AssignForm(VerbForm):
    """One list of queues and people; those of the user's teams, or of all teams."""

    to = forms.ChoiceField(label=_("To"))
    reason = forms.CharField(
        label=_("Reason"), max_length=1000, required=False, widget=_text(3)
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._offered: dict[str, tuple[Any, Team]] = {}
        self._absences: dict[Any, Absence] = {}
        self.fields["to"].choices = [("", "—"), *self._groups()]  # type: ignore[attr-defined]

    def _away(self, users: Iterable[Any]) -> dict[Any, Absence]:
        """Return who of these is absent now: the loop gives them no case."""
        rows = Absence.objects.at(timezone.now()).filter(user__in=users)
        return {row.user_id: row for row in rows.order_by("until_at")}

    def _groups(self) -> Iterator[tuple[str, list[tuple[str, str]]]]:
        teams = {team.pk: team for team in self._teams()}
        people: dict[int, list[tuple[str, str]]] = {key: [] for key in teams}
        for team in teams.values():
            if (team.pk, None) != (self.case.team_id, self.case.owner_id):
                people[team.pk].append(self._offer(f"queue:{team.pk}", None, team))
        members = list(
            Membership.objects.filter(
                team__in=teams, is_active=True, user__is_active=True
            )
            .exclude(team=self.case.team_id, user=self.case.owner_id)
            .select_related("user")
            .order_by("pk")
        )
        self._absences = self._away(member.user_id for member in members)
        for member in members:
            team = teams[member.team_id]
            people[team.pk].append(self._offer(f"member:{member.pk}", member, team))
        for key, team in teams.items():
            yield team.name, people[key]

    def _teams(self) -> QuerySet[Team]:
        teams = Team.objects.filter(is_active=True)
        if not sees_everything(self.user):
            mine = Team.objects.of(self.user).values("pk")
            teams = teams.filter(Q(pk=self.case.team_id) | Q(pk__in=mine))
        return teams.order_by("name", "pk")

    def _offer(
        self, key: str, member: Membership | None, team: Team
    ) -> tuple[str, str]:
        self._offered[key] = (member and member.user, team)
        if member is None:
            return key, _now("Queue of %s: nobody yet") % team.name
        absence = self._absences.get(member.user_id)
        if absence and member.user_id != self.user.pk:
            until = timezone.localtime(absence.until_at)
            text = _now("absent until %s") % date_format(until, "j M Y, H:i")
            return key, f"{name_of(member.user)} ({text})"
        load = str(member.open_cases)
        if member.capacity == 0:
            return key, f"{name_of(member.user)} ({_now('takes no cases from rules')})"
        if member.capacity is not None:
            load = _now("%(load)s of %(capacity)s") % {
                "load": load,
                "capacity": member.capacity,
            }
        return key, f"{name_of(member.user)} ({_now('open cases')}: {load})"

    def arguments(self) -> dict[str, Any]:
        user, team = self._offered[self.cleaned_data["to"]]
        return {**self.cleaned_data, "to": user, "team": team}


class DeclineForm(VerbForm):
    reason = forms.CharField(
        label=_("Reason"), max_length=given.MAX_TEXT, widget=_text(3)
    )


class PriorityForm(VerbForm):
    priority = forms.TypedChoiceField(
        label=_("Priority"),
        choices=Case.Priority.choices,
        coerce=int,
        widget=forms.RadioSelect,
        help_text=_("The running clocks get the targets of the new priority."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["priority"] = self.case.priority


class WaitForm(VerbForm):
    """Waiting has a reason and an end; the case's policy says which clocks stand still."""

    status = ""
    reason = forms.CharField(
        label=_("What it waits for"),
        max_length=200,
        widget=forms.TextInput(attrs={"dir": "auto"}),
    )
    until = forms.DateTimeField(
        label=_("Until, at the longest"),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format=LOCAL),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # of a case that waits already, what it waits for is changed
        self.initial["reason"] = self.case.waiting_reason
        self.initial["until"] = self.case.waiting_until or _tomorrow()
        self.fields["until"].help_text = _now(
            "Then the case is open again by itself. In your time zone (%s)."
        ) % str(timezone.get_current_timezone_name())

    @property
    def intro(self) -> str:
        stops: list[str] = []
        runs: list[str] = []
        clocks = Clock.objects.running().filter(case=self.case)
        for clock in clocks.select_related("version").order_by("pk"):
            metric = str(clock.get_metric_display())
            (stops if _stops(clock, self.status) else runs).append(metric)
        return " ".join(_what_clocks_do(stops, runs))


class PendingForm(WaitForm):
    status = Case.Status.PENDING


class HoldForm(WaitForm):
    status = Case.Status.ON_HOLD


def _tomorrow() -> datetime:
    """Return tomorrow at nine, by the user's own clock."""
    local = timezone.localtime() + timedelta(days=1)
    return local.replace(hour=9, minute=0, second=0, microsecond=0)


def _stops(clock: Clock, status: str) -> bool:
    try:
        _conditions, terms = clock.version.value()
    except ValueError:  # somebody changed it with SQL
        return False
    return terms.pauses_on(status, clock.metric)


def _what_clocks_do(stops: list[str], runs: list[str]) -> Iterator[str]:
    if stops:
        text = _now("Clocks that stand still until the case is open again: %s.")
        yield text % ", ".join(stops)
    if runs:
        yield _now("Clocks that run on: %s.") % ", ".join(runs)


class ComplaintForm(VerbForm):
    """Says the other thing than the case says now."""

    is_complaint = forms.TypedChoiceField(
        choices=[("yes", _("yes")), ("no", _("no"))],
        coerce=lambda word: word == "yes",
        widget=forms.HiddenInput,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["is_complaint"] = "no" if self.case.is_complaint else "yes"

    @property
    def label(self) -> str | Promise:
        """What its user is about to say, even if the case says so by now."""
        is_complaint = self["is_complaint"].value() == "yes"
        return COMPLAINT if is_complaint else NO_COMPLAINT

    @property
    def intro(self) -> str:
        if self["is_complaint"].value() != "yes":
            return _now("Its statutory clock is cancelled. Other targets may apply.")
        target = _statutory(self.case)
        if not target:
            return _now("Its policy has no statutory target now; another may apply.")
        return (
            _now(
                "Its statutory clock begins, as of when the case was opened: %s. Nothing "
                "pauses it."
            )
            % target
        )


def _statutory(case: Case) -> str:
    """Return in words how long the law gives, by the policy that applies now."""
    if case.policy_version is None:
        return ""
    try:
        _conditions, terms = case.policy_version.value()
    except ValueError:  # somebody changed it with SQL
        return ""
    promise = terms.promise(ClockMetric.STATUTORY, case.priority)
    return words.promise(*promise.target) if promise else ""


COMPLAINT, NO_COMPLAINT = _("Mark as complaint"), _("Not a complaint")


class ResolveForm(VerbForm):
    root_cause = forms.ModelChoiceField(
        label=_("Root cause"), queryset=RootCause.objects.none(), empty_label="—"
    )
    outcome = forms.ChoiceField(
        label=_("Outcome"), choices=[("", "—"), *Case.Outcome.choices]
    )
    note = forms.CharField(
        label=_("What was done"), max_length=given.MAX_TEXT, widget=_text()
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        active = RootCause.objects.filter(is_active=True)
        # a branch of the tree is no cause as long as it has some below it
        causes = active.exclude(pk__in=active.exclude(parent=None).values("parent"))
        self.fields["root_cause"].queryset = causes  # type: ignore[attr-defined]


class ReopenForm(VerbForm):
    reason = forms.CharField(
        label=_("Reason"), max_length=given.MAX_TEXT, widget=_text(3)
    )
