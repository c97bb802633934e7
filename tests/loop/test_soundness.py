"""Policies, calendars and rules that do not work: told, mended, and told no more."""

import sys
from datetime import date

import pytest

from cem_cases.loop import config, holidays, sla
from cem_cases.models import (
    BusinessCalendar,
    Clock,
    EscalationStep,
    Holiday,
    Membership,
    PolicyVersion,
    Rule,
    SlaPolicy,
    Team,
)
from tests import make
from tests.findings import (
    FIRST,
    TO_LEAD,
    hint,
    saved_again,
    site_that_is_well,
    standard,
    targets,
    told,
)
from tests.make import DAY, MONDAY

TO_MANAGER = {"metric": FIRST, "percent": 150, "action": "notify manager"}

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def north(db, settings):
    """The team of a site about which there is nothing to say."""
    return site_that_is_well(settings)


# Policies


def test_no_active_policy():
    SlaPolicy.objects.update(is_active=False)
    assert told("policies") == [
        "warning: No SLA policy is active: the clocks of new cases do not start."
    ]

    SlaPolicy.objects.update(is_active=True)
    assert told("policies") == []


def test_a_policy_without_its_version():
    SlaPolicy.objects.update(version=7)
    assert told("policies") == [
        "error: Policy 'Standard' is active, but has no version: cases go without it."
    ]

    saved_again(standard())
    assert told("policies") == []


@pytest.mark.parametrize(
    ("terms", "why"),
    [
        ("{", "terms: are not JSON"),
        ("[" * 100_000, "terms: are not JSON"),
        ("[]", "terms: must be an object"),
        ("null", "terms: must be an object"),
        ('{"targets": 3}', "targets: must be a list"),
        ('{"calendar": {"zone": "Mars"}}', "calendar.zone: 'Mars' is not a time zone"),
        ('{"conditions": {"fact": "mood"}}', "conditions.fact: 'mood' is not a fact"),
    ],
)
def test_a_version_that_cannot_be_read(terms, why):
    policy = standard()
    PolicyVersion.objects.create(
        policy=policy, number=2, terms=terms, created_at=MONDAY
    )
    SlaPolicy.objects.update(version=2)
    (said,) = told("policies")
    assert said.startswith(
        f"error: Policy 'Standard' cannot be read, and is left out: {why}"
    )

    saved_again(policy)
    assert told("policies") == []


@pytest.mark.parametrize(
    ("dead", "why"),
    [
        ([], "targets: promise something: there is no target"),
        (
            targets(priorities=(1, 2)),
            "targets: first contact has no target for priority normal, low: clocks of "
            "such cases would never start",
        ),
    ],
)
def test_a_dead_policy(dead, why):
    make.publish(standard(), dead)
    assert told("policies") == [f"error: Policy 'Standard' is dead: {why}."]

    saved_again(standard(), targets=targets())
    assert told("policies") == []


def test_a_policy_with_a_step_that_never_comes():
    steps = [{"metric": "next update", "minutes": 5, "action": "notify owner"}]
    make.publish(standard(), targets(), [EscalationStep(**step) for step in steps])
    assert told("policies") == [
        "error: Policy 'Standard' is dead: steps[0].metric: next update has no targets "
        "in this policy: the step never comes."
    ]

    saved_again(standard(), steps=[])
    assert told("policies") == []


def with_calendar(**fields):
    policy = standard()
    BusinessCalendar.objects.update(hours={}, special={}, **fields)
    policy.calendar.refresh_from_db()
    make.publish(policy, targets(amount=9 * 3600))


def test_a_calendar_that_does_not_open_any_more():
    with_calendar()
    assert told("policies") == [
        "error: Policy 'Standard' is dead: calendar.hours: no opening in the year from "
        "2025-03-03."
    ]

    calendar = BusinessCalendar.objects.get()
    calendar.hours = make.NINE_TO_FIVE
    config.save_calendar(calendar, by=None, now=MONDAY)
    assert told("policies") == []


def test_a_target_that_is_never_reached():
    with_calendar()
    calendar = BusinessCalendar.objects.get()
    calendar.special = {"2025-03-04": [["09:00", "17:00"]]}
    calendar.save()
    make.publish(standard(), targets(amount=9 * 3600))
    assert told("policies") == [
        "error: Policy 'Standard' is dead: targets[0].amount: first contact at priority "
        "urgent is never reached: the calendar is not open for so long."
    ]

    saved_again(standard(), targets=targets(amount=8 * 3600))
    assert told("policies") == []


def test_a_policy_behind_one_that_holds_for_everything():
    make.policy(name="Gold", position=20)
    assert told("policies") == [
        "error: Policy 'Gold' is never chosen: 'Standard' comes before it, and holds "
        "for every case."
    ]

    gold = SlaPolicy.objects.get(name="Gold")
    gold.conditions, gold.position = make.DETRACTOR, 5
    saved_again(gold)
    assert told("policies") == []


