from datetime import timedelta
from itertools import groupby

import pytest
from django.db import IntegrityError, connection, transaction

from cem_cases.loop import audit, cases, config, drain, escalation, sla
from cem_cases.models import (
    AuditEvent,
    AuditHead,
    Case,
    Clock,
    ClockMark,
    ClockMetric,
    Escalation,
    Membership,
    Notification,
    PolicyVersion,
)
from tests import make
from tests.make import DAY, HOUR, MONDAY
from tests.threads import at_once

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)
FIRST = ClockMetric.FIRST_CONTACT


def due_case(**fields):
    """A case to contact by 13:00 and to resolve by Wednesday evening."""
    make.policy(hours=4, **fields)
    return make.case()


def marked(swept):
    return swept.warned, swept.breached


@pytest.mark.parametrize(
    ("at", "warned", "breached"),
    [
        (3 * HOUR - SECOND, 0, 0),
        (3 * HOUR, 1, 0),  # 75 % of four hours
        (4 * HOUR, 1, 0),  # what is done at the very due second is in time
        (4 * HOUR + SECOND, 0, 1),  # breached at once, and not warned of
    ],
)
def test_a_clock_is_warned_of_and_breached_at_its_very_second(at, warned, breached):
    due_case()

    assert marked(sla.sweep(now=MONDAY + at)) == (warned, breached)


def test_a_clock_is_warned_of_at_each_of_its_shares():
    case = due_case(warn=(50, 90))

    assert [marked(sla.sweep(now=MONDAY + n * HOUR)) for n in (1, 2, 3, 3.7)] == [
        (0, 0),
        (1, 0),
        (0, 0),
        (1, 0),
    ]
    warnings = case.events.filter(kind="clock.warned").order_by("sequence")
    assert [event.data["percent"] for event in warnings] == [50, 90]


def test_a_sweep_acts_once_however_often_it_runs():
    case = due_case()
    sla.sweep(now=MONDAY + 3 * HOUR)
    sla.sweep(now=MONDAY + 5 * HOUR)

    assert sla.sweep(now=MONDAY + 5 * HOUR) == sla.Swept()
    assert [e.kind for e in case.events.all()][1:] == ["clock.warned", "clock.breached"]
    assert not list(audit.verify())


def test_the_database_refuses_to_act_twice_on_one_level_of_a_clock():
    case = due_case()
    sla.sweep(now=MONDAY + 5 * HOUR)
    mark = ClockMark.objects.filter(clock__case=case, level="breach").get()

    with pytest.raises(IntegrityError), transaction.atomic():
        ClockMark.objects.create(clock=mark.clock, level="breach", at=MONDAY)


def test_a_late_sweep_catches_up_once():
    due_case()

    assert marked(sla.sweep(now=MONDAY + 30 * DAY)) == (0, 2)
    assert sla.sweep(now=MONDAY + 31 * DAY) == sla.Swept()


def test_a_completed_clock_is_left_alone():
    case = due_case()
    agent = make.agent(case.team)
    cases.contact(case, by=agent, channel="phone", attempt="reached", now=MONDAY)

    sla.sweep(now=MONDAY + 5 * HOUR)

    assert case.clocks.get(metric=FIRST).breached_at is None


@pytest.mark.django_db(transaction=True)
def test_three_sweeps_at_a_time_act_once():
    team = make.team("north")
    make.agent(team, role=Membership.Role.LEAD)
    make.policy(
        steps=[
            {"metric": FIRST, "percent": 100, "action": "notify lead"},
            {"metric": FIRST, "minutes": 30, "action": "raise priority"},
        ]
    )
    make.rule_for(team)
    for _ in range(40):
        make.response()
    drain.drain(now=MONDAY)

    at_once([lambda: sla.sweep(now=MONDAY + 30 * DAY)] * 3)
    sla.sweep(now=MONDAY + 30 * DAY)  # what was locked at that moment

    assert AuditEvent.objects.filter(kind="clock.breached").count() == 80
    assert AuditEvent.objects.filter(kind="case.escalated").count() == 80
    assert Escalation.objects.count() == 80
    assert ClockMark.objects.filter(level="breach").count() == 80
    assert set(Case.objects.values_list("priority", flat=True)) == {2}
    assert not Clock.objects.filter(breached_at=None).exists()
    assert not list(audit.verify())


