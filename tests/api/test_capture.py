import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from cem_cases import enqueue
from cem_cases.intake.values import CUSTOMER_FIELDS, RESPONSE_FIELDS
from cem_cases.loop import drain
from cem_cases.models import Customer, Response
from tests import make

URL = "/api/v1/responses/"


def test_a_response_is_stored_and_shown_as_it_is(sender):
    answered = sender(
        {"survey": "nps", "source_system": "shop", "external_id": "o-1", "score": 3}
    )

    row = Response.objects.get()
    assert answered.status_code == 201
    assert answered.json() == {
        "id": row.pk,
        "survey": "nps",
        "source_system": "shop",
        "external_id": "o-1",
        "score": 3,
        "band": None,
        "state": "waiting",
        "received_at": row.received_at.isoformat().replace("+00:00", "Z"),
        "case": None,
    }
    assert answered["Content-Type"] == "application/json"
    assert answered["Cache-Control"] == "no-store"


def test_the_same_again_changes_nothing_and_is_answered_the_same(sender, fingerprint):
    body = make.answer(source_system="shop", customer={"external_id": "c1"})
    first = sender(body)
    before = fingerprint()

    again = sender({**body, "score": 9, "customer": {"external_id": "c2"}})

    assert again.status_code == 200
    assert again.json() == first.json()
    assert fingerprint() == before


def test_the_same_again_shows_what_became_of_it(sender):
    make.rule()
    body = make.answer(score=2)
    sender(body)
    drain.drain()

    again = sender(body).json()

    case = Response.objects.get().case
    assert (again["band"], again["state"]) == ("detractor", "processed")
    assert again["case"] == case.pk


def test_a_response_without_an_external_id_gets_one(sender):
    answered = sender({"survey": "nps"})

    assert answered.status_code == 201
    assert answered.json()["external_id"] == Response.objects.get().external_id


def test_what_is_wrong_is_said_by_field_and_nothing_is_stored(sender, fingerprint):
    before = fingerprint()

    answered = sender({"survey": "nps", "score": 11, "weight": -1, "colour": "red"})

    assert answered.status_code == 400
    assert answered["Content-Type"] == "application/problem+json"
    assert answered.json()["errors"] == {
        "colour": ["Is not a known field."],
        "weight": ["Must be at least 0 and below 10^5."],
    }
    assert fingerprint() == before


def test_a_list_says_of_each_what_became_of_it(sender):
    known = make.response(external_id="r1")

    answered = sender(
        [
            make.answer(external_id="r1"),
            make.answer(external_id="r2"),
            make.answer(score=11),
            make.answer(external_id="r2"),
            "no object",
        ]
    )

    new = Response.objects.get(external_id="r2")
    assert answered.status_code == 200
    assert answered.json() == {
        "created": 1,
        "duplicates": 2,
        "rejected": 2,
        "results": [
            {"index": 0, "status": "duplicate", "id": known.pk},
            {"index": 1, "status": "created", "id": new.pk},
            {
                "index": 2,
                "status": "rejected",
                "errors": {"score": ["Must be from 0 to 10."]},
            },
            {"index": 3, "status": "duplicate", "id": new.pk},
            {
                "index": 4,
                "status": "rejected",
                "errors": {"response": ["Must be an object with named fields."]},
            },
        ],
    }


def test_a_list_in_which_all_are_wrong_is_refused_as_a_whole(sender):
    answered = sender([{"survey": "no-such"}, {}])

    said = answered.json()
    assert answered.status_code == said["status"] == 400
    assert answered["Content-Type"] == "application/problem+json"
    assert (said["created"], said["rejected"], said["code"]) == (0, 2, "invalid")
    assert [result["index"] for result in said["results"]] == [0, 1]


@pytest.mark.parametrize("count", [0, 1001])
def test_a_list_has_1_to_1000_responses(sender, count):
    answered = sender([{"survey": "nps"}] * count)

    assert answered.status_code == 400
    assert answered.json()["errors"] == {"body": ["Send 1 to 1,000 responses."]}
    assert not Response.objects.exists()


def test_a_list_of_1000_is_stored_at_once(sender):
    answered = sender([{"survey": "nps", "score": n % 11} for n in range(1000)])

    assert answered.json()["created"] == Response.objects.count() == 1000


