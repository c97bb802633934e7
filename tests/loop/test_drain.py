from datetime import timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from cem_cases.loop import audit, capture, drain
from cem_cases.models import AuditEvent, Case, Response
from tests import make
from tests.make import MONDAY
from tests.threads import at_once

pytestmark = pytest.mark.django_db


def test_a_detractor_becomes_an_owned_case_with_a_due_time():
    north = make.team("north")
    ada = make.agent(north, "ada")
    make.rule_for(north)
    make.policy(hours=3)
    response = make.response(score=2)

    done = drain.drain(now=MONDAY)

    assert (done.processed, done.opened) == (1, 1)
    case = Case.objects.get(opening_response=response)
    assert (case.owner, case.status, case.team) == (ada, "open", north)
    assert case.due_at == MONDAY + timedelta(hours=3)
    assert {clock.metric for clock in case.clocks.all()} == {
        "first contact",
        "resolution",
    }
    assert [event.kind for event in case.events.all()] == [
        "case.opened",
        "case.assigned",
    ]
    assert not list(audit.verify())


def test_draining_twice_does_nothing_more():
    make.rule()
    make.response(score=2)
    drain.drain(now=MONDAY)

    again = drain.drain(now=MONDAY)

    assert again.processed == 0
    assert Case.objects.count() == 1


def test_a_promoter_opens_nothing():
    make.rule()
    response = make.response(score=10)

    drain.drain(now=MONDAY)

    response.refresh_from_db()
    assert (response.band, response.state) == ("promoter", "processed")
    assert not Case.objects.exists()


def test_a_second_response_joins_the_open_case():
    make.rule()
    first = make.response(score=2, customer={"external_id": "c1"})
    second = make.response(score=1, customer={"external_id": "c1"})

    done = drain.drain(now=MONDAY)

    assert (done.opened, done.joined) == (1, 1)
    case = Case.objects.get()
    assert set(case.responses.all()) == {first, second}
    assert [event.kind for event in case.events.all()] == ["case.opened", "case.joined"]


@pytest.mark.skipif(
    connection.vendor == "sqlite", reason="SQLite limits the parameters of a statement"
)
def test_the_number_of_queries_does_not_grow_with_the_rows(
    django_assert_max_num_queries,
):
    north = make.team("north")
    make.agent(north)
    make.rule_for(north)
    make.policy()
    make.nps()
    counts = []
    for size in (1, 30, 300):  # the first one keeps the explanation of all
        capture.record(
            [make.answer(customer={"external_id": f"{size}-{n}"}) for n in range(size)],
            now=MONDAY,
        )
        with django_assert_max_num_queries(60) as queries:
            assert drain.drain(now=MONDAY).opened == size
        counts.append(len(queries))
    assert counts[1] == counts[2]


class TestFailing:
    """One row that always fails never stops the others."""

    @pytest.fixture
    def poison(self, settings):
        """The comment "poison" makes the analyser raise."""
        settings.CEM_CASES = {
            **settings.CEM_CASES,
            "COMMENT_ANALYSER": "tests.loop.analyser.refuse_poison",
        }
        make.rule()
        for n in range(9):
            make.response(comment="poison" if n == 4 else "fine")

    def test_it_is_isolated_and_the_others_go_through(self, poison):
        done = drain.drain(now=MONDAY)

        assert (done.processed, done.failed) == (8, 1)
        failed = Response.objects.get(processed_at=None)
        assert (failed.comment, failed.attempts) == ("poison", 1)
        assert Case.objects.count() == 8

    def test_its_error_says_what_and_where_but_quotes_nothing(self, poison):
        drain.drain(now=MONDAY)

        error = Response.objects.get(processed_at=None).error
        assert error.startswith("ValueError in analyser.py:")
        assert ", from analyze.py:" in error
        assert "poison" not in error

    def test_it_waits_twice_as_long_each_time(self, poison):
        waits = []
        now = MONDAY
        for _ in range(4):
            drain.drain(now=now)
            failed = Response.objects.get(processed_at=None)
            waits.append((failed.next_attempt_at - now).total_seconds())
            assert drain.drain(now=now).failed == 0  # not before its time
            now = failed.next_attempt_at

        assert waits == [10, 20, 40, 80]

    def test_it_is_parked_after_eight_attempts_and_shows_in_the_audit(self, poison):
        now = MONDAY
        for _ in range(8):
            drain.drain(now=now)
            now += timedelta(hours=1)

        parked = Response.objects.failed().get()
        assert (parked.state, parked.attempts) == ("failed", 8)
        assert drain.drain(now=now + timedelta(days=9)).failed == 0
        event = AuditEvent.objects.get(kind="response.failed")
        assert event.data["response"] == parked.pk
        assert not list(audit.verify())

    def test_it_can_be_tried_again_by_hand(self, poison, settings):
        now = MONDAY
        for _ in range(8):
            drain.drain(now=now)
            now += timedelta(hours=1)
        parked = Response.objects.failed().get()
        settings.CEM_CASES = {**settings.CEM_CASES, "COMMENT_ANALYSER": None}

        assert drain.retry_failed([parked]) == 1

        assert drain.drain(now=now).opened == 1