def test_the_first_policy_whose_conditions_hold_counts_and_it_is_kept_why():
    gold = {"fact": "customer.segment", "operator": "is", "value": "gold"}
    make.policy(hours=1, position=1, conditions=gold, name="Gold")
    make.policy(hours=8, position=2, name="All")
    make.rule()

    make.response(customer={"external_id": "1", "segment": "Gold"})
    make.response(customer={"external_id": "2", "segment": "silver"})
    drain.drain(now=MONDAY)

    due = dict(Case.objects.values_list("customer__external_id", "due_at"))
    assert due == {"1": MONDAY + HOUR, "2": MONDAY + 8 * HOUR}
    opened = Case.objects.get(customer__external_id="2").events.first().data
    assert [(look["name"], look["because"]) for look in opened["policies"]] == [
        ("Gold", "customer.segment is gold (was silver)"),
        ("All", "always"),
    ]


def test_a_policy_without_a_calendar_runs_round_the_clock():
    case = due_case(calendar=None)

    assert case.clocks.get(metric=FIRST).due_at == MONDAY + 4 * HOUR


def test_business_hours_end_on_the_next_day():
    make.policy(hours=9)
    case = make.case()

    assert case.due_at == MONDAY + timedelta(days=1, hours=1)


def test_a_version_that_cannot_be_read_is_left_out_and_logged(caplog):
    make.policy(hours=1, position=1)
    PolicyVersion.objects.create(
        policy=make.policy(hours=1, position=0), number=2, terms="{", created_at=MONDAY
    )
    make.policy(hours=8, position=2)
    type(PolicyVersion.objects.last().policy).objects.filter(position=0).update(
        version=2
    )

    case = make.case()

    assert case.due_at == MONDAY + HOUR
    assert "left out" in caplog.text


def test_a_target_beyond_the_calendars_openings_starts_no_clock(caplog):
    office = make.office()
    office.hours = {"mon": [["09:00", "09:01"]]}
    office.save()
    make.policy(hours=365 * 24, days=365)

    case = make.case()

    assert not case.clocks.exists()
    assert "promises nothing" in caplog.text


def test_a_broken_stream_does_not_keep_the_other_clocks_from_being_marked(caplog):
    make.policy()
    broken, whole = make.case(), make.case()
    AuditHead.objects.filter(stream=f"case:{broken.pk}").update(sequence=0)

    assert marked(sla.sweep(now=MONDAY + 30 * DAY)) == (0, 2)

    assert not whole.clocks.filter(breached_at=None).exists()
    assert "verify the audit" in caplog.text


@pytest.mark.parametrize("many", [2, 6])
def test_a_sweep_costs_the_same_for_one_clock_and_for_many(
    django_assert_num_queries, many
):
    make.policy()
    for _ in range(many):
        make.case()

    with django_assert_num_queries({"postgresql": 15, "sqlite": 14}[connection.vendor]):
        sla.sweep(now=MONDAY + 3 * HOUR)


def test_nothing_due_costs_one_statement(django_assert_num_queries):
    due_case()

    with django_assert_num_queries(1):
        sla.sweep(now=MONDAY)


def test_the_time_is_the_databases(django_assert_num_queries):
    due_case()

    assert marked(sla.sweep()) == (0, 2)  # that Monday was in 2025


# escalation

LEAD = Membership.Role.LEAD


def escalated(**step):
    """A case whose first contact escalates at its due time, its owner and its lead."""
    make.policy(hours=4, warn=(), steps=[{"metric": FIRST, "percent": 100} | step])
    team = make.team()
    lead = make.agent(team, role=LEAD)
    agent = make.agent(team)
    case = make.case(team=team, owner=agent)
    return case, agent, lead


