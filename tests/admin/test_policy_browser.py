"""The form of a policy in a real browser, under a strict content security policy."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING

import pytest

from cem_cases.models import BusinessCalendar, SlaPolicy
from tests import make
from tests.admin import at
from tests.admin.policyforms import ADD

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser


@pytest.fixture
def policy(db: None) -> SlaPolicy:
    """Four hours to first contact for normal priority, in Berlin."""
    berlin = BusinessCalendar.objects.create(
        name="Berlin", zone="Europe/Berlin", hours=make.NINE_TO_FIVE
    )
    berlin.holidays.create(day=date(2099, 12, 25), name="Christmas Day")
    return make.policy(calendar=berlin)


def said(desk: Page) -> Locator:
    return desk.locator("[aria-live=polite]")


def changed(desk: Page, before: str) -> str:
    """Wait until the examples say something else, and return it."""
    desk.wait_for_function(
        "before => { const box = document.querySelector('[aria-live=polite]');"
        " return !box.hasAttribute('aria-busy') && box.innerText !== before }",
        arg=before,
    )
    return said(desk).inner_text()


def first_contact(text: str) -> str:
    """Return when first contact would be due for a case opened on Friday evening."""
    found = re.search(r"Friday evening .*?first contact (.*?),", text, re.DOTALL)
    assert found, text
    return found[1]


def test_the_sentence_follows_what_is_typed(desk, policy, wrong):
    desk.goto(at.page(policy))
    shown = said(desk).inner_text()
    assert first_contact(shown).startswith("Mon")
    assert first_contact(shown).endswith("13:00")  # four hours from nine

    desk.get_by_label("First contact, normal, within").fill("1 h 30 min")
    shown = changed(desk, shown)
    assert first_contact(shown).endswith("10:30")

    desk.get_by_label("First contact, normal, unit").select_option("calendar hours")
    shown = changed(desk, shown)
    assert first_contact(shown).startswith("Fri")
    assert first_contact(shown).endswith("20:00")

    desk.get_by_label("Calendar:").select_option("")
    shown = changed(desk, shown)
    assert "Without a calendar no holiday counts." in shown
    assert SlaPolicy.objects.get().version == 1
    assert wrong == []


def test_rows_that_are_added_and_taken_away_count_at_once(desk, policy, wrong):
    desk.goto(at.page(policy))
    shown = said(desk).inner_text()

    desk.get_by_role("button", name="Add another Target").click()
    desk.get_by_label("Metric", exact=True).first.select_option("next update")
    desk.get_by_label("Priority", exact=True).first.select_option("normal")
    desk.get_by_label("Within", exact=True).first.fill("2")
    shown = changed(desk, shown)
    assert "Next update has no target for priority urgent" in shown

    desk.locator("#targets-8 .inline-deletelink").click()
    shown = changed(desk, shown)
    assert "next update" not in shown.casefold()

    desk.get_by_label("Priority", exact=True).last.select_option("urgent")
    urgent = changed(desk, shown)
    assert first_contact(urgent) != first_contact(shown)
    assert wrong == []


def test_what_cannot_be_read_is_told_while_one_types(desk, policy, wrong):
    desk.goto(at.page(policy))
    shown = said(desk).inner_text()

    desk.get_by_label("First contact, urgent, within").fill("soon")

    assert "First contact, urgent: Within: Write hours" in changed(desk, shown)
    assert wrong == []


def test_the_examples_say_when_they_cannot_be_brought_up_to_date(desk, policy, root):
    desk.goto(at.page(policy))
    shown = said(desk).inner_text()
    desk.context.clear_cookies()

    desk.get_by_label("First contact, urgent, within").fill("2 h")

    assert "could not be brought up to date" in changed(desk, shown)


def test_a_policy_is_made_with_the_keyboard_alone(desk, db, wrong):
    make.office()
    desk.goto(ADD)

    desk.get_by_label("Name:").fill("Standard")
    desk.get_by_label("Resolution, low, within").fill("60 h")
    desk.keyboard.press("Enter")  # is Save, not the button of the examples

    desk.get_by_text("was added successfully").wait_for()
    made = SlaPolicy.objects.get()
    assert made.targets.get(metric="resolution", priority=4).amount == 60 * 3600
    assert made.calendar == make.office()
    assert wrong == []


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_no_page_is_wider_than_the_screen(desk, policy, width):
    make.case(now=make.MONDAY)
    make.publish(policy, list(policy.targets.all()))
    desk.set_viewport_size({"width": width, "height": 740})

    for path in (at.page(policy), ADD, f"{at.page(policy)}../migrate/"):
        desk.goto(path)
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert desk.evaluate(wide) == 0, path
