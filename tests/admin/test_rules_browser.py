"""The builder of rules in a real browser, under a strict content security policy."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cem_cases.models import Question, Rule, Tag
from tests import make
from tests.admin import at

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

ADD = "/admin/cem_cases/rule/add/"


@pytest.fixture
def care(db: None) -> Any:
    care = make.team("care")
    make.agent(care, "ada", skills=["german"])
    return care


def sentence(desk: Page, wanted: str) -> None:
    """Wait until the sentence says this."""
    said = desk.locator("#cem-rule-sentence", has_text=wanted)
    said.wait_for()


def press(desk: Page, *keys: str) -> None:
    """Press keys; a text in quotation marks is typed."""
    for key in keys:
        if key.startswith('"'):
            desk.keyboard.type(key.strip('"'))
        else:
            desk.keyboard.press(key)


def to_button(desk: Page, name: str, *, back: bool = False) -> None:
    """Go on with the tab key until the focus is on this button, and press it."""
    for _ in range(60):
        desk.keyboard.press("Shift+Tab" if back else "Tab")
        found = desk.evaluate(
            "document.activeElement.getAttribute('aria-label')"
            " || document.activeElement.innerText || document.activeElement.value"
        )
        if found == name:
            desk.keyboard.press("Enter")
            return
    raise AssertionError(f"no way to {name}")


def test_a_click_that_ends_a_word_reaches_what_it_was_aimed_at(desk, care, wrong):
    desk.goto(ADD)
    for n, what in enumerate(("assign", "notify"), 1):
        desk.get_by_role("button", name="+ Add action").click()
        row = desk.get_by_role("group", name=f"Action {n}")
        row.get_by_label("What is done").select_option(what)
    desk.get_by_label("Skills they need").fill("german")

    desk.get_by_label("The team's leads").click()  # its row moves down now

    desk.get_by_role("button", name="Remove german").wait_for()
    assert desk.get_by_label("The team's leads").is_checked()
    assert wrong == []


def test_a_nested_rule_is_built_with_the_keyboard_alone(desk, care, wrong):
    desk.goto(ADD)
    desk.get_by_label("Name:").focus()
    press(desk, '"Unhappy"')

    to_button(desk, "+ Add condition")  # the focus is on its fact
    press(desk, '"Score"', "Tab", "Tab", '"6"')
    to_button(desk, "+ Add group")  # the focus is on how its parts are taken together
    press(desk, "Tab", "Tab", "Tab", '"Channel"', "Tab", "Tab", '"sms"')
    to_button(desk, "+ Add condition")
    press(desk, '"Wants"', "Tab", "Tab", '"yes"')
    sentence(
        desk, "When score is at most 6 and (channel is “sms” or wants contact is yes)."
    )
    to_button(desk, "+ Add action")
    press(desk, '"Open"', "Tab", '"high"')
    to_button(desk, "+ Add action")
    press(desk, '"Put"', "Tab", '"Care"')
    sentence(desk, "open a case with high priority, put it into team Care.")
    to_button(desk, "Save")

    desk.get_by_text("was added successfully").wait_for()
    rule = Rule.objects.get()
    assert rule.conditions == {
        "all": [
            {"fact": "score", "operator": "at most", "value": 6},
            {
                "any": [
                    {"fact": "channel", "operator": "is", "value": "sms"},
                    {"fact": "wants_contact", "operator": "is", "value": True},
                ]
            },
        ]
    }
    assert rule.actions == [
        {"do": "open case", "priority": "high", "kind": "recovery"},
        {"do": "set team", "team": "care"},
    ]
    assert wrong == []


def conditions(desk: Page) -> Any:
    return json.loads(desk.locator("#id_conditions").input_value())


ROUND_TRIPS = [
    {},
    {"fact": "score", "operator": "at most", "value": 6},
    {"not": {"fact": "score", "operator": "is empty"}},
    {
        "any": [
            {
                "fact": "customer.annual_value",
                "operator": "more than",
                "value": 10000.5,
                "currency": "EUR",
            },
            {
                "not": {
                    "all": [
                        {
                            "fact": "band",
                            "operator": "in",
                            "value": ["detractor", "passive"],
                        },
                        {"fact": "answer.why", "operator": "is", "value": 3},
                        {
                            "fact": "answer.why",
                            "operator": "in",
                            "value": ["a", "b, c"],
                        },
                    ]
                }
            },
            {
                "not": {
                    "not": {"fact": "wants_contact", "operator": "is", "value": False}
                }
            },
            {"fact": "comment", "operator": "contains any word", "value": ["refund"]},
            {"fact": "history.cases_in_days.30", "operator": "at least", "value": 2},
            {"fact": "customer.attribute.plan", "operator": "is", "value": True},
            {"fact": "survey", "operator": "is", "value": "gone"},
        ]
    },
]


@pytest.mark.parametrize("tree", ROUND_TRIPS, ids=lambda tree: str(tree)[:30])
def test_rows_give_back_what_they_were_made_from(desk, care, wrong, tree):
    make.nps()
    actions = [
        {"do": "open case", "priority": "normal", "kind": "praise"},
        {"do": "assign", "by": ["account owner", "least loaded"], "skills": ["german"]},
        {"do": "notify", "who": ["leads"], "users": ["ada", "gone"]},
        {"do": "invite to survey", "survey": "nps", "in_days": 3},
    ]
    rule = make.rule(*actions, conditions=tree)
    desk.goto(at.page(rule))
    desk.get_by_role("button", name="+ Add action").wait_for()

    desk.evaluate(
        "document.querySelector('#rule_form').dispatchEvent(new Event('submit'))"
    )

    assert conditions(desk) == tree
    assert json.loads(desk.locator("#id_actions").input_value()) == actions
    assert wrong == []


def test_an_error_stands_at_the_row_it_is_about_and_nothing_is_lost(desk, care, wrong):
    rule = make.rule(
        conditions={
            "all": [
                {"fact": "score", "operator": "at most", "value": 6},
                {"any": [{"fact": "sentiment", "operator": "less than", "value": 0}]},
            ]
        }
    )
    desk.goto(at.page(rule))
    desk.get_by_role("group", name="Condition 2.1").get_by_label("Value").fill("low")
    desk.get_by_role("button", name="Save", exact=True).click()

    desk.get_by_text("Please correct the error below").wait_for()
    row = desk.get_by_role("group", name="Condition 2.1")
    row.get_by_text("must be a number").wait_for()
    value = row.get_by_label("Value")
    assert value.input_value() == "low"
    assert value.get_attribute("aria-invalid") == "true"
    assert desk.evaluate("document.activeElement.value") == "low"
    assert desk.locator(".cem-builder [aria-invalid]").count() == 1

    value.fill("-0.5")
    sentence(desk, "sentiment is below -0.5")
    assert desk.locator(".cem-builder [aria-invalid]").count() == 0
    assert wrong == []


def test_rows_are_moved_and_removed_and_the_focus_stays_near(desk, care, wrong):
    rule = make.rule(
        conditions={
            "all": [
                {"fact": "channel", "operator": "is", "value": name} for name in "abc"
            ]
        }
    )
    desk.goto(at.page(rule))

    def focused() -> str:
        return desk.evaluate(
            "document.activeElement.getAttribute('aria-label')"
            " ?? document.activeElement.closest('[role=group]').getAttribute('aria-label')"
        )

    desk.get_by_role("button", name="Move down: Condition 1").press("Enter")
    assert focused() == "Move down: Condition 2"
    press(desk, "Enter")
    assert focused() == "Move up: Condition 3"  # it cannot go further down
    assert [part["value"] for part in conditions(desk)["all"]] == ["b", "c", "a"]

    desk.get_by_role("button", name="Remove: Condition 2").press("Enter")
    assert focused() == "Condition 2"  # what comes next
    for _ in range(2):
        desk.get_by_role("button", name="Remove: Condition 1").press("Enter")
    assert desk.evaluate("document.activeElement.innerText") == "+ Add condition"
    assert conditions(desk) == {}
    sentence(desk, "For every response")
    assert wrong == []


def test_facts_and_actions_are_those_of_the_trigger(desk, care, wrong):
    desk.goto(ADD)
    desk.get_by_role("button", name="+ Add condition").click()
    fact = desk.get_by_label("Fact")
    assert fact.locator("option[value='case.status']").count() == 0

    desk.get_by_label("Trigger:").select_option("no update")

    assert desk.get_by_label("business hours without update").is_visible()
    assert fact.locator("option[value='case.status']").count() == 1
    fact.select_option("case.status")
    desk.get_by_label("Value").select_option("open")
    desk.get_by_label("Trigger:").select_option("response received")
    row = desk.get_by_role("group", name="Condition 1")
    row.get_by_text("only rules about cases").wait_for()
    assert "not known with this trigger" in fact.inner_text()
    desk.get_by_role("button", name="+ Add action").click()
    assert "Open a case" in desk.get_by_label("What is done").inner_text()
    assert wrong == []


def test_text_that_rows_cannot_show_is_left_as_text(desk, care, wrong):
    rule = make.rule(conditions={"fact": "channel", "operator": "is", "value": "sms"})
    desk.goto(at.page(rule))
    toggle = desk.get_by_role("button", name="Edit as text").first
    toggle.click()
    text = desk.get_by_label("Conditions:")
    text.fill('{"fact": "channel", "operator": "is", "value": {"$gt": 0}}')
    back = desk.get_by_role("button", name="Back to the rows")
    back.click()
    desk.get_by_text("cannot be shown as rows").wait_for()
    assert "$gt" in text.input_value()

    text.fill('{"fact": "channel", "operator": "is", "value": "web"}')
    back.click()
    assert desk.get_by_label("Value").input_value() == "web"
    sentence(desk, "channel is “web”")
    assert wrong == []


def test_names_are_text_whatever_they_look_like(desk, care, wrong):
    canary = "<img src=x onerror=document.body.className='owned'>"
    Tag.objects.create(name=canary)
    care.name = canary
    care.save()
    Question.objects.create(survey=make.nps(), key="why", text=canary)
    rule = make.rule(
        {"do": "open case"},
        {"do": "set team", "team": "care"},
        {"do": "add tags", "tags": [canary]},
        name=canary,
        conditions={
            "all": [
                {"fact": "channel", "operator": "in", "value": [canary, canary + "2"]},
                {"fact": "answer.why", "operator": "is", "value": canary},
            ]
        },
    )
    for path in (at.page(rule), at.rows("rule")):
        desk.goto(path)
        desk.get_by_text("put it into team “<img src=x").first.wait_for()
        assert desk.locator("body.owned").count() == 0
        assert desk.locator("img[src=x]").count() == 0
    assert wrong == []


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_no_page_is_wider_than_the_screen(desk, care, width):
    rule = make.rule(conditions=ROUND_TRIPS[-1], name="A rule with quite a long name")
    desk.set_viewport_size({"width": width, "height": 740})

    for path in (at.page(rule), at.rows("rule"), ADD):
        desk.goto(path)
        if path != at.rows("rule"):
            desk.get_by_role("button", name="+ Add action").wait_for()
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert desk.evaluate(wide) == 0, path


def test_rows_in_which_nothing_is_chosen_stay_rows_when_they_are_refused(
    desk, care, wrong
):
    desk.goto(ADD)
    desk.get_by_label("Name:").fill("Empty")
    desk.get_by_role("button", name="+ Add condition").click()
    desk.get_by_role("button", name="+ Add action").click()
    desk.get_by_role("button", name="Save", exact=True).click()

    desk.get_by_text("Please correct the errors below").wait_for()
    condition = desk.get_by_role("group", name="Condition 1")
    condition.get_by_text("must name a fact").wait_for()
    action = desk.get_by_role("group", name="Action 1")
    action.get_by_text("one of open case").wait_for()
    assert not desk.locator("#id_actions").is_visible()
    assert wrong == []
