"""What we promise, on a real PostgreSQL with a real broker and real worker processes.

Verdicts are reached the way Jepsen does: what was acknowledged must be stored, what was
stored must have had its effect, and every effect must be there once.
"""

from __future__ import annotations

import os
import random
import threading
import time
from datetime import timedelta

import pytest
import redis
from django.db import connection

from cem_cases import rules
from cem_cases.exceptions import AlreadyClaimed
from cem_cases.loop import audit, capture, cases, config, drain, moment, sla
from cem_cases.models import (
    AuditEvent,
    Case,
    Clock,
    ClockMark,
    ClockMetric,
    Escalation,
    EscalationStep,
    Membership,
    Notification,
    Response,
    Rule,
    RuleRun,
    SlaPolicy,
    Target,
    Team,
)
from tests import make, waiting
from tests.threads import at_once

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


def test_three_beats_and_two_workers_act_once_on_each_level_of_a_clock(site, workers):
    escalating()
    capture.record(answers(60, 30), now=make.MONDAY)  # due long ago
    workers(2, env=IMPATIENT)
    for _ in range(3):
        workers(0, beat=True, env=IMPATIENT)

    waiting.until(lambda: _events("case.escalated") == 60, within=60)
    time.sleep(5)  # some more sweeps

    assert_each_level_once(30)


def test_workers_that_are_killed_while_they_sweep_act_once(site, workers):
    escalating()
    capture.record(answers(400, 400), now=make.MONDAY)  # an outage of years
    running = workers(2, env=IMPATIENT)
    workers(0, beat=True, env=IMPATIENT)
    waiting.until(lambda: _events("clock.breached") > 0, within=60)
    seen = [0]
    for round_ in range(6):

        def goes_on(before=seen[-1]):
            return _events("clock.breached") > before

        waiting.until(goes_on, within=60)  # a machine that is busy starts them late
        seen.append(_events("clock.breached"))
        if seen[-1] == 800:
            break
        running[round_ % 2].kill()
        (running[round_ % 2],) = workers(1, env=IMPATIENT, wait=False)
    waiting.until(lambda: _events("case.escalated") == 800, within=90)

    assert len(seen) > 3  # they were killed in the midst of it
    assert_each_level_once(400)


def test_workers_whose_clocks_are_two_hours_off_warn_and_breach_on_time(site, workers):
    """Nothing before its time by the database's clock, and nothing later."""
    now = moment.now()
    early, late = answers(20, 20)[:10], answers(20, 20)[10:]
    SlaPolicy.objects.update(calendar=None)
    make.publish(SlaPolicy.objects.get(), around_the_clock(hours=4))
    capture.record(early, now=now - timedelta(hours=5))  # were due an hour ago
    capture.record(late, now=now - timedelta(hours=3))  # will be due in an hour
    for hours in ("2", "-2"):
        env = {"DJANGO_SETTINGS_MODULE": "tests.skewed_settings"}
        workers(1, beat=True, env=env | {"CLOCK_SKEW_HOURS": hours})

    waiting.until(lambda: _events("clock.breached") == 10, within=60)
    time.sleep(5)  # some more sweeps, by both

    assert _events("clock.breached") == 10
    assert set(
        Clock.objects.exclude(breached_at=None).values_list(
            "case__opening_response__external_id", flat=True
        )
    ) == {answer["external_id"] for answer in early}
    for event in AuditEvent.objects.all():
        assert abs(event.at - now) < timedelta(minutes=5)


def around_the_clock(hours):
    return [
        Target(metric=metric, priority=priority, amount=amount, unit="calendar seconds")
        for priority in (1, 2, 3, 4)
        for metric, amount in (
            (ClockMetric.FIRST_CONTACT, hours * 3600),
            (ClockMetric.RESOLUTION, 30 * 86_400),
        )
    ]


