import json
from datetime import date

import pytest
from django.core.exceptions import ValidationError

from cem_cases.loop import audit, config
from cem_cases.models import (
    AuditEvent,
    EscalationStep,
    Holiday,
    Membership,
    Rule,
    SlaPolicy,
    Target,
    Team,
)
from tests import make
from tests.make import DAY, HOUR, MONDAY

pytestmark = pytest.mark.django_db
GOLD = {"fact": "customer.segment", "operator": "is", "value": "gold"}


@pytest.fixture
def boss(db):
    return make.user("boss")


def test_each_save_is_a_new_version_and_an_event(boss):
    rule = Rule(name="Detractors", actions=[{"do": "open case"}])
    config.save(rule, by=boss)
    rule.conditions = make.DETRACTOR
    config.save(rule, by=boss)

    assert Rule.objects.get().version == 2
    events = AuditEvent.objects.order_by("sequence")
    assert [(e.kind, e.stream, e.actor) for e in events] == [
        ("rule.created", "system", boss),
        ("rule.changed", "system", boss),
    ]
    assert '"detractor"' in events[1].data["conditions"]
    assert not list(audit.verify())


def test_a_version_is_counted_from_the_row_not_from_what_the_caller_holds(boss):
    rule = Rule(name="Detractors", actions=[{"do": "open case"}])
    config.save(rule, by=boss)
    mine, yours = Rule.objects.get(), Rule.objects.get()

    config.save(mine, by=boss)
    config.save(yours, by=boss)

    assert Rule.objects.get().version == 3


def test_what_is_wrong_is_refused_and_leaves_no_trace(boss):
    with pytest.raises(ValidationError, match="actions"):
        config.save(Rule(name="Nothing", actions=[]), by=boss)

    assert not Rule.objects.exists()
    assert not AuditEvent.objects.exists()


def targets(*metrics, amount=3600, **fields):
    return [
        Target(metric=metric, priority=priority, amount=amount, **fields)
        for metric in metrics or ["first contact"]
        for priority in (1, 2, 3, 4)
    ]


def saved(policy=None, rows=None, steps=(), **fields):
    policy = policy or SlaPolicy(**{"name": "Gold", "calendar": make.office()} | fields)
    return config.save_policy(
        policy, targets=rows or targets(), steps=list(steps), by=None, now=MONDAY
    )


def test_a_policy_is_saved_with_targets_and_steps_as_its_next_version(boss):
    saved()
    policy = SlaPolicy.objects.get()
    first = policy.versions.get()

    config.save_policy(policy, targets=targets(amount=60), by=boss, now=MONDAY)

    assert policy.version == 2
    assert set(policy.targets.values_list("amount", flat=True)) == {60}
    before, after = policy.versions.order_by("number")
    assert before == first
    assert before.value()[1].promise("first contact", 1).target.amount == 3600
    assert after.value()[1].promise("first contact", 1).target.amount == 60
    events = AuditEvent.objects.order_by("sequence")
    assert [(e.kind, e.actor) for e in events] == [
        ("slapolicy.created", None),
        ("slapolicy.changed", boss),
    ]
    assert '"amount": 60' in events[1].data["terms"]


@pytest.mark.parametrize(
    ("rows", "steps", "fields", "says"),
    [
        ([], [], {}, "there is no target"),
        (targets()[:3], [], {}, "first contact has no target for priority low"),
        (
            targets(amount=3, unit="business days"),
            [],
            {"calendar": None},
            "business days need a calendar",
        ),
        (
            targets("statutory"),
            [],
            {},
            "a statutory clock is always in calendar time",
        ),
        (
            targets(),
            [{"metric": "resolution", "percent": 100, "action": "notify owner"}],
            {},
            "resolution has no targets in this policy",
        ),
        (
            targets(),
            [{"metric": "first contact", "percent": 100, "action": "notify lead"}],
            {},
            "no active team has a lead",
        ),
        (
            targets(),
            [{"metric": "first contact", "percent": 100, "action": "notify manager"}],
            {},
            "no active team has a manager",
        ),
        (
            targets(),
            [{"metric": "first contact", "percent": 9, "action": "notify owner"}] * 2,
            {},
            "is there twice",
        ),
        (targets(warn_percents=[50, 100]), [], {}, "from 1 to 99"),
        (targets(warn_percents="75"), [], {}, "must be a list"),
    ],
)
def test_a_dead_policy_is_refused_and_leaves_no_trace(rows, steps, fields, says):
    policy = SlaPolicy(**{"name": "Gold", "calendar": make.office()} | fields)
    found = [EscalationStep(**step) for step in steps]

    with pytest.raises(ValidationError, match=says):
        config.save_policy(policy, targets=rows, steps=found, by=None, now=MONDAY)

    assert not SlaPolicy.objects.exists()
    assert not AuditEvent.objects.exists()


