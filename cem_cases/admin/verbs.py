"""What may be done to a case from its page: one button, one form, one call of the loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from cem_cases.admin.verbforms import (
    COMPLAINT,
    NO_COMPLAINT,
    AssignForm,
    ComplaintForm,
    ContactForm,
    DeclineForm,
    HoldForm,
    NoteForm,
    PendingForm,
    PriorityForm,
    ReopenForm,
    ResolveForm,
    VerbForm,
)
from cem_cases.exceptions import CemCasesError
from cem_cases.loop import cases
from cem_cases.models import ASSIGN, WORK, Case


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
    other_label: str | Promise = ""
    """What it is called on a complaint, if that is something else."""

    def label_for(self, case: Case) -> str | Promise:
        return (case.is_complaint and self.other_label) or self.label

    def is_allowed(self, case: Case, user: Any) -> bool:
        allowed = case.verbs_for(user)
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
        "resume",
        _("Resume"),
        _("The case is open again, and paused clocks go on."),
        cases.resume,
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
        "decline",
        _("Decline"),
        _("You gave the case back."),
        cases.decline,
        DeclineForm,
        intro=_(
            "It goes to the next one who can take it, or back into the queue. It keeps "
            "its age, and its clocks run on. No rule gives it to you again."
        ),
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
        "set-pending",
        _("Set pending"),
        _("The case waits for the customer."),
        cases.set_pending,
        PendingForm,
        needs=("set pending",),
        intro=_(
            "The customer has to do something first. A contact from them, or another "
            "answer that joins the case, ends the waiting, too."
        ),
    ),
    Verb(
        "put-on-hold",
        _("Put on hold"),
        _("The case is on hold."),
        cases.put_on_hold,
        HoldForm,
        needs=("put on hold",),
        intro=_("Somebody else has to do something first: a supplier, another team."),
    ),
    Verb(
        "mark-complaint",
        COMPLAINT,
        _("The flag was changed."),
        cases.mark_complaint,
        ComplaintForm,
        needs=("mark complaint",),
        other_label=NO_COMPLAINT,
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
