import gc
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Lower

from cem_cases.loop import bulk
from cem_cases.models import Case, ChannelIdentity, Customer, Organization, Response
from tests import make
from tests.make import MONDAY

pytestmark = pytest.mark.django_db

TEXTS = (
    "plain",
    "",
    "NULL",
    "\\N",
    "\\",
    "\\.",
    "tab\tand\nline\r\nend",
    "say \"a\\b\", {c}, 'd'",
    "{a,b}",
    " spaces ",
    "100 %s %(x)s",
    "Zu spät 🐌 שלום",
)
KOLKATA = timezone(timedelta(hours=5, minutes=30))
NAMES = ("name", "annual_value", "currency", "since", "attributes", "created_at")
VALUES = [
    (
        TEXTS[n % len(TEXTS)],
        (None, Decimal("0.00"), Decimal("999999999999.99"))[n % 3],
        "EUR",
        (None, date(1900, 1, 1), date(2026, 3, 1))[n % 3],
        {"text": TEXTS[n % len(TEXTS)], "n": [n, 1.5, None, True], TEXTS[n % 7]: {}},
        (MONDAY, datetime(2025, 3, 3, 23, 59, 59, 999_999, tzinfo=KOLKATA))[n % 2],
    )
    for n in range(60)
]
SIZES = pytest.mark.parametrize("size", [1, 2, bulk.COPY_FROM, 60])


def stored(keys, names=NAMES):
    """What the database holds of these customers, in the order of their keys."""
    rows = Customer.objects.in_bulk(keys)
    return [tuple(getattr(rows[key], name) for name in names) for key in keys]


def customers(size):
    return [Customer(**dict(zip(NAMES, row, strict=True))) for row in VALUES[:size]]


@SIZES
def test_what_is_added_is_what_is_stored(size):
    keys = bulk.add(Customer, NAMES, VALUES[:size])

    assert stored(keys) == VALUES[:size]
    assert keys == sorted(keys)


@SIZES
def test_what_is_inserted_is_what_is_stored(size):
    rows = bulk.insert(customers(size))

    assert stored([row.pk for row in rows]) == VALUES[:size]
    assert not any(row._state.adding for row in rows)


@SIZES
def test_what_is_changed_is_what_is_stored(size):
    keys = bulk.add(Customer, ["created_at"], [(MONDAY,)] * size)

    bulk.change(
        Customer,
        NAMES,
        [(key, *row) for key, row in zip(keys, VALUES[:size], strict=True)],
    )

    assert stored(keys) == VALUES[:size]


@SIZES
def test_what_is_updated_is_what_is_stored(size):
    rows = bulk.insert([Customer(created_at=MONDAY) for _ in range(size)])
    for row, values in zip(rows, VALUES, strict=False):
        for name, value in zip(NAMES, values, strict=True):
            setattr(row, name, value)

    bulk.update(rows, NAMES)

    assert stored([row.pk for row in rows]) == VALUES[:size]


@pytest.mark.parametrize("size", [2, 40])
def test_what_is_not_named_takes_its_default(size):
    keys = bulk.add(Customer, ["created_at"], [(MONDAY,)] * size)

    rest = ("external_id", "name", "organization_id", "annual_value", "attributes")
    assert set(map(repr, stored(keys, rest))) == {repr((None, "", None, None, {}))}


@pytest.mark.parametrize("size", [2, 40])
def test_relations_are_added_and_changed_by_their_keys(size):
    acme, other = bulk.add(Organization, ["name"], [("Acme",), ("Other",)])

    keys = bulk.add(
        Customer, ["organization_id", "created_at"], [(acme, MONDAY)] * size
    )
    bulk.change(Customer, ["organization"], [(key, other) for key in keys[1:]])

    found = [organization for (organization,) in stored(keys, ["organization_id"])]
    assert found == [acme] + [other] * (size - 1)


@pytest.mark.parametrize("size", [2, 40])
def test_the_order_in_which_rows_are_written_is_not_that_of_their_keys(size):
    names = [f"{n:03}" for n in reversed(range(size))]

    keys = bulk.add(Organization, ["name"], [(n,) for n in names], unique=["name"])

    found = Organization.objects.in_bulk(keys)
    assert [found[key].name for key in keys] == names


