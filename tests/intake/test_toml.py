"""What is written as TOML, the standard library reads back."""

import tomllib
from datetime import date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cem_cases.intake import toml

TEXT = st.text(st.characters(codec="utf-8"))
KEYS = TEXT | st.sampled_from(["rules", "hours", "name"])
LEAVES = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.dates()
    | TEXT
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=20
)
DOCUMENTS = st.dictionaries(KEYS, VALUES | st.lists(st.dictionaries(KEYS, VALUES)))


@given(DOCUMENTS, st.sets(KEYS))
def test_every_document_is_read_back_as_it_was(document, tables):
    text = toml.dumps(document, tables=tables)

    assert tomllib.loads(text) == document
    assert toml.dumps(tomllib.loads(text), tables=tables) == text


@given(VALUES)
def test_a_value_on_one_line_is_read_back_and_is_one_line(value):
    line = toml.inline(value)

    assert "\n" not in line
    assert tomllib.loads(f"value = {line}") == {"value": value}


@pytest.mark.parametrize(
    "text",
    [
        "",
        '"',
        '"""',
        "'''",
        "\\",
        '\\"',
        "a\nb\r\nc\rd\te",
        "".join(map(chr, range(1, 32))),
        "\x00\x7f\x85\xa0",
        "\u2028\u2029\ufeff\u202eleft\u2066",
        "Ärger, 不満, شكوى, 👩‍👩‍👧 🇩🇪",
        "\U0010ffff",
        "# no comment",
        "[[rules]]",
        "a = 1",
        "${PATH} {{ x }} %s",
    ],
)
def test_hostile_texts_are_read_back(text):
    document = {text: text, "list": [{text: [text]}]}

    assert tomllib.loads(toml.dumps(document)) == document


def test_what_nobody_would_see_is_escaped():
    written = toml.dumps({"name": "right\u202eleft\u200b\ufeff"})

    assert written == 'name = "right\\u202eleft\\u200b\\ufeff"\n'


def test_a_list_of_tables_has_a_line_for_each_and_a_long_list_too():
    written = toml.dumps(
        {"steps": [{"at": 1}, {"at": 2}], "words": ["short"], "long": ["x" * 30] * 3}
    )

    assert written.splitlines() == [
        "steps = [",
        "  { at = 1 },",
        "  { at = 2 },",
        "]",
        'words = ["short"]',
        "long = [",
        *[f'  "{"x" * 30}",'] * 3,
        "]",
    ]


def test_sections_come_after_what_stands_on_one_line():
    written = toml.dumps(
        {"rules": [{"hours": {"mon": []}, "name": "A"}, {"name": "B"}], "format": 1},
        tables=["rules", "hours"],
    )

    assert written.splitlines() == [
        "format = 1",
        "",
        "[[rules]]",
        'name = "A"',
        "",
        "[rules.hours]",
        "mon = []",
        "",
        "[[rules]]",
        'name = "B"',
    ]


def test_an_empty_section_is_written_on_its_line():
    assert toml.dumps({"rules": []}, tables=["rules"]) == "rules = []\n"


def test_decimals_are_written_as_they_are():
    written = toml.dumps({"a": Decimal("1.10"), "b": Decimal("1E+3")})

    assert tomllib.loads(written, parse_float=Decimal) == {
        "a": Decimal("1.10"),
        "b": Decimal("1E+3"),
    }


@pytest.mark.parametrize(
    "value",
    [
        None,
        float("nan"),
        float("inf"),
        Decimal("NaN"),
        datetime(2026, 1, 1),
        b"bytes",
        {1},
        "\ud800",
    ],
)
def test_what_toml_does_not_have_is_refused(value):
    with pytest.raises(ValueError, match="TOML has no"):
        toml.dumps({"value": [value]})


def test_dates_are_dates():
    assert toml.dumps({"day": date(2026, 12, 25)}) == "day = 2026-12-25\n"
