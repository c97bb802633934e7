from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import connection

from cem_cases.exceptions import InvalidInput
from cem_cases.loop import capture
from cem_cases.models import ChannelIdentity, Customer, Organization, Response
from tests import make
from tests.make import MONDAY
from tests.threads import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _survey(db):
    make.nps()


def record(*answers, **options):
    return capture.record(list(answers), now=MONDAY, **options)


def test_one_answer_is_a_batch_of_one():
    (outcome,) = capture.record(make.answer(score=9), now=MONDAY)

    assert outcome.status == "created"
    assert (outcome.response.score, outcome.response.received_at) == (9, MONDAY)
    assert outcome.response.state == "waiting"


def test_the_same_again_changes_nothing_and_returns_the_same_row():
    answer = make.answer(score=3, source_system="shop", external_id="o-1")
    (first,) = record(answer)

    (second,) = record(answer | {"score": 9, "customer": {"name": "Somebody"}})

    assert second.status == "duplicate"
    assert second.response == first.response
    assert Response.objects.get().score == 3
    assert Customer.objects.count() == 1


def test_the_same_twice_in_one_batch_is_stored_once():
    answer = make.answer(external_id="o-1")

    first, second = record(answer, answer)

    assert (first.status, second.status) == ("created", "duplicate")
    assert first.response == second.response


def test_the_row_of_an_outcome_is_the_row_that_is_stored(django_assert_num_queries):
    touchpoint = make.touchpoint()
    answers = [
        make.answer(
            score=4,
            comment="a\\b\tc\nd",
            touchpoint=touchpoint.slug,
            weight="0.25",
            answers={"n": n},
            customer={"external_id": f"c{n}", "language": "de"},
        )
        for n in range(30)
    ]

    outcomes = record(*answers)

    stored = Response.objects.in_bulk()
    for outcome in outcomes:
        with django_assert_num_queries(0):
            made, there = outcome.response, stored[outcome.response.pk]
            assert made is outcome.response
            assert made.survey.slug == "nps"
        for column in Response._meta.concrete_fields:
            name = column.attname
            assert getattr(made, name) == getattr(there, name)


def test_the_same_id_from_another_system_is_another_response():
    record(make.answer(external_id="1", source_system="shop"))
    record(make.answer(external_id="1", source_system="app"))

    assert Response.objects.count() == 2


def test_external_ids_have_one_spelling_but_keep_their_case():
    outcomes = record(
        make.answer(external_id="caf\u00e9"),
        make.answer(external_id=" cafe\u0301 "),
        make.answer(external_id="CAF\u00c9"),
    )

    assert [o.status for o in outcomes] == ["created", "duplicate", "created"]


WRONG = [
    ({"survey": "nothing-like-it"}, "survey"),
    ({"survey": None}, "survey"),
    ({"score": 11}, "score"),
    ({"score": -1}, "score"),
    ({"score": "seven"}, "score"),
    ({"score": 7.5}, "score"),
    ({"score": True}, "score"),
    ({"answered_at": "2025-02-30T10:00:00Z"}, "answered_at"),
    ({"answered_at": "2025-02-03 10:00"}, "answered_at"),  # which zone?
    ({"answered_at": "2099-01-01T00:00:00Z"}, "answered_at"),
    ({"answered_at": "0001-01-01T00:00:00+14:00"}, "answered_at"),
    ({"touchpoint": "nowhere"}, "touchpoint"),
    ({"weight": 0}, "weight"),
    ({"weight": "1e5"}, "weight"),
    ({"comment": "a\x00b"}, "comment"),
    ({"comment": "x" * 10_001}, "comment"),
    ({"answers": {"a": {"b": "\x00"}}}, "answers"),
    ({"answers": [1]}, "answers"),
    ({"wants_contact": "yes"}, "wants_contact"),
    ({"customer": "Ada"}, "customer"),
    ({"customer": {"email": "ada"}}, "customer.email"),
    ({"customer": {"annual_value": 5}}, "customer.currency"),
    ({"customer": {"annual_value": -5, "currency": "EUR"}}, "customer.annual_value"),
    ({"customer": {"since": "May"}}, "customer.since"),
    ({"customer": {"is_admin": True}}, "customer.is_admin"),
    ({"customer": {"identities": [{"channel": "x"}]}}, "customer.identities"),
    ({"processed_at": "2025-01-01T00:00:00Z"}, "processed_at"),
    ({"case": 1}, "case"),
]


