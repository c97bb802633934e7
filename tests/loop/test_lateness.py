"""What waits for too long: told, helped along, and told no more."""

import pytest

from cem_cases.loop import audit, cases, drain, findings, notices, sla
from cem_cases.models import (
    AuditHead,
    Case,
    Delivery,
    EscalationStep,
    Membership,
    Response,
    Team,
)
from tests import make
from tests.findings import (
    MINUTE,
    SECOND,
    TO_LEAD,
    sent,
    site_that_is_well,
    standard,
    targets,
    told,
)
from tests.make import DAY, HOUR, MONDAY
from tests.notices import agent, tell

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def north(db, settings):
    """The team of a site about which there is nothing to say."""
    return site_that_is_well(settings)


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
        for n in range(2 * findings.MOST + 2)
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
