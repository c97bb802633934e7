"""The pages in a real browser: on a phone, by the names people see, and inert."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings
from django.test import Client

from cem_cases.models import Case
from tests import make
from tests.admin import at

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

HOSTILE = '<img src=x onerror=alert(1)><script>alert("x")</script>'


@pytest.fixture
def phone(page: Page, live_server: Any, ada: Any) -> Page:
    """Ada's phone, logged in."""
    client = Client()
    client.force_login(ada)
    name = settings.SESSION_COOKIE_NAME
    value = client.cookies[name].value
    page.context.add_cookies([{"name": name, "value": value, "url": live_server.url}])
    page.set_viewport_size({"width": 360, "height": 740})
    return page


def test_a_case_is_claimed_and_resolved_on_a_phone(phone, north):
    make.policy()
    make.root_cause()
    case = make.case(team=north, customer={"external_id": "c1", "name": "Maria Rossi"})

    phone.goto(at.rows("case"))
    phone.get_by_role("link", name="Maria Rossi").click()
    phone.get_by_role("button", name="Claim").click()
    phone.get_by_role("link", name="Resolve").click()
    phone.get_by_label("Root cause").select_option("Logistics · late delivery")
    phone.get_by_label("Outcome").select_option("recovered")
    phone.get_by_label("What was done").fill("Refunded.")
    phone.get_by_role("button", name="Resolve").click()

    phone.get_by_text("The case is resolved.").wait_for()
    assert Case.objects.get(pk=case.pk).outcome == "recovered"


def test_what_customers_write_runs_nothing_and_no_page_is_too_wide(phone, north):
    case = make.case(
        team=north,
        comment=HOSTILE + "W" * 300,
        answers={"q": HOSTILE + "i" * 300},
        customer={"external_id": "c1", "name": HOSTILE + "m" * 60},
    )
    wrong: list[str] = []
    phone.on("dialog", lambda dialog: (wrong.append("a dialog"), dialog.dismiss()))
    phone.on("pageerror", lambda error: wrong.append(str(error)))
    phone.on(
        "console",
        lambda message: wrong.append(message.text) if message.type == "error" else None,
    )

    for path in (at.rows("case"), at.page(case), at.verb(case, "contact")):
        phone.goto(path)
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert phone.evaluate(wide) == 0, path

    assert wrong == []
