"""Why this owner: the panel of the case's page, and who is offered a case by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from cem_cases.admin import whyme
from cem_cases.loop import cases, sla
from cem_cases.models import Absence, Membership
from cem_cases.rules import Strategy, Verdict
from cem_cases.rules.desk import SET_OWNER
from tests import make
from tests.admin import at
from tests.loop.test_staffing import resolve, routed
from tests.make import DAY, HOUR, MONDAY

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.django_db

CHAIN = {
    "do": "assign",
    "by": ["account owner", "same agent as before", "round robin"],
    "skills": ["german"],
}


def panel(answered: Any) -> str:
    """What the panel says."""
    html = answered.content.decode().partition('id="why"')[2].partition("</section>")[0]
    answered.content = html.encode()
    return at.text(answered).partition(">")[2].strip() or at.text(answered)


def away(user, substitute=None, **fields):
    now = timezone.now()
    return Absence.objects.create(
        **{"user": user, "from_at": now - DAY, "until_at": now + DAY}
        | {"substitute": substitute}
        | fields
    )


def test_every_verdict_and_every_strategy_has_its_words():
    assert set(whyme.VERDICTS) == set(Verdict)
    assert set(whyme.STRATEGIES) == {SET_OWNER, *Strategy}


def test_the_owner_sees_who_was_looked_at_and_why(door, north, ada):
    Membership.objects.update(skills=["German"])
    make.agent(north, "full", capacity=0, skills=["german"])
    make.agent(north, "dane", skills=["danish"])
    case = routed(north, CHAIN)

    said = panel(door(ada).get(at.page(case)))

    for text in (
        "Why me?",
        "Given to ada by the rules (round robin)",
        "In turn: first is who has been longest without a new case from the rules.",
        "Tried before, in vain:",
        "account owner: there is none",
        "same agent as before: there is none",
        "1 ada takes it 0",
        "— full has no room for more 0",
        "— dane lacks a skill that is needed 0",
    ):
        assert text in said, text


def test_others_read_whose_it_is_and_for_whom_they_stand_in(door, north, ada):
    eve = make.agent(north, "eve")
    Absence.objects.create(
        user=eve, substitute=ada, from_at=MONDAY, until_at=MONDAY + DAY
    )
    case = routed(north, {}, {"do": "set owner", "user": "eve"})

    said = panel(door(make.agent(north, "bob")).get(at.page(case)))

    assert "Why ada?" in said
    assert "A rule names the owner. eve is absent: the substitute takes it." in said


def test_a_case_that_nobody_has_says_why(door, north, ada):
    away(ada, from_at=MONDAY)
    case = routed(north, {**CHAIN, "skills": []})

    said = panel(door(ada).get(at.page(case)))

    assert "Why nobody yet?" in said
    assert "Nobody could take it: it waits" in said
    assert "— ada absent 0" in said


def test_of_a_case_that_a_person_gave_it_says_who_did(door, north, ada):
    bob = make.agent(north, "bob")
    case = make.case(team=north)
    cases.assign(case, by=bob, to=ada, reason="Knows them.")

    said = panel(door(ada).get(at.page(case)))

    assert "Given to ada in North bob" in said
    assert "Knows them." in said


def test_a_case_for_which_nobody_was_looked_has_no_panel(door, north, ada):
    case = make.case(team=north)

    assert 'id="why"' not in door(ada).get(at.page(case)).content.decode()


def test_what_becomes_of_a_case_is_told_in_sentences(door, north, ada):
    bob = make.agent(north, "bob")
    case = routed(north)
    cases.decline(case, by=ada, reason="Too close.", now=MONDAY)
    Absence.objects.create(
        user=bob, from_at=MONDAY, until_at=MONDAY + DAY, open_cases="queue"
    )
    sla.sweep(now=MONDAY + HOUR)
    eve = make.agent(north, "eve")
    sla.sweep(now=MONDAY + HOUR)
    Absence.objects.create(
        user=eve,
        substitute=ada,
        from_at=MONDAY,
        until_at=MONDAY + DAY,
        open_cases="substitute",
    )
    Membership.objects.filter(user=eve).update(is_active=False)
    sla.sweep(now=MONDAY + HOUR)
    other = make.case(team=north, owner=ada)
    resolve(other, ada)
    Absence.objects.create(
        user=ada, substitute=bob, from_at=MONDAY, until_at=MONDAY + DAY
    )
    Absence.objects.filter(user=bob).delete()
    cases.reopen(other, by=ada, reason="x", now=MONDAY + HOUR)

    said = at.text(door(ada).get(at.page(case)))

    for text in (
        "Gave it back ada",
        "Put back into the queue of North, because bob is absent automatically",
        "Taken up from the queue by the rules, for eve automatically",
        "Put back into the queue of North, because eve works there no more",
    ):
        assert text in said, text
    assert "Reopened it, cycle 2 begins; bob has it, because ada is absent" in at.text(
        door(ada).get(at.page(other))
    )


def test_who_is_absent_is_said_to_be_and_not_given_a_case(door, north, ada):
    bob = make.agent(north, "bob")
    eve = make.agent(north, "eve")
    away(bob, eve, until_at=timezone.now() + timedelta(days=3))
    case = make.case(team=north)
    client = door(ada)

    shown = at.text(client.get(at.verb(case, "assign")))
    member = bob.cem_memberships.get()
    data = {"to": f"member:{member.pk}", "version": case.version}
    refused = at.text(client.post(at.verb(case, "assign"), data))

    assert "bob (absent until " in shown
    assert "eve (open cases: 0)" in shown
    assert "bob is absent until" in refused
    assert "The substitute is eve." in refused


# In a real browser


@pytest.fixture
def desk(page: Page, live_server: Any, ada: Any) -> Page:
    """Ada's browser, logged in."""
    client = Client()
    client.force_login(ada)
    name = settings.SESSION_COOKIE_NAME
    value = client.cookies[name].value
    page.context.add_cookies([{"name": name, "value": value, "url": live_server.url}])
    return page


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_panel_fits_a_phone(desk, north, ada, scheme, tmp_path):
    Membership.objects.update(skills=["german"])
    make.agent(north, "M" * 60, capacity=0, skills=["german"])
    make.agent(north, "boss", role="manager", skills=["german"])
    for number in range(6):
        make.agent(north, f"agent-{number}", skills=["german"])
    away(make.agent(north, "leila"), from_at=MONDAY)
    case = routed(north, CHAIN)

    desk.emulate_media(color_scheme=scheme)
    for width in (360, 1280):
        desk.set_viewport_size({"width": width, "height": 900})
        desk.goto(at.page(case))
        desk.get_by_role("link", name="Why me?").click()
        desk.get_by_role("heading", name="Why me?").wait_for()
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert desk.evaluate(wide) == 0
        table = desk.locator("#why table").bounding_box()
        card = desk.locator("#why").bounding_box()
        assert table["x"] + table["width"] <= card["x"] + card["width"]
        desk.locator("#why").screenshot(path=tmp_path / f"why-{scheme}-{width}.png")
