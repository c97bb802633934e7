"""Each thing the doctor finds is made to happen, is told, is mended, and is told no more."""

import sys
from datetime import date, timedelta

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from cem_cases.loop import (
    audit,
    cases,
    config,
    doctor,
    drain,
    holidays,
    notices,
    sla,
)
from cem_cases.models import (
    AuditHead,
    BusinessCalendar,
    Case,
    Clock,
    ClockMetric,
    Delivery,
    EscalationStep,
    Holiday,
    Membership,
    PolicyVersion,
    Response,
    Rule,
    SlaPolicy,
    Target,
    Team,
)
from tests import make
from tests.make import DAY, HOUR, MONDAY
from tests.notices import agent, tell

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
FIRST = ClockMetric.FIRST_CONTACT
TO_LEAD = {"metric": FIRST, "percent": 100, "action": "notify lead"}
TO_MANAGER = {"metric": FIRST, "percent": 150, "action": "notify manager"}


@pytest.fixture(autouse=True)
def north(db, settings):
    """A site about which there is nothing to say: a team, a rule and a policy."""
    settings.SILENCED_SYSTEM_CHECKS = ["cem_cases.W002"]  # of the server under test
    north = make.team("north")
    make.rule_for(north, name="Detractors")
    make.policy(name="Standard", position=10)
    return north


def standard():
    return SlaPolicy.objects.get(name="Standard")


def examined(now=MONDAY):
    return doctor.examine(now=now, local_now=now)


def told(subject, now=MONDAY):
    """What there is to say about this subject, without what is well."""
    return [
        f"{finding.level}: {finding.says}"
        for finding in examined(now)
        if finding.subject == subject and finding.level != "ok"
    ]


def hint(subject, now=MONDAY):
    (found,) = (f for f in examined(now) if f.subject == subject and f.level != "ok")
    return found.hint


def saved_again(policy, **rows):
    """What a person does in the admin, now that it is told."""
    config.save_policy(policy, **rows, by=None, now=MONDAY)


def test_of_a_site_that_is_well_everything_is_said_to_be_well():
    found = examined()

    assert {finding.level for finding in found} == {"ok"}
    assert list(dict.fromkeys(finding.subject for finding in found)) == [
        "time",
        "installation",
        "policies",
        "calendars",
        "rules",
        "sweep",
        "answers",
        "e-mails",
        "audit",
    ]


def test_nothing_is_changed(fingerprint):
    make.case()
    make.response()
    before = fingerprint()

    doctor.examine(now=MONDAY + 30 * DAY)

    assert fingerprint() == before


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


def targets(metric=FIRST, priorities=(1, 2, 3, 4), amount=3600):
    return [Target(metric=metric, priority=n, amount=amount) for n in priorities]


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
    assert "Did you mean DE?" in hint("calendars")

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
        "warning: Rule 'Detractors' puts cases into 'north', which is not an active "
        "team: they are in no queue."
    ]

    Team.objects.update(is_active=True, slug="north")
    assert told("rules") == []


def test_a_rule_behind_one_that_always_says_stop():
    Rule.objects.update(position=10)
    make.rule(name="All", conditions={}, stop=True, position=5)
    assert told("rules") == [
        "warning: Rule 'Detractors' never acts: 'All' comes before it, always holds, "
        "and says stop."
    ]

    Rule.objects.filter(name="Detractors").update(position=1)
    assert told("rules") == []


# The sweep


@pytest.mark.parametrize(
    ("late", "level"),
    [(60 * SECOND, []), (61 * SECOND, ["warning"]), (601 * SECOND, ["error"])],
)
def test_a_clock_that_waits_for_a_sweep(late, level):
    case = make.case()
    now = MONDAY + 3 * HOUR + late  # warned of at three hours
    said = told("sweep", now=now)
    assert [words.split(":")[0] for words in said] == level
    for words in said:
        assert f"A clock of case #{case.pk} has waited " in words

    sla.sweep(now=now)
    assert told("sweep", now=now) == []


def test_a_case_that_should_be_open_again(north):
    case = make.case(owner=make.agent(north))
    cases.set_pending(
        case,
        by=case.owner,
        reason="They send a photo.",
        until=MONDAY + 2 * HOUR,
        now=MONDAY,
    )
    now = MONDAY + 2 * HOUR + 5 * MINUTE
    assert told("sweep", now=now) == [
        f"warning: The end of a wait of case #{case.pk} has waited 5 min for a sweep."
    ]

    sla.sweep(now=now)
    assert told("sweep", now=now) == []


