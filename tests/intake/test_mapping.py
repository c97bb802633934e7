import json
import re
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cem_cases.intake import mapping as mappings
from cem_cases.intake.mapping import RowRefused, load, parse_mapping
from cem_cases.intake.refusals import MappingRefused
from cem_cases.intake.specs import PARSERS
from tests.conftest import ROOT


def mapping(response=None, **sections):
    fields = {"external_id": "id"} | (response or {})
    return parse_mapping({"source": "tool", "response": fields} | sections)


def applied(spec, *, field="channel", **cells):
    """What this spec makes of these cells; None where the field is left out."""
    raw = mapping({field: spec}).apply({"id": "1"} | cells)
    return raw.get(field)


def answered(spec, **cells):
    raw = mapping(answers={"q": spec}).apply({"id": "1"} | cells)
    return raw.get("answers", {}).get("q")


def refused(spec, *, field="channel", **cells) -> str:
    with pytest.raises(RowRefused) as error:
        applied(spec, field=field, **cells)
    ((message,),) = error.value.errors.values()
    assert error.value.errors.keys() == {field}
    return message


def test_a_row_becomes_a_response():
    everything = load(
        """
        source = "qualtrics"
        [response]
        external_id = "ResponseId"
        score = "Q1"
        comment = "Q2"
        touchpoint = { constant = "check-out" }
        wants_contact = { column = "Q3", true = ["call me"] }
        [answers]
        ease = { column = "Q4", number = true }
        [customer]
        external_id = "ExternalReference"
        email = "RecipientEmail"
        [customer.attributes]
        plan = "Plan"
        [[customer.identities]]
        channel = "sms"
        identifier = "Mobile"
        """
    )

    assert everything.apply(
        {
            "ResponseId": "R_1",
            "Q1": " 3 ",
            "Q2": "Too slow",
            "Q3": "Call me",
            "Q4": "5",
            "ExternalReference": "c-7",
            "RecipientEmail": "ada@example.org",
            "Plan": "gold",
            "Mobile": "+49 30 1",
        }
    ) == {
        "source_system": "qualtrics",
        "external_id": "R_1",
        "score": "3",
        "comment": "Too slow",
        "touchpoint": "check-out",
        "wants_contact": True,
        "answers": {"ease": 5},
        "customer": {
            "external_id": "c-7",
            "email": "ada@example.org",
            "attributes": {"plan": "gold"},
            "identities": [{"channel": "sms", "identifier": "+49 30 1"}],
        },
    }


def test_what_is_blank_is_left_out():
    full = mapping(
        {"score": "s"},
        answers={"q": "a"},
        customer={
            "email": "e",
            "attributes": {"plan": "p"},
            "identities": [{"channel": "sms", "identifier": "m"}],
        },
    )
    blank = dict.fromkeys("saepm", " ")

    assert full.apply({"id": "1", **blank}) == {
        "source_system": "tool",
        "external_id": "1",
    }


@pytest.mark.parametrize(
    ("spec", "cell", "value"),
    [
        ("c", "web", "web"),
        ({"column": " c "}, " web ", "web"),
        ({"column": "c", "blank": ["11", 0]}, "11", None),
        ({"column": "c", "blank": ["11", 0]}, " 0 ", None),
        ({"column": "c", "blank": ["11"]}, "1", "1"),
        ({"column": "c", "map": {"1": "gate"}}, "1", "gate"),
        ({"column": "c", "map": {"1": "gate", "0": ""}}, "0", None),
        ({"column": "c", "map": {"1": "gate"}, "otherwise": "?"}, "9", "?"),
        ({"column": "c", "map": {"1": "gate"}}, "", None),
        ({"constant": "email"}, "whatever", "email"),
        ({"template": "x-{c}"}, "7", "x-7"),
        ({"template": "{c:03}/{ c }"}, "7", "007/7"),
        ({"template": "{c}", "blank": ["-"]}, "-", None),
        ({"template": "x-{c}"}, "", None),
    ],
)
def test_a_text_is_made_of_a_column_a_constant_or_a_template(spec, cell, value):
    assert applied(spec, c=cell) == value