def told(case, kind):
    rows = Notification.objects.filter(case=case, event__kind=kind)
    return set(rows.values_list("recipient", flat=True))


@pytest.mark.parametrize(
    ("step", "at"),
    [
        ({"percent": 50}, 2 * HOUR),
        ({"percent": 75}, 3 * HOUR),
        ({"percent": 100}, 4 * HOUR + SECOND),
        ({"percent": 150}, 6 * HOUR),
        ({"minutes": -30}, 3.5 * HOUR),
        ({"minutes": 0}, 4 * HOUR + SECOND),
        ({"minutes": 45}, 4.75 * HOUR),
    ],
)
def test_a_step_comes_at_its_very_second_and_once(step, at):
    fields = {"percent": None, "action": "notify owner"} | step
    case, _, _ = escalated(**fields)

    assert sla.sweep(now=MONDAY + at - SECOND).escalated == 0
    assert sla.sweep(now=MONDAY + at).escalated == 1
    assert sla.sweep(now=MONDAY + at).escalated == 0
    assert case.clocks.get(metric=FIRST).escalations.count() == 1


def test_the_owner_hears_of_a_warning_and_of_a_breach():
    make.policy(hours=4)
    team = make.team()
    make.agent(team, role=LEAD)
    agent = make.agent(team)
    case = make.case(team=team, owner=agent)

    sla.sweep(now=MONDAY + 3 * HOUR)
    sla.sweep(now=MONDAY + 5 * HOUR)

    assert told(case, "clock.warned") == {agent.pk}
    assert told(case, "clock.breached") == {agent.pk}


def test_the_leads_hear_of_what_nobody_owns():
    make.policy(hours=4)
    team = make.team()
    lead = make.agent(team, role=LEAD)
    make.agent(team)
    case = make.case(team=team)

    sla.sweep(now=MONDAY + 5 * HOUR)

    assert told(case, "clock.breached") == {lead.pk}


def test_notify_lead_and_manager():
    case, _, lead = escalated(action="notify lead")
    manager = make.agent(case.team, role=Membership.Role.MANAGER)
    steps = [
        {"metric": FIRST, "percent": 100, "action": "notify lead"},
        {"metric": FIRST, "percent": 100, "action": "notify manager"},
    ]
    make.policy(steps=steps, position=0, conditions={})
    sla.sweep(now=MONDAY + 5 * HOUR)
    other = make.case(team=case.team)
    Clock.objects.filter(case=other).update(version=PolicyVersion.objects.last())
    sla.sweep(now=MONDAY + 5 * HOUR)

    assert told(case, "case.escalated") == {lead.pk}
    assert told(other, "case.escalated") == {lead.pk, manager.pk}


def test_reassigned_to_the_lead_with_the_least_to_do_who_is_there():
    case, agent, busy = escalated(action="reassign to lead")
    idle = make.agent(case.team, role=LEAD)
    away = make.agent(case.team, role=LEAD)
    make.absence(away, MONDAY, MONDAY + DAY)
    Membership.objects.filter(user=busy).update(open_cases=3)

    sla.sweep(now=MONDAY + 5 * HOUR)

    case.refresh_from_db()
    assert case.owner == idle
    loads = dict(Membership.objects.values_list("user", "open_cases"))
    assert (loads[agent.pk], loads[idle.pk]) == (0, 1)
    assert told(case, "case.escalated") == {idle.pk, agent.pk}
    assert case.events.get(kind="case.assigned").data["by_step"] is True
    assert not list(audit.verify())


def test_a_lead_who_has_it_keeps_it():
    case, _, lead = escalated(action="reassign to lead")
    cases.assign(case, by=lead, to=lead, now=MONDAY)

    sla.sweep(now=MONDAY + 5 * HOUR)

    assert Escalation.objects.get().done == "a lead has it already"


def test_raised_priority_aims_the_other_clocks_anew():
    case, _, _ = escalated(action="raise priority")

    sla.sweep(now=MONDAY + 5 * HOUR)

    case.refresh_from_db()
    assert case.priority == 2
    resolution = case.clocks.get(metric=ClockMetric.RESOLUTION)
    assert resolution.target_amount == 16 * 3600


