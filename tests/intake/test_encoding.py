import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cem_cases.intake import encoding
from cem_cases.intake.refusals import EncodingRefused

TEXT = "id,comment\n1,schön\n2,naïve café\n3,fine\n"


def found_in(data: bytes) -> str:
    return encoding.detect(io.BytesIO(data)).name


def refusal_of(data: bytes) -> str:
    with pytest.raises(EncodingRefused) as refused:
        encoding.detect(io.BytesIO(data))
    return str(refused.value)


@pytest.mark.parametrize(
    ("written_as", "name"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),  # C1
        ("utf-16", "utf-16"),  # C2, with a mark
        ("utf-16-le", "utf-16-le"),  # without one
        ("utf-16-be", "utf-16-be"),
        ("utf-32", "utf-32"),
        ("latin-1", "cp1252"),
        ("cp1252", "cp1252"),
    ],
)
def test_an_encoding_is_found_and_the_text_is_right(written_as, name):
    data = TEXT.encode(written_as)

    assert found_in(data) == name
    assert data.decode(name) == TEXT


def test_big_endian_marks_are_known():
    assert found_in(b"\xfe\xff" + TEXT.encode("utf-16-be")) == "utf-16"
    assert found_in(b"\x00\x00\xfe\xff" + TEXT.encode("utf-32-be")) == "utf-32"


def test_plain_ascii_and_an_empty_file_are_utf_8():
    assert found_in(b"id,score\n1,9\n") == found_in(b"") == "utf-8"


def test_how_it_was_found_is_told():
    assert encoding.detect(io.BytesIO(b"id\n")).how == "it is plain ASCII"
    assert "mark" in encoding.detect(io.BytesIO("é".encode("utf-8-sig"))).how


def test_the_file_is_left_at_its_start():
    file = io.BytesIO(TEXT.encode())
    file.read(5)

    encoding.detect(file)

    assert file.tell() == 0


def test_utf_16_in_cyrillic_is_not_taken_for_utf_8():
    # Each of its bytes is valid UTF-8; only spaces and line ends hold a zero.
    data = "ид,ответ\r\n1,очень хорошо\r\n2,плохо\r\n".encode("utf-16-le")

    assert found_in(data) == "utf-16-le"


@pytest.mark.parametrize("data", [b"id,score\n1,\x00\n2,3\n", b"a\x00b,c\n1,2\n"])
def test_a_stray_zero_byte_does_not_make_a_file_utf_16(data):
    assert found_in(data) == "utf-8"


def test_the_first_accent_may_stand_on_the_last_line():
    data = b"id,comment\n" + b"1,fine\n" * 90_000 + "2,schön\n".encode("cp1252")

    assert found_in(data) == "cp1252"


def test_a_mixed_file_is_refused_naming_the_first_wrong_line():
    good = "1,schön\n".encode()
    bad = "2,schön\n".encode("cp1252")

    assert refusal_of(b"id,c\n" + good * 40 + bad + good) == (
        "The encoding is mixed: line 42 is not valid UTF-8, while 41 other lines are. "
        "Save the file as UTF-8, or say what it is with --encoding."
    )


def test_western_text_that_holds_what_looks_like_utf_8_once_is_still_western():
    data = b"c\n" + "schön\n".encode("cp1252") * 100 + "Ã©\n".encode("cp1252")

    assert found_in(data) == "cp1252"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"id\n1,sch\xf6n\n2,\x81\n", "line 3 is not valid Windows-1252"),
        (b"id\n1,\xff\n\x00\n", "this may not be a text file"),
        ("имя\nочень хорошо\n".encode("cp1251"), "hardly Windows-1252"),
        (b"PK\x03\x04....", "This is an XLSX or ZIP file, not CSV. Export it as CSV."),
        (b"\xef\xbb\xbfid\n1,2\n3,\xff\n", "Line 3 is not valid utf-8-sig."),
        (TEXT.encode("utf-16")[:-1], "Line 4 is not valid utf-16."),
    ],
)
def test_what_cannot_be_told_is_refused(data, said):
    assert said in refusal_of(data)


def test_no_cell_is_repeated_in_a_refusal():
    assert "secret" not in refusal_of(b"id\n1,secret \xf6\n2,secret \x81\n")


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_lines_are_counted_as_an_editor_counts_them(ends):
    good, bad = "schön".encode(), b"\xff"
    lines = [good] * 20_000 + [bad] + [good]  # several chunks, whatever they cut

    assert "line 20001 " in refusal_of(ends.encode().join(lines))


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_lines_of_a_named_encoding_are_counted_in_the_same_way(ends):
    file = io.BytesIO(ends.encode().join([b"fine"] * 30_000 + [b"\xff"]))

    with pytest.raises(EncodingRefused, match=r"^Line 30001 is not valid utf-8\."):
        encoding.declared(file, "utf-8")


def test_a_named_encoding_must_fit_the_whole_file():
    file = io.BytesIO(TEXT.encode("cp1252"))

    assert encoding.declared(file, "Windows-1252").name == "cp1252"
    with pytest.raises(EncodingRefused, match="Line 2 is not valid utf-8"):
        encoding.declared(file, "utf-8")


def test_a_mark_is_dropped_even_if_the_encoding_is_named():
    file = io.BytesIO("é".encode("utf-8-sig"))

    assert encoding.declared(file, "utf8").name == "utf-8-sig"


def test_utf_16_that_is_named_needs_its_mark():
    with pytest.raises(EncodingRefused, match="utf-16"):
        encoding.declared(io.BytesIO(b"id,score\n"), "utf-16")


@pytest.mark.parametrize("name", ["klingon", "rot13", "hex", "", "a\0b"])
def test_an_encoding_that_is_none_is_refused(name):
    with pytest.raises(EncodingRefused, match="no such encoding"):
        encoding.declared(io.BytesIO(b"id"), name)


def test_a_line_longer_than_any_chunk_is_one_line():
    data = b"id\n" + "é".encode() * 200_000 + b"\xff\n"

    assert "while 0 other" not in refusal_of(data + "é\n".encode())
    assert "line 2 " in refusal_of(data + "é\n".encode())


letters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
words = st.text(letters, max_size=30)


@settings(deadline=None)
@given(st.lists(words, min_size=1, max_size=20), st.sampled_from(["\n", "\r\n", "\r"]))
def test_whatever_is_written_as_utf_8_is_found_to_be_utf_8(lines, end):
    data = b"id," + end.join(lines).encode()

    name = found_in(data)

    assert data.decode(name) == "id," + end.join(lines)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_what_is_found_decodes_the_whole_file_or_it_is_refused(data):
    try:
        name = found_in(data)
    except EncodingRefused:
        return
    data.decode(name)


def test_a_line_end_that_is_cut_by_a_chunk_is_one_line_end():
    # The first chunk ends between \r and \n.
    data = b"x" * (encoding.CHUNK - 1) + b"\r\n" + "é\r\n".encode() + b"\xff\r\n"

    assert "line 3 " in refusal_of(data)
