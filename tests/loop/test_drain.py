from datetime import timedelta

import pytest
from django.db import connection

from cem_cases.loop import audit, capture, drain
from cem_cases.models import Case
from tests import make
from tests.make import MONDAY

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
    for size in (30, 300):
        capture.record(
            [make.answer(customer={"external_id": f"{size}-{n}"}) for n in range(size)],
            now=MONDAY,
        )
        with django_assert_max_num_queries(60) as queries:
            assert drain.drain(now=MONDAY).opened == size
        counts.append(len(queries))
    assert counts[0] == counts[1]
