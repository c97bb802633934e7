"""Rules about cases: what happened is looked at, and what is decided is done."""

from datetime import timedelta
from functools import partial

import pytest
from django.db import connection, transaction

from cem_cases.loop import cases, drain, letters, react, sla
from cem_cases.models import (
    AuditEvent,
    Case,
    Happening,
    Letter,
    Notification,
    Rule,
    RuleRun,
    Tag,
)
from tests import make, outgoing
from tests.make import HOUR, MONDAY
from tests.threads import at_once

pytestmark = pytest.mark.django_db


def leaf(fact, operator, value):
    return {"fact": fact, "operator": operator, "value": value}


def on(trigger, *actions, **fields):
    return make.rule(*actions, trigger=trigger, **{"conditions": {}, **fields})


def changed(what):
    return leaf("change.what", "is", what)


def opened(**fields):
    """A case of the team care, opened by a rule, with what it has led to."""
    make.rule("open case", {"do": "set team", "team": "care"}, **fields)
    make.response()
    drain.drain(now=MONDAY)
    return Case.objects.get()


def kinds(case):
    events = AuditEvent.objects.filter(case=case.pk).order_by("sequence")
    return [event.kind.removeprefix("case.") for event in events]


@pytest.fixture
def team():
    return make.team("care")


def test_a_rule_raises_the_priority_of_a_case_that_was_opened(team):
    rule = on("case opened", {"do": "set priority", "priority": "urgent"})

    case = opened()

    assert case.priority == 1
    assert kinds(case) == ["opened", "rule_acted", "priority_set"]
    acted = AuditEvent.objects.get(kind="case.rule_acted").data
    assert acted["rules"] == [
        {
            "rule": rule.pk,
            "version": 1,
            "because": "always",
            "actions": ["set priority urgent"],
        }
    ]
    assert not Happening.objects.exists()


def test_no_happening_is_written_where_no_rule_asks(team):
    case = opened()
    cases.note(case, by=make.agent(team), text="Called.")

    assert not Happening.objects.exists()


def test_a_rule_looks_at_what_changed_and_who_did_it(team):
    agent = make.agent(team)
    Tag.objects.create(name="noted")
    on(
        "case changed",
        {"do": "add tags", "tags": ["noted"]},
        conditions={
            "all": [changed("noted"), leaf("change.by_person", "is", True)],
        },
    )
    case = opened()
    cases.claim(case, by=agent, now=MONDAY)
    drain.drain(now=MONDAY)
    assert not case.tags.exists()

    cases.note(case, by=agent, text="Called.", now=MONDAY)
    drain.drain(now=MONDAY)

    assert case.tags.get().name == "noted"
    assert kinds(case)[-2:] == ["rule_acted", "tagged"]


def test_an_owner_whom_a_person_chose_stays_and_that_is_said(team):
    agent, other = make.agent(team), make.team("other")
    make.agent(other)
    on(
        "case changed",
        {"do": "set team", "team": "other"},
        {"do": "assign", "by": "round robin"},
        conditions=changed("claimed"),
    )
    case = opened()

    cases.claim(case, by=agent, now=MONDAY)
    drain.drain(now=MONDAY)

    case.refresh_from_db()
    assert (case.owner, case.team) == (agent, team)
    acted = AuditEvent.objects.get(kind="case.rule_acted").data
    assert acted["not_done"] == ["set team other", "assign"]


def test_a_case_that_changes_its_team_gets_an_owner_there_and_loads_agree(team):
    first, other = make.agent(team), make.team("other")
    second = make.agent(other)
    on(
        "case changed",
        {"do": "set team", "team": "other"},
        conditions=changed("complaint_marked"),
    )
    make.rule(
        "open case",
        {"do": "set team", "team": "care"},
        {"do": "assign", "by": "round robin"},
    )
    make.response()
    drain.drain(now=MONDAY)
    case = Case.objects.get()
    assert case.owner == first

    cases.mark_complaint(case, by=first, now=MONDAY)
    drain.drain(now=MONDAY)

    case.refresh_from_db()
    assert (case.owner, case.team, case.status) == (second, other, "open")
    loads = {
        m.user: m.open_cases
        for m in [*team.memberships.all(), *other.memberships.all()]
    }
    assert loads == {first: 0, second: 1}


