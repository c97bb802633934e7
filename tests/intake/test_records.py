import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cem_cases.intake import records
from cem_cases.intake.records import BadRecord, Record, Table, parse_delimiter
from cem_cases.intake.refusals import TableRefused


def table(text: str, **options) -> Table:
    return Table(io.StringIO(text, newline=""), **options)


def cells_by_line(text: str, **options) -> dict[int, tuple[str, ...]]:
    return {r.line: r.cells for r in table(text, **options) if isinstance(r, Record)}


def refused_by_line(text: str, **options) -> dict[int, str]:
    rows = table(text, **options)
    return {row.line: row.reason for row in rows if isinstance(row, BadRecord)}


def test_a_record_has_its_line_and_its_values_by_column():
    assert list(table("id,score\n1,9\n2,7\n")) == [
        Record(2, {"id": "1", "score": "9"}, ("1", "9")),
        Record(3, {"id": "2", "score": "7"}, ("2", "7")),
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])  # C3
def test_any_line_end_ends_a_line(end):
    text = end.join(["id,score", "1,9", "2,7"])

    assert (
        cells_by_line(text)
        == cells_by_line(text + end)
        == {
            2: ("1", "9"),
            3: ("2", "7"),
        }
    )


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])  # C3
def test_a_line_end_in_quotes_belongs_to_the_value(end):
    text = end.join(["id,comment", '1,"two', 'lines"', "2,one"])

    assert cells_by_line(text) == {2: ("1", f"two{end}lines"), 4: ("2", "one")}


def test_unicode_line_separators_are_text():
    text = "id,comment\n1,a\u2028b\x0bc\x85d\n"

    assert cells_by_line(text) == {2: ("1", "a\u2028b\x0bc\x85d")}


def test_lines_without_any_content_are_passed_over():
    assert cells_by_line("\n\nid,score\n\n1,9\n  \n,\n2,7\n\n") == {
        5: ("1", "9"),
        8: ("2", "7"),
    }


@pytest.mark.parametrize(  # C3
    ("text", "delimiter"),
    [
        ("id,score\n1,9\n", ","),
        ("id;score\n1;7,5\n2;8,25\n", ";"),  # decimal commas
        ("id\tcomment\n1\tone, two; three\n", "\t"),
        ("id|comment\n1|a,b\n", "|"),
        ('id;comment\n1;"a;b\nc,d"\n', ";"),
        ("id,name;alias\n1,a\n2,b;c;d\n", ","),  # only one of them is steady
        ("comment\nall in one column\n", ","),
        ("id\n", ","),
        ('sep=;\nid;"a,b"\n1;2\n', ";"),  # Excel's own hint
        ('"sep=|"\r\nid|a\r\n1|2\r\n', "|"),
    ],
)
def test_the_delimiter_is_told_from_the_first_records(text, delimiter):
    assert table(text).delimiter == delimiter


def test_a_delimiter_that_cannot_be_told_is_asked_for():
    with pytest.raises(TableRefused, match="Say which with --delimiter"):
        table("a;b,c\n1;2,3\n4;5,6\n")

    assert table("a;b,c\n1;2,3\n", delimiter=";").header == ("a", "b,c")


def test_the_hint_for_excel_is_no_header_even_if_the_delimiter_is_known():
    assert cells_by_line("sep=;\nid;score\n1;9\n", delimiter=";") == {3: ("1", "9")}


@pytest.mark.parametrize("text", ["", "\n\n", ",,\n,\n"])
def test_a_file_without_a_header_is_refused(text):
    with pytest.raises(TableRefused, match="The file is empty"):
        table(text)


def test_a_header_without_a_name_is_refused():
    with pytest.raises(TableRefused, match="Line 1 must name the columns"):
        table("\ufeff\n1\n")


def test_a_header_that_cannot_be_read_is_refused():
    with pytest.raises(TableRefused, match="The header on line 1 cannot be read"):
        table('id,"score\n1,9\n')


def test_more_header_rows_than_the_file_has_are_refused():
    with pytest.raises(TableRefused, match="has 1 lines, of which 3 are header rows"):
        table("id,score\n", header_rows=3)


def test_further_header_rows_are_passed_over_whatever_is_in_them():
    text = 'id,score\n"What, in\ntwo lines?",How?\n{},{}\n1,9\n'

    assert cells_by_line(text, header_rows=3) == {5: ("1", "9")}


