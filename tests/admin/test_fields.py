import pytest
from django.core.exceptions import ValidationError

from cem_cases.admin.fields import JsonField


@pytest.mark.parametrize(
    "text",
    [
        '{"a": "\\u0000"}',
        '{"a": "\\ud800"}',
        "[" * 20_000 + "]" * 20_000,
        '{"a": NaN}',
        '{"a": ' + "9" * 5_000 + "}",
        '{"a": "' + "x" * 60_000 + '"}',
        "{",
        "'a'",
    ],
    ids=["zero", "half", "deep", "nan", "long number", "long", "cut", "quotes"],
)
def test_json_that_cannot_be_stored_is_refused(text):
    with pytest.raises(ValidationError):
        JsonField(required=False).clean(text)


@pytest.mark.parametrize("text", ["", "null", " null "])
def test_left_empty_it_is_what_the_row_starts_with(text):
    assert JsonField(required=False, initial=dict).clean(text) == {}
    assert JsonField(required=False).clean(text) is None


def test_json_is_laid_out_to_be_read_in_its_own_letters():
    assert JsonField().prepare_value({"a": ["ü"]}) == '{\n  "a": [\n    "ü"\n  ]\n}'


def test_what_was_typed_wrongly_is_shown_again_as_it_was():
    field = JsonField()

    assert field.prepare_value(field.bound_data("{", None)) == "{"