def escalating():
    """The site's policy, with two steps at the due time of the first contact."""
    policy = SlaPolicy.objects.get()
    for team in Team.objects.all():
        make.agent(team, role=Membership.Role.LEAD, capacity=0)
    steps = [
        EscalationStep(metric=ClockMetric.FIRST_CONTACT, percent=percent, action=action)
        for percent, action in ((100, "notify lead"), (150, "raise priority"))
    ]
    make.publish(policy, list(policy.targets.all()), steps)


def assert_each_level_once(cases):
    """Two clocks for each case, both long overdue; two steps on the first."""
    assert _events("clock.breached") == 2 * cases
    assert _events("clock.warned") == 0
    assert _events("case.escalated") == 2 * cases == Escalation.objects.count()
    assert ClockMark.objects.filter(level="breach").count() == 2 * cases
    assert set(Case.objects.values_list("priority", flat=True)) == {2}
    leads = Membership.objects.filter(role=Membership.Role.LEAD).values("user")
    told = Notification.objects.filter(event__kind="case.escalated")
    assert told.filter(recipient__in=leads).count() == cases
    assert sla.sweep() == sla.Swept()
    assert list(audit.verify()) == []


def _events(kind):
    return AuditEvent.objects.filter(kind=kind).count()


def test_a_rule_edited_while_answers_are_in_flight_is_named_in_the_version_that_acted(
    site, workers
):
    rule = Rule.objects.get(actions__0={"do": "open case"})
    words = {rule.version: rule.actions}
    workers(2, env=IMPATIENT)
    todo = answers(500, 500)
    for number, some in enumerate(_tens(todo)):
        capture.record(some)
        if number % 5 == 0:  # every fifth time its priority changes
            priority = ("low", "high")[number % 2]
            rule.refresh_from_db()
            rule.actions = [
                {"do": "open case", "priority": priority},
                *rule.actions[1:],
            ]
            config.save(rule, by=None)
            words[rule.version] = rule.actions
    waiting.until(all_processed, within=60)

    assert_none_lost_none_doubled({answer["external_id"] for answer in todo}, 500)
    used = set(Case.objects.values_list("rule_version", flat=True))
    assert len(used) > 1
    assert used <= words.keys()
    for case in Case.objects.select_related("opening_response__explanation"):
        wanted = words[case.rule_version][0].get("priority", "normal")
        assert rules.Priority(case.priority).word == wanted
        looks = rules.read_looks(case.opening_response.explanation.looks)
        (look,) = [look for look in looks if look.rule == rule.pk]
        assert (look.version, look.matched) == (case.rule_version, True)
    runs = RuleRun.objects.filter(rule=rule)
    assert runs.values("subject_id").distinct().count() == runs.count() == 500


def test_an_owner_whom_a_person_chose_outlives_a_rule_that_is_running(site):
    north = Team.objects.get(slug="north")
    people = [m.user for m in north.memberships.all()]
    make.rule(
        {"do": "assign", "by": "least loaded"},
        trigger="case changed",
        conditions={"fact": "change.what", "operator": "is", "value": "noted"},
    )
    Rule.objects.filter(actions__contains=[{"do": "open case"}]).update(
        actions=[{"do": "open case"}, {"do": "set team", "team": "north"}]
    )
    for number in range(20):
        capture.record(answers(20, 20)[number])
    drain.drain()
    found = list(Case.objects.all())
    for case in found:
        cases.note(case, by=people[0], text="Look.")

    def claim_all():
        for case in found:
            try:
                cases.claim(case, by=people[1])
            except AlreadyClaimed:
                yield case.pk

    lost, _ = at_once([lambda: list(claim_all()), drain.drain])

    drain.drain()
    for case in Case.objects.all():
        claimed = AuditEvent.objects.filter(case=case.pk, kind="case.claimed").exists()
        assigned = AuditEvent.objects.filter(
            case=case.pk, kind="case.assigned"
        ).exists()
        assert claimed is not assigned
        assert claimed is (case.pk not in lost)
        assert case.owner_is_manual is claimed
        if claimed:
            assert case.owner == people[1]
    for member in Membership.objects.all():
        assert member.open_cases == Case.objects.filter(owner=member.user).count()
