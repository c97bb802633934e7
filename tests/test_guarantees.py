"""What we promise, on a real PostgreSQL with a real broker and real worker processes.

Verdicts are reached the way Jepsen does: what was acknowledged must be stored, what was
stored must have had its effect, and every effect must be there once.
"""

from __future__ import annotations

import os
import random
import threading
import time

import pytest
import redis
from django.db import connection

from cem_cases.loop import audit, capture, sla
from cem_cases.models import AuditEvent, Case, Clock, Membership, Response
from tests import make, waiting

pytestmark = [pytest.mark.guarantee, pytest.mark.django_db(transaction=True)]

RESPONSES = 3000
DETRACTORS = 600
IMPATIENT = {"DJANGO_SETTINGS_MODULE": "tests.impatient_settings"}


@pytest.fixture
def site(db):
    """Two teams with three agents each, rules that share the work, a policy."""
    make.nps()
    make.policy()
    south_only = {"fact": "channel", "operator": "is", "value": "south"}
    for slug, conditions in (("north", make.DETRACTOR), ("south", south_only)):
        team = make.team(slug)
        for _ in range(3):
            make.agent(team)
        actions = [
            {"do": "set team", "team": slug},
            {"do": "assign", "by": "round robin"},
        ]
        if slug == "north":
            actions.insert(0, {"do": "open case"})
        make.rule(*actions, conditions=conditions)


def answers(count, detractors):
    """This many answers, shuffled, every one of a customer of its own."""
    chance = random.Random(7)
    scores = [chance.randint(0, 6) for _ in range(detractors)]
    scores += [chance.randint(7, 10) for _ in range(count - detractors)]
    chance.shuffle(scores)
    return [
        make.answer(
            external_id=f"g{n}",
            score=score,
            channel=chance.choice(["north", "south"]),
            customer={"external_id": f"g{n}", "email": f"g{n}@example.org"},
        )
        for n, score in enumerate(scores)
    ]


def broker():
    """Return a client of the session's broker, to hurt it with."""
    url = os.environ["BROKER_URL"]
    url = url.replace("redis+socket:", "unix:").replace("virtual_host=", "db=")
    return redis.Redis.from_url(url)


def all_processed():
    return not Response.objects.unprocessed().exists()


def assert_none_lost_none_doubled(acknowledged, cases):
    stored = set(Response.objects.values_list("external_id", flat=True))
    assert acknowledged == stored
    assert not Response.objects.failed().exists()
    assert Case.objects.count() == cases
    low = Response.objects.filter(score__lte=6)
    assert set(low.values_list("pk")) == set(
        Case.objects.values_list("opening_response")
    )
    assert not low.filter(case=None).exists()
    assert Clock.objects.count() == 2 * cases
    for kind in ("case.opened", "case.assigned"):
        assert AuditEvent.objects.filter(kind=kind).count() == cases
    for member in Membership.objects.all():
        owned = Case.objects.filter(owner=member.user).count()
        assert member.open_cases == owned
    assert list(audit.verify()) == []


def test_killed_workers_and_a_flushed_broker_lose_and_double_nothing(site, workers):
    running = workers(2, env=IMPATIENT)
    workers(0, beat=True, env=IMPATIENT)
    todo = answers(RESPONSES, DETRACTORS)
    acknowledged: set[str] = set()
    stop = threading.Event()
    deeds = {"kills": 0, "flushes": 0}

    def send():
        for some in _tens(todo):
            outcomes = capture.record(some)
            acknowledged.update(o.response.external_id for o in outcomes)
            if len(acknowledged) in (RESPONSES // 3, 2 * RESPONSES // 3):
                broker().flushall()
                deeds["flushes"] += 1
            time.sleep(0.03)
        connection.close()

    def harm():
        chance = random.Random(11)
        while not stop.wait(1):
            victim = chance.randrange(len(running))
            running[victim].kill()
            deeds["kills"] += 1
            (running[victim],) = workers(1, env=IMPATIENT, wait=False)

    sender, nemesis = threading.Thread(target=send), threading.Thread(target=harm)
    sender.start()
    nemesis.start()
    sender.join()
    stop.set()
    nemesis.join()
    deeds["processed among kills"] = Response.objects.exclude(processed_at=None).count()
    waiting.until(all_processed, within=90)

    assert deeds["flushes"] == 2
    assert deeds["kills"] >= 6
    assert deeds["processed among kills"]
    assert len(acknowledged) == RESPONSES
    assert_none_lost_none_doubled(acknowledged, DETRACTORS)


def _tens(items):
    for start in range(0, len(items), 10):
        yield items[start : start + 10]


def test_a_broker_that_forgets_everything_costs_seconds_only(site, workers):
    capture.record(answers(50, 10))
    broker().flushall()  # the doorbell is gone before anybody hears it

    workers(1, beat=True, env=IMPATIENT)

    waiting.until(all_processed, within=30)
    assert Case.objects.count() == 10


def test_a_doorbell_wakes_a_worker_within_a_minute_without_any_beat(site, workers):
    workers(1)

    began = time.monotonic()
    capture.record(answers(20, 5))
    waiting.until(all_processed, within=60)

    assert time.monotonic() - began < 60
    assert Case.objects.count() == 5


def test_three_beats_and_two_workers_mark_each_clock_once(site, workers):
    capture.record(answers(60, 30), now=make.MONDAY)  # due long ago
    workers(2, env=IMPATIENT)
    for _ in range(3):
        workers(0, beat=True, env=IMPATIENT)

    waiting.until(lambda: _breached() == 60, within=60)
    time.sleep(5)  # some more sweeps

    assert _breached() == 60
    assert sla.sweep() == (0, 0)
    assert list(audit.verify()) == []


def _breached():
    return AuditEvent.objects.filter(kind="clock.breached").count()