def test_a_reminder_that_is_late(north):
    make.agent(north, role=Membership.Role.LEAD)
    make.publish(standard(), targets(), [EscalationStep(**TO_LEAD)])
    case = make.case()
    sla.sweep(now=MONDAY + 2 * HOUR)
    now = MONDAY + 2 * HOUR + DAY + 3 * HOUR
    assert told("sweep", now=now) == [
        f"error: A reminder of case #{case.pk} has waited 3 h for a sweep."
    ]

    sla.sweep(now=now)
    assert told("sweep", now=now) == []


# Answers


def test_answers_that_wait(north):
    make.response()
    make.response(now=MONDAY + HOUR)
    assert told("answers", now=MONDAY + MINUTE) == []
    assert told("answers", now=MONDAY + 5 * MINUTE) == [
        "warning: Answers that wait for a worker: 2, the oldest for 5 min."
    ]
    now = MONDAY + 2 * HOUR
    assert told("answers", now=now) == [
        "error: Answers that wait for a worker: 2, the oldest for 2 h."
    ]

    drain.drain(now=now)
    assert told("answers", now=now) == []


def test_an_answer_that_is_tried_again_later_does_not_wait_for_a_worker():
    make.response()
    Response.objects.update(attempts=1, next_attempt_at=MONDAY + 3 * HOUR)
    make.response(now=MONDAY + 2 * HOUR)

    assert told("answers", now=MONDAY + 2 * HOUR) == []
    assert told("answers", now=MONDAY + 3 * HOUR) == [
        "error: Answers that wait for a worker: 2, the oldest for 60 min."
    ]


def test_answers_that_failed():
    first, last = make.response(), make.response()
    for response, at in ((last, MONDAY + HOUR), (first, MONDAY)):
        response.failed_at, response.error = at, f"ValueError in a.py:{response.pk}"
        response.save()
    assert told("answers") == [
        "warning: Answers that failed and were parked: 2; the last one: ValueError in "
        f"a.py:{last.pk}."
    ]

    drain.retry_failed([first, last])
    drain.drain(now=MONDAY + HOUR)
    assert told("answers") == []


def test_of_very_many_it_is_said_that_there_are_more():
    one = make.response()
    rows = [
        Response(
            survey=one.survey,
            customer=one.customer,
            external_id=f"copy{n}",
            answered_at=MONDAY,
            received_at=MONDAY,
            failed_at=MONDAY if n % 2 else None,
        )
        for n in range(2 * doctor.MOST + 2)
    ]
    Response.objects.bulk_create(rows)

    assert told("answers", now=MONDAY + 5 * MINUTE) == [
        "warning: Answers that wait for a worker: 1,000 or more, the oldest for 5 min.",
        "warning: Answers that failed and were parked: 1,000 or more; the last one: .",
    ]


# E-mails


@pytest.fixture
def mailed(north):
    """An e-mail that waits to be sent since Monday at nine."""
    tell(agent(north), make.case(team=north))
    notices.gather(now=MONDAY)
    return Delivery.objects.get()


def sent():
    Delivery.objects.update(state="sent", sent_at=MONDAY)


def test_e_mails_that_nobody_sends(mailed):
    assert told("e-mails", now=MONDAY + 10 * MINUTE) == []
    assert told("e-mails", now=MONDAY + 11 * MINUTE) == [
        "warning: E-mails that wait: 1, the oldest for 11 min. Nobody tries to send them."
    ]

    sent()
    assert told("e-mails", now=MONDAY + 11 * MINUTE) == []


def test_e_mails_that_are_refused(mailed):
    now = MONDAY + 3 * HOUR
    Delivery.objects.update(attempts=3, next_attempt_at=now + MINUTE)
    assert told("e-mails", now=now) == [
        "warning: E-mails that wait: 1, the oldest for 3 h. They were tried in vain."
    ]

    sent()
    assert told("e-mails", now=now) == []