def test_a_value_that_is_not_in_the_map_is_refused_without_repeating_it():
    spec = {"column": "c", "map": {"1": "gate"}}

    assert refused(spec, c="secret") == "Column 'c' has a value that is not in the map."


@pytest.mark.parametrize(
    ("spec", "cell", "value"),
    [
        ("c", "7", "7"),
        ("c", "-1.50", "-1.50"),
        ("c", "7.0", "7"),  # as pandas writes it
        ({"column": "c", "decimal": ","}, "1234,5", "1234.5"),
        ({"column": "c", "decimal": ","}, "7", "7"),
        ({"column": "c", "map": {"happy": 10}}, "happy", 10),
        ({"constant": 3}, "", 3),
    ],
)
def test_a_number_is_brought_into_the_form_of_the_loop(spec, cell, value):
    assert applied(spec, field="score", c=cell) == value


@pytest.mark.parametrize(
    "cell", ["x", "1,5", "1.234,5", "NaN", "inf", "1e9", "٣", "1 0"]
)
def test_what_is_no_number_is_refused(cell):
    assert refused("c", field="weight", c=cell) == "Column 'c' is not a number."


def test_a_point_is_no_number_where_a_comma_is_expected():
    spec = {"column": "c", "decimal": ","}

    assert 'with "," before its decimals' in refused(spec, field="score", c="1.234")


@pytest.mark.parametrize(
    ("spec", "cell", "moment"),
    [
        ("c", "2025-03-03T09:00:00Z", (3, 3, 9)),
        ("c", "2025-03-03 09:00:00+02:00", (3, 3, 7)),
        ({"column": "c", "zone": "Europe/Berlin"}, "2025-03-03 09:00", (3, 3, 8)),
        ({"column": "c", "zone": "Europe/Berlin"}, "2025-03-03", (3, 2, 23)),
        # a zone that is written in the cell goes before that of the mapping
        ({"column": "c", "zone": "Europe/Berlin"}, "2025-03-03T09:00Z", (3, 3, 9)),
        (
            {"column": "c", "format": "%m/%d/%Y %H:%M", "zone": "America/Los_Angeles"},
            "3/3/2025 1:05",
            (3, 3, 9, 5),
        ),
        (
            {"column": "c", "format": "%d.%m.%Y %H:%M %z"},
            "3.3.2025 9:00 -0100",
            (3, 3, 10),
        ),
        # skipped: forward by the gap; twice: the first time
        ({"column": "c", "zone": "Europe/Berlin"}, "2025-03-30 02:30", (3, 30, 1, 30)),
        ({"column": "c", "zone": "Europe/Berlin"}, "2025-10-26 02:30", (10, 26, 0, 30)),
        ({"template": "2025-03-{c:02}", "zone": "UTC"}, "3", (3, 3)),
        ({"constant": "2025-03-03", "zone": "UTC"}, "", (3, 3)),
    ],
)
def test_a_moment_is_in_utc(spec, cell, moment):
    assert applied(spec, field="answered_at", c=cell) == datetime(
        2025, *moment, tzinfo=UTC
    )


@pytest.mark.parametrize(
    ("spec", "cell", "why"),
    [
        ("c", "2025-03-03 09:00", "Column 'c' has no time zone: add zone = \"…\""),
        ("c", "yesterday", "Column 'c' is not a date such as 2026-03-01 14:30."),
        (
            {"column": "c", "format": "%d.%m.%Y"},
            "2025-03-03",
            "not a date in the format %d",
        ),
        (
            {"template": "2017-05-{c:02}", "zone": "UTC"},
            "32",
            "Column 'c' is not a date",
        ),
        (
            {"template": "2017-05-{c:02}", "zone": "UTC"},
            "N",
            "Column 'c' is not a date",
        ),
        ("c", "0001-01-01T00:00:00+14:00", "Column 'c' is not a date of our time."),
        ("c", "9999-12-31T23:59:59-14:00", "Column 'c' is not a date of our time."),
        ("c", "", "Column 'c' is blank."),
    ],
)
def test_what_is_no_moment_is_refused(spec, cell, why):
    assert why in refused(spec, field="answered_at", c=cell)


