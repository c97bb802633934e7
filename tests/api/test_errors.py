import pytest
from django.core.exceptions import (
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.http import Http404
from rest_framework import exceptions

from cem_cases.api.errors import answer, problem
from cem_cases.exceptions import (
    AlreadyClaimed,
    InvalidInput,
    NotAllowedNow,
    StaleVersion,
)

REFUSALS = [
    (InvalidInput({"to": ["Is missing."]}), 400, "invalid"),
    (NotAllowedNow("No."), 409, "not_allowed_now"),
    (AlreadyClaimed("No."), 409, "already_claimed"),
    (StaleVersion("No."), 409, "stale_version"),
    (Http404("secret"), 404, "not_found"),
    (exceptions.NotFound("secret"), 404, "not_found"),
    (PermissionDenied("secret"), 403, "permission_denied"),
    (exceptions.ValidationError({"to": ["Is missing."]}), 400, "invalid"),
    (exceptions.ParseError(), 400, "parse_error"),
    (exceptions.UnsupportedMediaType("secret"), 415, "unsupported_media_type"),
    (exceptions.MethodNotAllowed("SECRET"), 405, "method_not_allowed"),
    (exceptions.Throttled(wait=3), 429, "throttled"),
    (exceptions.AuthenticationFailed({"detail": "x"}), 401, "authentication_failed"),
    (RequestDataTooBig("secret"), 413, "too_large"),
    (SuspiciousOperation("secret"), 400, "malformed"),
]


@pytest.mark.parametrize(("refusal", "status", "code"), REFUSALS)
def test_a_refusal_is_a_problem_with_its_code(refusal, status, code):
    answered = answer(refusal, {})

    assert answered is not None
    assert answered.status_code == answered.data["status"] == status
    assert (answered.data["type"], answered.data["code"]) == ("about:blank", code)
    assert answered.content_type == "application/problem+json"
    assert "secret" not in str(answered.data).lower()
    if code == "invalid":
        assert answered.data["errors"] == {"to": ["Is missing."]}


def test_a_fault_is_not_a_refusal():
    assert answer(ValueError("secret"), {}) is None


def test_who_is_throttled_is_told_for_how_long():
    answered = answer(exceptions.Throttled(wait=3), {})

    assert answered is not None
    assert answered.headers["Retry-After"] == "3"


def test_a_problem_tells_of_fifty_fields_at_most():
    body = problem(400, "invalid", errors={f"f{n}": ["No."] for n in range(99)})

    assert len(body["errors"]) == 50
