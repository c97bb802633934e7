"""What the tests of the admin share: people at its door, and a look at all rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from tests import make


@pytest.fixture
def door() -> Callable[[Any], Client]:
    """`door(user)` is a browser in which this user has logged in."""

    def client(user: Any) -> Client:
        made = Client()
        made.force_login(user)
        return made

    return client


@pytest.fixture
def north(db: None) -> Any:
    return make.team("north")


@pytest.fixture
def ada(north: Any) -> Any:
    """An agent of the team north."""
    return make.agent(north, "ada")


@pytest.fixture
def root(db: None) -> Any:
    """A superuser."""
    return make.user("root", is_staff=True, is_superuser=True)
