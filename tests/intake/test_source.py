import hashlib
import io
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from cem_cases.intake import records, rejects
from cem_cases.intake.mapping import parse_mapping
from cem_cases.intake.refusals import FileRefused, MappingRefused
from cem_cases.intake.source import Source, examine

TEXT = "id;score\n1;9\n2;schlecht, größer\n"


SCORES = {"source": "tool", "response": {"external_id": "id", "score": "score"}}
MAPPING = parse_mapping(SCORES)


@contextmanager
def traced() -> Iterator[Callable[[], int]]:
    """Yield what returns the most memory that was in use, in bytes."""
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def examined(
    data: bytes, *, max_bytes=1_000, max_rows=100, file=None, **options
) -> Source:
    mapping = parse_mapping(SCORES | {"file": file or {}})
    return examine(
        io.BytesIO(data), mapping, max_bytes=max_bytes, max_rows=max_rows, **options
    )


def rejected(source: Source, *lines: tuple[int, str]) -> str:
    out = io.StringIO(newline="")
    rejects.write(source, lines, out)
    return out.getvalue()


def test_a_file_is_known_before_a_row_is_taken():
    source = examined(TEXT.encode("cp1252"))

    assert (source.encoding.name, source.delimiter, source.rows) == ("cp1252", ";", 2)
    assert source.file_hash == hashlib.sha256(TEXT.encode("cp1252")).hexdigest()


def test_its_table_can_be_opened_again_and_again():
    source = examined(TEXT.encode("utf-16"))

    for _ in range(2):
        with source.table() as table:
            assert [row.values["id"] for row in table] == ["1", "2"]
    assert not source.file.closed


def test_what_is_given_goes_before_the_mapping_and_that_before_what_is_found():
    data = b"id,score,a;b\n1,2,3;4\n"

    assert examined(data, file={"delimiter": ","}).delimiter == ","
    with pytest.raises(MappingRefused):
        examined(data, file={"delimiter": ","}, delimiter=";")


def test_the_way_it_is_read_is_part_of_what_it_is():
    plain, named = examined(b"id,score\n"), examined(b"id,score\n", encoding="cp1252")

    assert plain.file_hash == named.file_hash
    assert plain.mapping_hash != named.mapping_hash
    assert plain.mapping_hash == examined(b"id,score\n").mapping_hash


def test_a_file_within_its_limits_is_taken_and_one_beyond_is_not():
    data = b"id,score\n1,2\n2,3\n"

    assert examined(data, max_bytes=len(data), max_rows=2).rows == 2
    with pytest.raises(FileRefused, match="larger than 16 bytes"):
        examined(data, max_bytes=len(data) - 1)
    with pytest.raises(FileRefused, match="more than 1 rows"):
        examined(data, max_rows=1)


def test_rejects_are_written_as_the_original_was():
    text = 'sep=;\nid;score;\nWhich?;How?;\n1;"a;b";\n2;3\n4;5;\n'
    source = examined(text.encode(), file={"header_rows": 2})

    assert rejected(source, (4, "Why."), (5, "Why; not.")) == (
        "line;reason;id;score;\r\n"
        ";;Which?;How?;\r\n"
        '4;Why.;1;"a;b";\r\n'
        '5;"Why; not.";2;3\r\n'
    )


def test_rejects_can_be_imported_with_the_mapping_of_the_original():
    source = examined(b"id,score\n1,9\n2,x\n")

    again = examined(rejected(source, (3, "score: no number")).encode())

    with again.table() as table:
        assert [row.values["id"] for row in table] == ["2"]


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+49 30 1", "'+49 30 1"),
        ("-x", "'-x"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("-7", "-7"),
        ("+1,5", "+1,5"),
        ("-2+3", "'-2+3"),
        ("-٣", "'-٣"),
        ("a=1", "a=1"),
        ("", ""),
    ],
)
def test_no_cell_is_a_formula(cell, written):
    assert rejects.inert(cell) == written


@pytest.mark.parametrize(
    "line",
    [
        "{n},7,a comment of a usual length\n",
        '{n},"unclosed {n},7\n',
        "{n},7,x" + "x" * 400_000 + "\n",
        "x" * 99_999,  # one line, which never ends
    ],
)
def test_memory_depends_on_the_length_of_a_record_not_of_the_file(tmp_path, line):
    path = tmp_path / "large.csv"
    with path.open("w") as file:
        file.write("id,score,comment\n")
        for n in range(20_000 if len(line) < 100 else 40):
            file.write(line.format(n=n))

    with path.open("rb") as file, traced() as peak:
        source = examine(file, MAPPING, max_bytes=10**9, max_rows=10**6)
        with source.table() as table:
            for _ in table:
                pass

    assert peak() < 8 * records.RECORD_LIMIT