def test_rules_that_act_upon_each_other_end(team):
    for priority, other in (("urgent", "low"), ("low", "urgent")):
        for n in range(4):
            on(
                "case changed",
                {"do": "set priority", "priority": priority},
                name=f"{priority} {n}",
                conditions={
                    "all": [
                        changed("priority_set"),
                        leaf("case.priority", "is", other),
                    ]
                },
                stop=True,
            )
    agent = make.agent(team)
    case = opened()

    cases.set_priority(case, by=agent, priority=1, now=MONDAY)
    drain.drain(now=MONDAY)

    assert kinds(case).count("rule_acted") == 5
    assert not Happening.objects.exists()


def test_many_rules_that_act_at_once_are_one_link_of_the_chain(team):
    for n in range(6):
        Tag.objects.create(name=f"tag {n}")
        on("case opened", {"do": "add tags", "tags": [f"tag {n}"]}, name=f"Rule {n}")
    on(
        "case changed",
        {"do": "set priority", "priority": "urgent"},
        conditions=changed("tagged"),
    )

    assert opened().priority == 1


def test_no_rule_acts_twice_in_one_chain(team):
    on(
        "case changed",
        {"do": "set priority", "priority": "urgent"},
        {"do": "mark as complaint"},
    )
    agent = make.agent(team)
    case = opened()

    cases.note(case, by=agent, text="Hm.", now=MONDAY)
    drain.drain(now=MONDAY)

    assert kinds(case).count("rule_acted") == 1


def test_no_rule_acts_upon_its_own_letter(team):
    rule = on("case changed", {"do": "mark as complaint"})
    case = opened()
    other = Letter.objects.filter(pk=outgoing.letter(case).pk)

    other.update(state="sent", sent_at=MONDAY, rule=rule)
    letters.settle(now=MONDAY)
    drain.drain(now=MONDAY)
    assert kinds(case).count("contacted") == 1
    assert "rule_acted" not in kinds(case)

    other.update(rule=make.rule(), noted_at=None)
    letters.settle(now=MONDAY)
    drain.drain(now=MONDAY)
    assert kinds(case).count("rule_acted") == 1


def test_a_rule_acts_once_upon_an_event(team):
    rule = on("case opened", {"do": "set priority", "priority": "urgent"})
    case = opened()
    event = AuditEvent.objects.get(kind="case.opened")

    Happening.objects.create(case=case, trigger="case opened", event=event, at=MONDAY)
    done = drain.drain(now=MONDAY)

    assert done.failed == 1
    assert RuleRun.objects.filter(rule=rule).count() == 1


def test_a_closed_case_is_left_alone(team):
    agent = make.agent(team)
    rule = on("case changed", {"do": "add tags", "tags": ["done"]})
    Tag.objects.create(name="done")
    case = opened()
    cases.claim(case, by=agent, now=MONDAY)
    cases.resolve(
        case,
        by=agent,
        root_cause=make.root_cause(),
        outcome="recovered",
        note="Done.",
        now=MONDAY,
    )
    cases.close(case, by=agent, now=MONDAY)

    drain.drain(now=MONDAY)

    assert not rule.runs.exists()


def test_a_rule_that_was_switched_on_later_does_not_look_back(team):
    agent = make.agent(team)
    on("case changed", {"do": "mark as complaint"}, is_active=True)
    case = opened()
    cases.note(case, by=agent, text="Before.", now=MONDAY)
    Rule.objects.filter(trigger="case changed").update(active_since=MONDAY + HOUR)

    drain.drain(now=MONDAY + 2 * HOUR)

    case.refresh_from_db()
    assert not case.is_complaint


def test_a_message_of_the_customer_is_looked_at(team):
    agent = make.agent(team)
    on(
        "contact received",
        {"do": "mark as complaint"},
        conditions=leaf("contact.text", "contains any word", ["lawyer"]),
    )
    case = opened()
    for body in ("All is well.", "My LAWYER will call you."):
        cases.contact(
            case, by=agent, channel="phone", direction="in", body=body, now=MONDAY
        )

    drain.drain(now=MONDAY)

    case.refresh_from_db()
    assert case.is_complaint
    text = AuditEvent.objects.get(kind="case.rule_acted").payload
    assert "lawyer will" not in text.lower()


def test_a_breach_is_looked_at(team):
    make.policy(hours=4)
    on(
        "clock breached",
        {"do": "set priority", "priority": "urgent"},
        conditions=leaf("clock.metric", "is", "first contact"),
    )
    case = opened()

    sla.sweep(now=case.due_at + HOUR)
    drain.drain(now=case.due_at + HOUR)

    case.refresh_from_db()
    assert case.priority == 1