def test_names_are_read_without_a_mark_or_spaces_around_them():
    assert table("\ufeff id , score\n1,9\n").header == ("id", "score")


def test_columns_without_a_name_of_their_own_have_no_value():
    (row,) = table("id,,a,a\n1,2,3,4\n")

    assert row == Record(2, {"id": "1"}, ("1", "2", "3", "4"))


def test_an_unclosed_quote_on_line_2_of_10_000_rejects_that_line():  # C4
    lines = ["id,score,comment", '2,"5,unclosed']
    lines += [f"{n},7,fine" for n in range(3, 10_001)]

    text = "\n".join(lines)

    assert refused_by_line(text) == {2: "A quote is opened and not closed."}
    assert len(cells_by_line(text)) == 9_998


@pytest.mark.parametrize(
    ("others", "why"),
    [
        (['3,7,"fine"', "4,7,"], "a quoted value is followed by more text"),
        (['3,7,""', "4,7,"], "A quote is opened and not closed"),
        (['3,",",7', "4,7,"], "A quote is opened and not closed"),
        (['3,"7",fine', "4,7,"], "a quoted value is followed by more text"),
        (['"3",7,x', "4,7,"], "a quoted value is followed by more text"),
    ],
)
def test_an_unclosed_quote_takes_no_other_quoted_line_along(others, why):  # C4
    text = "\n".join(["id,score,comment", '2,"5,unclosed', *others])

    refused = refused_by_line(text)

    assert refused.keys() == {2}
    assert why in refused[2]
    assert cells_by_line(text).keys() == {3, 4}


def test_quotes_that_close_by_chance_are_noticed_by_the_number_of_columns():
    text = 'id,score,comment\n2,"5,unclosed\n3,7,fine\n4",7,8,9\n5,6,ok\n'

    assert refused_by_line(text) == {
        2: "Has 5 columns, the header has 3.",
        4: "Has 4 columns, the header has 3.",
    }
    assert cells_by_line(text).keys() == {3, 5}


def test_a_quote_inside_an_unquoted_value_is_text():
    assert cells_by_line('id,size\n1,5" pipe\n2,6"\n') == {
        2: ("1", '5" pipe'),
        3: ("2", '6"'),
    }


def test_text_after_a_closing_quote_rejects_the_line():
    assert refused_by_line('id,c\n1,"a" b\n2,ok\n') == {
        2: "A quoted value is followed by more text: "
        "quotes within a quoted value must be doubled."
    }


def test_a_record_may_span_only_so_many_lines(monkeypatch):
    monkeypatch.setattr(records, "LINE_SPAN", 3)

    assert refused_by_line('id,c\n1,"a\nb\nc\nd"\n2,ok\n').keys() == {2, 3, 4, 5}
    assert cells_by_line('id,c\n1,"a\nb\nc"\n2,ok\n').keys() == {2, 5}


@pytest.mark.parametrize("length", [200_000, 600_000])  # C5
def test_a_field_that_is_too_long_rejects_its_line(length):
    text = f"id,comment\n1,ok\n2,{'x' * length}\n3,ok\n"

    assert refused_by_line(text).keys() == {3}
    assert cells_by_line(text).keys() == {2, 4}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("over", [-1, 0, 1, 2, 3])
def test_a_line_is_cut_nowhere_near_the_limit(monkeypatch, end, over):
    monkeypatch.setattr(records, "RECORD_LIMIT", 100)
    long = "x" * (100 - len("1,") - len(end) + over)
    text = f"id,c{end}1,{long}{end}2,ok{end}"

    assert list(cells_by_line(text)) == ([2, 3] if over <= 0 else [3])


def test_a_line_that_is_too_long_ends_the_search_for_a_closing_quote(monkeypatch):
    monkeypatch.setattr(records, "RECORD_LIMIT", 50)
    text = f'id,c\n1,"open\n2,{"x" * 80}\n3,ok\n'

    assert refused_by_line(text) == {
        2: "A quote is opened and not closed.",
        3: "The line is longer than 50 characters.",
    }
    assert cells_by_line(text).keys() == {4}


def test_the_limit_holds_also_where_a_host_has_lifted_that_of_csv():
    text = f"id,comment\n1,{'x' * 200_000}\n"
    before = csv.field_size_limit(10_000_000)
    try:
        refused = refused_by_line(text)
    finally:
        csv.field_size_limit(before)

    assert refused == {2: "Column 2 is longer than 131,072 characters."}


