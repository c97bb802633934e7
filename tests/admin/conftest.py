"""What the tests of the admin share: people at its door, and a look at all rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings
from django.test import Client

from tests import make

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route


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


STRICT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'"
)


@pytest.fixture
def wrong() -> list[str]:
    """What the browser complained of; nothing is expected."""
    return []


@pytest.fixture
def desk(page: Page, live_server: Any, root: Any, wrong: list[str]) -> Iterator[Page]:
    """Root's browser, told to refuse whatever is not the site's own file."""

    def strictly(route: Route) -> None:
        answer = route.fetch(max_redirects=0)
        headers = {**answer.headers, "content-security-policy": STRICT}
        route.fulfill(response=answer, headers=headers)

    client = Client()
    client.force_login(root)
    name = settings.SESSION_COOKIE_NAME
    value = client.cookies[name].value
    page.context.add_cookies([{"name": name, "value": value, "url": live_server.url}])
    page.route("**/admin/cem_cases/**", strictly)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: (wrong.append("a dialog"), dialog.dismiss()))
    page.on(
        "console",
        lambda message: (
            wrong.append(message.text) if message.type in ("error", "warning") else None
        ),
    )
    yield page
    page.unroute_all(behavior="ignoreErrors")
