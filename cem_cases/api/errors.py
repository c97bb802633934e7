"""Refusals as problem details (RFC 9457), each with a stable code.

The views name `answer` themselves, so the host's EXCEPTION_HANDLER is neither needed nor
in the way. What was sent is never repeated, but for the names of wrong fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from itertools import islice
from typing import Any

from django.core.exceptions import (
    BadRequest,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.http import Http404
from django.http.request import UnreadablePostError
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from cem_cases.conf import conf
from cem_cases.exceptions import CemCasesError, FieldErrors, InvalidInput, TooMuch

PROBLEM = "application/problem+json"
MAX_FIELDS = 50
"""Of how many wrong fields one problem tells."""

DETAILS = {
    "invalid": "Some of what was sent is wrong; see errors.",
    "not_found": "There is nothing here, or nothing that you may see.",
    "method_not_allowed": "This method is not possible here; see the Allow header.",
    "unsupported_media_type": "Send JSON, with Content-Type: application/json.",
}
"""What to say where the exception itself would repeat what was sent, or say less."""


class Malformed(exceptions.ParseError):
    """The body cannot be read as what it has to be."""

    default_code = "malformed"


class TooLarge(exceptions.APIException):
    """The body is larger than the API reads."""

    status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"

    def __init__(self) -> None:
        super().__init__(f"A body has at most {conf().API_MAX_BYTES:,} bytes.")


def answer(exc: Exception, context: Mapping[str, Any]) -> Response | None:
    """Return the answer to a refusal; None for what is a fault, not a refusal."""
    refused = (
        _refused_by_loop(exc)
        if isinstance(exc, CemCasesError)
        else _refused_by_door(_as_api(exc))
    )
    if refused is None:
        return None
    set_rollback()
    return Response(
        refused,
        status=refused["status"],
        headers=_headers(exc),
        content_type=PROBLEM,
    )


def problem(
    status: int, code: str, detail: str = "", errors: FieldErrors | None = None
) -> dict[str, Any]:
    """Return the body of a problem."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "code": code,
        "detail": DETAILS.get(code) or detail,
    }
    if errors:
        body["errors"] = bounded(errors)
    return body


def bounded(errors: FieldErrors) -> dict[str, list[str]]:
    """Return the first of these errors, as many as one answer tells of."""
    return {name: list(said) for name, said in islice(errors.items(), MAX_FIELDS)}


def _refused_by_loop(exc: CemCasesError) -> dict[str, Any]:
    if isinstance(exc, InvalidInput):
        return problem(HTTPStatus.BAD_REQUEST, exc.code, errors=exc.errors)
    if isinstance(exc, TooMuch):
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, exc.code, str(exc))
    return problem(HTTPStatus.CONFLICT, exc.code, str(exc))


def _as_api(exc: Exception) -> exceptions.APIException | None:
    """Return what REST framework would raise for this; None if it is no refusal."""
    match exc:
        case exceptions.APIException():
            return exc
        case Http404():
            return exceptions.NotFound()
        case PermissionDenied():
            return exceptions.PermissionDenied()
        case RequestDataTooBig():
            return TooLarge()
        case SuspiciousOperation() | BadRequest() | UnreadablePostError():
            return Malformed("The request cannot be read.")
    return None


def _refused_by_door(exc: exceptions.APIException | None) -> dict[str, Any] | None:
    if exc is None:
        return None
    if isinstance(exc, exceptions.ValidationError):
        return problem(exc.status_code, "invalid", errors=_field_errors(exc.detail))
    said = exc.detail if isinstance(exc.detail, str) else exc.default_detail
    return problem(exc.status_code, exc.default_code, str(said))


def _field_errors(detail: Any) -> dict[str, list[str]]:
    if not isinstance(detail, Mapping):
        detail = {"body": detail}
    return {
        str(name): [str(message) for message in messages]
        for name, messages in detail.items()
    }


def _headers(exc: Exception) -> dict[str, str]:
    headers = {}
    if header := getattr(exc, "auth_header", None):
        headers["WWW-Authenticate"] = header
    if wait := getattr(exc, "wait", None):
        headers["Retry-After"] = f"{wait:.0f}"
    return headers