def test_a_nul_character_rejects_its_record_alone():  # C6
    text = 'id,c\n1,a\0b\n2,"two\n\0lines"\n3,ok\n'

    assert refused_by_line(text) == {
        2: "Column 2 holds a NUL character.",
        3: "Column 2 holds a NUL character.",
    }
    assert cells_by_line(text) == {5: ("3", "ok")}


def test_the_number_of_columns_must_be_that_of_the_header():
    text = "id,score\n1\n2,7\n3,8,9\n"

    assert refused_by_line(text) == {
        2: "Has 1 column, the header has 2.",
        4: "Has 3 columns, the header has 2.",
    }


def test_a_bad_record_shows_what_can_be_shown_of_it():
    bad = [row.cells for row in table('a,b\n1,2,3\n4,"5\n') if row.line in (2, 3)]

    assert bad == [("1", "2", "3"), ('4,"5',)]


def test_no_value_is_repeated_in_a_reason():
    text = 'id,c\nsecret,"secret\nsecret\nsecret,"secret" secret\nsecret,\0\n'

    assert not any("secret" in reason for reason in refused_by_line(text).values())


def test_many_broken_quotes_cost_no_more_than_their_look_ahead():
    # Every line opens a quote which none of the others closes.
    text = "id,c,d\n" + 'x",",z\n' * 3_000

    assert len(refused_by_line(text, delimiter=",")) == 3_000


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [("tab", "\t"), ("Semicolon", ";"), ("\\t", "\t"), ("|", "|"), ("^", "^")],
)
def test_a_delimiter_can_be_named(text, delimiter):
    assert parse_delimiter(text) == delimiter


@pytest.mark.parametrize("text", ["", "ab", '"', "\n", "x", "1", " ", "\0"])
def test_what_cannot_separate_is_no_delimiter(text):
    with pytest.raises(TableRefused, match="A delimiter is one character"):
        parse_delimiter(text)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "header_rows", "key", "lines"),
    [
        ("qualtrics_export_3header_rows", 3, "ResponseId", {4: "R_2YPOQ602ER1jkf1"}),
        ("qualtrics_export_legacy_2header_rows", 2, "V1", {3: "R_2YPOQ602ER1jkf1"}),
    ],
)
def test_exports_of_qualtrics_are_read(data_folder, name, header_rows, key, lines):
    text = (data_folder / "formats" / f"{name}.csv").read_text("utf-8-sig")

    rows = table(text, header_rows=header_rows)

    assert {row.line: row.values[key] for row in rows} == lines


cell = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufeff"), max_size=9
).map(str.strip)
grid = st.lists(st.tuples(cell, cell, cell), max_size=8)
styles = st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC])


def written(rows, style, delimiter=",", end="\r\n") -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=style, delimiter=delimiter, lineterminator=end)
    writer.writerows([("a", "b", "c"), *rows])
    return out.getvalue()


@settings(deadline=None)
@given(grid, styles, st.sampled_from(",;\t|"))
def test_whatever_csv_writes_is_read_again(rows, style, delimiter):
    text = written(rows, style, delimiter)

    read = list(cells_by_line(text, delimiter=delimiter).values())

    assert read == [row for row in rows if any(row)]


@settings(deadline=None)
@given(st.text(alphabet='a",;\n\r \0', max_size=60))
def test_whatever_comes_each_line_is_told_of_at_most_once(rubbish):
    rows = list(table("a,b,c\n" + rubbish + "\n1,2,3\n", delimiter=","))

    lines = [row.line for row in rows]
    assert lines == sorted(set(lines))
    assert lines[-1] > 1


@settings(deadline=None)
@given(grid, st.integers(0, 8), st.sampled_from(['x,"y,z', 'x,"y" z,', "x,y", "x,\0,"]))
def test_a_broken_line_costs_itself_alone(rows, at, broken):
    rows = [tuple(c.replace("\r", "").replace("\n", "") for c in row) for row in rows]
    lines = written(rows, csv.QUOTE_ALL, end="\n").split("\n")[:-1]
    at = 1 + min(at, len(lines) - 1)
    lines.insert(at, broken)

    text = "\n".join(lines)

    assert refused_by_line(text, delimiter=",").keys() == {at + 1}
    assert list(cells_by_line(text, delimiter=",").values()) == [
        row for row in rows if any(cell.strip() for cell in row)
    ]