def test_an_escalation_to_nobody_and_to_nobody_in_some_team(north):
    make.publish(
        standard(), targets(), [EscalationStep(**TO_LEAD), EscalationStep(**TO_MANAGER)]
    )
    make.agent(north)
    south = make.team("south")
    make.agent(south)
    make.team("empty")  # nobody works there: nobody is missed
    lead = make.agent(south, role=Membership.Role.LEAD)
    boss = make.agent(north, role=Membership.Role.MANAGER, is_active=False)
    assert told("policies") == [
        "error: Policy 'Standard' escalates to a manager, and no active team has one.",
        "warning: Policy 'Standard' escalates to a lead: nobody hears of it in 'North'.",
    ]

    boss.cem_memberships.update(is_active=True)
    Membership.objects.create(team=south, user=boss, role=Membership.Role.MANAGER)
    Membership.objects.create(team=north, user=lead, role=Membership.Role.LEAD)
    assert told("policies") == []


def test_many_teams_without_a_lead_are_told_in_one_line(north):
    make.publish(standard(), targets(), [EscalationStep(**TO_LEAD)])
    make.agent(north, role=Membership.Role.LEAD)
    for number in range(13):
        make.agent(make.team(f"team{number:02}"))

    (said,) = told("policies")

    assert said.endswith("in 'Team00', 'Team01', 'Team02', 'Team03', 'Team04', 'Team05',"
                         " 'Team06', 'Team07', 'Team08', 'Team09' and 3 more.")  # fmt: skip


def test_a_watcher_who_is_gone(north):
    ada = make.agent(north)
    boss = make.user("boss", is_superuser=True)
    steps = [
        {"metric": FIRST, "percent": 100, "action": "add watcher", "user": person}
        for person in (ada, boss)
    ]
    make.publish(standard(), targets(), [EscalationStep(**step) for step in steps])
    assert told("policies") == []

    ada.is_active = False
    ada.save()
    assert told("policies") == [
        f"error: Policy 'Standard' adds a watcher who sees no cases: user {ada.pk}."
    ]

    ada.is_active = True
    ada.save()
    assert told("policies") == []


def test_a_watcher_who_cannot_be_a_user():
    terms = PolicyVersion.objects.get().terms
    step = (
        '{"metric": "first contact", "percent": 90, "action": "add watcher", '
        '"user": "nobody\\n\\u001b[2J", "minutes": null}'
    )
    PolicyVersion.objects.create(
        policy=standard(),
        number=2,
        terms=terms.replace('"steps":[]', f'"steps":[{step}]'),
        created_at=MONDAY,
    )
    SlaPolicy.objects.update(version=2)

    assert told("policies") == [
        "error: Policy 'Standard' adds a watcher who sees no cases: user nobody [2J.",
        "warning: Policy 'Standard' was changed around the loop: its escalation steps "
        "are not what they say. Version 2 stays in force.",
    ]


def change_targets(policy):
    policy.targets.filter(priority=1).update(amount=60)


def change_a_step(policy):
    EscalationStep.objects.create(
        policy=policy, metric=FIRST, percent=80, action="notify owner"
    )


def change_conditions(policy):
    SlaPolicy.objects.update(conditions=make.DETRACTOR)


def change_pauses(policy):
    SlaPolicy.objects.update(pauses_on_hold=True)


def change_a_calendar(policy):
    BusinessCalendar.objects.update(hours={"mon": [["09:00", "12:00"]]})


def change_a_holiday(policy):
    Holiday.objects.create(calendar=policy.calendar, day=date(2025, 3, 4))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (change_targets, "targets"),
        (change_a_step, "escalation steps"),
        (change_conditions, "conditions"),
        (change_pauses, "pauses"),
        (change_a_calendar, "calendar's hours or holidays"),
        (change_a_holiday, "calendar's hours or holidays"),
    ],
)
def test_rows_that_were_changed_around_the_loop(change, what):
    change(standard())
    assert told("policies") == [
        f"warning: Policy 'Standard' was changed around the loop: its {what} are not "
        "what they say. Version 1 stays in force."
    ]

    saved_again(standard())
    assert told("policies") == []


def test_rows_that_were_changed_to_something_that_cannot_be_read():
    BusinessCalendar.objects.update(hours={"mon": "late"})
    assert told("policies") == [
        "warning: Policy 'Standard' was changed around the loop: its rows cannot be read "
        "(calendar.hours.mon: must be a list of openings). Version 1 stays in force."
    ]

    BusinessCalendar.objects.update(hours=make.NINE_TO_FIVE)
    assert told("policies") == []


