"""What the page of a case shows, in a number of queries that does not grow with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from cem_cases.admin import clockbar, timeline, whyme, words
from cem_cases.admin.base import Page, may_view
from cem_cases.admin.clockbar import Hand
from cem_cases.loop.audit import stream_of
from cem_cases.models import (
    AuditEvent,
    Case,
    ChannelIdentity,
    Clock,
    Contact,
    Customer,
    Escalation,
    Question,
    Response,
)

MOST_RESPONSES = 10
MOST_CLOCKS = 50
MOST_ESCALATIONS = 50
MOST_CASES = 5
PATH_LENGTH = 12
WHY_THIS_POLICY = ("case.opened", "case.policy_changed", "case.reopened")
"""The events that keep which policies were looked at."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One response, as it is shown."""

    row: Response
    has_opened: bool
    score: words.Said
    answers: Sequence[tuple[str, str]]


@dataclass(slots=True)
class Profile:
    """The customer, as far as this user may see them."""

    row: Customer
    url: str | None
    details: Sequence[tuple[str, str]] = ()
    addresses: Sequence[ChannelIdentity] = ()
    path: Sequence[Response] = ()
    cases: Sequence[tuple[Case, str | None, words.Said]] = field(default_factory=list)


def rows(visible: QuerySet[Case]) -> QuerySet[Case]:
    """Return cases with all that belongs to one and only one of each."""
    return visible.select_related(
        "customer__organization",
        "team",
        "owner",
        "rule",
        "root_cause",
        "parent",
        "merged_into",
        "opening_response__survey",
        "opening_response__explanation",
    )


def context(
    page: Page, request: HttpRequest, case: Case, now: datetime
) -> dict[str, Any]:
    contacts = Contact.objects.filter(case=case).order_by("-pk")[: timeline.LONGEST]
    owner = case.owner
    escalations = _escalations(case)
    shown, earlier = _hands(case, now)
    entries = timeline.of(case, {contact.pk: contact for contact in contacts})
    looks, marks = clockbar.legend([*shown, *earlier])
    return {
        "case": case,
        "owner": timeline.name_of(owner) if owner else "",
        "is_mine": owner == request.user,
        "status": words.status(case),
        "priority": words.priority(case),
        "due": words.due(case, now),
        "waits_until": case.waiting_until and words.when(case.waiting_until, now),
        "watchers": [timeline.name_of(user) for user in case.watchers.order_by("pk")],
        "open_escalations": [
            (row, _escalation(row)) for row in escalations if not row.acknowledged_by
        ],
        "seen_escalations": [
            (row, _escalation(row), timeline.name_of(row.acknowledged_by))
            for row in escalations
            if row.acknowledged_by
        ],
        "answers": _answers(case),
        "clocks": shown,
        "earlier_clocks": earlier,
        "looks": looks,
        "marks": marks,
        "profile": _profile(page, request, case),
        "entries": entries,
        "deciding": whyme.deciding(entries),
        "why_title": whyme.title(
            owner=timeline.name_of(owner) if owner else "",
            is_mine=owner == request.user,
        ),
    }


def _answers(case: Case) -> list[Answer]:
    found = list(
        case.responses.select_related("survey", "touchpoint").order_by("-pk")[
            :MOST_RESPONSES
        ]
    )
    surveys = {response.survey_id for response in found if response.answers}
    questions = {
        (question.survey_id, question.key): str(question)
        for question in Question.objects.filter(survey__in=surveys)
    }
    return [_answer(case, response, questions) for response in found]


def _answer(
    case: Case, response: Response, questions: Mapping[tuple[int, str], str]
) -> Answer:
    return Answer(
        row=response,
        has_opened=response.pk == case.opening_response_id,
        score=words.band(response.score, response.band),
        answers=[
            (questions.get((response.survey_id, key), key), words.value(found))
            for key, found in response.answers.items()
        ],
    )


def _hands(case: Case, now: datetime) -> tuple[list[Hand], list[Hand]]:
    """Return the newest clock of each metric, and those before them.

    What runs comes first, the earliest due time before the others.
    """
    found = Clock.objects.filter(case=case).explained().order_by("-pk")[:MOST_CLOCKS]
    why = _why(case)
    newest: dict[str, Hand] = {}
    earlier = []
    for clock in found:
        hand = clockbar.hand(clock, now, why)
        if clock.metric in newest:
            earlier.append(hand)
        else:
            newest[clock.metric] = hand
    shown = sorted(
        newest.values(), key=lambda hand: (not hand.row.is_running, hand.row.due_at)
    )
    return shown, earlier


def _why(case: Case) -> dict[int, str]:
    """Return what decided for each policy that was ever chosen for this case."""
    events = AuditEvent.objects.filter(
        stream=stream_of(case.pk), kind__in=WHY_THIS_POLICY
    )
    return {
        look["policy"]: look["because"]
        for event in events.order_by("sequence")
        for look in event.data.get("policies", ())
        if look["matched"]
    }


def _escalations(case: Case) -> list[Escalation]:
    found = Escalation.objects.filter(clock__case=case)
    found = found.select_related("clock", "acknowledged_by")
    return list(found.order_by("-at", "-pk")[:MOST_ESCALATIONS])


def _escalation(row: Escalation) -> str:
    reason = capfirst(row.reason)
    cycle = row.clock.cycle
    return f"{reason} ({_('cycle %d') % cycle})" if cycle > 1 else reason


def _profile(page: Page, request: HttpRequest, case: Case) -> Profile:
    customer, user = case.customer, request.user
    others = (
        Case.objects.visible_to(user)  # type: ignore[arg-type]
        .filter(customer=customer)
        .exclude(pk=case.pk)
        .order_by("-pk")[:MOST_CASES]
    )
    return Profile(
        row=customer,
        url=page.url(customer) if may_view(request, Customer) else None,
        details=_details(customer),
        addresses=[
            address
            for address in customer.identities.order_by("pk")[:MOST_RESPONSES]
            if address.identifier.casefold() != customer.email.casefold()
        ],
        path=_path(case, user),
        cases=[(other, page.url(other), words.status(other)) for other in others],
    )


def _details(customer: Customer) -> list[tuple[str, str]]:
    value = ""
    if customer.annual_value is not None:
        value = f"{customer.annual_value:,.0f} {customer.currency} {_('a year')}"
    found = [
        (_("E-mail"), customer.email),
        (_("Phone"), customer.phone),
        (_("Organization"), str(customer.organization or "")),
        (_("Segment"), customer.segment),
        (_("Value"), value),
        (_("Language"), customer.language),
        (_("Id"), customer.external_id or ""),
    ]
    found += [(key, words.value(item)) for key, item in customer.attributes.items()]
    if customer.opted_out_at:
        found.append((_("Opted out"), words.moment(customer.opted_out_at)))
    return [(label, text) for label, text in found if text]


def _path(case: Case, user: Any) -> list[Response]:
    """Return the customer's answers to the survey of this case, the oldest first.

    Those of cases that the user may not see are left out.
    """
    if case.opening_response is None:
        return []
    seen = Case.objects.visible_to(user).filter(customer=case.customer_id)
    found = Response.objects.filter(
        Q(case=None) | Q(case__in=seen),
        customer=case.customer_id,
        survey=case.opening_response.survey_id,
        score__isnull=False,
    ).order_by("-answered_at", "-pk")[:PATH_LENGTH]
    return list(found)[::-1]