def test_an_added_watcher_hears_of_it_and_of_what_follows():
    watcher = make.manager()
    case, agent, _ = escalated(action="add watcher", user=watcher)

    sla.sweep(now=MONDAY + 5 * HOUR)
    sla.sweep(now=MONDAY + 30 * DAY)

    assert list(case.watchers.all()) == [watcher]
    assert told(case, "case.escalated") == {watcher.pk}
    resolution = Notification.objects.filter(text__contains="resolution was due")
    assert set(resolution.values_list("recipient", flat=True)) == {agent.pk, watcher.pk}


def test_an_escalation_nags_every_day_until_somebody_acknowledges_it():
    _, agent, lead = escalated(action="notify lead")
    at = MONDAY + 5 * HOUR
    sla.sweep(now=at)
    row = Escalation.objects.get()

    assert sla.sweep(now=at + DAY - SECOND).nagged == 0
    assert sla.sweep(now=at + DAY).nagged == 1
    assert sla.sweep(now=at + DAY).nagged == 0
    assert sla.sweep(now=at + 9 * DAY).nagged == 1  # after an outage, once
    assert told(row.clock.case, "case.escalation_unanswered") == {lead.pk}

    escalation.acknowledge(row, by=agent, now=at + 9 * DAY)

    assert sla.sweep(now=at + 30 * DAY).nagged == 0
    row.refresh_from_db()
    assert (row.acknowledged_by, row.nag_at) == (agent, None)


def test_an_escalation_is_acknowledged_once():
    _, agent, lead = escalated(action="notify lead")
    sla.sweep(now=MONDAY + 5 * HOUR)
    row = Escalation.objects.get()
    escalation.acknowledge(row, by=agent, now=MONDAY + 6 * HOUR)

    with pytest.raises(escalation.NotAllowedNow):
        escalation.acknowledge(row, by=lead, now=MONDAY + 6 * HOUR)


def test_nobody_is_nagged_about_a_case_that_is_done():
    case, agent, _ = escalated(action="notify lead")
    sla.sweep(now=MONDAY + 5 * HOUR)
    cause = make.root_cause()
    cases.resolve(
        case, by=agent, root_cause=cause, outcome="recovered", note="x", now=MONDAY
    )

    sla.sweep(now=MONDAY + 5 * HOUR + DAY)

    assert not AuditEvent.objects.filter(kind="case.escalation_unanswered").exists()
    assert Escalation.objects.get().nag_at is None


def test_all_the_steps_that_an_outage_missed_are_taken_once():
    steps = [
        {"metric": FIRST, "percent": p, "action": "notify owner"} for p in (50, 75, 150)
    ]
    make.policy(hours=4, steps=steps)
    case = make.case(team=(team := make.team()), owner=make.agent(team))

    swept = sla.sweep(now=MONDAY + 30 * DAY)

    assert (swept.escalated, sla.sweep(now=MONDAY + 31 * DAY).escalated) == (3, 0)
    assert case.events.filter(kind="case.escalated").count() == 3


def test_steps_cost_the_same_for_one_case_and_for_many(django_assert_max_num_queries):
    team = make.team()
    make.agent(team, role=LEAD)
    steps = [
        {"metric": FIRST, "percent": 100, "action": action}
        for action in ("notify lead", "raise priority", "reassign to lead")
    ]
    make.policy(hours=4, steps=steps)
    counts = []
    for many in (2, 8):
        for _ in range(many):
            make.case(team=team)
        with django_assert_max_num_queries(60) as caught:
            sla.sweep(now=MONDAY + 5 * HOUR)
        counts.append(len(caught))

    assert counts[0] == counts[1]