def test_e_mails_that_failed(mailed):
    Delivery.objects.update(state="failed", error="SMTPRecipientsRefused")
    assert told("e-mails", now=MONDAY + DAY) == [
        "warning: E-mails of the last 7 days that could not be delivered: 1."
    ]
    assert told("e-mails", now=MONDAY + 8 * DAY) == []

    notices.retry_failed([mailed], now=MONDAY + DAY)
    sent()
    assert told("e-mails", now=MONDAY + DAY) == []


def test_news_without_an_e_mail(north):
    ada, silent = agent(north), make.agent(north)
    case = make.case(team=north)
    tell(silent, case)  # has no address
    tell(agent(make.team("south"), "bob"), case)  # does not see the case
    now = MONDAY + 2 * HOUR
    assert told("e-mails", now=now) == []

    tell(ada, case, at=MONDAY + MINUTE)
    assert told("e-mails", now=MONDAY + HOUR) == []
    assert told("e-mails", now=now) == [
        f"warning: News of case #{case.pk} has waited 119 min for its e-mail."
    ]

    notices.gather(now=now)
    assert told("e-mails", now=now) == []


# The audit


def test_an_audit_that_nobody_seals():
    make.case()
    assert told("audit", now=MONDAY + 2 * DAY) == []
    now = MONDAY + 3 * DAY
    count = AuditHead.objects.count()
    assert told("audit", now=now) == [
        f"warning: Streams that grew since the last seal: {count}, one of them 3 days ago."
    ]

    audit.seal(now=now)
    assert told("audit", now=now + 30 * DAY) == []


def test_what_came_after_an_old_seal_has_its_own_two_days():
    make.case()
    audit.seal(now=MONDAY)
    ada = make.agent(Team.objects.first())
    case = Case.objects.get()
    cases.note(case, by=ada, text="They called.", now=MONDAY + 9 * DAY)

    assert told("audit", now=MONDAY + 10 * DAY) == []
    assert len(told("audit", now=MONDAY + 12 * DAY)) == 1


def test_a_head_that_has_no_events_is_left_to_those_who_verify():
    AuditHead.objects.create(stream="case:0", sequence=3, hash="0" * 64)

    assert told("audit", now=MONDAY + 9 * DAY) == []


# The machine and its settings


@pytest.mark.parametrize(
    ("skew", "said"),
    [
        (5, []),
        (-5, []),
        (6, ["warning: The clock of this machine is 6 s ahead of the database's."]),
        (-60, ["warning: The clock of this machine is 60 s behind the database's."]),
        (7200, ["error: The clock of this machine is 2 h ahead of the database's."]),
    ],
)
def test_a_clock_that_is_wrong(skew, said):
    found = doctor.examine(now=MONDAY, local_now=MONDAY + skew * SECOND)

    assert [
        f"{f.level}: {f.says}" for f in found if f.subject == "time" and f.level != "ok"
    ] == said


def test_without_being_given_the_time_both_clocks_are_read():
    (time,) = (f for f in doctor.examine() if f.subject == "time")

    assert time.level == "ok"
    expected = {"postgresql": "agrees with the database's", "sqlite": "no other"}
    assert expected[connection.vendor] in time.says


def test_a_beat_that_does_not_run_what_it_should(settings):
    entries = settings.CELERY_BEAT_SCHEDULE
    settings.CELERY_BEAT_SCHEDULE = {"sweep": entries["cem_cases.sweep"]}
    assert told("installation") == [
        "warning: CELERY_BEAT_SCHEDULE does not run cem_cases.seal. (cem_cases.W001)"
    ]

    settings.SILENCED_SYSTEM_CHECKS += ["cem_cases.W001"]  # cron does it
    assert told("installation") == []

    settings.SILENCED_SYSTEM_CHECKS = ["cem_cases.W002"]
    settings.CELERY_BEAT_SCHEDULE = entries
    assert told("installation") == []


def test_an_error_of_the_system_checks(settings):
    settings.CEM_CASES = {"AUDIT_KEYS": {}}
    (said,) = told("installation")
    assert said.startswith("error: ")
    assert "cem_cases.E004" in said

    settings.CEM_CASES = {"AUDIT_KEYS": {"2026": "x" * 40}}
    assert told("installation") == []


# What nobody foresaw


def broken_for(words):
    """Let statements fail that have these words in them."""

    def execute(run, sql, params, many, context):
        if words in sql:
            raise OperationalError("no such table, and more that nobody should read")
        return run(sql, params, many, context)

    return connection.execute_wrapper(execute)


