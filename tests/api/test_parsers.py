import pytest
from rest_framework.exceptions import ValidationError

from cem_cases.api.errors import Malformed
from cem_cases.api.parsers import parse_json


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b'{"a": [1, -2.5, "x", null, true]}', {"a": [1, -2.5, "x", None, True]}),
        ('{"a": "é 😀 \u202e"}'.encode(), {"a": "é 😀 \u202e"}),
        (rb'"\ud83d\ude00"', "😀"),  # a pair is a character
        (b" null ", None),
        (b"9" * 30, 10**30 - 1),
    ],
)
def test_json_is_read(raw, value):
    assert parse_json(raw) == value


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "is not JSON: see line 1, column 1"),
        (b'{"a": 1,}', "is not JSON: see line 1, column [89]"),
        (b"{'a': 1}", "is not JSON"),
        (b'{"a": "\x00"}', "is not JSON"),
        (b'{"a": 1} {}', "is not JSON"),
        (b'\xef\xbb\xbf{"a": 1}', "without a byte order mark"),
        ('{"a": "é"}'.encode("latin-1"), "must be UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "must be UTF-8"),
        ('{"a": 1}'.encode("utf-16-le"), "is not JSON"),
        (b'{"a": "\xed\xa0\x80"}', "must be UTF-8"),  # a surrogate in "UTF-8"
        (b"NaN", "must be finite"),
        (b"[-Infinity]", "must be finite"),
        (b"1e999", "must be finite"),
        (b"9" * 31 + b"0", "at most 30 digits"),
        (b"9" * 5000, "at most 30 digits"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested too deeply"),
        (rb'{"\u0000": 1}', "name of a field"),
        (rb'{"a": {"\udfff": 1}}', "name of a field"),
    ],
)
def test_what_is_no_strict_json_is_refused(raw, said):
    with pytest.raises(Malformed, match=said):
        parse_json(raw)


@pytest.mark.parametrize(
    "raw", [b'{"score": 0, "score": 10}', rb'[{"a": {"score": 1, "scor\u0065": 1}}]']
)
def test_a_name_that_comes_twice_is_named(raw):
    with pytest.raises(ValidationError) as refused:
        parse_json(raw)

    assert refused.value.detail == {"score": ["Is given twice."]}
