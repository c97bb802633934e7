"""What the tests of the API share: programs that call it, and a look at all rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from tests import make

Client = Callable[..., APIClient]
Fingerprint = Callable[[], dict[str, list[Any]]]


@pytest.fixture
def api() -> Client:
    """`api(user)` is a program that has this user's token; `api()` has none."""

    def client(user: Any = None) -> APIClient:
        made = APIClient()
        if user is not None:
            made.force_authenticate(user)
        return made

    return client


@pytest.fixture
def sender(api: Client, db: None) -> Callable[..., Any]:
    """`sender(body)` posts responses, as a program that may: any value, or raw bytes."""
    make.nps()
    client = api(make.user("shop", "add_response"))

    def send(body: Any, **headers: Any) -> Any:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return client.generic(
            "POST",
            "/api/v1/responses/",
            raw,
            **{"content_type": "application/json"} | headers,
        )

    return send
