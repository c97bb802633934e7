"""All that is examined, whatever happens to it and however much there is."""

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from cem_cases.loop import doctor, findings, notices
from cem_cases.models import Clock, Membership, PolicyVersion, Rule, SlaPolicy
from tests import make
from tests.findings import (
    FIRST,
    SECOND,
    TO_LEAD,
    examined,
    sent,
    site_that_is_well,
    standard,
    told,
)
from tests.make import DAY, MONDAY
from tests.notices import agent, tell

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def north(db, settings):
    """The team of a site about which there is nothing to say."""
    return site_that_is_well(settings)


def test_of_a_site_that_is_well_everything_is_said_to_be_well():
    found = examined()

    assert {finding.level for finding in found} == {"ok"}
    assert list(dict.fromkeys(finding.subject for finding in found)) == [
        "time",
        "installation",
        "policies",
        "calendars",
        "rules",
        "owners",
        "sweep",
        "answers",
        "e-mails",
        "outgoing",
        "audit",
    ]


def test_nothing_is_changed(fingerprint):
    make.case()
    make.response()
    before = fingerprint()

    doctor.examine(now=MONDAY + 30 * DAY)

    assert fingerprint() == before


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
        ("cem_cases_membership", "owners"),
        ("cem_cases_clock", "sweep"),
        ("cem_cases_response", "answers"),
        ("cem_cases_delivery", "e-mails"),
        ("cem_cases_letter", "outgoing"),
        ("cem_cases_audithead", "audit"),
    ],
)
def test_a_look_that_fails_is_a_finding_and_the_others_go_on(table, subject):
    with broken_for(f'"{table}"'):
        said = told(subject)
        found = examined()

    assert said == ["error: This could not be looked at (OperationalError)."]
    assert len({finding.subject for finding in found}) == 11
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
        assert len(finding.says) <= findings.MOST_LETTERS


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


STATEMENTS = 37


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