@pytest.mark.parametrize(
    ("spec", "cell", "day"),
    [
        ("c", "2019-05-01", date(2019, 5, 1)),
        (
            "c",
            "2019-05-01 23:30:00-08:00",
            date(2019, 5, 1),
        ),  # the day as it is written
        ({"column": "c", "format": "%d.%m.%Y"}, "1.5.2019", date(2019, 5, 1)),
        ({"column": "c", "blank": ["0"]}, "0", None),
        ({"constant": "2019-05-01"}, "", date(2019, 5, 1)),
    ],
)
def test_since_when_somebody_is_a_customer_is_a_date(spec, cell, day):
    raw = mapping(customer={"since": spec}).apply({"id": "1", "c": cell})

    assert raw.get("customer", {}).get("since") == day


def test_what_is_no_date_is_refused():
    with pytest.raises(RowRefused) as error:
        mapping(customer={"since": "c"}).apply({"id": "1", "c": "May 2019"})

    assert error.value.errors == {
        "customer.since": ["Column 'c' is not a date such as 2026-03-01 14:30."]
    }


def test_a_row_without_an_id_is_refused():
    with pytest.raises(RowRefused) as error:
        mapping().apply({"id": " "})

    assert error.value.errors == {"external_id": ["Column 'id' is blank."]}


@pytest.mark.parametrize(
    ("spec", "cell", "value"),
    [
        ("c", "Yes", True),
        ("c", "0", False),
        ({"column": "c", "true": ["ja"]}, "JA", True),
        ({"column": "c", "true": ["ja"]}, "nein", False),
        ({"column": "c", "true": [1], "false": [2]}, "2", False),
        ({"column": "c", "blank": ["-"]}, "-", None),
        ({"constant": True}, "", True),
    ],
)
def test_a_truth_is_told_by_its_words(spec, cell, value):
    assert applied(spec, field="wants_contact", c=cell) is value


@pytest.mark.parametrize("spec", ["c", {"column": "c", "true": ["1"], "false": ["2"]}])
def test_a_word_that_is_neither_true_nor_false_is_refused(spec):
    message = refused(spec, field="wants_contact", c="3")

    assert message == "Column 'c' is neither true nor false."


@pytest.mark.parametrize(
    ("spec", "cell", "value"),
    [
        ("c", "07", "07"),
        ({"column": "c", "number": True}, "07", 7),
        ({"column": "c", "number": True, "decimal": ","}, "7,5", 7.5),
        ({"column": "c", "number": False}, "7", "7"),
        ({"column": "c", "true": ["1"]}, "0", False),
        ({"column": "c", "map": {"1": True, "2": 2.5}}, "2", 2.5),
        ({"column": "c", "map": {"1": 3}, "number": True}, "1", 3),
    ],
)
def test_an_answer_is_text_unless_it_says_otherwise(spec, cell, value):
    assert answered(spec, c=cell) == value
    assert type(answered(spec, c=cell)) is type(value)


def test_all_that_is_wrong_with_a_row_is_told_at_once():
    both = mapping({"score": "s"}, answers={"q": {"column": "a", "number": True}})

    with pytest.raises(RowRefused) as error:
        both.apply({"id": "", "s": "x", "a": "y"})

    assert error.value.errors.keys() == {"external_id", "score", "answers.q"}


def test_several_columns_are_all_named():
    message = refused(
        {"template": "{d}.{m}", "zone": "UTC"}, field="answered_at", d="40", m="1"
    )

    assert (
        message.startswith("Columns 'd', 'm' are not a date") or "'d', 'm'" in message
    )