def test_some_may_lack_that_by_which_they_are_unique():
    rows = [(None if n % 2 else f"c{n}", MONDAY) for n in range(40)]

    names = ("external_id", "created_at")
    keys = bulk.add(Customer, names, rows, unique=["external_id"])

    assert stored(keys, names) == rows


@pytest.mark.parametrize("size", [2, 40])
def test_rows_may_be_left_without_their_keys(size):
    (customer,) = bulk.add(Customer, ["created_at"], [(MONDAY,)])
    rows = [(customer, "email", f"{n}@b.co") for n in range(size)]

    bulk.add(
        ChannelIdentity,
        ("customer_id", "channel", "identifier"),
        rows,
        unique=["channel", "identifier"],
        keys=False,
    )

    found = ChannelIdentity.objects.order_by("pk").values_list(
        "customer_id", "channel", "identifier"
    )
    assert sorted(found) == sorted(rows)


@pytest.mark.parametrize("size", [2, 40])
def test_what_is_there_already_is_refused(size):
    rows = [(f"{n}",) for n in range(size)]
    bulk.add(Organization, ["name"], rows)

    with pytest.raises(IntegrityError), transaction.atomic():
        bulk.add(Organization, ["name"], rows, unique=["name"])


def test_a_document_that_is_not_there_is_null():
    with_one, without = (make.case() for _ in range(2))

    bulk.change(Case, ["assignment"], [(with_one.pk, {"by": []}), (without.pk, None)])

    assert Case.objects.get(assignment__isnull=True) == without


def test_nothing_is_written_without_rows(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert not bulk.insert([])
        assert bulk.add(Customer, NAMES, []) == []
        bulk.update([], NAMES)
        bulk.change(Customer, NAMES, [])


def test_the_number_of_statements_is_that_of_the_calls(django_assert_num_queries):
    if connection.vendor == "sqlite":
        pytest.skip("SQLite limits the parameters of a statement")
    for size in (30, 300):
        with django_assert_num_queries(2):  # the keys, and COPY
            keys = bulk.add(Customer, ["created_at"], [(MONDAY,)] * size)
        with django_assert_num_queries(1):
            bulk.change(Customer, ["name"], [(key, "x") for key in keys])


@pytest.mark.parametrize("size", [1, 12, 60])
def test_any_of_finds_those_and_no_others(size):
    texts = [*TEXTS, *(f"name {n}" for n in range(100))]
    bulk.add(Organization, ["name"], [(text,) for text in texts])

    found = Organization.objects.filter(bulk.any_of("name", {*texts[:size], "nobody"}))

    assert sorted(found.values_list("name", flat=True)) == sorted(texts[:size])


@pytest.mark.parametrize("size", [0, 2, 60])
def test_any_of_takes_keys_relations_and_expressions(size):
    customers = bulk.add(Customer, NAMES, VALUES)[:size]
    make.nps()
    added = [make.response(customer={"email": f"{n}@B.co"}) for n in range(3)]

    own = Customer.objects.filter(bulk.any_of("pk", customers))
    of_some = Response.objects.filter(
        bulk.any_of("customer", [*customers, added[0].customer_id])
    )
    lower = Customer.objects.annotate(lower=Lower("email"))
    addresses = ["1@b.co", *map(str, customers)]

    assert sorted(own.values_list("pk", flat=True)) == customers
    assert of_some.get() == added[0]
    assert lower.get(bulk.any_of("lower", addresses)).pk == added[1].customer_id


@pytest.mark.parametrize("was_on", [True, False])
def test_the_collector_is_afterwards_as_it_was_before(was_on):
    @bulk.unwatched()
    def fail():
        assert not gc.isenabled()
        raise ValueError("oops")

    try:
        if not was_on:
            gc.disable()
        with pytest.raises(ValueError, match="oops"):
            fail()
        assert gc.isenabled() == was_on
    finally:
        gc.enable()
