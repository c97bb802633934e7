import sys
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cem_cases.intake.values import (
    UNSTORABLE,
    InvalidResponse,
    canonical,
    normalise_identifier,
    parse_response,
)

NOW = datetime(2025, 3, 3, 9, tzinfo=UTC)


def parse(**fields):
    return parse_response({"survey": "nps"} | fields, now=NOW)


def errors(**fields):
    with pytest.raises(InvalidResponse) as refusal:
        parse(**fields)
    return refusal.value.errors


def test_every_wrong_field_is_named_at_once():
    found = errors(score="x", weight=-1, nonsense=1, customer={"email": "no", "x": 1})

    assert set(found) == {
        "score",
        "weight",
        "nonsense",
        "customer.email",
        "customer.x",
    }


@pytest.mark.parametrize("blank", [None, ""])
def test_a_blank_field_is_no_field(blank):
    assert parse(score=blank, comment=blank, answered_at=blank).score is None


@pytest.mark.parametrize(
    ("given_", "kept"),
    [
        ("0.2847177143", Decimal("0.2847177143")),
        (0.5, Decimal("0.5")),
        (2, Decimal(2)),
        (Decimal("1.5"), Decimal("1.5")),
    ],
)
def test_weights_are_exact(given_, kept):
    assert parse(weight=given_).weight == kept


@pytest.mark.parametrize(
    "wrong",
    ["NaN", "Infinity", "1e5", "1,5", float("nan"), float("inf"), 10**400, True, "٣"],
)
def test_what_is_no_plain_number_is_refused(wrong):
    assert "weight" in errors(weight=wrong)


def test_times_become_utc():
    response = parse(answered_at="2025-03-01T10:00:00+01:00")

    assert response.answered_at == datetime(2025, 3, 1, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    "wrong",
    [
        "yesterday",
        "2025-02-30T00:00:00Z",
        "2025-02-03T10:00:00",  # which zone?
        "2025-02-03",
        1740992400000,
        "9999-12-31T23:59:59+14:00",
        "0001-01-01T00:00:00+14:00",
        "10000-01-01T00:00:00Z",
        NOW + timedelta(days=2),
    ],
)
def test_times_that_cannot_be_are_refused(wrong):
    assert list(errors(answered_at=wrong)) == ["answered_at"]


@pytest.mark.parametrize("since", ["2019-05-01", " 2019-05-01 ", date(2019, 5, 1)])
def test_since_when_somebody_is_a_customer_is_a_day(since):
    assert parse(customer={"since": since}).customer.said == {"since": date(2019, 5, 1)}


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ("yesterday", "Must be a date, such as 2026-03-01."),
        ("2019-02-30", "Must be a date, such as 2026-03-01."),
        ("2019-05-01T10:00:00Z", "Must be a date, such as 2026-03-01."),
        (20190501, "Must be a date, such as 2026-03-01."),
        (NOW, "Must be a date, such as 2026-03-01."),
        ("1899-12-31", "Must lie between 1900 and today."),
        ("2025-03-05", "Must lie between 1900 and today."),
    ],
)
def test_a_day_that_cannot_be_is_refused(wrong, why):
    assert errors(customer={"since": wrong}) == {"customer.since": [why]}


def test_a_day_of_an_eastern_zone_may_be_tomorrow():
    tomorrow = (NOW + timedelta(days=1)).date()

    assert parse(customer={"since": tomorrow}).customer.said["since"] == tomorrow


def test_what_is_blank_once_stripped_is_not_said():
    customer = parse(customer={"name": " ", "external_id": " ", "phone": ""}).customer

    assert (customer.said, customer.external_id) == ({}, None)


def test_a_wrong_currency_is_called_wrong_not_missing():
    found = errors(customer={"annual_value": 5, "currency": "Euro"})

    assert "code of three letters" in found["customer.currency"][0]


def test_everything_that_can_be_printed_can_be_stored():
    characters = map(chr, range(sys.maxunicode + 1))

    assert not [c for c in characters if c.isprintable() and UNSTORABLE.search(c)]


def test_identifiers_have_one_spelling():
    assert normalise_identifier("email", " Ada@Example.ORG") == "ada@example.org"
    assert normalise_identifier("sms", "+49 (0)30/901-820") == "+49030901820"
    assert normalise_identifier("twitter", " @Ada ") == "@Ada"
    assert canonical("cafe\u0301") == "caf\u00e9"


def test_deep_and_wide_documents_are_refused():
    deep = {}
    for _ in range(40):
        deep = {"a": deep}

    assert "nested" in errors(answers=deep)["answers"][0]
    assert "values" in errors(answers={"a": [0] * 3000})["answers"][0]


@pytest.mark.parametrize(
    "wrong", ["\x00", "\ud800", "\x1b[31m", float("inf"), 10**40, {"k\x00": 1}]
)
def test_what_no_database_can_store_is_refused_at_any_depth(wrong):
    assert list(errors(answers={"a": [{"b": wrong}]})) == ["answers"]


def test_emoji_line_ends_and_right_to_left_text_are_kept_as_they_are():
    comment = "Zu spät 🐌\r\n\u202eשלום\tok"

    assert parse(comment=comment).comment == comment


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner)
    ),
    max_leaves=8,
)
NAMES = ["survey", "score", "comment", "answered_at", "weight", "answers", "customer"]
INNER = ["external_id", "email", "annual_value", "currency", "attributes", "identities"]


@given(
    st.dictionaries(
        st.sampled_from(NAMES),
        anything | st.dictionaries(st.sampled_from(INNER), anything),
    )
)
def test_rubbish_is_refused_and_nothing_else_happens(raw):
    with suppress(InvalidResponse):
        parse_response(raw, now=NOW)


@pytest.mark.parametrize("phone", ["-", "n/a", "none", "12345", "call me"])
def test_what_is_no_phone_number_makes_nobody_the_same_person(phone):
    assert parse(customer={"phone": phone}).customer.identities == ()


def test_a_phone_number_is_an_identity():
    customer = parse(customer={"phone": "+49 (30) 901-820"}).customer

    assert customer.identities == (("phone", "+4930901820"),)


def test_an_identifier_that_is_empty_once_normalised_is_refused():
    identities = [{"channel": "phone", "identifier": "( )"}]

    assert list(errors(customer={"identities": identities})) == ["customer.identities"]


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"external_id": "\ufb2c" * 100}, "external_id"),  # longer in NFC
        ({"customer": {"email": "\u0130" * 240 + "@ex.org"}}, "customer.email"),
    ],
)
def test_limits_hold_for_what_is_stored_not_only_for_what_is_sent(fields, wrong):
    assert list(errors(**fields)) == [wrong]


def test_a_weight_has_no_more_digits_than_every_database_keeps():
    assert "weight" in errors(weight="999999.9999999999")
    assert parse(weight="99999.9999999999").weight == Decimal("99999.9999999999")