@pytest.mark.parametrize(
    ("table", "subject"),
    [
        ("cem_cases_slapolicy", "policies"),
        ("cem_cases_businesscalendar", "calendars"),
        ("cem_cases_rule", "rules"),
        ("cem_cases_clock", "sweep"),
        ("cem_cases_response", "answers"),
        ("cem_cases_delivery", "e-mails"),
        ("cem_cases_audithead", "audit"),
    ],
)
def test_a_look_that_fails_is_a_finding_and_the_others_go_on(table, subject):
    with broken_for(f'"{table}"'):
        said = told(subject)
        found = examined()

    assert said == ["error: This could not be looked at (OperationalError)."]
    assert len({finding.subject for finding in found}) == 9
    assert told(subject) == []


def test_a_database_that_does_not_answer_is_a_finding():
    with broken_for(""):
        (finding,) = doctor.examine()

    assert (finding.level, finding.subject) == ("error", "database")
    assert finding.says == "It does not answer (OperationalError)."


@pytest.mark.skipif(
    "connection.vendor != 'postgresql'", reason="SQLite keeps no such instants"
)
@pytest.mark.parametrize("at", ["-infinity", "4000-01-01 BC"])
def test_an_instant_that_python_cannot_read_is_a_finding(at):
    make.case()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE cem_cases_clock SET next_at = %s", [at])

    assert told("sweep") == ["error: This could not be looked at (DataError)."]

    Clock.objects.update(next_at=None)
    assert told("sweep") == []


def test_names_cannot_steer_a_terminal_nor_make_more_lines():
    SlaPolicy.objects.update(name="a\r\n\x1b[2Jb\u202e" + "x" * 150, version=9)
    Rule.objects.update(conditions={"fact": "evil\x1b\n" * 30})

    for finding in examined():
        assert str(finding).isprintable()
        assert len(finding.says) <= doctor.MOST_LETTERS


def test_errors_are_told_first():
    SlaPolicy.objects.update(version=9)
    Rule.objects.update(is_active=False)

    assert [f.level for f in examined()][:3] == ["error", "warning", "ok"]


# What it costs


def much(north):
    """One or more of everything that is looked at."""
    lead = make.agent(north, role=Membership.Role.LEAD)
    for n in range(3):
        make.policy(
            name=f"Policy {n}",
            position=n,
            conditions=make.DETRACTOR,
            steps=[
                TO_LEAD,
                {"metric": FIRST, "percent": 50, "action": "add watcher", "user": lead},
            ],
        )
        make.rule_for(make.team(f"team{n}"))
        PolicyVersion.objects.create(
            policy=standard(), number=90 + n, terms="", created_at=MONDAY
        )
        tell(agent(north, f"agent{n}"), make.case(team=north))
        notices.gather(now=MONDAY)
        make.response()
    sent()


STATEMENTS = 21


def statements():
    """What is asked of our tables; the system checks ask of none."""
    with CaptureQueriesContext(connection) as captured:
        doctor.examine(now=MONDAY + 30 * DAY)
    return [query["sql"] for query in captured if "cem_cases_" in query["sql"]]


def test_it_costs_the_same_however_much_there_is(north):
    much(north)
    before = len(statements())

    for n in range(3):
        make.policy(name=f"More {n}", conditions=make.DETRACTOR, steps=[TO_LEAD])
        make.rule_for(make.team(f"more{n}"))
        make.agent(north)
        make.case()
        make.response()

    assert before == len(statements()) == STATEMENTS


@pytest.mark.skipif(
    "connection.vendor != 'postgresql'", reason="plans are read on PostgreSQL"
)
def test_what_is_looked_for_in_large_tables_is_found_by_its_index(north):
    much(north)
    found, plans = statements(), ""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_sort = off")
        for sql in found:
            cursor.execute("EXPLAIN " + sql.replace("%", "%%"))
            plans += "\n".join(line for (line,) in cursor.fetchall())

    for name in (
        "cem_clock_next",
        "cem_case_to_resume",
        "cem_escalation_nag",
        "cem_response_waiting",
        "cem_response_failed",
        "cem_delivery_waiting",
        "cem_notification_to_mail",
        "cem_head_unsealed",
        "cem_event_sequence",
    ):
        assert name in plans, name
