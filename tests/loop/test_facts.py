"""Rows become facts in one place: what conditions may ask is what is read."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cem_cases.loop import analyze, facts, past
from cem_cases.models import Customer, Organization, Response
from cem_cases.rules import CATALOGUE, FAMILIES, Scope
from tests import make
from tests.make import DAY, MONDAY

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)
NOW = {fact.name for fact in CATALOGUE.values() if fact.scope is Scope.RESPONSE}


def read(*responses, names):
    """The facts of these responses, as the loop has them before it decides."""
    keys = [response.pk for response in responses]
    answers = facts.answers(keys, names)
    analyze.analyze(answers)
    past.fill(answers, names)
    return [answer.facts for answer in answers]


# The catalogue


def test_what_is_read_off_answers_is_what_the_catalogue_says():
    tables = (
        facts.RESPONSE,
        facts.CUSTOMER,
        facts.SURVEY,
        facts.TOUCHPOINT,
        facts.DAYS,
        past.OF_CASES,
    )
    names = [name for table in tables for name in table]

    assert sorted(names) == sorted(NOW)


def test_what_policies_may_ask_of_a_case_is_what_the_catalogue_says():
    of_policies = {f.name for f in CATALOGUE.values() if f.scope is Scope.POLICY}

    assert facts.FOR_POLICIES.keys() == of_policies


def test_every_family_is_read():
    looking_back = {past.DETRACTORS, past.RESPONSES, past.CASES}

    assert facts.FAMILIES.keys() | looking_back == FAMILIES.keys()


# Of the answer


@pytest.fixture
def full(db):
    """An answer of which everything is known."""
    make.touchpoint(slug="delivery", journey_stage="use", department="Logistics")
    made = make.response(
        score=3,
        touchpoint="delivery",
        channel="email",
        source_system="shop",
        comment="Late.",
        answered_at=(MONDAY - 2 * DAY - SECOND).isoformat(),
        language="en",
        wants_contact=True,
        answers={"problem": "yes", "visits": 0, "happy": False},
        customer={"external_id": "c1", "attributes": {"contract": "monthly"}},
    )
    organization = Organization.objects.create(name="Acme", segment="enterprise")
    Customer.objects.update(
        segment="gold",
        annual_value=5000,
        currency="EUR",
        since=date(2025, 1, 2),
        language="de",
        opted_out_at=MONDAY,
        account_owner=make.user("ada"),
        organization=organization,
    )
    make.case(customer={"external_id": "c1"}, now=MONDAY - 5 * DAY)
    Response.objects.filter(pk=made.pk).update(sentiment=Decimal("-0.500"))
    return made


def test_everything_that_is_known_of_an_answer_is_read_off_its_rows(full):
    members = {
        *("answer.problem", "answer.visits", "answer.happy", "answer.no"),
        *("customer.attribute.contract", "customer.attribute.no"),
        *("history.detractors_in_days.30", "history.responses_in_days.30"),
        "history.cases_in_days.30",
    }

    (seen,) = read(full, names=NOW | members)

    assert seen == {
        "score": 3,
        "band": "detractor",
        "metric": "nps",
        "survey": "nps",
        "survey.kind": "transactional",
        "touchpoint": "delivery",
        "journey_stage": "use",
        "department": "Logistics",
        "channel": "email",
        "source_system": "shop",
        "comment": "Late.",
        "language": "en",
        "sentiment": Decimal("-0.500"),
        "wants_contact": True,
        "answered_days_ago": 2,
        "customer.segment": "gold",
        "customer.annual_value": 5000,
        "customer.currency": "EUR",
        "customer.tenure_days": 60,
        "customer.language": "de",
        "customer.opted_out": True,
        "customer.has_account_owner": True,
        "customer.organization": "Acme",
        "organization.segment": "enterprise",
        "has_open_case": True,
        "history.days_since_last_case": 5,
        "answer.problem": "yes",
        "answer.visits": 0,
        "answer.happy": False,
        "customer.attribute.contract": "monthly",
        "history.detractors_in_days.30": 1,
        "history.responses_in_days.30": 1,
        "history.cases_in_days.30": 1,
    }


def test_what_is_not_known_is_missing_and_never_empty():
    (seen,) = read(make.response(score=None, comment="?"), names=NOW | {"answer.x"})

    assert seen.pop("answered_days_ago") == 0
    assert seen == {
        "metric": "nps",
        "survey": "nps",
        "survey.kind": "transactional",
        "comment": "?",
        "wants_contact": False,
        "customer.opted_out": False,
        "customer.has_account_owner": False,
        "has_open_case": False,
    }


@pytest.mark.parametrize("name", sorted(NOW))
def test_only_what_is_asked_for_is_read(full, name):
    analysed = {"band"}

    (seen,) = read(full, names={name})

    assert {name} <= seen.keys() <= {name} | analysed


def test_an_answer_carries_what_opening_a_case_needs(full):
    (answer,) = facts.answers([full.pk], set(), with_account_owners=True)

    assert (answer.pk, answer.customer_id) == (full.pk, full.customer_id)
    assert (answer.survey, answer.score) == (full.survey, 3)
    assert answer.received_at == full.received_at
    assert answer.account_owner_id == Customer.objects.get().account_owner_id


def test_the_number_of_queries_does_not_depend_on_the_number_of_answers(full):
    members = {"answer.a", "customer.attribute.b", "history.cases_in_days.9"}
    members |= {"history.detractors_in_days.9", "history.responses_in_days.99"}
    names = NOW | members
    many = [make.response(customer={"external_id": f"c{n}"}) for n in range(100)]

    def queries(*responses):
        with CaptureQueriesContext(connection) as captured:
            read(*responses, names=names)
        return len(captured)

    assert queries(full) == queries(full, *many) <= 7


# History


def history(*, days=30, of=("detractors", "responses", "cases")):
    return {f"history.{name}_in_days.{days}" for name in of}


def answered(now, score=3, customer="c1", **fields):
    return make.response(
        now=now, score=score, customer={"external_id": customer}, **fields
    )


def counts(response, days=30):
    (seen,) = read(response, names=history(days=days))
    return tuple(
        seen[f"history.{name}_in_days.{days}"]
        for name in ("detractors", "responses", "cases")
    )


def analysed():
    """Give every response its band, as the loop does when it processes them."""
    keys = list(Response.objects.values_list("pk", flat=True))
    answers = facts.answers(keys, {"score"})
    analyze.analyze(answers)
    for answer in answers:
        Response.objects.filter(pk=answer.pk).update(band=answer.band)


def test_an_answer_does_not_count_itself():
    assert counts(answered(MONDAY)) == (0, 0, 0)


@pytest.mark.parametrize(
    ("before", "counted"),
    [
        (SECOND, 1),
        (30 * DAY, 1),  # the edge belongs
        (30 * DAY + SECOND, 0),
        (-SECOND, 0),  # it came later
    ],
)
def test_earlier_answers_count_within_the_window(before, counted):
    answered(MONDAY - before)
    analysed()

    assert counts(answered(MONDAY))[:2] == (counted, counted)


def test_only_the_lowest_band_counts_as_detractor():
    for n, score in enumerate([0, 6, 7, 10]):
        answered(MONDAY - n * SECOND - SECOND, score=score)
    analysed()

    assert counts(answered(MONDAY))[:2] == (2, 4)


def test_other_customers_do_not_count():
    answered(MONDAY - DAY, customer="c2")
    analysed()

    assert counts(answered(MONDAY))[:2] == (0, 0)


def test_of_two_at_the_same_instant_the_one_that_was_stored_first_is_earlier():
    first, second = answered(MONDAY), answered(MONDAY)

    of_first, of_second = read(first, second, names=history(of=["responses"]))

    assert list(of_first.values())[-1] == 0
    assert list(of_second.values())[-1] == 1


def test_answers_of_the_same_batch_count_with_the_bands_they_have_now():
    low = answered(MONDAY - DAY, score=1)
    fine = answered(MONDAY - 2 * DAY, score=10)
    last = answered(MONDAY)
    names = history(of=["detractors", "responses"])

    by_key = dict(
        zip(sorted([low.pk, fine.pk, last.pk]), read(low, fine, last, names=names),
            strict=True)
    )  # fmt: skip

    assert by_key[last.pk]["history.detractors_in_days.30"] == 1
    assert by_key[last.pk]["history.responses_in_days.30"] == 2
    assert by_key[fine.pk]["history.responses_in_days.30"] == 0


def test_earlier_answers_that_still_wait_count_as_responses_only():
    answered(MONDAY - DAY)  # not analysed: nobody knows its band

    assert counts(answered(MONDAY))[:2] == (0, 1)


def opened(at, customer="c1"):
    return make.case(customer={"external_id": customer}, now=at)


@pytest.mark.parametrize(
    ("before", "counted", "since"),
    [
        (0 * DAY, 1, 0),  # the case of the same instant is earlier
        (30 * DAY, 1, 30),
        (30 * DAY + SECOND, 0, 30),
        (40 * DAY, 0, 40),
        (-SECOND, 0, None),  # it was opened later
    ],
)
def test_cases_count_within_the_window(before, counted, since):
    opened(MONDAY - before)
    response = answered(MONDAY)

    (seen,) = read(
        response, names={*history(of=["cases"]), "history.days_since_last_case"}
    )

    assert seen["history.cases_in_days.30"] == counted
    assert seen.get("history.days_since_last_case") == since


def test_cases_may_be_left_out():
    case = opened(MONDAY - DAY)
    response = answered(MONDAY)
    names = {"has_open_case", "history.cases_in_days.30"}
    answers = facts.answers([response.pk], names)

    past.fill(answers, names, without=[case.pk])

    assert answers[0].facts == {"has_open_case": False, "history.cases_in_days.30": 0}


def test_what_is_known_of_a_case():
    case = make.case(team=make.team("care"))

    assert facts.of_case(case) == {
        "case.priority": "normal",
        "case.team": "care",
        "case.is_complaint": False,
    }