@pytest.mark.parametrize(("wrong", "field"), WRONG)
def test_wrong_input_is_refused_by_the_name_of_its_field(wrong, field):
    with pytest.raises(InvalidInput) as refusal:
        record(make.answer(**wrong))

    assert list(refusal.value.errors) == [field]
    assert not Response.objects.exists()
    assert not Customer.objects.exists()


def test_one_wrong_response_refuses_the_batch_and_is_numbered():
    with pytest.raises(InvalidInput) as refusal:
        record(make.answer(), make.answer(score=99))

    assert list(refusal.value.errors) == ["[1].score"]
    assert not Response.objects.exists()


def test_partial_stores_what_is_right_and_tells_of_the_rest():
    outcomes = record(make.answer(), make.answer(score=99), "rubbish", partial=True)

    assert [o.status for o in outcomes] == ["created", "rejected", "rejected"]
    assert outcomes[1].errors == {"score": ["Must be from 0 to 10."]}
    assert Response.objects.count() == 1


def test_an_inactive_survey_takes_no_answers():
    make.survey(slug="old", is_active=False)

    with pytest.raises(InvalidInput, match="survey"):
        record(make.answer(survey="old"))


def test_what_is_said_is_stored():
    touchpoint = make.touchpoint(slug="delivery")
    record(
        make.answer(
            score="4",
            comment="Zu spät 🐌",
            answered_at="2025-03-01T10:00:00+01:00",
            touchpoint="delivery",
            channel="email",
            weight="0.2847177143",
            wants_contact=True,
            answers={"problem": "yes", "visits": 3},
            customer={
                "external_id": "c1",
                "name": "Ada",
                "email": "Ada@Example.org",
                "organization": "Acme",
                "segment": "gold",
                "annual_value": "1200.50",
                "currency": "eur",
                "language": "de",
                "since": "2019-05-01",
                "attributes": {"contract": "monthly"},
                "identities": [{"channel": "twitter", "identifier": "@ada"}],
            },
        )
    )

    response = Response.objects.get()
    assert (response.score, response.comment) == (4, "Zu spät 🐌")
    assert response.answered_at == MONDAY - timedelta(days=2)
    assert response.touchpoint == touchpoint
    assert response.weight == Decimal("0.2847177143")
    assert response.answers == {"problem": "yes", "visits": 3}
    assert response.language == "de"
    customer = response.customer
    assert (customer.segment, customer.currency) == ("gold", "EUR")
    assert customer.annual_value == Decimal("1200.50")
    assert customer.since == date(2019, 5, 1)
    assert customer.organization == Organization.objects.get(name="Acme")
    assert set(customer.identities.values_list("channel", "identifier")) == {
        ("email", "ada@example.org"),
        ("twitter", "@ada"),
    }


def test_a_response_without_a_touchpoint_belongs_to_that_of_its_survey():
    place = make.touchpoint()
    make.survey(slug="placed", touchpoint=place)

    record(make.answer(survey="placed"))

    assert Response.objects.get().touchpoint == place


