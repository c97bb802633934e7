"""The pages in a real browser: on a phone, by the names people see, and inert."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from cem_cases.loop import cases, sla
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


def test_what_people_write_runs_nothing_and_no_page_is_too_wide(phone, north, ada):
    make.policy()
    case = make.case(
        team=north,
        comment=HOSTILE + "W" * 300,
        answers={"q": HOSTILE + "i" * 300},
        customer={"external_id": "c1", "name": HOSTILE + "m" * 60},
        owner=ada,
    )
    until = timezone.now() + timedelta(days=1)
    cases.set_pending(case, by=ada, reason=HOSTILE + "p" * 100, until=until)
    wrong: list[str] = []
    phone.on("dialog", lambda dialog: (wrong.append("a dialog"), dialog.dismiss()))
    phone.on("pageerror", lambda error: wrong.append(str(error)))
    phone.on(
        "console",
        lambda message: wrong.append(message.text) if message.type == "error" else None,
    )

    pages = [at.rows("case"), at.page(case)]
    pages += [at.verb(case, slug) for slug in ("contact", "put-on-hold")]
    for path in pages:
        phone.goto(path)
        for folded in phone.locator("summary:visible").all():
            folded.click()
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert phone.evaluate(wide) == 0, path

    assert wrong == []


POLICY = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_bar_is_drawn_under_a_strict_policy_and_told_to_those_who_hear(
    phone, north, ada, scheme
):
    make.policy(hours=4)
    case = make.case(team=north, owner=ada)
    sla.sweep(now=make.MONDAY + 5 * make.HOUR)
    wrong: list[str] = []
    phone.on("console", lambda message: wrong.append(message.text))

    def strictly(route):
        answered = route.fetch()
        headers = {**answered.headers, "content-security-policy": POLICY}
        route.fulfill(response=answered, headers=headers)

    phone.route("**/change/", strictly)
    phone.emulate_media(color_scheme=scheme)
    phone.goto(at.page(case))

    bar = phone.get_by_role("img", name="First contact: overdue by")
    assert bar.bounding_box()["width"] > 250
    used, late = (
        bar.locator(f".cem-block--{look}").first.bounding_box()
        for look in ("used", "late")
    )
    assert used["width"] > late["width"] > 50
    paint = "element => getComputedStyle(element).fill"
    assert "url(" in bar.locator(".cem-block--late").evaluate(paint)
    assert bar.locator(".cem-block--used").evaluate(paint) != "none"
    assert wrong == []


def test_a_case_waits_and_an_escalation_is_acknowledged_on_a_phone(phone, north, ada):
    make.policy(
        hours=4,
        steps=[{"metric": "first contact", "percent": 100, "action": "notify owner"}],
    )
    case = make.case(team=north, owner=ada)
    sla.sweep(now=make.MONDAY + 5 * make.HOUR)

    phone.goto(at.page(case))
    phone.get_by_role("button", name="Acknowledge First contact").click()
    phone.get_by_text("You acknowledged the escalation").wait_for()
    phone.get_by_role("link", name="Set pending").click()
    phone.get_by_label("What it waits for").fill("A photo of the parcel")
    phone.get_by_role("button", name="Set pending").click()
    phone.get_by_text("The case waits for the customer.").wait_for()
    phone.get_by_role("button", name="Resume").click()

    phone.get_by_text("paused clocks go on.").wait_for()
    assert Case.objects.get(pk=case.pk).status == "open"