def test_an_escalation_to_somebody_who_sees_no_case_is_refused():
    step = {"metric": "first contact", "percent": 100, "action": "add watcher"}

    with pytest.raises(ValidationError, match="sees cases of some team"):
        saved(steps=[EscalationStep(user=make.user("nobody"), **step)])

    saved(steps=[EscalationStep(user=make.manager(), **step)])


def test_a_policy_behind_one_that_always_holds_is_refused():
    saved(name="All", position=10)

    with pytest.raises(ValidationError, match="'All' comes before it"):
        saved(name="Gold", position=20, conditions=GOLD)

    saved(name="Gold", position=5, conditions=GOLD)


def test_a_policy_that_always_holds_before_others_is_refused():
    saved(name="Gold", position=20, conditions=GOLD)

    with pytest.raises(ValidationError, match="'Gold' would never be chosen"):
        saved(name="All", position=10)

    saved(name="All", position=30)
    saved(name="Off", position=1, is_active=False)


def test_a_calendar_that_is_saved_gives_each_of_its_policies_a_version(boss):
    saved()
    office = make.office()
    day = Holiday(day=date(2025, 3, 4), name="Carnival")

    (version,) = config.save_calendar(office, holidays=[day], by=boss, now=MONDAY)

    assert version.number == 2
    terms = version.value()[1]
    assert terms.calendar.add(MONDAY, 9 * 3600) == MONDAY + 2 * DAY + HOUR
    event = AuditEvent.objects.get(kind="businesscalendar.changed")
    assert event.data["closed"] == '["2025-03-04"]'
    assert event.data["policies"] == [version.policy_id]


def test_a_holiday_that_is_switched_off_is_a_day_like_others():
    office = make.office()
    day = Holiday(day=date(2025, 3, 4), name="Carnival", is_active=False)
    config.save_calendar(office, holidays=[day], by=None, now=MONDAY)

    assert office.as_data()["closed"] == []


def test_a_calendar_that_would_kill_a_policy_is_refused():
    saved(rows=targets(amount=60 * 86_400))
    office = make.office()
    office.hours = {"mon": [["09:00", "09:01"]]}

    with pytest.raises(ValidationError, match=r"Gold.*never reached"):
        config.save_calendar(office, by=None, now=MONDAY)

    office.refresh_from_db()
    assert "tue" in office.hours


def test_a_calendar_that_never_opens_is_refused_with_the_entry():
    office = make.office()
    office.hours = {"mon": [["09:00", "12:00"], ["11:00", "13:00"]]}

    with pytest.raises(ValidationError, match=r"hours.mon\[1\]: overlaps 09:00-12:00"):
        config.save_calendar(office, by=None, now=MONDAY)


def test_a_team_is_saved_with_its_members_and_noted(boss):
    team = Team(slug="care", name="Care", calendar=make.office())
    ada = Membership(user=make.user("ada"), role="lead", capacity=3, skills=["german"])

    config.save_team(team, members=[ada], by=boss, now=MONDAY)
    ada.is_active = False
    config.save_team(team, members=[ada], by=None, now=MONDAY)

    assert not Membership.objects.get(team=team, user=ada.user).is_active
    created, changed = AuditEvent.objects.order_by("sequence")
    assert (created.kind, created.actor) == ("team.created", boss)
    assert (changed.kind, changed.actor) == ("team.changed", None)
    assert created.data["slug"] == "care"
    assert created.data["calendar_id"] == team.calendar_id
    assert json.loads(created.data["members"]) == [
        {
            "user": ada.user_id,
            "role": "lead",
            "capacity": 3,
            "skills": ["german"],
            "is_active": True,
        }
    ]
    assert '"is_active": false' in changed.data["members"]
    assert not list(audit.verify())


def test_members_that_are_not_given_and_what_rules_count_stay_as_they_are(boss):
    team = make.team("care")
    ada, ben = (Membership.objects.create(team=team, user=make.user()) for _ in "ab")
    mine = Team.objects.get()
    Team.objects.update(assigned_count=7)
    Membership.objects.update(open_cases=3, last_assigned=7)

    mine.name, ada.capacity = "Customer care", 5
    config.save_team(mine, members=[ada], by=boss, now=MONDAY)

    assert Team.objects.get().name == "Customer care"
    assert Team.objects.get().assigned_count == 7
    rows = Membership.objects.order_by("pk").values_list(
        "pk", "capacity", "open_cases", "last_assigned"
    )
    assert list(rows) == [(ada.pk, 5, 3, 7), (ben.pk, None, 3, 7)]


def test_a_team_that_is_wrong_is_refused_and_leaves_no_trace(boss):
    wrong = Membership(user=boss, role="owner")

    with pytest.raises(ValidationError, match="role"):
        config.save_team(Team(slug="care", name="Care"), members=[wrong], by=boss)

    assert not Team.objects.exists()
    assert not AuditEvent.objects.exists()
