"""What may be done to a case from its page: one form a verb, one call of the loop.

The forms check what a form can check; the loop checks everything, and its refusals
return into the form, beside what was typed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django import forms
from django.db.models import Q, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from cem_cases.admin.timeline import name_of
from cem_cases.exceptions import CemCasesError, InvalidInput, StaleVersion
from cem_cases.loop import cases, given
from cem_cases.models import (
    ASSIGN,
    WORK,
    Case,
    Contact,
    Membership,
    RootCause,
    Team,
    sees_everything,
)


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
        self.fields["to"].choices = [("", "—"), *self._groups()]  # type: ignore[attr-defined]

    def _groups(self) -> Iterator[tuple[str, list[tuple[str, str]]]]:
        teams = {team.pk: team for team in self._teams()}
        people: dict[int, list[tuple[str, str]]] = {key: [] for key in teams}
        for team in teams.values():
            if (team.pk, None) != (self.case.team_id, self.case.owner_id):
                people[team.pk].append(self._offer(f"queue:{team.pk}", None, team))
        for member in (
            Membership.objects.filter(
                team__in=teams, is_active=True, user__is_active=True
            )
            .exclude(team=self.case.team_id, user=self.case.owner_id)
            .select_related("user")
            .order_by("pk")
        ):
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


@dataclass(frozen=True, slots=True)
class Verb:
    """One button of the case's page."""

    slug: str
    label: str | Promise
    done: str | Promise
    call: Callable[..., Case]
    form: type[VerbForm] = VerbForm
    permission: str = WORK
    needs: tuple[str, ...] = ()
    """Verbs of the table of transitions, one of which must be allowed; empty: slug."""
    is_one_click: bool = False
    intro: str | Promise = ""

    def is_allowed(self, case: Case) -> bool:
        allowed = case.allowed_verbs
        return any(verb in allowed for verb in self.needs or (self.slug,))

    def perform(self, form: VerbForm) -> bool:
        """Call the loop with what the form holds; a refusal goes into the form."""
        try:
            self.call(form.case, by=form.user, **form.arguments())
        except CemCasesError as error:
            form.refuse(error)
            return False
        return True


_ALL = (
    Verb(
        "claim",
        _("Claim"),
        _("The case is yours."),
        cases.claim,
        is_one_click=True,
    ),
    Verb(
        "contact",
        _("Log contact"),
        _("The contact was noted."),
        cases.contact,
        ContactForm,
    ),
    Verb("note", _("Write note"), _("The note was saved."), cases.note, NoteForm),
    Verb(
        "assign",
        _("Assign"),
        _("The case was assigned."),
        cases.assign,
        AssignForm,
        permission=ASSIGN,
        needs=("assign", "unassign"),
    ),
    Verb(
        "set-priority",
        _("Set priority"),
        _("The priority was changed."),
        cases.set_priority,
        PriorityForm,
        needs=("set priority",),
    ),
    Verb(
        "resolve",
        _("Resolve"),
        _("The case is resolved."),
        cases.resolve,
        ResolveForm,
    ),
    Verb("reopen", _("Reopen"), _("The case is open again."), cases.reopen, ReopenForm),
    Verb(
        "close",
        _("Close"),
        _("The case is closed."),
        cases.close,
        intro=_("Closing is final: what comes later opens another case."),
    ),
)
VERBS = {verb.slug: verb for verb in _ALL}
