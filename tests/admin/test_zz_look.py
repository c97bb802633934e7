from datetime import date, timedelta
import pytest
from django.conf import settings
from django.test import Client
from django.contrib.auth.models import Permission
from django.utils import timezone
from cem_cases.loop import cases, sla, escalation
from cem_cases.models import *
from tests import make
from tests.admin import at
from tests.admin.test_calendars import FILE
pytestmark = pytest.mark.browser

def login(page, live_server, who):
    c = Client(); c.force_login(who)
    n = settings.SESSION_COOKIE_NAME
    page.context.clear_cookies()
    page.context.add_cookies([{"name": n, "value": c.cookies[n].value, "url": live_server.url}])

@pytest.mark.parametrize("theme", ["light", "dark"])
def test_look(page, live_server, root, north, ada, theme, tmp_path):
    page.emulate_media(color_scheme=theme)
    ada.first_name="Anna"; ada.last_name="Ito"; ada.save()
    now = timezone.now()
    berlin = BusinessCalendar.objects.create(name="Berlin", zone="Europe/Berlin", hours=make.NINE_TO_FIVE, country="DE")
    berlin.holidays.create(day=date(2099, 12, 25), name="Christmas Day")
    berlin.holidays.create(day=date(2099, 12, 26), name="Second Day of Christmas")
    pol = make.policy(calendar=berlin, hours=4, days=3, also={"statutory": (56*86400, "calendar seconds"), "next update": (3, "business days")},
      steps=[{"metric": "resolution", "minutes": -30, "action": "notify owner"}, {"metric": "first contact", "percent": 150, "action": "notify manager"}])
    start = now - timedelta(days=20)
    case = make.case(team=north, owner=ada, now=start)
    sla.sweep(now=start + timedelta(days=6))
    case.refresh_from_db()
    cases.set_priority(case, by=ada, priority=2, now=start + timedelta(days=6, hours=1)); case.refresh_from_db()
    cases.set_priority(case, by=ada, priority=1, now=start + timedelta(days=6, hours=2)); case.refresh_from_db()
    sla.sweep(now=now); case.refresh_from_db()
    other = make.case(team=north, owner=ada, now=now - timedelta(days=2))
    cases.set_pending(other, by=ada, reason="a photo", until=now + timedelta(days=1), now=now-timedelta(days=1))
    row = Escalation.objects.first()
    if row: escalation.acknowledge(row, by=ada, now=now) if True else 0
    Notification.objects.update(user=root) if hasattr(Notification, "user") else Notification.objects.update(recipient=root)
    boss = make.manager()
    boss.user_permissions.add(*Permission.objects.filter(codename__in=["view_slapolicy", "view_businesscalendar"]))
    f = tmp_path / "days.ics"; f.write_bytes(FILE if isinstance(FILE, bytes) else FILE.encode())
    def shot(path, name, who=root, width=360):
        login(page, live_server, who)
        page.set_viewport_size({"width": width, "height": 740})
        page.goto(live_server.url + path)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        page.screenshot(path=f"/tmp/shots/{name}-{theme}-{width}.png", full_page=True)
        print(name, width, "wide", wide)
    for w in (360, 1280):
        shot(at.page(pol), "policy", width=w); shot(at.page(pol), "policyview", boss, width=w)
        shot(at.page(case), "case", width=w)
        shot(at.page(case.clocks.get(metric="resolution")), "clock", width=w)
        shot(at.page(berlin), "calendar", width=w); shot(at.page(berlin), "calview", boss, width=w)
        for n in ("clock", "pause", "escalation", "notification"): shot(at.rows(n), "list"+n, width=w)
        page.goto(live_server.url + at.page(berlin) )
        page.get_by_role("link", name="Import a calendar").click()
        page.locator("input[type=file]").set_input_files(str(f))
        page.get_by_role("button", name="Show what").click()
        page.screenshot(path=f"/tmp/shots/ics-{theme}-{w}.png", full_page=True)
