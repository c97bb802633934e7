"""Answers come in: one, or up to a thousand at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils.decorators import method_decorator
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from cem_cases.api.door import Door
from cem_cases.api.errors import PROBLEM, Malformed, bounded, problem
from cem_cases.api.permissions import MayIngest
from cem_cases.api.serializers import ResponseOut
from cem_cases.loop import capture

MAX_RESPONSES = 1000


@method_decorator(transaction.non_atomic_requests, name="dispatch")
class Responses(Door):
    """Store what comes in, and answer only when it is committed.

    Durable, and outside the host's ATOMIC_REQUESTS: whatever process dies after the
    2xx, the response is there. Sent again, it changes nothing and is answered the same.
    """

    permission_classes = (MayIngest,)

    def post(self, request: Request) -> Response:
        body = request.data
        if isinstance(body, list):
            return _many(body)
        if isinstance(body, Mapping):
            return _one(body)
        raise Malformed("Send one response as an object, or several as a list.")


def _one(body: Mapping[str, Any]) -> Response:
    with transaction.atomic(durable=True):
        (outcome,) = capture.record(body)
    is_new = outcome.status == "created"
    return Response(
        ResponseOut(outcome.response).data,
        status=status.HTTP_201_CREATED if is_new else status.HTTP_200_OK,
    )


def _many(body: Sequence[Any]) -> Response:
    """Store those that are right and say of each what became of it."""
    if not 1 <= len(body) <= MAX_RESPONSES:
        raise ValidationError({"body": [f"Send 1 to {MAX_RESPONSES:,} responses."]})
    with transaction.atomic(durable=True):
        outcomes = capture.record(body, partial=True)
    count = Counter(outcome.status for outcome in outcomes)
    summary = {
        "created": count["created"],
        "duplicates": count["duplicate"],
        "rejected": count["rejected"],
        "results": [_result(n, outcome) for n, outcome in enumerate(outcomes)],
    }
    if count["rejected"] < len(body):
        return Response(summary)
    refused = problem(status.HTTP_400_BAD_REQUEST, "invalid")
    return Response(
        {**refused, **summary},
        status=status.HTTP_400_BAD_REQUEST,
        content_type=PROBLEM,
    )


def _result(index: int, outcome: capture.Outcome) -> dict[str, Any]:
    said: dict[str, Any] = {"index": index, "status": outcome.status}
    if outcome.response is None:
        return {**said, "errors": bounded(outcome.errors)}
    return {**said, "id": outcome.response.pk}