def test_a_case_that_nobody_touches_is_told_once_for_each_silence(team):
    agent = make.agent(team)
    on("no update", {"do": "set priority", "priority": "high"}, quiet_hours=24)
    case = opened()

    def pass_by(hours):
        now = MONDAY + timedelta(hours=hours)
        sla.sweep(now=now)
        drain.drain(now=now)
        return kinds(case).count("quiet")

    start = case.last_activity_at - MONDAY
    assert pass_by(start / HOUR + 23.9) == 0
    assert pass_by(start / HOUR + 24) == 1
    assert pass_by(start / HOUR + 80) == 1
    cases.note(case, by=agent, text="Done.", now=MONDAY + 100 * HOUR)
    assert pass_by(123) == 1
    assert pass_by(124) == 2


def test_business_hours_count_for_a_silence(team):
    make.policy(hours=4)
    on("no update", {"do": "mark as complaint"}, quiet_hours=9)
    case = opened()
    Case.objects.update(last_activity_at=MONDAY)

    sla.sweep(now=MONDAY + 24 * HOUR)
    assert kinds(case).count("quiet") == 0
    sla.sweep(now=MONDAY + 25 * HOUR)
    assert kinds(case).count("quiet") == 1


def test_a_rule_switched_on_later_hears_of_no_old_silence(team):
    rule = on("no update", {"do": "mark as complaint"}, quiet_hours=24)
    case = opened()
    start = case.last_activity_at
    Rule.objects.filter(pk=rule.pk).update(active_since=start + 48 * HOUR)

    sla.sweep(now=start + 49 * HOUR)

    assert kinds(case).count("quiet") == 0


@pytest.mark.parametrize("many", [1, 12])
def test_what_happened_to_many_cases_costs_as_much_as_to_one(
    team, many, django_assert_max_num_queries
):
    make.agent(team), make.agent(team)
    on(
        "case opened",
        {"do": "set priority", "priority": "urgent"},
        {"do": "assign", "by": "least loaded"},
    )
    make.rule("open case", {"do": "set team", "team": "care"})
    for _ in range(many):
        make.response()
    from cem_cases.models import Response

    drain._settle(drain.LINES[0], drain.Drained(), MONDAY, Response.objects.all())
    rows = Happening.objects.waiting(MONDAY)

    with django_assert_max_num_queries(40):
        drain._settle(drain.LINES[1], drain.Drained(), MONDAY, rows)

    assert Case.objects.filter(priority=1, status="open").count() == many


def test_leads_hear_of_a_case_that_nobody_can_take(team):
    lead = make.agent(team, "lead", role="lead", capacity=0)
    on("case opened", {"do": "assign", "by": "round robin"})

    case = opened()

    assert kinds(case) == ["opened", "rule_acted", "not_assigned"]
    (note,) = Notification.objects.all()
    assert (note.recipient, note.event.kind) == (lead, "case.not_assigned")


def test_a_case_keeps_its_owner_where_who_is_named_may_not_take_it(team):
    ada, bob = make.agent(team, "ada"), make.agent(team, "bob")
    make.absence(bob, MONDAY - HOUR, MONDAY + HOUR)
    on(
        "case changed",
        {"do": "set owner", "user": "bob"},
        conditions=changed("complaint_marked"),
    )
    make.rule(
        "open case",
        {"do": "set team", "team": "care"},
        {"do": "assign", "by": "round robin"},
    )
    make.response()
    drain.drain(now=MONDAY)
    case = Case.objects.get()

    cases.mark_complaint(case, by=ada, now=MONDAY)
    drain.drain(now=MONDAY)

    case.refresh_from_db()
    assert (case.owner, case.status) == (ada, "open")
    acted = AuditEvent.objects.get(kind="case.rule_acted").data
    assert acted["not_done"] == ["set owner"]


def test_who_is_only_notified_leaves_the_case_as_it_was(team):
    make.agent(team)
    on("case opened", {"do": "notify", "who": ["team"]})

    case = opened()

    assert (kinds(case), case.version) == (["opened", "rule_acted"], 1)
    assert Notification.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_a_locked_case_no_later_happening_overtakes_the_first(team):
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    agent, case = make.agent(team), opened()
    on("case changed", {"do": "mark as complaint"})
    for text in ("First.", "Second."):
        cases.note(case, by=agent, text=text, now=MONDAY)
    keys = list(Happening.objects.values_list("pk", flat=True))

    with transaction.atomic():
        Case.objects.select_for_update().get()
        (done,) = at_once([transaction.atomic(partial(react.react, keys, now=MONDAY))])

    assert done == 0
    assert not Happening.objects.waiting(MONDAY).exists()
    assert drain.drain(now=MONDAY + HOUR).reacted > 0
