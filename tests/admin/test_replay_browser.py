"""The replay in a real browser, under a strict content security policy."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from cem_cases.loop import drain
from cem_cases.models import Rule
from tests import make
from tests.admin import at

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

HOSTILE = '<img src=x onerror=alert(1)><script>alert("x")</script>'
SHOTS = os.environ.get("CEM_TEST_SHOTS")
"""A folder for pictures, to be looked at."""


@pytest.fixture
def rule(db: None) -> Rule:
    """Three people, a month of answers, a rule that is not switched on yet."""
    care = make.team("care")
    care.name = "Customer care"
    care.save()
    ada = make.agent(care, "ada", capacity=4)
    make.agent(care, "bob", capacity=10)
    make.agent(care, "cyd.with.a.rather.long.name")
    begins = datetime.now(UTC) - timedelta(days=30)
    make.absence(ada, begins, begins + timedelta(days=5))
    make.policy(name="Everybody")
    make.rule(
        "open case",
        {"do": "set team", "team": "care"},
        conditions={"fact": "score", "operator": "at most", "value": 1},
        name="Furious",
    )
    for hour in range(0, 30 * 24, 6):
        customer = {
            "external_id": f"c{hour % 102}",
            "name": HOSTILE if not hour % 102 else "M",
        }
        make.response(
            now=begins + timedelta(hours=hour), score=hour % 11, customer=customer
        )
    drain.drain()
    return make.rule(
        {"do": "open case", "priority": "high"},
        {"do": "set team", "team": "care"},
        {"do": "assign", "by": "least loaded"},
        name="Unhappy: an owner at once",
        is_active=False,
    )


def shoot(desk: Page, name: str) -> None:
    if SHOTS:
        desk.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)


def is_too_wide(desk: Page) -> bool:
    root = "document.documentElement"
    return bool(desk.evaluate(f"{root}.scrollWidth > {root}.clientWidth"))


def test_a_rule_is_replayed_from_its_form_before_it_is_saved(desk, rule, wrong):
    desk.goto(at.page(rule))
    shoot(desk, "replay-rule-page")
    desk.get_by_role("button", name="Replay before saving").click()

    desk.get_by_role("heading", name="answers would have matched").wait_for()
    desk.get_by_label("Each case stays open").select_option("3")
    desk.get_by_role("button", name="Replay").click()
    desk.wait_for_function(
        "() => document.querySelector('.cem-assumed')?.innerText.includes('for 3 days')"
    )

    head = desk.locator("#cem-replay-head")
    assert head.evaluate("head => head === document.activeElement")
    assert "cyd.with.a.rather.long.name" in desk.locator(".cem-loads").inner_text()
    assert Rule.objects.get(pk=rule.pk).version == rule.version
    assert wrong == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_the_result_can_be_read_everywhere(desk, rule, wrong, width, theme):
    desk.set_viewport_size({"width": width, "height": 900})
    desk.emulate_media(color_scheme=theme)
    desk.goto(f"{at.rows('rule')}{rule.pk}/replay/")
    shoot(desk, f"replay-form-{width}-{theme}")

    desk.get_by_label("Each case stays open").select_option("7")
    desk.get_by_role("button", name="Replay").click()
    desk.locator("#cem-replay-head").wait_for()
    for folded in desk.locator("#content-main summary:visible").all()[:4]:
        folded.click()

    shoot(desk, f"replay-{width}-{theme}")
    assert not is_too_wide(desk)
    assert desk.locator("[data-replay-progress]").is_hidden()
    assert wrong == []


def test_the_page_says_when_it_cannot_be_finished(desk, rule):
    desk.goto(f"{at.rows('rule')}{rule.pk}/replay/")
    desk.context.clear_cookies()

    desk.get_by_role("button", name="Replay").click()

    desk.get_by_text("The replay could not be finished.").wait_for()


def test_what_is_wrong_in_the_form_is_said_on_the_page(desk, rule, wrong):
    desk.goto(at.rows("rule") + "add/")
    conditions = json.dumps({"fact": "score", "operator": "is", "value": "many"})
    desk.evaluate(
        "text => { document.querySelector('#id_conditions').value = text }", conditions
    )
    form = {"name": "x", "trigger": "response received", "actions": "[]"}
    desk.evaluate(
        """([url, fields]) => {
            const form = document.createElement("form");
            const token = document.querySelector("[name=csrfmiddlewaretoken]");
            form.method = "post";
            form.action = url;
            form.append(token.cloneNode());
            for (const [name, value] of Object.entries(fields)) {
                const field = document.createElement("input");
                Object.assign(field, { type: "hidden", name, value });
                form.append(field);
            }
            document.body.append(form);
            form.submit();
        }""",
        [at.rows("rule") + "replay/", form | {"conditions": conditions}],
    )

    desk.get_by_text("conditions.value: must be a number").wait_for()
    assert wrong == []