def test_a_watcher_who_is_gone_stops_no_clock():
    watcher = make.manager()
    case, _, _ = escalated(action="add watcher", user=watcher)
    case.clocks.first().version.policy.escalation_steps.all().delete()
    watcher.delete()

    sla.sweep(now=MONDAY + 5 * HOUR)

    assert Escalation.objects.get().done == "that user is gone"
    assert case.clocks.get(metric=FIRST).breached_at
    assert not case.watchers.exists()


def test_the_managers_hear_of_it_where_a_team_has_no_lead():
    make.policy(hours=4)
    case = make.case()
    manager = make.agent(case.team, role=Membership.Role.MANAGER)

    sla.sweep(now=MONDAY + 5 * HOUR)

    assert told(case, "clock.breached") == {manager.pk}


def test_a_breach_that_a_verb_finds_is_told_as_well():
    make.policy(hours=4)
    team = make.team()
    agent = make.agent(team)
    case = make.case(team=team, owner=agent)

    cases.set_priority(case, by=agent, priority=1, now=MONDAY + 2 * HOUR)

    assert told(case, "clock.breached") == {agent.pk}


def once_open(until):
    """A calendar that opens from Monday on, and never again after so many days."""
    office = make.office()
    days = [(MONDAY + n * DAY).date().isoformat() for n in range(until)]
    office.hours, office.special = {}, {day: [["09:00", "17:00"]] for day in days}
    office.save()


def test_a_clock_that_cannot_be_reckoned_is_in_nobodys_way(caplog):
    once_open(until=30)
    make.policy(hours=8, days=10)
    stuck, whole = make.case(), make.case()
    agent = make.agent(stuck.team)
    cases.set_priority(stuck, by=agent, priority=4, now=MONDAY)
    Clock.objects.filter(case=stuck).update(
        target_amount=999 * 3600, next_at=MONDAY + HOUR
    )

    sla.sweep(now=MONDAY + 9 * DAY)

    assert whole.clocks.get(metric=FIRST).breached_at
    again = set(stuck.clocks.values_list("next_at", flat=True))
    assert again == {MONDAY + 9 * DAY + HOUR}
    assert "promises nothing" in caplog.text


def test_a_target_that_is_never_reached_is_not_swapped_to():
    once_open(until=3)
    make.policy(hours=8, days=1)
    case = make.case()
    agent = make.agent(case.team)
    before = case.clocks.get(metric=FIRST)

    # low would be 16 h; the resolution is out of reach at once, the contact is not
    case = cases.set_priority(case, by=agent, priority=4, now=MONDAY)

    after = case.clocks.get(metric=FIRST)
    assert after.due_at == before.due_at + DAY
    assert sla.sweep(now=MONDAY + 30 * DAY).breached


def test_a_clock_whose_openings_end_while_it_is_paused_is_looked_at_again():
    once_open(until=3)
    make.policy(hours=8, days=2)
    case = make.case()
    agent = make.agent(case.team)
    case = cases.claim(case, by=agent, now=MONDAY)
    until = MONDAY + 9 * DAY
    cases.set_pending(case, by=agent, reason="a", until=until, now=MONDAY + HOUR)

    case = cases.resume(case, by=agent, now=MONDAY + 8 * DAY)

    clock = case.clocks.get(metric=ClockMetric.RESOLUTION)
    assert clock.next_at == MONDAY + 8 * DAY + HOUR


@pytest.mark.django_db(transaction=True)
def test_a_reminder_beside_a_sweep_waits_for_neither():
    team = make.team("north")
    make.agent(team, role=LEAD)
    steps = [
        {"metric": FIRST, "percent": 100, "action": "notify lead"},
        {"metric": ClockMetric.RESOLUTION, "percent": 100, "action": "notify lead"},
    ]
    make.policy(steps=steps)
    make.rule_for(team)
    for _ in range(30):
        make.response()
    drain.drain(now=MONDAY)
    sla.sweep(now=MONDAY + DAY)
    later = MONDAY + 30 * DAY

    at_once([lambda: sla.sweep(now=later)] * 4)
    sla.sweep(now=later)

    assert Escalation.objects.count() == 60
    reminders = AuditEvent.objects.filter(kind="case.escalation_unanswered")
    assert reminders.count() == 30
    assert not list(audit.verify())


