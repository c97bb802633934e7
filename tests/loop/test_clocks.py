"""What happens to clocks, as the table of the design says: event by event, metric by
metric, and each at the boundary second."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from cem_cases.exceptions import InvalidInput
from cem_cases.loop import audit, cases, clocks, config, drain, sla, targets
from cem_cases.models import (
    Case,
    Clock,
    ClockMetric,
    Pause,
    SlaPolicy,
    Target,
    TargetChange,
)
from tests import make
from tests.make import DAY, HOUR, MONDAY

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)
FIRST, UPDATE = ClockMetric.FIRST_CONTACT, ClockMetric.NEXT_UPDATE
RESOLUTION, STATUTORY = ClockMetric.RESOLUTION, ClockMetric.STATUTORY
WEEKS_8 = 56 * 86_400
LONG = {STATUTORY: (WEEKS_8, "calendar seconds")}
HOURLY = {UPDATE: (2 * 3600, "business seconds")}


def case_of(**fields):
    """A case of Monday at nine: contact within 4 h, resolve within 20 business hours."""
    policy = make.policy(hours=4, days=2.5, also=HOURLY | LONG, **fields)
    case = make.case()
    return case, make.agent(case.team), policy


def clock_of(case, metric, cycle=None):
    found = case.clocks.filter(metric=metric).order_by("-cycle")
    return (found.filter(cycle=cycle) if cycle else found).first()


def call(case, by, at):
    return cases.contact(case, by=by, channel="phone", attempt="reached", now=at)


def resolve(case, by, at):
    cause = make.root_cause()
    return cases.resolve(
        case, by=by, root_cause=cause, outcome="recovered", note="Done.", now=at
    )


# case opened


def test_opened_starts_first_contact_and_resolution():
    case, _, _ = case_of()

    assert {(c.metric, c.cycle, c.started_at) for c in case.clocks.all()} == {
        (FIRST, 1, MONDAY),
        (RESOLUTION, 1, MONDAY),
    }
    assert case.due_at == MONDAY + 4 * HOUR


def test_a_complaint_starts_its_statutory_clock_too():
    make.policy(also=LONG)
    team = make.team("care")
    make.rule("open case", "mark as complaint", {"do": "set team", "team": "care"})
    make.response(channel="care")
    drain.drain(now=MONDAY)

    clock = clock_of(Case.objects.get(team=team), STATUTORY)
    assert clock.due_at == MONDAY + timedelta(weeks=8)


# customer contacted


@pytest.mark.parametrize(
    ("after", "is_late"), [(4 * HOUR, False), (4 * HOUR + SECOND, True)]
)
def test_contacted_completes_first_contact(after, is_late):
    case, agent, _ = case_of()

    call(case, agent, MONDAY + after)

    clock = clock_of(case, FIRST)
    assert clock.completed_at == MONDAY + after
    assert (clock.breach_cause == "late") is is_late
    assert clock.business_elapsed == clock.calendar_elapsed == after.total_seconds()


def test_contacted_lets_resolution_run_on():
    case, agent, _ = case_of()

    call(case, agent, MONDAY + HOUR)

    assert clock_of(case, RESOLUTION).is_running


@pytest.mark.parametrize("attempt", ["no answer", "wrong number", "failed"])
def test_an_attempt_that_did_not_arrive_completes_nothing(attempt):
    case, agent, _ = case_of()

    cases.contact(case, by=agent, channel="phone", attempt=attempt, now=MONDAY + HOUR)

    assert clock_of(case, FIRST).is_running
    assert clock_of(case, UPDATE) is None


def test_contacted_starts_next_update_and_the_next_contact_starts_it_anew():
    case, agent, _ = case_of()

    call(case, agent, MONDAY + HOUR)
    call(case, agent, MONDAY + 2 * HOUR)

    first, second = case.clocks.filter(metric=UPDATE).order_by("cycle")
    assert (first.started_at, first.completed_at) == (
        MONDAY + HOUR,
        MONDAY + 2 * HOUR,
    )
    assert (second.cycle, second.due_at) == (2, MONDAY + 4 * HOUR)


# pending, on hold


@pytest.mark.parametrize("verb", [cases.set_pending, cases.put_on_hold])
def test_first_contact_runs_on_while_the_case_waits(verb):
    case, agent, _ = case_of(pauses_on_hold=True)
    case = cases.claim(case, by=agent, now=MONDAY)

    verb(case, by=agent, reason="parts", until=MONDAY + DAY, now=MONDAY + HOUR)

    clock = clock_of(case, FIRST)
    assert clock.paused_at is None
    assert clock.due_at == MONDAY + 4 * HOUR


@pytest.mark.parametrize(
    ("verb", "flags", "stops"),
    [
        (cases.set_pending, {"pauses_pending": True}, True),
        (cases.set_pending, {"pauses_pending": False}, False),
        (cases.put_on_hold, {"pauses_on_hold": True}, True),
        (cases.put_on_hold, {"pauses_on_hold": False}, False),
    ],
)
@pytest.mark.parametrize("metric", [RESOLUTION, UPDATE])
def test_resolution_and_next_update_pause_if_the_policy_says_so(
    verb, flags, stops, metric
):
    case, agent, _ = case_of(**flags)
    case = cases.claim(case, by=agent, now=MONDAY)
    call(case, agent, MONDAY + HOUR)
    due = clock_of(case, metric).due_at

    verb(case, by=agent, reason="parts", until=MONDAY + DAY, now=MONDAY + 2 * HOUR)
    cases.resume(case, by=agent, now=MONDAY + 3 * HOUR)

    clock = clock_of(case, metric)
    assert clock.due_at == (due + HOUR if stops else due)
    assert clock.paused_at is None
    assert clock.pauses.count() == stops


def test_only_the_open_part_of_a_pause_moves_the_due_time():
    case, agent, _ = case_of()
    case = cases.claim(case, by=agent, now=MONDAY)
    due = clock_of(case, RESOLUTION).due_at

    # from an hour before closing time to an hour after opening time
    cases.set_pending(
        case, by=agent, reason="?", until=MONDAY + 7 * DAY, now=MONDAY + 7 * HOUR
    )
    cases.resume(case, by=agent, now=MONDAY + DAY + HOUR)

    assert clock_of(case, RESOLUTION).due_at == due + 2 * HOUR


def test_a_paused_clock_is_neither_warned_of_nor_breached():
    case, agent, _ = case_of()
    case = cases.claim(case, by=agent, now=MONDAY)
    call(case, agent, MONDAY)
    until = MONDAY + 30 * DAY
    cases.set_pending(case, by=agent, reason="away", until=until, now=MONDAY + HOUR)

    swept = sla.sweep(now=until - SECOND)

    assert (swept.warned, swept.breached, swept.resumed) == (0, 0, 0)
    case.refresh_from_db()
    assert case.due_at is None


def test_a_waiting_case_is_open_again_when_its_end_comes_and_since_then():
    case, agent, _ = case_of()
    case = cases.claim(case, by=agent, now=MONDAY)
    until = MONDAY + 2 * HOUR
    cases.set_pending(case, by=agent, reason="away", until=until, now=MONDAY + HOUR)
    late = until + HOUR / 2  # nobody swept for so long

    assert sla.sweep(now=until - SECOND).resumed == 0
    assert sla.sweep(now=late).resumed == 1
    assert sla.sweep(now=late).resumed == 0

    case.refresh_from_db()
    assert (case.status, case.waiting_until, case.waiting_reason) == ("open", None, "")
    assert Pause.objects.get().until_at == until
    assert case.events.last().kind == "case.resumed"


def test_the_customers_answer_ends_the_pending():
    case, agent, _ = case_of()
    case = cases.claim(case, by=agent, now=MONDAY)
    until = MONDAY + DAY
    cases.set_pending(case, by=agent, reason="photo", until=until, now=MONDAY + HOUR)

    case = cases.contact(
        case, by=agent, channel="email", direction="in", now=MONDAY + 2 * HOUR
    )

    assert case.status == "open"
    assert Pause.objects.get().until_at == MONDAY + 2 * HOUR


def test_another_response_of_the_customer_ends_the_pending():
    case, agent, _ = case_of()
    case = cases.claim(case, by=agent, now=MONDAY)
    until = MONDAY + DAY
    cases.set_pending(case, by=agent, reason="photo", until=until, now=MONDAY + HOUR)

    make.response(channel=case.team.slug, customer={"external_id": "again"})
    response = make.response(channel=case.team.slug)
    type(response).objects.filter(pk=response.pk).update(customer=case.customer)
    drain.drain(now=MONDAY + 2 * HOUR)

    case.refresh_from_db()
    assert case.status == "open"


def test_a_held_case_does_not_care_what_the_customer_says():
    case, agent, _ = case_of()
    case = cases.claim(case, by=agent, now=MONDAY)
    cases.put_on_hold(case, by=agent, reason="parts", until=MONDAY + DAY, now=MONDAY)

    case = cases.contact(
        case, by=agent, channel="email", direction="in", now=MONDAY + HOUR
    )

    assert case.status == "on hold"


def test_from_pending_to_on_hold_is_another_pause():
    case, agent, _ = case_of(pauses_on_hold=True)
    case = cases.claim(case, by=agent, now=MONDAY)
    due = clock_of(case, RESOLUTION).due_at
    cases.set_pending(case, by=agent, reason="a", until=MONDAY + DAY, now=MONDAY)
    cases.put_on_hold(case, by=agent, reason="b", until=MONDAY + DAY, now=MONDAY + HOUR)
    cases.resume(case, by=agent, now=MONDAY + 2 * HOUR)

    assert [(p.status, p.reason) for p in Pause.objects.all()] == [
        ("pending", "a"),
        ("on hold", "b"),
    ]
    assert clock_of(case, RESOLUTION).due_at == due + 2 * HOUR


def test_a_case_that_goes_back_to_the_queue_waits_no_longer():
    case, agent, _ = case_of()
    case = cases.claim(case, by=agent, now=MONDAY)
    cases.set_pending(case, by=agent, reason="a", until=MONDAY + DAY, now=MONDAY)

    case = cases.assign(case, by=agent, to=None, now=MONDAY + HOUR)

    assert (case.status, case.waiting_until) == ("new", None)
    assert Pause.objects.get().until_at == MONDAY + HOUR


@pytest.mark.parametrize(
    "until", [MONDAY, MONDAY - SECOND, MONDAY + 366 * DAY + SECOND]
)
def test_waiting_needs_an_end_in_the_next_year(until):
    case, agent, _ = case_of()
    case = cases.claim(case, by=agent, now=MONDAY)

    with pytest.raises(InvalidInput, match="until"):
        cases.set_pending(case, by=agent, reason="a", until=until, now=MONDAY)

    assert Case.objects.get().status == "open"


@pytest.mark.parametrize("swept", [True, False])
@pytest.mark.parametrize("verb", ["resolve", "resume", "contact", "on hold"])
def test_a_pause_ends_at_its_expected_end_whoever_comes_first(verb, swept):
    """In an outage nobody sweeps, but people work on."""
    case, agent, _ = case_of(pauses_on_hold=True)
    case = cases.claim(case, by=agent, now=MONDAY)
    due = clock_of(case, RESOLUTION).due_at
    until, late = MONDAY + 2 * HOUR, MONDAY + 3 * DAY
    cases.set_pending(case, by=agent, reason="a", until=until, now=MONDAY + HOUR)
    if swept:
        sla.sweep(now=late)

    if verb == "resolve":
        resolve(case, agent, late)
    elif verb == "resume" and not swept:
        cases.resume(case, by=agent, now=late)
    elif verb == "contact":
        cases.contact(case, by=agent, channel="email", direction="in", now=late)
    elif verb == "on hold":
        until = late + DAY
        cases.put_on_hold(case, by=agent, reason="b", until=until, now=late)

    clock = clock_of(case, RESOLUTION)
    assert clock.pauses.first().until_at == MONDAY + 2 * HOUR
    assert clock.due_at == due + HOUR
    if verb in ("resolve", "on hold"):
        assert clock.breach_cause == "late"


def test_the_due_time_of_a_paused_clock_is_as_of_the_pauses_beginning():
    case, agent, _ = case_of()
    case = cases.claim(case, by=agent, now=MONDAY)
    until = MONDAY + 30 * DAY
    cases.set_pending(case, by=agent, reason="a", until=until, now=MONDAY + HOUR)

    cases.set_priority(case, by=agent, priority=4, now=MONDAY + 5 * DAY)  # 40 h

    assert clock_of(case, RESOLUTION).due_at == MONDAY + 4 * DAY + 8 * HOUR


def test_no_complaint_after_all_breaches_nothing_on_its_way():
    flag = {"fact": "case.is_complaint", "operator": "is", "value": True}
    make.policy(position=0, conditions=flag, also=LONG)
    make.policy(position=1, also={STATUTORY: (2 * 86_400, "calendar seconds")})
    case = make.case()
    agent = make.agent(case.team)
    case = cases.mark_complaint(case, by=agent, now=MONDAY)

    case = cases.mark_complaint(
        case, by=agent, is_complaint=False, now=MONDAY + 5 * DAY
    )

    clock = case.clocks.filter(metric=STATUTORY).last()
    assert (clock.cancel_cause, clock.breached_at) == ("no complaint", None)


def test_a_complaint_that_is_flagged_again_does_not_break_the_same_promise_twice():
    case, agent, _ = case_of()
    cases.mark_complaint(case, by=agent, now=MONDAY)
    sla.sweep(now=MONDAY + 60 * DAY)
    at = MONDAY + 61 * DAY
    cases.mark_complaint(case, by=agent, is_complaint=False, now=at)
    case = cases.mark_complaint(case, by=agent, now=at)

    sla.sweep(now=at)

    breaches = [e.data["metric"] for e in case.events.filter(kind="clock.breached")]
    assert breaches.count(STATUTORY) == 1


# priority, policy or team changes


def test_another_priority_swaps_the_target_and_keeps_what_was_used_up():
    case, agent, _ = case_of()

    cases.set_priority(case, by=agent, priority=2, now=MONDAY + HOUR)

    assert clock_of(case, FIRST).due_at == MONDAY + 4 * HOUR * 2 / 3
    change = TargetChange.objects.get(clock=clock_of(case, FIRST))
    assert (change.cause, change.before_amount) == ("priority", 4 * 3600)
    assert change.due_before_at == MONDAY + 4 * HOUR


@pytest.mark.parametrize(
    ("after", "breaches"),
    [(timedelta(minutes=80), False), (timedelta(minutes=80) + SECOND, True)],
)
def test_a_target_that_is_used_up_breaches_now_because_it_changed(after, breaches):
    case, agent, _ = case_of()
    now = MONDAY + after

    cases.set_priority(case, by=agent, priority=1, now=now)  # a third: 80 minutes

    clock = clock_of(case, FIRST)
    assert clock.breached_at == (now if breaches else None)
    assert clock.breach_cause == ("target changed" if breaches else "")


def test_a_swap_breaches_once_and_the_sweep_does_not_again():
    case, agent, _ = case_of()
    case = cases.set_priority(case, by=agent, priority=1, now=MONDAY + 2 * HOUR)
    case = cases.set_priority(case, by=agent, priority=4, now=MONDAY + 2 * HOUR)
    cases.set_priority(case, by=agent, priority=1, now=MONDAY + 3 * HOUR)

    assert sla.sweep(now=MONDAY + 3 * HOUR).breached == 0
    events = case.events.filter(kind="clock.breached")
    assert [e.data["cause"] for e in events if e.data["metric"] == FIRST] == [
        "target changed"
    ]


@pytest.mark.parametrize(("used", "breaches"), [(7, False), (8, True)])
def test_a_paused_clock_that_has_used_up_its_new_target_breaches_too(used, breaches):
    make.policy(days=3)
    case = make.case()
    agent = make.agent(case.team)
    case = cases.claim(case, by=agent, now=MONDAY)
    at = MONDAY + used * HOUR
    cases.set_pending(case, by=agent, reason="a", until=at + 9 * DAY, now=at)

    # urgent: 8 h
    cases.set_priority(case, by=agent, priority=1, now=at + DAY)

    clock = clock_of(case, RESOLUTION)
    assert clock.breach_cause == ("target changed" if breaches else "")


def test_a_clock_that_is_cancelled_while_paused_can_be_explained():
    case, agent, _ = case_of()
    case = cases.claim(case, by=agent, now=MONDAY)
    call(case, agent, MONDAY)
    until = MONDAY + DAY
    cases.set_pending(case, by=agent, reason="a", until=until, now=MONDAY + HOUR)

    resolve(case, agent, MONDAY + 3 * HOUR)

    clock = clock_of(case, UPDATE)
    assert clock.explain(now=MONDAY + DAY).due_at == clock.due_at == MONDAY + 4 * HOUR


def test_who_was_late_before_the_swap_stays_late():
    case, agent, _ = case_of()

    # no sweep has been here since
    cases.set_priority(case, by=agent, priority=4, now=MONDAY + 5 * HOUR)

    clock = clock_of(case, FIRST)
    assert (clock.breach_cause, clock.due_at) == ("late", MONDAY + 8 * HOUR)


def test_another_team_brings_another_policy_where_policies_ask_for_it():
    vip = {"fact": "case.team", "operator": "is", "value": "vip"}
    make.policy(hours=1, name="VIP", position=0, conditions=vip)
    make.policy(hours=4, name="All", position=1)
    case = make.case()
    agent, team = make.agent(case.team), make.team("vip")
    make.agent(team)

    case = cases.assign(case, by=agent, to=None, team=team, now=MONDAY + HOUR / 2)

    clock = clock_of(case, FIRST)
    assert clock.version.policy.name == "VIP"
    assert case.due_at == clock.due_at == MONDAY + HOUR
    (change,) = TargetChange.objects.filter(clock=clock)
    assert change.cause == "policy"
    looks = case.events.get(kind="case.policy_changed").data["policies"]
    assert looks == [
        {
            "policy": clock.version.policy_id,
            "version": 1,
            "name": "VIP",
            "matched": True,
            "because": "case.team is vip (was vip)",
        }
    ]


def test_a_clock_of_which_the_new_policy_says_nothing_is_cancelled():
    vip = {"fact": "case.priority", "operator": "is", "value": "urgent"}
    bare = SlaPolicy.objects.create(name="Bare", conditions=vip)
    make.publish(
        bare,
        [
            Target(metric=RESOLUTION, priority=p, amount=3600, unit="calendar seconds")
            for p in (1, 2, 3, 4)
        ],
    )
    make.policy(position=1)
    case = make.case()

    cases.set_priority(case, by=make.agent(case.team), priority=1, now=MONDAY + HOUR)

    first = clock_of(case, FIRST)
    assert (first.cancel_cause, first.cancelled_at) == ("policy changed", MONDAY + HOUR)
    assert clock_of(case, RESOLUTION).due_at == MONDAY + HOUR


def test_a_case_that_comes_back_to_its_policy_has_its_clock_again():
    other = {"fact": "case.team", "operator": "is", "value": "other"}
    bare = SlaPolicy.objects.create(name="Bare", conditions=other)
    make.publish(
        bare,
        [
            Target(metric=FIRST, priority=p, amount=3600, unit="calendar seconds")
            for p in (1, 2, 3, 4)
        ],
    )
    make.policy(position=1)
    case = make.case()
    agent, team, away = make.agent(case.team), case.team, make.team("other")
    due = clock_of(case, RESOLUTION).due_at

    case = cases.assign(case, by=agent, to=None, team=away, now=MONDAY + HOUR)
    assert not case.clocks.running().filter(metric=RESOLUTION).exists()
    case = cases.assign(case, by=agent, to=None, team=team, now=MONDAY + 2 * HOUR)

    again = case.clocks.running().get(metric=RESOLUTION)
    assert (again.due_at, again.cycle) == (due, 1)


def test_a_complaint_under_a_policy_for_complaints_has_one_statutory_clock():
    flag = {"fact": "case.is_complaint", "operator": "is", "value": True}
    make.policy(position=0, conditions=flag, also=LONG)
    make.policy(position=1)
    case = make.case()
    agent = make.agent(case.team)

    case = cases.mark_complaint(case, by=agent, now=MONDAY + HOUR)

    clock = case.clocks.get(metric=STATUTORY)
    assert (clock.cycle, clock.is_running) == (1, True)


@pytest.mark.parametrize("pauses", [True, False])
def test_a_waiting_case_that_changes_its_policy_pauses_as_that_one_says(pauses):
    urgent = {"fact": "case.priority", "operator": "is", "value": "urgent"}
    make.policy(position=0, conditions=urgent, pauses_pending=pauses)
    make.policy(position=1, pauses_pending=not pauses)
    case = make.case()
    agent = make.agent(case.team)
    case = cases.claim(case, by=agent, now=MONDAY)
    until = MONDAY + 9 * DAY
    cases.set_pending(case, by=agent, reason="a", until=until, now=MONDAY + HOUR)

    case = cases.set_priority(case, by=agent, priority=1, now=MONDAY + 2 * HOUR)

    clock = clock_of(case, RESOLUTION)
    assert (clock.paused_at is not None) is pauses
    assert clock.pauses.filter(until_at=None).exists() is pauses


def test_another_answer_that_is_a_complaint_flags_the_case():
    make.policy(also=LONG)
    team = make.team("care")
    make.rule("open case", {"do": "set team", "team": "care"})
    words = {"fact": "comment", "operator": "contains", "value": "complaint"}
    make.rule("mark as complaint", conditions=words)
    make.response(customer={"external_id": "c"})
    drain.drain(now=MONDAY)

    make.response(customer={"external_id": "c"}, comment="This is a complaint.")
    drain.drain(now=MONDAY + HOUR)

    case = Case.objects.get(team=team)
    assert case.is_complaint
    assert clock_of(case, STATUTORY).due_at == MONDAY + timedelta(weeks=8)


def test_what_was_broken_before_a_complaint_was_reopened_breaks_once():
    case, agent, _ = case_of()
    cases.mark_complaint(case, by=agent, now=MONDAY)
    sla.sweep(now=MONDAY + 60 * DAY)
    resolve(case, agent, MONDAY + 61 * DAY)

    case = cases.reopen(case, by=agent, reason="again", now=MONDAY + 62 * DAY)
    sla.sweep(now=MONDAY + 62 * DAY)

    clock = clock_of(case, STATUTORY)
    assert clock.breached_at == MONDAY + 60 * DAY
    breaches = [e.data["metric"] for e in case.events.filter(kind="clock.breached")]
    assert breaches.count(STATUTORY) == 1


# resolved


def test_resolved_completes_what_runs_and_cancels_next_update():
    case, agent, _ = case_of()
    call(case, agent, MONDAY + HOUR)

    resolve(case, agent, MONDAY + 2 * HOUR)

    assert clock_of(case, RESOLUTION).completed_at == MONDAY + 2 * HOUR
    assert clock_of(case, UPDATE).cancel_cause == "resolved"


def test_resolved_without_contact_completes_first_contact_and_says_so():
    case, agent, _ = case_of()

    resolve(case, agent, MONDAY + HOUR)

    assert clock_of(case, FIRST).completed_at == MONDAY + HOUR
    assert case.events.last().data["contacted"] is False


@pytest.mark.parametrize(("after", "is_late"), [(timedelta(0), False), (SECOND, True)])
def test_resolved_at_the_very_due_second_is_in_time(after, is_late):
    case, agent, _ = case_of()
    due = clock_of(case, RESOLUTION).due_at

    resolve(case, agent, due + after)

    assert bool(clock_of(case, RESOLUTION).breached_at) is is_late


def test_resolved_while_paused_is_of_a_class_of_its_own():
    case, agent, _ = case_of()
    case = cases.claim(case, by=agent, now=MONDAY)
    start = MONDAY + HOUR
    cases.set_pending(case, by=agent, reason="a", until=MONDAY + 60 * DAY, now=start)

    resolve(case, agent, MONDAY + 30 * DAY)  # long after it would have been due

    clock = clock_of(case, RESOLUTION)
    assert (clock.paused_at, clock.breached_at) == (start, None)
    assert clock.business_elapsed == 3600
    assert clock.calendar_elapsed == 30 * 86_400
    assert clock.pauses.get().until_at == clock.completed_at


# reopened


def test_reopened_starts_cycle_two_of_resolution_but_not_of_first_contact():
    case, agent, _ = case_of()
    call(case, agent, MONDAY + HOUR)
    resolve(case, agent, MONDAY + 2 * HOUR)

    case = cases.reopen(case, by=agent, reason="again", now=MONDAY + DAY)

    assert case.clocks.filter(metric=FIRST).count() == 1
    clock = clock_of(case, RESOLUTION)
    assert (clock.cycle, clock.started_at) == (2, MONDAY + DAY)
    assert clock_of(case, UPDATE).due_at == case.due_at == MONDAY + DAY + 2 * HOUR


def test_reopening_wins_no_time_for_a_complaint():
    case, agent, _ = case_of()
    cases.mark_complaint(case, by=agent, now=MONDAY)
    resolve(case, agent, MONDAY + 2 * HOUR)

    case = cases.reopen(case, by=agent, reason="again", now=MONDAY + 50 * DAY)

    clock = clock_of(case, STATUTORY)
    assert (clock.cycle, clock.due_at) == (2, MONDAY + 56 * DAY)


# complaints


def test_a_complaint_counts_from_the_opening_whenever_it_is_found_to_be_one():
    case, agent, _ = case_of()

    case = cases.mark_complaint(case, by=agent, now=MONDAY + 10 * DAY)

    assert clock_of(case, STATUTORY).due_at == MONDAY + 56 * DAY


def test_a_statutory_clock_never_pauses():
    case, agent, _ = case_of(pauses_on_hold=True)
    case = cases.claim(case, by=agent, now=MONDAY)
    cases.mark_complaint(case, by=agent, now=MONDAY)

    for verb in (cases.set_pending, cases.put_on_hold):
        verb(case, by=agent, reason="a", until=MONDAY + 9 * DAY, now=MONDAY + HOUR)
        assert clock_of(case, STATUTORY).paused_at is None

    case.refresh_from_db()
    assert case.due_at == MONDAY + 4 * HOUR  # first contact still ticks


def test_no_complaint_after_all_cancels_the_statutory_clock():
    case, agent, _ = case_of()
    cases.mark_complaint(case, by=agent, now=MONDAY)

    cases.mark_complaint(case, by=agent, is_complaint=False, now=MONDAY + HOUR)
    again = cases.mark_complaint(case, by=agent, now=MONDAY + 2 * HOUR)

    first, second = again.clocks.filter(metric=STATUTORY).order_by("cycle")
    assert first.cancel_cause == "no complaint"
    assert second.started_at == MONDAY


# merged away


@pytest.mark.parametrize("metric", [FIRST, RESOLUTION])
def test_merged_away_cancels_with_the_cause(metric):
    case, _, _ = case_of()
    now = MONDAY + HOUR

    with transaction.atomic():
        clocks.cancelled(case, at=now, cause=Clock.CancelCause.MERGED)

    clock = clock_of(case, metric)
    assert (clock.cancelled_at, clock.cancel_cause) == (now, "merged")
    assert (clock.next_at, case.due_at) == (None, None)


# policy or calendar edited


def test_running_clocks_keep_their_version_when_the_policy_is_edited():
    case, agent, policy = case_of()
    targets = list(policy.targets.all())
    for target in targets:
        if target.metric == FIRST:
            target.amount = 600
    config.save_policy(policy, targets=targets, by=None, now=MONDAY + HOUR)

    case = cases.set_priority(case, by=agent, priority=2, now=MONDAY + HOUR)

    clock = clock_of(case, FIRST)
    assert clock.version.number == 1
    assert clock.due_at == MONDAY + 4 * HOUR * 2 / 3
    assert case.due_at == clock.due_at


def test_running_clocks_keep_their_version_when_the_calendar_is_edited():
    case, agent, policy = case_of()
    office = policy.calendar
    office.hours = {"tue": [["09:00", "10:00"]]}
    (version,) = config.save_calendar(office, by=None, now=MONDAY)

    assert version.number == 2
    case = cases.set_priority(case, by=agent, priority=4, now=MONDAY)
    assert clock_of(case, FIRST).due_at == MONDAY + 8 * HOUR


def test_a_new_cycle_goes_by_the_newest_version():
    case, agent, policy = case_of()
    resolve(case, agent, MONDAY + HOUR)
    config.save_policy(policy, by=None, now=MONDAY + HOUR)

    case = cases.reopen(case, by=agent, reason="again", now=MONDAY + 2 * HOUR)

    assert clock_of(case, RESOLUTION).version.number == 2
    assert clock_of(case, FIRST).version.number == 1


# finished is finished


@pytest.mark.parametrize("end", ["completed", "cancelled"])
def test_a_finished_clock_never_changes(end):
    case, agent, _ = case_of()
    call(case, agent, MONDAY + HOUR)
    resolve(case, agent, MONDAY + 2 * HOUR)
    clock = clock_of(case, FIRST if end == "completed" else UPDATE)

    for change in ({"due_at": MONDAY}, {"breached_at": MONDAY, "breach_cause": "late"}):
        with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
            Clock.objects.filter(pk=clock.pk).update(**change)


def test_an_ended_pause_and_a_version_never_change():
    case, agent, policy = case_of()
    case = cases.claim(case, by=agent, now=MONDAY)
    cases.set_pending(case, by=agent, reason="a", until=MONDAY + DAY, now=MONDAY)
    cases.resume(case, by=agent, now=MONDAY + HOUR)

    for rows in (Pause.objects.all(), policy.versions.all()):
        field = "until_at" if rows.model is Pause else "created_at"
        with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
            rows.update(**{field: MONDAY + DAY})


def test_every_second_until_the_due_time_is_explained():
    case, agent, _ = case_of()
    case = cases.claim(case, by=agent, now=MONDAY)
    cases.set_pending(
        case, by=agent, reason="photo", until=MONDAY + DAY, now=MONDAY + HOUR
    )
    cases.resume(case, by=agent, now=MONDAY + 2 * HOUR)
    cases.set_priority(case, by=agent, priority=2, now=MONDAY + 3 * HOUR)
    clock = clock_of(case, RESOLUTION)

    told = clock.explain(now=MONDAY + 3 * HOUR)

    assert told.due_at == clock.due_at
    assert [(p.kind.value, p.start, p.pause and p.pause.reason) for p in told.segments][
        :4
    ] == [
        ("open", MONDAY, None),
        ("paused", MONDAY + HOUR, "photo"),
        ("open", MONDAY + 2 * HOUR, None),
        ("closed", MONDAY + 8 * HOUR, None),
    ]
    counted = [p.counted for p in told.segments if p.end <= clock.due_at]
    assert sum(counted, timedelta()) == 20 * HOUR * 2 / 3
    assert [change.cause for change in told.changes] == ["priority"]


@pytest.mark.parametrize("many", [1, 5])
def test_new_targets_cost_the_same_for_one_case_and_for_many(
    django_assert_num_queries, many
):
    make.policy()
    found = [make.case() for _ in range(many)]
    for case in found:
        case.priority = 1

    with django_assert_num_queries(7):
        targets.reconsider(found, changed=["case.priority"], now=MONDAY)

    assert not list(audit.verify())


# The whole table, each row at the very due second of the metric and one second later

EVENTS = {
    "contacted": lambda case, by, at: call(case, by, at),
    "pending": lambda case, by, at: cases.set_pending(
        case, by=by, reason="photo", until=at + DAY, now=at
    ),
    "on hold": lambda case, by, at: cases.put_on_hold(
        case, by=by, reason="parts", until=at + DAY, now=at
    ),
    "priority": lambda case, by, at: cases.set_priority(
        case, by=by, priority=4, now=at
    ),
    "team": lambda case, by, at: cases.assign(
        case, by=by, to=None, team=make.team(), now=at
    ),
    "resolved": lambda case, by, at: resolve(case, by, at),
    "reopened": lambda case, by, at: cases.reopen(
        resolve(case, by, at), by=by, reason="again", now=at
    ),
    "merged": lambda case, by, at: clocks.cancelled(case, at=at, cause="merged"),
    "edited": lambda case, by, at: config.save_policy(
        SlaPolicy.objects.get(), by=None, now=at
    ),
}
TABLE = [
    # event, first contact, next update, resolution, statutory
    ("contacted", "completed", "completed; 2 runs", "runs", "runs"),
    ("pending", "runs", "paused", "paused", "runs"),
    ("on hold", "runs", "paused", "paused", "runs"),
    ("priority", "runs", "runs", "runs", "runs"),
    ("team", "runs", "runs", "runs", "runs"),
    ("resolved", "completed", "cancelled", "completed", "completed"),
    (
        "reopened",
        "completed",
        "cancelled; 2 runs",
        "completed; 2 runs",
        "completed; 2 runs",
    ),
    ("merged", "cancelled", "cancelled", "cancelled", "cancelled"),
    ("edited", "runs", "runs", "runs", "runs"),
]
CELLS = [
    pytest.param(event, metric, cell, id=f"{event}, {metric}")
    for event, *cells in TABLE
    for metric, cell in zip((FIRST, UPDATE, RESOLUTION, STATUTORY), cells, strict=True)
]


def words(clock):
    if clock.completed_at:
        return "completed"
    if clock.cancelled_at:
        return "cancelled"
    return "paused" if clock.paused_at else "runs"


@pytest.mark.parametrize("late", [False, True], ids=["due", "a second late"])
@pytest.mark.parametrize(("event", "metric", "cell"), CELLS)
def test_the_whole_table(event, metric, cell, late):
    case, agent, _ = case_of(pauses_on_hold=True)
    case = cases.claim(case, by=agent, now=MONDAY)
    case = cases.mark_complaint(case, by=agent, now=MONDAY)
    if metric != FIRST:  # it would be completed already
        case = call(case, agent, MONDAY)
    first = clock_of(case, metric, cycle=1)
    at = first.due_at + late * SECOND

    with transaction.atomic():
        EVENTS[event](case, agent, at)
    sla.sweep(now=at)  # marks what runs on, and is late

    first.refresh_from_db()
    second = clock_of(case, metric, cycle=2)
    found = words(first) + (f"; 2 {words(second)}" if second else "")
    assert found == cell
    assert first.breach_cause == ("late" if late else "")
    assert not list(audit.verify())
