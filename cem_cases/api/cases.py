"""Cases: to read, and to do with them what a person can do in the admin."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar, cast

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Model, QuerySet
from django.utils import timezone
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from cem_cases import models
from cem_cases.api import serializers
from cem_cases.api.door import Door
from cem_cases.api.filters import CaseFilters, StrictFilters
from cem_cases.api.pagination import KeysetPagination, Order
from cem_cases.api.permissions import MayReadAndWork
from cem_cases.loop import audit, cases, escalation, explanations
from cem_cases.models import (
    AuditEvent,
    Case,
    Clock,
    Contact,
    Escalation,
)

Row = TypeVar("Row", bound=Model)
NUMBER = re.compile(r"[1-9][0-9]{0,17}")
MAX_PARTS = 100
"""How many responses, clocks, contacts and escalations the page of one case has at most,
of each."""

BY_OPENING = {
    "-opened_at": Order("opened_at", descending=True),
    "due_at": Order("due_at", nullable=True),
}
BY_SEQUENCE = {"sequence": Order("sequence")}
BY_ID = {"id": Order("pk")}


class CaseViewSet(Door, ListModelMixin, RetrieveModelMixin, GenericViewSet):
    """What one may not see is not there: 404, as for a number that was never given."""

    permission_classes = (MayReadAndWork,)
    filter_backends = (StrictFilters,)
    filterset_class: type[CaseFilters] | None = CaseFilters
    pagination_class = KeysetPagination
    orders = BY_OPENING
    serializer_class = serializers.CaseOut
    lookup_field = "number"
    lookup_value_regex = "[^/]+"  # what is no number is answered by us, in JSON

    def get_queryset(self) -> QuerySet[Case]:
        user = cast(AbstractBaseUser, self.request.user)  # MayReadAndWork has seen it
        found = Case.objects.visible_to(user).for_list()
        found = found.select_related("root_cause", "policy_version__policy")
        return found.defer("policy_version__terms")  # long, and never shown

    def get_object(self) -> Case:
        number = self.kwargs["number"]
        return found_or_404(self.get_queryset(), number)

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        case = with_parts(self.get_object())
        answers = case.newest_responses  # type: ignore[attr-defined]
        kept = [answer.explanation.looks for answer in answers if answer.explanation]
        looks = explanations.read(kept)
        context = {**self.get_serializer_context(), "looks": looks}
        return Response(serializers.CaseDetailOut(case, context=context).data)

    @action(
        detail=True,
        serializer_class=serializers.EventOut,
        filterset_class=None,
        orders=BY_SEQUENCE,
    )
    def timeline(self, request: Request, number: str) -> Response:
        case = self.get_object()
        events = AuditEvent.objects.filter(stream=audit.stream_of(case.pk))
        rows = self.filter_queryset(events.select_related("actor", "detail"))
        looks = explanations.of_opening(case)
        page = self.get_serializer_class()(
            self.paginate_queryset(rows),
            many=True,
            context={**self.get_serializer_context(), "looks": looks},
        )
        return self.get_paginated_response(page.data)

    @action(
        detail=True,
        serializer_class=serializers.ExplainedClockOut,
        filterset_class=None,
        orders=BY_ID,
    )
    def clocks(self, request: Request, number: str) -> Response:
        """Return the clocks, each with how its due time came about."""
        rows = self.filter_queryset(
            Clock.objects.filter(case=self.get_object()).explained()
        )
        context = {**self.get_serializer_context(), "now": timezone.now()}
        page = self.get_serializer_class()(
            self.paginate_queryset(rows), many=True, context=context
        )
        return self.get_paginated_response(page.data)

    @action(
        detail=True,
        methods=["post"],
        url_path=r"escalations/(?P<key>[^/]+)/acknowledge",
    )
    def acknowledge(self, request: Request, number: str, key: str) -> Response:
        rows = Escalation.objects.filter(clock__case=self.get_object())
        row = found_or_404(rows, key)
        given = serializers.AcknowledgeIn(data=request.data)
        given.is_valid(raise_exception=True)
        done = escalation.acknowledge(row, by=cast(AbstractBaseUser, request.user))
        return Response(serializers.EscalationOut(done).data)

    @action(detail=True, methods=["post"])
    def claim(self, request: Request, number: str) -> Response:
        return self._do(cases.claim, serializers.ClaimIn)

    @action(detail=True, methods=["post"])
    def assign(self, request: Request, number: str) -> Response:
        return self._do(cases.assign, serializers.AssignIn)

    @action(detail=True, methods=["post"])
    def decline(self, request: Request, number: str) -> Response:
        return self._do(cases.decline, serializers.DeclineIn)

    @action(detail=True, methods=["post"])
    def note(self, request: Request, number: str) -> Response:
        return self._do(cases.note, serializers.NoteIn)

    @action(detail=True, methods=["post"])
    def contact(self, request: Request, number: str) -> Response:
        return self._do(cases.contact, serializers.ContactIn)

    @action(detail=True, methods=["post"], url_path="set-priority")
    def set_priority(self, request: Request, number: str) -> Response:
        return self._do(cases.set_priority, serializers.PriorityIn)

    @action(detail=True, methods=["post"], url_path="set-pending")
    def set_pending(self, request: Request, number: str) -> Response:
        return self._do(cases.set_pending, serializers.WaitIn)

    @action(detail=True, methods=["post"], url_path="put-on-hold")
    def put_on_hold(self, request: Request, number: str) -> Response:
        return self._do(cases.put_on_hold, serializers.WaitIn)

    @action(detail=True, methods=["post"])
    def resume(self, request: Request, number: str) -> Response:
        return self._do(cases.resume, serializers.ResumeIn)

    @action(detail=True, methods=["post"], url_path="mark-complaint")
    def mark_complaint(self, request: Request, number: str) -> Response:
        return self._do(cases.mark_complaint, serializers.ComplaintIn)

    @action(detail=True, methods=["post"])
    def resolve(self, request: Request, number: str) -> Response:
        return self._do(cases.resolve, serializers.ResolveIn)

    @action(detail=True, methods=["post"])
    def reopen(self, request: Request, number: str) -> Response:
        return self._do(cases.reopen, serializers.ReopenIn)

    @action(detail=True, methods=["post"])
    def close(self, request: Request, number: str) -> Response:
        return self._do(cases.close, serializers.CloseIn)

    def _do(
        self, verb: Callable[..., Case], arguments: type[serializers.StrictIn]
    ) -> Response:
        """Carry out a verb with what was sent; answer with the case as it is then."""
        case = self.get_object()
        context = {**self.get_serializer_context(), "case": case}
        given = arguments(data=self.request.data, context=context)
        given.is_valid(raise_exception=True)
        changed = verb(case, by=self.request.user, **given.validated_data)
        return Response(serializers.CaseOut(changed, context=context).data)


def found_or_404(rows: QuerySet[Row], key: str) -> Row:
    """Return the row with this key; one that is not among these is not there."""
    row = rows.filter(pk=int(key)).first() if NUMBER.fullmatch(key) else None
    if row is None:
        raise NotFound
    return row


def with_parts(case: Case) -> Case:
    """Fetch what belongs to the case: the newest of each, in the order they came."""
    answers = models.Response.objects.select_related(
        "survey", "touchpoint", "explanation"
    )
    contacts = Contact.objects.select_related("author")
    clocks = Clock.objects.select_related("version__policy").defer("version__terms")
    escalations = Escalation.objects.select_related("clock", "acknowledged_by")
    for name, rows in (
        ("newest_responses", answers.filter(case=case).order_by("-pk")),
        ("newest_contacts", contacts.filter(case=case).order_by("-pk")),
        ("newest_clocks", clocks.filter(case=case).order_by("-pk")),
        ("newest_escalations", escalations.filter(clock__case=case).order_by("-pk")),
    ):
        setattr(case, name, list(rows[:MAX_PARTS])[::-1])
    return case
