from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from cem_cases.audit import GENESIS, Link, canonical, commitment, link, verify

KEYS = {"old": "first secret", "new": "second secret"}
AT = datetime(2025, 3, 3, 9, 0, 0, 123456, tzinfo=UTC)


def chain(length=5, key_id="new"):
    links, previous = [], GENESIS
    for sequence in range(1, length + 1):
        fields = {
            "stream": "case:1",
            "sequence": sequence,
            "at": AT + timedelta(seconds=sequence),
            "actor": "7",
            "kind": "case.noted",
            "payload": canonical({"n": sequence}),
            "previous_hash": previous,
            "key_id": key_id,
        }
        previous = link(**fields, secret=KEYS[key_id])
        links.append(Link(**fields, hash=previous))
    return links


def test_an_honest_chain_verifies():
    assert list(verify(chain(), KEYS)) == []
    assert list(verify([], KEYS)) == []


@pytest.mark.parametrize(
    "change",
    [
        {"payload": '{"n":99}'},
        {"kind": "case.closed"},
        {"actor": "8"},
        {"at": AT},
        {"stream": "case:2"},
        {"key_id": "old"},
        {"hash": GENESIS},
    ],
)
def test_any_changed_field_is_found(change):
    links = chain()
    links[2] = replace(links[2], **change)

    faults = list(verify(links, KEYS))

    assert faults
    assert faults[0].sequence == 3


def test_a_missing_a_swapped_and_an_inserted_event_are_found():
    links = chain()

    assert next(verify(links[:2] + links[3:], KEYS)).sequence == 4
    assert next(verify([links[1], links[0], *links[2:]], KEYS)).sequence == 2
    assert next(verify([*links[:3], links[2], *links[3:]], KEYS)).sequence == 3


def test_a_chain_rebuilt_without_the_key_is_found():
    forged, previous = [], GENESIS
    for event in chain():
        fields = {
            name: getattr(event, name) for name in Link.__slots__ if name != "hash"
        } | {"previous_hash": previous, "payload": "{}"}
        previous = link(**fields, secret="a guess")
        forged.append(Link(**fields, hash=previous))

    assert len(list(verify(forged, KEYS))) == 5


def test_a_chain_goes_on_with_a_new_key():
    links = chain(2, "old")
    fields = {
        name: getattr(links[0], name) for name in Link.__slots__ if name != "hash"
    } | {"sequence": 3, "previous_hash": links[-1].hash, "key_id": "new"}
    links.append(Link(**fields, hash=link(**fields, secret=KEYS["new"])))

    assert not list(verify(links, KEYS))
    assert "not configured" in next(verify(links, {"new": KEYS["new"]})).problem


def test_fields_cannot_lend_each_other_bytes():
    one = chain(1)[0]
    fields = {name: getattr(one, name) for name in Link.__slots__ if name != "hash"}

    left = link(**fields | {"actor": "1", "kind": "1x"}, secret="s")
    right = link(**fields | {"actor": "11", "kind": "x"}, secret="s")

    assert left != right


def test_the_same_instant_has_one_text_in_every_zone():
    elsewhere = AT.astimezone(timezone(timedelta(hours=5, minutes=30)))

    assert canonical({"at": AT}) == canonical({"at": elsewhere})
    assert canonical({"at": AT}) == '{"at":"2025-03-03T09:00:00.123456Z"}'


def test_payloads_have_one_text_whatever_the_order():
    assert canonical({"b": 1, "a": [{"d": 1, "c": "é"}]}) == (
        '{"a":[{"c":"é","d":1}],"b":1}'
    )


@pytest.mark.parametrize("value", [1.5, {"deep": [0.1]}, {1, 2}])
def test_what_has_no_one_text_is_refused(value):
    with pytest.raises(TypeError):
        canonical({"value": value})


def test_decimals_keep_their_digits():
    assert canonical({"d": Decimal("10.50")}) == '{"d":"10.50"}'


def test_a_commitment_binds_to_its_text():
    assert commitment("salt", "text") == commitment("salt", "text")
    assert commitment("salt", "text") != commitment("salt", "texts")
    assert commitment("salt", "text") != commitment("pepper", "text")
