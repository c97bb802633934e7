"""Which encoding a file is in, found by reading all of it, a piece at a time.

A guess from the first kilobyte is wrong for the file whose first accent stands on line
90,000. So the whole file is decoded before the first row is taken: what comes out of
here decodes without error, or nothing is imported.
"""

from __future__ import annotations

import codecs
import io
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import BinaryIO

from cem_cases.intake.refusals import EncodingRefused

CHUNK = 64 * 1024
SAMPLE = 4 * 1024

# UTF-32 before UTF-16: the mark of the one begins with the mark of the other.
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
ARCHIVES = {b"PK\x03\x04": "an XLSX or ZIP file", b"\xd0\xcf\x11\xe0": "an XLS file"}

NON_ASCII = bytes(range(0x80, 0x100))
LETTERS = string.ascii_letters.encode()
UNDEFINED_IN_CP1252 = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")

MIXED_SHARE = 0.05
"""Lines that are UTF-8 beyond doubt for each line that is not: above it, it is mixed.

By accident a Windows-1252 line reads as UTF-8 only if it holds pairs such as `Ã©`."""

WESTERN_SHARE = 0.30
"""Accents among the letters. German has 2 %, French 4 %; Greek or Cyrillic in their own
code pages, which also decode as Windows-1252, have nearly all."""

ASK = "Save the file as UTF-8, or say what it is with --encoding."


@dataclass(frozen=True, slots=True)
class Encoding:
    """An encoding in which the whole file decodes, and how that is known."""

    name: str
    """What to give to `open()`."""

    how: str


def detect(file: BinaryIO) -> Encoding:
    """Return the encoding of this seekable binary file, which is left at its start.

    Raises EncodingRefused, naming the line, where it cannot be told.
    """
    head = _head(file)
    for magic, what in ARCHIVES.items():
        if head.startswith(magic):
            raise EncodingRefused(f"This is {what}, not CSV. Export it as CSV.")
    for mark, name in MARKS:
        if head.startswith(mark):
            return _checked(file, name, "a byte order mark")
    if name := _wide(head):
        return _checked(file, name, "the zero bytes between its characters")
    return _eight_bit(file)


def declared(file: BinaryIO, name: str) -> Encoding:
    """Return the encoding that somebody named, once the whole file decodes in it."""
    normal = known(name)
    # A byte order mark is never part of the first column's name.
    if normal == "utf-8" and _head(file).startswith(codecs.BOM_UTF8):
        normal = "utf-8-sig"
    return _checked(file, normal, "it was named")


def known(name: str) -> str:
    """Return the usual name of this encoding; raises EncodingRefused if there is none.

    >>> known("Latin-1")
    'iso8859-1'
    """
    try:
        io.TextIOWrapper(io.BytesIO(), encoding=name)
    except (LookupError, ValueError):
        raise EncodingRefused(
            "There is no such encoding. Examples are utf-8, cp1252 and utf-16."
        ) from None
    return codecs.lookup(name).name


def _head(file: BinaryIO) -> bytes:
    file.seek(0)
    head = file.read(SAMPLE)
    file.seek(0)
    return head


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    while piece := file.read(CHUNK):
        yield piece
    file.seek(0)


def _checked(file: BinaryIO, name: str, how: str) -> Encoding:
    """Decode the whole file, which proves the name or finds the first wrong line."""
    # With all line ends made one, counting them is counting lines.
    decoder = io.IncrementalNewlineDecoder(
        codecs.getincrementaldecoder(name)(), translate=True
    )
    line = 1
    try:
        for piece in chain(_pieces(file), [b""]):
            before = decoder.getstate()
            line += decoder.decode(piece, final=not piece).count("\n")
    except UnicodeDecodeError:
        decoder.setstate(before)
        line += _lines_before_fault(decoder, piece)
        raise EncodingRefused(f"Line {line} is not valid {name}. {ASK}") from None
    except UnicodeError as error:
        raise EncodingRefused(f"This is not {name}: {error}. {ASK}") from None
    finally:
        file.seek(0)
    return Encoding(name, how)


def _lines_before_fault(decoder: io.IncrementalNewlineDecoder, piece: bytes) -> int:
    """Count the lines that end before the first byte which does not decode."""
    lines = 0
    try:
        for at in range(len(piece)):
            lines += decoder.decode(piece[at : at + 1]).count("\n")
    except UnicodeDecodeError:
        pass
    _, flags = decoder.getstate()
    return lines + (flags & 1)  # a \r that waits to see whether \n follows