@pytest.mark.parametrize(
    ("model", "known"), [(Response, RESPONSE_FIELDS), (Customer, CUSTOMER_FIELDS)]
)
def test_only_documented_fields_can_be_set(sender, fingerprint, model, known):
    others = {field.name for field in model._meta.get_fields()} - {*known}
    unknown = dict.fromkeys(others, 1)
    body = make.answer()
    prefix = "customer." if model is Customer else ""
    body |= {"customer": {"external_id": "c1"} | unknown} if prefix else unknown
    before = fingerprint()

    answered = sender(body)

    assert answered.status_code == 400
    assert answered.json()["errors"] == {
        f"{prefix}{name}": ["Is not a known field."] for name in others
    }
    assert {"id", "case"} <= others or {"id", "cases"} <= others
    assert fingerprint() == before


@pytest.mark.skipif(
    connection.vendor == "sqlite", reason="SQLite limits the parameters of a statement"
)
def test_the_number_of_queries_does_not_grow_with_the_responses(sender):
    sender(make.answer())  # from here on, the user's permissions are known

    # so many that one and the other are written with COPY
    with CaptureQueriesContext(connection) as few:
        sender([make.answer(customer={"external_id": f"a{n}"}) for n in range(25)])
    with CaptureQueriesContext(connection) as many:
        sender([make.answer(customer={"external_id": f"b{n}"}) for n in range(250)])

    assert len(few) == len(many) <= 15


def test_one_response_takes_few_queries(sender, django_assert_max_num_queries):
    sender(make.answer())

    # survey twice, what is known of both, two inserts, one identity; savepoints
    with django_assert_max_num_queries(14):
        sender(make.answer(customer={"external_id": "c1"}))


@pytest.mark.django_db(transaction=True)
def test_an_answer_is_given_after_the_commit(api, settings, monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    make.nps()
    client = api(make.user("shop", "add_response"))
    rang = []
    monkeypatch.setattr(enqueue._bell, "ring", lambda: rang.append(_sees_it()))

    answered = client.post(URL, make.answer(external_id="r1"), format="json")

    assert answered.status_code == 201
    assert rang == [True]


def _sees_it() -> bool:
    """Whether another connection sees the response already."""
    with ThreadPoolExecutor(1) as pool:

        def look() -> bool:
            try:
                return Response.objects.filter(external_id="r1").exists()
            finally:
                connections.close_all()

        return pool.submit(look).result()


@pytest.mark.django_db(transaction=True)
def test_within_another_transaction_no_answer_is_given(api):
    make.nps()
    client = api(make.user("shop", "add_response"))

    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        client.post(URL, make.answer(), format="json")

    assert not Response.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_twenty_that_come_at_once_one_is_stored_and_all_are_answered(api):
    make.nps()
    shop = make.user("shop", "add_response")
    customer = {"external_id": "c1", "email": "ada@example.org"}
    body = make.answer(source_system="shop", customer=customer)

    def send(_: int) -> tuple[int, int]:
        try:
            answered = api(shop).post(URL, body, format="json")
            return answered.status_code, answered.json()["id"]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(send, range(20)))

    row = Response.objects.get()
    assert Counter(answers) == {(201, row.pk): 1, (200, row.pk): 19}
    assert Customer.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_lists_that_overlap_in_any_order_are_all_taken(api):
    make.nps()
    shop = make.user("shop", "add_response")
    bodies = [
        make.answer(external_id=f"r{n}", customer={"external_id": f"c{n}"})
        for n in range(200)
    ]

    def send(client: APIClient, n: int) -> tuple[int, int]:
        try:
            body = bodies if n % 2 else bodies[::-1]
            answered = client.post(URL, body, format="json")
            return answered.status_code, answered.json()["created"]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: send(api(shop), n), range(8)))

    assert {status for status, _ in answers} == {200}
    assert sum(created for _, created in answers) == Response.objects.count() == 200


def test_a_program_sends_with_its_token(db, client):
    make.nps()
    token = Token.objects.create(user=make.user("shop", "add_response"))

    answered = client.post(
        URL,
        json.dumps(make.answer()),
        content_type="application/json",
        headers={"authorization": f"Token {token.key}"},
    )

    assert answered.status_code == 201