class TestIdentity:
    def who(self, **customer):
        (outcome,) = record(make.answer(customer=customer))
        return Customer.objects.get(pk=outcome.response.customer_id)

    def test_an_external_id_finds_its_customer(self):
        assert self.who(external_id="c1") == self.who(external_id="c1", email="a@b.co")

    def test_an_external_id_beats_an_address(self):
        ada = self.who(external_id="c1", email="shared@home.org")
        bob = self.who(external_id="c2", email="shared@home.org")

        assert ada != bob
        assert self.who(email="shared@home.org") == ada  # the address stays with her
        assert self.who(external_id="c2") == bob

    def test_a_channel_identity_finds_its_customer(self):
        handle = {"channel": "twitter", "identifier": "@ada"}

        assert self.who(identities=[handle]) == self.who(
            identities=[handle], email="ada@b.co"
        )
        assert self.who(email="ADA@b.co").identities.count() == 2

    def test_someone_known_by_address_only_gets_the_external_id(self):
        ada = self.who(email="ada@b.co")

        assert self.who(external_id="c1", email="ada@b.co") == ada
        assert self.who(external_id="c1").email == "ada@b.co"

    def test_an_anonymous_answer_is_a_customer_of_its_own(self):
        assert self.who() != self.who()

    def test_one_batch_knows_its_own_new_customers(self):
        record(
            make.answer(customer={"external_id": "c1", "email": "a@b.co"}),
            make.answer(customer={"external_id": "c1", "segment": "gold"}),
            make.answer(customer={"email": "A@B.co", "attributes": {"x": 1}}),
        )

        customer = Customer.objects.get()
        assert (customer.segment, customer.attributes) == ("gold", {"x": 1})

    def test_news_about_a_customer_are_kept_and_silence_takes_nothing_away(self):
        self.who(external_id="c1", segment="gold", attributes={"a": 1})

        customer = self.who(external_id="c1", name="Ada", attributes={"b": 2})

        assert (customer.name, customer.segment) == ("Ada", "gold")
        assert customer.attributes == {"a": 1, "b": 2}

    def test_two_that_find_the_same_customer_in_one_batch_both_count(self):
        self.who(external_id="c1", email="a@b.co")

        record(
            make.answer(customer={"external_id": "c1", "segment": "gold"}),
            make.answer(customer={"email": "a@b.co", "language": "de"}),
        )

        customer = Customer.objects.get()
        assert (customer.segment, customer.language) == ("gold", "de")


def test_news_about_several_customers_are_kept_in_one_batch():
    for batch in ("first", "second"):
        record(
            *(
                make.answer(
                    customer={
                        "external_id": f"c{n}",
                        "segment": batch,
                        "attributes": {batch: n},
                    }
                )
                for n in range(3)
            )
        )

    for n, customer in enumerate(Customer.objects.order_by("external_id")):
        assert customer.segment == "second"
        assert customer.attributes == {"first": n, "second": n}


@pytest.mark.django_db(transaction=True)
def test_overlapping_batches_in_opposite_order_never_wait_in_a_circle():
    make.nps()
    answers = [
        make.answer(
            external_id=f"o{n}",
            customer={"external_id": f"c{n}", "email": f"c{n}@b.co"},
        )
        for n in range(300)
    ]

    results = at_once([lambda: record(*answers), lambda: record(*answers[::-1])] * 3)

    assert not [result for result in results if isinstance(result, Exception)]
    assert Response.objects.count() == Customer.objects.count() == 300


def test_the_number_of_queries_does_not_grow_with_the_batch(
    django_assert_max_num_queries,
):
    if connection.vendor == "sqlite":
        pytest.skip("SQLite limits the parameters of a statement")
    counts = []
    for size in (30, 300):
        answers = [
            make.answer(
                customer={
                    "external_id": f"{size}-{n}",
                    "email": f"{size}-{n}@b.co",
                    "organization": "Acme",
                }
            )
            for n in range(size)
        ]
        with django_assert_max_num_queries(20) as queries:
            record(*answers)
        counts.append(len(queries))
    assert counts[0] - counts[1] in (0, 1)  # the organization is new the first time


@pytest.mark.django_db(transaction=True)
def test_ten_senders_of_the_same_store_it_once():
    make.nps()
    answers = [
        make.answer(external_id=f"r{n}", customer={"email": f"{n}@b.co"})
        for n in range(20)
    ]

    results = at_once([lambda: record(*answers)] * 10)
    outcomes = [outcome for result in results for outcome in result]

    assert len(outcomes) == 200
    assert sum(outcome.status == "created" for outcome in outcomes) == 20
    assert Response.objects.count() == Customer.objects.count() == 20
    assert ChannelIdentity.objects.count() == 20


def test_a_customer_whom_the_host_created_is_found_by_the_address_of_the_row():
    known = Customer.objects.create(email="Ada@Example.org", created_at=MONDAY)

    record(
        make.answer(customer={"email": "ada@example.org"}),
        make.answer(customer={"email": "ADA@example.org", "segment": "gold"}),
    )

    assert Customer.objects.get() == known
    assert known.identities.get().identifier == "ada@example.org"


def test_a_batch_of_duplicates_rings_for_nobody(django_capture_on_commit_callbacks):
    answer = make.answer()
    record(answer)

    with django_capture_on_commit_callbacks() as callbacks:
        record(answer)

    assert callbacks == []