def _wide(head: bytes) -> str:
    """Tell UTF-16 without a mark by its zero bytes, which all stand on one side.

    A zero byte within an UTF-8 file is a fault of one line. So each line end must be
    two bytes wide as well; where there is none, nearly all characters must be.
    """
    for name, zeros, others, unit in (
        ("utf-16-le", head[1::2], head[0::2], b"\n\0"),
        ("utf-16-be", head[0::2], head[1::2], b"\0\n"),
    ):
        ends = head.replace(b"\r", b"\n").count(b"\n")
        wide_ends = head.replace(b"\r", b"\n").count(unit)
        needed = 0.05 if ends else 0.9
        enough = zeros.count(0) > len(zeros) * needed
        if enough and 0 not in others and ends == wide_ends:
            return name
    return ""


@dataclass
class _Census:
    """What the lines of a file without marks look like."""

    bad_lines: int = 0
    first_bad: int = 0
    good_lines: int = 0
    """Lines with characters beyond ASCII which are valid UTF-8."""
    first_undefined: int = 0
    first_zero: int = 0
    letters: int = 0
    non_ascii: int = 0
    decoder: codecs.IncrementalDecoder = field(
        default_factory=codecs.getincrementaldecoder("utf-8")
    )
    is_bad: bool = False
    is_beyond_ascii: bool = False

    def add(self, line: int, piece: bytes, *, is_end: bool) -> None:
        """Take the next piece of a line; a long line comes in several pieces."""
        if not piece.isascii() or self.is_beyond_ascii:
            self._add_beyond_ascii(line, piece, is_end=is_end)
        if not self.first_zero and b"\0" in piece:
            self.first_zero = line
        self.letters += _count(piece, LETTERS)
        if is_end:
            self._end_line(line)

    def _add_beyond_ascii(self, line: int, piece: bytes, *, is_end: bool) -> None:
        self.is_beyond_ascii = True
        self.non_ascii += _count(piece, NON_ASCII)
        if not self.first_undefined and UNDEFINED_IN_CP1252.search(piece):
            self.first_undefined = line
        try:
            self.decoder.decode(piece, final=is_end)
        except UnicodeDecodeError:
            self.decoder.reset()
            self.is_bad = True

    def _end_line(self, line: int) -> None:
        if self.is_bad:
            self.bad_lines += 1
            self.first_bad = self.first_bad or line
        elif self.is_beyond_ascii:
            self.good_lines += 1
        self.is_bad = self.is_beyond_ascii = False
        self.decoder.reset()


def _count(piece: bytes, wanted: bytes) -> int:
    """Count the bytes that are among these, without building a list of them."""
    return len(piece) - len(piece.translate(None, delete=wanted))


def _eight_bit(file: BinaryIO) -> Encoding:
    """Decide between UTF-8 and Windows-1252, or refuse."""
    census = _census(file)
    if not census.bad_lines:
        how = "every line is valid" if census.good_lines else "it is plain ASCII"
        return Encoding("utf-8", how)
    bad = census.first_bad
    if census.first_zero:
        raise EncodingRefused(
            f"Line {bad} is not valid UTF-8, and line {census.first_zero} holds a zero "
            f"byte: this may not be a text file. {ASK}"
        )
    if census.good_lines > census.bad_lines * MIXED_SHARE:
        raise EncodingRefused(
            f"The encoding is mixed: line {bad} is not valid UTF-8, while "
            f"{census.good_lines:,} other lines are. {ASK}"
        )
    if census.first_undefined:
        raise EncodingRefused(
            f"Line {bad} is not valid UTF-8, and line {census.first_undefined} is not "
            f"valid Windows-1252. {ASK}"
        )
    if census.non_ascii > (census.non_ascii + census.letters) * WESTERN_SHARE:
        raise EncodingRefused(
            f"Line {bad} is not valid UTF-8, and so many letters are beyond ASCII that "
            f"it is hardly Windows-1252. {ASK}"
        )
    return Encoding("cp1252", "it is not UTF-8, and every byte is a Western character")


def _census(file: BinaryIO) -> _Census:
    census = _Census()
    line = 1
    after_cr = False
    for piece in _pieces(file):
        # bytes.splitlines knows \n, \r and \r\n only, as CSV does (str knows more).
        for part in piece.splitlines(keepends=True):
            if after_cr and part == b"\n":
                after_cr = False
                continue
            is_end = part[-1:] in (b"\n", b"\r")
            census.add(line, part, is_end=is_end)
            line += is_end
            after_cr = part.endswith(b"\r")
    census.add(line, b"", is_end=True)
    return census
