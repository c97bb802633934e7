from datetime import timedelta

import pytest

from cem_cases.loop import audit, cases, drain, sla
from cem_cases.models import AuditEvent, AuditHead, Case, Clock, ClockMetric
from tests import make
from tests.make import HOUR, MONDAY
from tests.threads import at_once

pytestmark = pytest.mark.django_db


def due_case():
    """A case to contact by 13:00 and to resolve by Wednesday evening."""
    make.policy(hours=4)
    return make.case()


@pytest.mark.parametrize(
    ("at", "warned", "breached"),
    [
        (3 * HOUR - timedelta(seconds=1), 0, 0),
        (3 * HOUR, 1, 0),  # 75 % of four hours
        (4 * HOUR, 1, 0),  # what is done at the very due second is in time
        (4 * HOUR + timedelta(seconds=1), 0, 1),  # breached at once, and not warned of
    ],
)
def test_a_clock_is_warned_of_and_breached_at_its_very_second(at, warned, breached):
    due_case()

    assert sla.sweep(now=MONDAY + at) == (warned, breached)


def test_a_sweep_acts_once_however_often_it_runs():
    case = due_case()
    sla.sweep(now=MONDAY + 3 * HOUR)
    sla.sweep(now=MONDAY + 5 * HOUR)

    assert sla.sweep(now=MONDAY + 5 * HOUR) == (0, 0)
    assert [e.kind for e in case.events.all()][1:] == ["clock.warned", "clock.breached"]
    assert not list(audit.verify())


def test_a_late_sweep_catches_up_once():
    due_case()

    assert sla.sweep(now=MONDAY + timedelta(days=30)) == (0, 2)
    assert sla.sweep(now=MONDAY + timedelta(days=31)) == (0, 0)


def test_a_completed_clock_is_left_alone():
    case = due_case()
    agent = make.agent(case.team)
    cases.contact(case, by=agent, channel="phone", attempt="reached", now=MONDAY)

    sla.sweep(now=MONDAY + 5 * HOUR)

    assert case.clocks.get(metric=ClockMetric.FIRST_CONTACT).breached_at is None


@pytest.mark.django_db(transaction=True)
def test_three_sweeps_at_a_time_act_once():
    team = make.team("north")
    make.policy()
    make.rule_for(team)
    for _ in range(40):
        make.response()
    drain.drain(now=MONDAY)

    totals = at_once([lambda: sla.sweep(now=MONDAY + timedelta(days=30))] * 3)

    assert sum(breached for _, breached in totals) == 80
    assert AuditEvent.objects.filter(kind="clock.breached").count() == 80
    assert not Clock.objects.filter(breached_at=None).exists()
    assert not list(audit.verify())


def test_the_first_policy_whose_conditions_hold_counts():
    gold = {"fact": "customer.segment", "operator": "is", "value": "gold"}
    make.policy(hours=1, position=1, conditions=gold)
    make.policy(hours=8, position=2)
    make.rule()

    make.response(customer={"external_id": "1", "segment": "Gold"})
    make.response(customer={"external_id": "2", "segment": "silver"})
    drain.drain(now=MONDAY)

    due = dict(Case.objects.values_list("customer__external_id", "due_at"))
    assert due == {"1": MONDAY + HOUR, "2": MONDAY + 8 * HOUR}


def test_a_policy_without_a_calendar_runs_round_the_clock():
    make.policy(hours=48, calendar=None)
    case = make.case()

    clock = case.clocks.get(metric=ClockMetric.FIRST_CONTACT)
    assert clock.due_at == MONDAY + 48 * HOUR


def test_business_hours_end_on_the_next_day():
    make.policy(hours=9)
    case = make.case()

    assert case.due_at == MONDAY + timedelta(days=1, hours=1)


def test_a_target_that_is_used_up_by_a_new_priority_is_due_now():
    case = due_case()
    agent = make.agent(case.team)
    later = MONDAY + 2 * HOUR

    changed = cases.set_priority(case, by=agent, priority=1, now=later)

    assert changed.due_at < later
    assert sla.sweep(now=later) == (0, 1)
    assert sla.sweep(now=later) == (0, 0)


def test_retargeting_costs_the_same_for_one_and_for_many(django_assert_num_queries):
    make.policy()
    found = [make.case() for _ in range(5)]

    for some in (found[:1], found):
        with django_assert_num_queries(4):
            sla.retarget(some)


@pytest.mark.parametrize(
    "broken", [{"conditions": {"fact": "gone"}}, {"hours": {"mon": [["9", "5"]]}}]
)
def test_a_policy_that_cannot_be_read_is_left_out_and_stops_nobody(broken, caplog):
    policy = make.policy()
    if "hours" in broken:
        type(policy.calendar).objects.update(**broken)
    else:
        type(policy).objects.update(**broken)
    make.rule()
    make.response()

    assert drain.drain(now=MONDAY).opened == 1

    assert Case.objects.get().due_at is None
    assert f"Policy {policy.pk} is left out" in caplog.text


def test_a_target_that_the_calendar_never_reaches_starts_no_clock(caplog):
    policy = make.policy()
    type(policy.calendar).objects.update(hours={"mon": [["09:00", "09:01"]]})
    policy.targets.update(seconds=31_536_000)
    make.rule()
    make.response()

    assert drain.drain(now=MONDAY).opened == 1

    assert not Clock.objects.exists()
    assert "promises nothing" in caplog.text


def test_a_broken_stream_does_not_keep_the_other_clocks_from_being_marked(caplog):
    make.policy()
    broken, whole = make.case(), make.case()
    AuditHead.objects.filter(stream=f"case:{broken.pk}").update(sequence=0)

    assert sla.sweep(now=MONDAY + timedelta(days=30)) == (0, 2)

    assert not whole.clocks.filter(breached_at=None).exists()
    assert "verify the audit" in caplog.text


def test_a_swapped_target_is_that_of_the_policy_as_it_is_today():
    case = due_case()
    agent = make.agent(case.team)
    case.clocks.first().policy.targets.update(seconds=60)
    type(case.clocks.first().policy).objects.update(version=2)

    changed = cases.set_priority(case, by=agent, priority=1)

    assert changed.due_at == MONDAY + timedelta(minutes=1)
    assert set(case.clocks.values_list("policy_version", flat=True)) == {2}