def test_what_is_saved_in_any_order_is_what_is_in_force():
    policy = standard()
    steps = [TO_MANAGER, {**TO_LEAD, "action": "notify owner", "percent": 90}, TO_LEAD]
    both = make.agent(make.team("south"), role=Membership.Role.LEAD)
    Membership.objects.create(team=Team.objects.first(), user=both, role="manager")

    saved_again(
        policy,
        targets=targets()[::-1],
        steps=[EscalationStep(**step) for step in steps],
    )

    assert [said for said in told("policies") if "around the loop" in said] == []


def test_clocks_that_run_by_a_version_which_cannot_be_read():
    case = make.case()
    broken = PolicyVersion.objects.create(
        policy=standard(), number=0, terms="{}[", created_at=MONDAY
    )
    assert told("policies") == []  # nobody goes by it

    Clock.objects.update(version=broken)
    sla.sweep(now=MONDAY + DAY)
    assert told("policies") == [
        "error: Clocks run by version 0 of policy 'Standard', which cannot be read: "
        "terms: are not JSON. They neither warn nor breach."
    ]

    saved_again(standard())
    sla.migrate(standard(), by=None, now=MONDAY + DAY)
    assert told("policies") == []
    assert case.clocks.get(
        metric=FIRST
    ).breached_at  # it is late, and that is known now


# Calendars


def country_holiday(day):
    Holiday.objects.create(
        calendar=standard().calendar, day=day, source=Holiday.Source.COUNTRY
    )


def topped_up():
    calendar = BusinessCalendar.objects.get()
    calendar.country = "DE"
    calendar.save()
    holidays.top_up(calendar, by=None, now=MONDAY)


def test_holidays_that_end_within_a_year():
    country_holiday(date(2025, 12, 26))
    assert told("calendars") == [
        "warning: The public holidays of calendar 'Office' end on 2025-12-26: later "
        "ones are working days."
    ]
    assert "ended on 2025-12-26" in told("calendars", now=MONDAY + 365 * DAY)[0]

    topped_up()
    assert told("calendars") == []


def test_a_country_without_a_holiday():
    BusinessCalendar.objects.update(country="DE")
    assert told("calendars") == [
        "warning: Calendar 'Office' has none of the public holidays of 'DE'."
    ]

    topped_up()
    assert told("calendars") == []


def test_a_country_whose_holidays_nobody_knows():
    country_holiday(date(2027, 1, 1))
    BusinessCalendar.objects.update(country="Germany")
    assert told("calendars") == [
        "warning: The public holidays of 'Germany', for calendar 'Office', cannot be "
        "looked up."
    ]
    assert "Did you mean DE" in hint("calendars")

    topped_up()
    assert told("calendars") == []


def test_the_package_of_holidays_is_not_there(monkeypatch):
    topped_up()
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "holidays", None)
        assert told("calendars") == [
            "warning: The public holidays of 'DE', for calendar 'Office', cannot be "
            "looked up."
        ]
        assert "django-cem-cases[holidays]" in hint("calendars")

    assert told("calendars") == []


def test_a_calendar_that_no_active_policy_uses_is_let_be():
    BusinessCalendar.objects.create(name="Old", hours={}, country="DE")

    assert told("calendars") == []


# Rules


def test_no_active_rule():
    Rule.objects.update(is_active=False)
    assert told("rules") == ["warning: No rule is active: no answer opens a case."]

    Rule.objects.update(is_active=True)
    assert told("rules") == []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"conditions": {"fact": "mood"}}, "conditions.fact: 'mood' is not a fact."),
        ({"conditions": 3}, "conditions: must be an object"),
        ({"actions": []}, "actions: must be a list of at least one action."),
        ({"actions": None}, None),
    ],
)
def test_a_rule_that_cannot_be_read(change, why):
    before = Rule.objects.values(*change).get()
    if why is None:  # JSON null, which the column takes
        change, why = {"actions": {"do": 1}}, "actions: must be a list"
    Rule.objects.update(**change)
    (said,) = told("rules")
    assert said.startswith(
        f"error: Rule 'Detractors' cannot be read, and is left out: {why}"
    )

    Rule.objects.update(**before)
    assert told("rules") == []


@pytest.mark.parametrize("change", [{"is_active": False}, {"slug": "nord"}])
def test_a_rule_that_names_a_team_that_is_gone(north, change):
    Team.objects.update(**change)
    assert told("rules") == [
        "warning: Rule 'Detractors': actions[1].team: 'north' is not the slug of an "
        "active team."
    ]

    Team.objects.update(is_active=True, slug="north")
    assert told("rules") == []


def test_a_rule_behind_one_that_always_says_stop():
    Rule.objects.update(position=10)
    to_north = {"do": "set team", "team": "north"}
    make.rule("open case", to_north, name="All", conditions={}, stop=True, position=5)
    assert told("rules") == [
        "warning: Rule 'Detractors' never acts: 'All' comes before it, always holds, "
        "and says stop."
    ]

    Rule.objects.filter(name="All").update(position=20)
    assert told("rules") == []