# What a mapping may say ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([], "The mapping must be a table"),
        ({}, "source: is missing"),
        ({"source": " "}, "source: is missing"),
        ({"source": "x"}, "response.external_id: is missing"),
        ({"source": "x", "response": 1}, "response: must be a table"),
        ({"source": "x", "responses": {}}, "responses: unknown key; allowed are"),
        ({"source": "x", "responses": {}}, "did you mean response?"),
    ],
)
def test_a_mapping_needs_a_source_and_an_id(data, said):
    with pytest.raises(MappingRefused) as error:
        parse_mapping(data)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (7, "response.score: must be a column name, or a table"),
        ("", "response.score.column: must be the name of a column"),
        ({}, "response.score: needs one of column, constant or template"),
        ({"column": "a", "constant": 1}, "it has column and constant"),
        (
            {"column": "a", "blanc": []},
            "response.score.blanc: unknown key; allowed are ",
        ),
        ({"column": "a", "blanc": []}, "did you mean blank?"),
        ({"column": "a", "zone": "UTC"}, "response.score.zone: unknown key"),
        ({"constant": 1, "blank": ["1"]}, "response.score.blank: unknown key"),
        ({"constant": ""}, "response.score.constant: is empty"),
        (
            {"constant": None},
            "response.score.constant: must be text in quotes, a number",
        ),
        ({"constant": float("nan")}, "response.score.constant: must be text in quotes"),
        ({"constant": "high"}, "response.score: The constant is not a number."),
        ({"template": 3}, "response.score.template: must be text"),
        (
            {"template": "no place"},
            "response.score.template: must name columns in braces",
        ),
        ({"template": "{a:2}"}, "response.score.template: must name columns in braces"),
        ({"template": "{a} {"}, "response.score.template: must name columns in braces"),
        ({"column": "a", "blank": "11"}, "response.score.blank: must be a list"),
        ({"column": "a", "blank": [True]}, "response.score.blank: must be a list"),
        ({"column": "a", "map": {}}, "response.score.map: must be a table"),
        ({"column": "a", "map": {"1": []}}, "response.score.map.1: must be text"),
        ({"column": "a", "otherwise": 1}, "response.score.otherwise: needs a map"),
        ({"column": "a", "decimal": "'"}, 'response.score.decimal: must be "." or ","'),
    ],
)
def test_a_spec_that_cannot_be_is_refused_by_its_path(spec, said):
    with pytest.raises(MappingRefused) as error:
        mapping({"score": spec})
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"column": "a", "zone": "Europe"}, "zone: must be a time zone"),  # a folder
        ({"column": "a", "zone": "../UTC"}, "zone: must be a time zone"),
        ({"column": "a", "zone": 1}, "zone: must be a time zone"),
        ({"column": "a", "format": "d.m.Y"}, "format: must be a date format"),
        ({"column": "a", "format": "%d %Q"}, "format: must be a date format"),
        ({"column": "a", "format": "%d %"}, "format: must be a date format"),
        ({"constant": "2018-Q3"}, "The constant is not a date"),
        ({"constant": "2018-09-30"}, "The constant has no time zone"),
    ],
)
def test_a_date_is_refused_by_its_path(spec, said):
    with pytest.raises(MappingRefused) as error:
        mapping({"answered_at": spec})
    assert str(error.value).startswith("response.answered_at")
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"column": "a", "number": "yes"}, "answers.q.number: must be true or false"),
        ({"column": "a", "false": ["0"]}, "answers.q.false: needs true as well"),
        (
            {"column": "a", "number": True, "true": ["1"]},
            "answers.q: is either a number",
        ),
    ],
)
def test_an_answer_is_one_thing(spec, said):
    with pytest.raises(MappingRefused) as error:
        mapping(answers={"q": spec})
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("customer", "said"),
    [
        ({"mail": "a"}, "customer.mail: unknown key"),
        ({"mail": "a"}, "did you mean email?"),
        ({"attributes": "a"}, "customer.attributes: must be a table"),
        ({"identities": {}}, "customer.identities: must be tables"),
        (
            {"identities": [{"channel": "sms"}]},
            "customer.identities.0: needs channel and",
        ),
        (
            {"identities": [{"channel": "", "identifier": "a"}]},
            "customer.identities.0.channel: must be the channel's name",
        ),
        (
            {"identities": [{"channel": "sms", "identifier": "a", "x": 1}]},
            "customer.identities.0.x: unknown key",
        ),
    ],
)
def test_a_customer_is_refused_by_its_path(customer, said):
    with pytest.raises(MappingRefused) as error:
        mapping(customer=customer)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"encodings": "x"}, "file.encodings: unknown key"),
        ({"encoding": "klingon"}, "file.encoding: There is no such encoding"),
        ({"delimiter": "ab"}, "file.delimiter: A delimiter is one character"),
        ({"header_rows": 0}, "file.header_rows: must be 1 to 10"),
        ({"header_rows": True}, "file.header_rows: must be 1 to 10"),
    ],
)
def test_options_of_the_file_are_checked(options, said):
    with pytest.raises(MappingRefused) as error:
        mapping(file=options)
    assert said in str(error.value)