def test_a_broken_stream_of_a_waiting_case_keeps_nothing_else_from_happening(caplog):
    make.policy(hours=4)
    broken, whole, other = make.case(), make.case(), make.case()
    for case in (broken, whole):
        agent = make.agent(case.team)
        case = cases.claim(case, by=agent, now=MONDAY)
        until = MONDAY + 2 * HOUR
        cases.set_pending(case, by=agent, reason="a", until=until, now=MONDAY)
    AuditHead.objects.filter(stream=f"case:{broken.pk}").update(sequence=0)

    swept = sla.sweep(now=MONDAY + 5 * HOUR)

    assert swept.resumed == 1
    assert other.clocks.get(metric=FIRST).breached_at
    assert f"Case {broken.pk} cannot be acted upon" in caplog.text


# newer versions


def shorter(policy, hours):
    """Save the policy with another target for the first contact."""
    targets = list(policy.targets.all())
    for target in targets:
        if target.metric == FIRST:
            target.amount = int(hours * 3600)
    return config.save_policy(policy, targets=targets, by=None, now=MONDAY)


def test_a_preview_shows_what_would_move_and_changes_nothing():
    policy = make.policy(hours=4)
    case = make.case()
    shorter(policy, 1)

    (move,) = [
        m
        for m in sla.migrate_preview(policy, now=MONDAY + 2 * HOUR)
        if m.metric == FIRST
    ]

    assert (move.case, move.version_before, move.version) == (case.pk, 1, 2)
    assert (move.due_before, move.due_at) == (MONDAY + 4 * HOUR, MONDAY + HOUR)
    assert move.is_late
    assert case.clocks.get(metric=FIRST).version.number == 1
    assert not case.events.filter(kind="case.policy_migrated").exists()


def test_running_clocks_are_moved_on_purpose_with_an_event_each():
    policy = make.policy(hours=4)
    running, done = make.case(), make.case()
    agent = make.agent(done.team)
    cases.resolve(
        done,
        by=agent,
        root_cause=make.root_cause(),
        outcome="recovered",
        note="x",
        now=MONDAY,
    )
    shorter(policy, 1)

    moves = sla.migrate(policy, by=agent, now=MONDAY + 2 * HOUR)

    assert {(m.case, m.metric) for m in moves} == {
        (running.pk, FIRST),
        (running.pk, ClockMetric.RESOLUTION),
    }
    clock = running.clocks.get(metric=FIRST)
    assert (clock.version.number, clock.breach_cause) == (2, "target changed")
    running.refresh_from_db()
    assert running.policy_version.number == 2
    assert done.clocks.filter(version__number=2).count() == 0
    event = running.events.get(kind="case.policy_migrated")
    assert event.actor_id == agent.pk
    assert sla.migrate(policy, by=agent, now=MONDAY + 2 * HOUR) == []
    assert not list(audit.verify())


def test_a_metric_that_the_newest_version_drops_is_cancelled():
    policy = make.policy(hours=4)
    case = make.case()
    kept = [t for t in policy.targets.all() if t.metric == FIRST]
    config.save_policy(policy, targets=kept, by=None, now=MONDAY)

    moves = sla.migrate(policy, by=None, now=MONDAY + HOUR)

    assert {m.metric: m.due_at is None for m in moves} == {
        FIRST: False,
        ClockMetric.RESOLUTION: True,
    }
    clock = case.clocks.get(metric=ClockMetric.RESOLUTION)
    assert clock.cancel_cause == "policy changed"
    assert sla.migrate(policy, by=None, now=MONDAY + HOUR) == []


def test_events_of_a_case_are_in_the_order_in_which_they_came():
    case, _, _ = escalated(action="raise priority")
    sla.sweep(now=MONDAY + 5 * HOUR)

    kinds = [key for key, _ in groupby(e.kind for e in case.events.all())]
    assert kinds == [
        "case.opened",
        "case.claimed",
        "clock.breached",
        "case.escalated",
    ]
