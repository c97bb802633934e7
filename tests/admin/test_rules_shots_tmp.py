import json, pytest
from django.conf import settings
from django.test import Client
from cem_cases.models import Rule, Tag, Question
from tests import make
from tests.admin import at

pytestmark = pytest.mark.browser

NESTED = {
    "all": [
        {"fact": "score", "operator": "at most", "value": 6},
        {
            "any": [
                {
                    "fact": "customer.annual_value",
                    "operator": "more than",
                    "value": 10000,
                    "currency": "EUR",
                },
                {
                    "fact": "band",
                    "operator": "in",
                    "value": ["detractor", "dissatisfied"],
                },
                {
                    "not": {
                        "fact": "channel",
                        "operator": "in",
                        "value": ["sms", "kiosk"],
                    }
                },
            ]
        },
        {"fact": "history.detractors_in_days.90", "operator": "at least", "value": 2},
        {"fact": "answer.why", "operator": "is", "value": "late"},
        {
            "fact": "comment",
            "operator": "contains any word",
            "value": ["refund", "lawyer"],
        },
    ]
}
ACTIONS = [
    {"do": "open case", "priority": "high"},
    {"do": "set team", "team": "care"},
    {"do": "assign", "by": ["account owner", "least loaded"], "skills": ["german"]},
    {"do": "add tags", "tags": ["vip"]},
    {"do": "notify", "who": ["leads"], "users": ["ada"]},
]


def test_shots(page, live_server, root):
    team = make.team("care")
    team.name = "Customer Care"
    team.save()
    make.agent(team, "ada", skills=["german", "legal"])
    for t in ("vip", "late", "press"):
        Tag.objects.create(name=t)
    Question.objects.create(
        survey=make.nps(), key="why", text="Why did you give this score?"
    )
    rule = make.rule(*ACTIONS, conditions=NESTED, name="Unhappy and valuable")
    make.rule(name="Detractors")
    make.rule(name="Off", is_active=False)
    client = Client()
    client.force_login(root)
    name = settings.SESSION_COOKIE_NAME
    page.context.add_cookies(
        [{"name": name, "value": client.cookies[name].value, "url": live_server.url}]
    )
    page.on("console", lambda m: print("CONSOLE", m.type, m.text))
    page.on("pageerror", lambda e: print("PAGEERROR", e, e.stack))
    for width, theme in ((1280, "light"), (1280, "dark"), (360, "light")):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=theme)
        page.goto(at.page(rule))
        page.wait_for_timeout(800)
        page.screenshot(path=f"/tmp/shots/rule-{width}-{theme}.png", full_page=True)
        print(
            width,
            page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            ),
        )
        print(
            page.evaluate(
                "[...document.querySelectorAll('#content *')].filter(e => e.getBoundingClientRect().right > innerWidth+1).slice(0,12).map(e => e.tagName + '.' + e.className + ' ' + e.getBoundingClientRect().right)"
            )
        )
        page.goto(at.rows("rule"))
        page.screenshot(path=f"/tmp/shots/rules-{width}-{theme}.png", full_page=True)
        print(
            width,
            page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            ),
        )
    print(page.evaluate("1"))