def test_options_of_the_file_are_read():
    options = {"encoding": "Latin-1", "delimiter": "tab", "header_rows": 3}

    assert mapping(file=options).file == mappings.FileOptions("iso8859-1", "\t", 3)


# Against a header ----------------------------------------------------------------------


def test_columns_that_the_file_lacks_are_named_with_those_that_are_near():
    wanting = mapping({"score": "NETPR", "comment": {"template": "{Q1} {Q2}"}})

    with pytest.raises(MappingRefused) as error:
        wanting.bind(["id", "NETPRO", "Q1"])

    assert str(error.value) == (
        "The file has no column 'NETPR', which response.score needs; "
        "did you mean NETPRO? "
        "The file has no column 'Q2', which response.comment needs."
    )


def test_a_column_that_is_there_twice_is_an_error_only_if_it_is_used():
    header = ["id", "a", "a", "", ""]

    mapping().bind(header)
    with pytest.raises(MappingRefused, match="2 columns named 'a'"):
        mapping({"score": "a"}).bind(header)


def test_every_section_is_held_against_the_header():
    wanting = mapping(
        answers={"q": "A"},
        customer={
            "name": "B",
            "attributes": {"x": "C"},
            "identities": [{"channel": "sms", "identifier": "D"}],
        },
    )

    with pytest.raises(MappingRefused) as error:
        wanting.bind(["id"])

    for path in ("answers.q", "customer.name", "customer.attributes.x", "identities.0"):
        assert path in str(error.value)


# As text -------------------------------------------------------------------------------


def test_json_says_the_same_as_toml():
    data = {"source": "x", "response": {"external_id": "id", "score": {"column": "s"}}}
    toml = 'source = "x"\n[response]\nscore = { column = "s" }\nexternal_id = "id"\n'

    from_json = load(json.dumps(data), is_json=True)

    assert from_json == load(toml)
    assert from_json.fingerprint == load(toml).fingerprint


def test_another_mapping_has_another_fingerprint():
    assert mapping().fingerprint != mapping({"score": "s"}).fingerprint


@pytest.mark.parametrize(
    ("text", "is_json", "said"),
    [
        ("source = ", False, "The mapping is not valid TOML"),
        ('a = 1\na = 2\nsource = "x"', False, "The mapping is not valid TOML"),
        ("{", True, "The mapping is not valid JSON"),
        ('{"source": "x", "source": "y"}', True, "the key source is given twice"),
        ("[" * 100_000, True, "The mapping is not valid JSON"),
        ("[]", True, "The mapping must be a table"),
    ],
)
def test_what_is_no_mapping_is_refused(text, is_json, said):
    with pytest.raises(MappingRefused) as error:
        load(text, is_json=is_json)
    assert said in str(error.value)


cells = st.fixed_dictionaries(dict.fromkeys("isatw", st.text(max_size=12)))


@settings(deadline=None)
@given(cells)
def test_whatever_the_cells_hold_a_row_is_applied_or_refused(row):
    strict = parse_mapping(
        {
            "source": "x",
            "response": {
                "external_id": "i",
                "score": {"column": "s", "decimal": ","},
                "answered_at": {"column": "a", "zone": "Europe/Berlin"},
                "wants_contact": "w",
            },
            "answers": {"q": {"column": "t", "number": True}},
        }
    )
    try:
        raw = strict.apply(row)
    except RowRefused:
        return
    assert raw["answered_at"].tzinfo is UTC


def test_the_mappings_in_the_docs_are_mappings():
    guide = (ROOT / "docs" / "how-to" / "import.md").read_text()
    written = re.findall(r"```toml\n(.*?)```", guide, re.DOTALL)
    written += [path.read_text() for path in (ROOT / "docs").glob("examples/*.toml")]

    assert len(written) == 3
    for text in written:
        load(text)


def test_the_docs_name_every_field_and_option():
    guide = (ROOT / "docs" / "how-to" / "import.md").read_text()

    names = {*mappings.RESPONSE, *mappings.CUSTOMER, *PARSERS, "header_rows"}
    assert not {name for name in names if not re.search(rf"\b{name}\b", guide)}
