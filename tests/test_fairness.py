"""Who gets the work, with real worker processes on PostgreSQL: fair, full, and to nobody
who is away."""

from __future__ import annotations

import os
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from django.db.models import Count

from cem_cases.loop import audit, capture, moment
from cem_cases.models import (
    Absence,
    AuditEvent,
    Case,
    Membership,
    Notification,
    Response,
    Team,
)
from tests import make, processes, waiting

pytestmark = [pytest.mark.guarantee, pytest.mark.django_db(transaction=True)]

CASES = 10_000
WORKERS = 4
ROOT = Path(__file__).resolve().parent.parent
DAY = timedelta(days=1)

AGENTS = {
    # name: most open cases; None: no limit
    "ada": None,
    "bob": None,
    "cy": None,
    "dee": 1500,
    "eve": 40,
    "away": None,
    "gone": None,
}
FREE = ("ada", "bob", "cy")


@pytest.fixture
def team(db):
    made, now = make.team("north"), moment.now()
    for name, capacity in AGENTS.items():
        agent = make.agent(made, name, capacity=capacity)
        if name == "away":
            # long since, for long, and once more as if that were not enough
            make.absence(agent, now - 30 * DAY, now + 30 * DAY)
            make.absence(agent, now - 1 * DAY, now + 1 * DAY)
        if name == "gone":
            agent.is_active = False
            agent.save()
    # was away, and will be: neither counts now
    ada = Membership.objects.get(user__username="ada").user
    make.absence(ada, now - 9 * DAY, now - 8 * DAY)
    make.absence(ada, now + 8 * DAY, now + 9 * DAY)
    return made


def answers(count):
    return [
        make.answer(external_id=f"f{n}", score=n % 7, customer={"external_id": f"f{n}"})
        for n in range(count)
    ]


def take_in(count):
    todo = answers(count)
    for start in range(0, count, 1000):
        capture.record(todo[start : start + 1000])


def drain_at_once(url, folder, count=WORKERS):
    """Let so many processes drain until nothing waits; all of them must end well."""
    env = os.environ | {
        "DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "tests.impatient_settings",  # many small batches
    }
    command = [sys.executable, "manage.py", "cem_drain"]
    running = [
        processes.start(
            f"drain{n}", command, log=folder / f"drain{n}.log", env=env, cwd=ROOT
        )
        for n in range(count)
    ]
    waiting.until(lambda: not any(each.is_running for each in running), within=80)
    for each in running:
        each.kill()  # it has ended; this closes what leads to it
        assert each.popen.returncode == 0, each.text()


def owned():
    rows = Case.objects.filter(owner__isnull=False).values_list("owner__username")
    return Counter(dict(rows.annotate(Count("pk"))))


def test_ten_thousand_cases_are_shared_fairly_by_four_workers(
    team, test_database_url, tmp_path
):
    make.nps()
    make.rule_for(team, "round robin")
    take_in(CASES)

    drain_at_once(test_database_url, tmp_path)

    assert not Response.objects.unprocessed().exists()
    assert not Response.objects.failed().exists()
    assert Case.objects.count() == CASES, "nothing is lost"
    opened = Case.objects.values("opening_response").distinct()
    assert opened.count() == CASES, "nothing is doubled"
    shares = owned()
    assert sum(shares.values()) == CASES
    free = [shares[name] for name in FREE]
    assert max(free) - min(free) <= 1, shares
    assert (shares["dee"], shares["eve"]) == (1500, 40), "as many as they may have"
    assert shares["away"] == shares["gone"] == 0
    _assert_books_are_right(team, CASES)


def test_who_is_full_or_away_leaves_the_rest_in_the_queue_until_somebody_comes(
    team, test_database_url, tmp_path
):
    make.nps()
    make.rule_for(team, "round robin")
    Membership.objects.filter(user__username__in=FREE).update(capacity=300)
    room = 3 * 300 + 1500 + 40
    take_in(3000)

    drain_at_once(test_database_url, tmp_path)

    assert owned() == Counter(dict.fromkeys(FREE, 300), dee=1500, eve=40)
    assert Case.objects.to_assign().count() == 3000 - room
    assert AuditEvent.objects.filter(kind="case.not_assigned").count() == 3000 - room
    assert Notification.objects.count() == 0, "there is no lead"

    Membership.objects.filter(user__username="ada").update(capacity=None)
    Absence.objects.all().delete()
    drain_at_once(test_database_url, tmp_path)

    assert not Case.objects.to_assign().exists()
    assert sum(owned().values()) == 3000
    said = AuditEvent.objects.filter(kind="case.not_assigned")
    assert said.count() == 3000 - room, "said once"
    _assert_books_are_right(team, 3000)


def _assert_books_are_right(team: Team, cases: int) -> None:
    """Counters, turns and events agree with the cases."""
    shares = owned()
    for member in Membership.objects.select_related("user"):
        assert member.open_cases == shares[member.user.get_username()]
        assert member.capacity is None or member.open_cases <= member.capacity
    team.refresh_from_db()
    assert team.assigned_count == cases
    given = AuditEvent.objects.filter(kind="case.assigned")
    assert given.count() == given.values("case_id").distinct().count() == cases
    assert list(audit.verify()) == []