@pytest.mark.django_db(transaction=True)
def test_a_row_whose_statement_always_times_out_is_isolated_too(settings):
    settings.CEM_CASES = {
        **settings.CEM_CASES,
        "COMMENT_ANALYSER": "tests.loop.analyser.time_out",
    }
    make.rule()
    for comment in ("fine", "slow", "fine"):
        make.response(comment=comment)

    done = drain.drain(now=MONDAY)

    assert (done.processed, done.failed) == (2, 1)
    assert Response.objects.get(processed_at=None).comment == "slow"


def test_a_row_that_another_worker_took_meanwhile_is_theirs():
    response = make.response()
    Response.objects.update(processed_at=MONDAY)

    assert drain._postpone(drain.LINES[0], response.pk, MONDAY, ValueError()) is False


@pytest.mark.parametrize("found", ["nan", "2", "-1.5"])
def test_a_sentiment_that_cannot_be_is_none(settings, found):
    settings.CEM_CASES = {
        **settings.CEM_CASES,
        "COMMENT_ANALYSER": "tests.loop.analyser.say_it",
    }
    make.response(comment=found)
    drain.drain(now=MONDAY)

    assert Response.objects.get().sentiment is None


def test_a_site_that_is_not_configured_blames_no_row(settings):
    settings.CEM_CASES = {}
    make.rule()
    response = make.response()

    with pytest.raises(ImproperlyConfigured):
        drain.drain(now=MONDAY)

    response.refresh_from_db()
    assert (response.state, response.attempts) == ("waiting", 0)


def test_a_drain_stops_when_its_time_is_up_and_says_so(settings):
    settings.CEM_CASES = {**settings.CEM_CASES, "BATCH_SIZE": 2}
    for _ in range(6):
        make.response()

    done = drain.drain(seconds=0, now=MONDAY)

    assert (done.processed, done.more) == (2, True)


@pytest.mark.django_db(transaction=True)
def test_four_drains_at_a_time_open_each_case_once(settings):
    settings.CEM_CASES = {**settings.CEM_CASES, "BATCH_SIZE": 10}
    north = make.team("north")
    agents = [make.agent(north) for _ in range(3)]
    make.rule_for(north, by="round robin")
    make.policy()
    for _ in range(120):
        make.response()

    at_once([lambda: drain.drain(now=MONDAY)] * 4)

    assert Case.objects.count() == 120
    assert AuditEvent.objects.filter(kind="case.opened").count() == 120
    assert {Case.objects.filter(owner=agent).count() for agent in agents} == {40}
    assert not list(audit.verify())


@pytest.mark.django_db(transaction=True)
def test_a_customer_never_gets_two_cases_from_two_drains_at_a_time(settings):
    settings.CEM_CASES = {**settings.CEM_CASES, "BATCH_SIZE": 5}
    make.rule()
    for n in range(60):
        make.response(customer={"external_id": f"c{n % 6}"})

    at_once([lambda: drain.drain(now=MONDAY)] * 4)

    assert Case.objects.count() == 6
    assert not Response.objects.filter(case=None).exists()
    assert not list(audit.verify())
