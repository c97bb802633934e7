"""The records of a CSV file, one after the other, with the line each begins on.

Two promises the `csv` module does not make. A fault costs one record: a quote that is
never closed rejects the line it stands on, and reading goes on with the next line
instead of swallowing the rest of the file. And memory is bounded, whatever the file
holds: by the length of a record, never by the length of the file.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TextIO

from cem_cases.intake.refusals import TableRefused

DELIMITERS = (",", ";", "\t", "|")
NAMED_DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}

FIELD_LIMIT = 128 * 1024
"""Characters in a field; the `csv` module's own limit, which a host may have changed."""

RECORD_LIMIT = 256 * 1024
"""Characters in a record."""

LINE_SPAN = 500
"""Physical lines in a record. So many may be looked at again for each broken quote."""

SNIFF_RECORDS = 25

# How Excel is told the delimiter, on a first line of its own.
EXCEL_HINT = re.compile(r'"?sep=([,;\t|])"?\s*')


@dataclass(frozen=True, slots=True)
class Record:
    """A record that has as many fields as the header."""

    line: int
    """The physical line it begins on, the first being 1."""

    values: dict[str, str]
    """By column name; columns without a name, or with one used twice, are left out."""

    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A record that could not be read; the ones after it can."""

    line: int
    reason: str
    cells: tuple[str, ...] = ()
    """What can be shown of it: its fields, or the whole line as one."""


class Table:
    """A CSV file, read as it is iterated: once, from front to back.

    `stream` is text opened with `newline=""`. The delimiter is told from the first
    records unless it is given. The first of `header_rows` names the columns, the others
    are passed over: survey tools repeat the questions and their own ids there.

    Raises TableRefused where there is no header, or the delimiter cannot be told.
    """

    def __init__(
        self, stream: TextIO, *, delimiter: str | None = None, header_rows: int = 1
    ) -> None:
        self._lines = _Lines(stream)
        hint = _hinted(self._lines)
        self.delimiter = delimiter or hint or _sniff(self._lines)
        self._parser = _Parser(self._lines, self.delimiter)
        rows = list(islice(self._parser, header_rows))
        if len(rows) < header_rows or isinstance(rows[0], BadRecord):
            raise TableRefused(_no_header(rows, header_rows))
        self.header_rows = tuple(row.cells for row in rows)
        self.header = tuple(_clean_name(name) for name in self.header_rows[0])
        if not any(self.header):
            raise TableRefused(f"Line {rows[0].line} must name the columns.")
        uses = Counter(self.header)
        self._named = [
            (at, name)
            for at, name in enumerate(self.header)
            if uses[name] == 1 and name
        ]
        self._parser.width = len(self.header)

    def __iter__(self) -> Iterator[Record | BadRecord]:
        for row in self._parser:
            if isinstance(row, BadRecord):
                yield row
            else:
                values = {name: row.cells[at] for at, name in self._named}
                yield Record(row.line, values, row.cells)


def parse_delimiter(text: str) -> str:
    """Return the delimiter that is meant: itself, or its name, as in `tab`.

    >>> parse_delimiter("tab"), parse_delimiter(";")
    ('\\t', ';')

    Raises TableRefused for anything that cannot separate fields.
    """
    delimiter = NAMED_DELIMITERS.get(text.lower(), text).replace("\\t", "\t")
    if len(delimiter) != 1 or delimiter in '"\r\n\0 ' or delimiter.isalnum():
        raise TableRefused(
            "A delimiter is one character, or comma, semicolon, tab or pipe."
        )
    return delimiter


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    text: str
    is_too_long: bool = False


class _Lines:
    """Physical lines with their numbers, which can be put back to be read again."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._again: deque[_Line] = deque()
        self._number = 0
        self._ahead = ""

    def __iter__(self) -> Iterator[_Line]:
        return self

    def __next__(self) -> _Line:
        if self._again:
            return self._again.popleft()
        text = self._read()
        if not text:
            raise StopIteration
        self._number += 1
        if len(text) <= RECORD_LIMIT:
            return _Line(self._number, text)
        self._skip_rest(text)
        return _Line(self._number, "", is_too_long=True)

    def put_back(self, lines: Sequence[_Line]) -> None:
        """Give these lines out again, in this order, before any new one."""
        self._again.extendleft(reversed(lines))

    def _read(self) -> str:
        """Read up to a line end (\\n, \\r or \\r\\n), or a little more than is allowed."""
        text = self._ahead + self._stream.readline(RECORD_LIMIT + 1)
        self._ahead = ""
        if text.endswith("\r") and len(text) > RECORD_LIMIT:
            # The limit may have cut a \r\n in two.
            following = self._stream.read(1)
            if following == "\n":
                return text + following
            self._ahead = following
        return text

    def _skip_rest(self, text: str) -> None:
        while text and text[-1] not in "\r\n":
            text = self._read()


class _Record(Iterator[str]):
    """Feeds `csv` the lines of one record: no more than a record may have."""

    def __init__(self, lines: _Lines, first: _Line) -> None:
        self._lines = lines
        self._length = 0
        self._next: _Line | None = first
        self.taken: list[_Line] = []

    def __next__(self) -> str:
        line = self._next or self._following()
        if line is None:
            raise StopIteration
        self._next = None
        self.taken.append(line)
        self._length += len(line.text)
        return line.text

    def _following(self) -> _Line | None:
        if len(self.taken) >= LINE_SPAN or self._length > RECORD_LIMIT:
            return None
        line = next(self._lines, None)
        if line is not None and line.is_too_long:
            self._lines.put_back([line])
            return None
        return line


class _Parser(Iterator["_Row"]):
    """Records as tuples of cells; once `width` is set, of exactly that many."""

    def __init__(self, lines: _Lines, delimiter: str) -> None:
        self._lines = lines
        self._delimiter = delimiter
        self.width: int | None = None

    def __next__(self) -> _Row:
        for line in self._lines:
            if row := self._row(line):
                return row
        raise StopIteration

    def _row(self, first: _Line) -> _Row | None:
        """Read the record that begins here; None for a line with nothing on it."""
        if first.is_too_long:
            reason = f"The line is longer than {RECORD_LIMIT:,} characters."
            return BadRecord(first.number, reason)
        feed = _Record(self._lines, first)
        reader = csv.reader(feed, delimiter=self._delimiter, strict=True)
        try:
            cells = tuple(next(reader))
        except csv.Error as error:
            return self._refuse(feed, _reason(error, feed))
        if not any(cell.strip() for cell in cells):
            return None
        if self.width is not None and len(cells) != self.width:
            reason = f"Has {_columns(len(cells))}, the header has {self.width}."
            return self._refuse(feed, reason, cells)
        if reason := _fault(cells):
            return BadRecord(first.number, reason, cells)
        return _Cells(first.number, cells)

    def _refuse(
        self, feed: _Record, reason: str, cells: tuple[str, ...] = ()
    ) -> BadRecord:
        """Give up the first line only. The others may be records of their own.

        A record of several lines with the wrong number of columns is most often an
        unclosed quote that met the next quote of the file.
        """
        first, *others = feed.taken
        self._lines.put_back(others)
        if others or not cells:
            cells = (first.text.rstrip("\r\n"),)
        return BadRecord(first.number, reason, cells)


@dataclass(frozen=True, slots=True)
class _Cells:
    line: int
    cells: tuple[str, ...]


_Row = _Cells | BadRecord


def _fault(cells: tuple[str, ...]) -> str:
    for number, cell in enumerate(cells, start=1):
        if len(cell) > FIELD_LIMIT:
            return f"Column {number} is longer than {FIELD_LIMIT:,} characters."
        if "\0" in cell:
            return f"Column {number} holds a NUL character."
    return ""


def _reason(error: csv.Error, feed: _Record) -> str:
    """Say in our words what `csv` found, since its own are about the programming."""
    message = str(error)
    if "field limit" in message:
        return f"A column is longer than {FIELD_LIMIT:,} characters."
    if "unexpected end of data" in message:
        return "A quote is opened and not closed."
    if "expected after" in message:
        what = "A quoted value is followed by more text"
        if len(feed.taken) > 1:
            return f"A quote is opened and not closed, or: {what[0].lower()}{what[1:]}."
        return f"{what}: quotes within a quoted value must be doubled."
    return "Cannot be read as CSV."


def _columns(count: int) -> str:
    return "1 column" if count == 1 else f"{count} columns"


def _clean_name(name: str) -> str:
    return name.removeprefix("\ufeff").strip()


def _no_header(rows: Sequence[_Row], header_rows: int) -> str:
    if not rows:
        return "The file is empty: its first line must name the columns."
    if isinstance(rows[0], BadRecord):
        return f"The header on line {rows[0].line} cannot be read: {rows[0].reason}"
    return f"The file has {len(rows)} lines, of which {header_rows} are header rows."


def _hinted(lines: _Lines) -> str:
    """Take Excel's `sep=;` off the front of the file."""
    first = next(lines, None)
    if first is None:
        return ""
    if hint := EXCEL_HINT.fullmatch(first.text):
        return hint[1]
    lines.put_back([first])
    return ""


def _sniff(lines: _Lines) -> str:
    """Return the delimiter under which the first records agree best with the header."""
    sample = list(islice(lines, SNIFF_RECORDS * 4))
    lines.put_back(sample)
    best = sorted(((_fit(sample, each), each) for each in DELIMITERS), reverse=True)
    (fit, delimiter), (second, other) = best[:2]
    if fit[1] < 2:
        return ","  # one column: there is nothing to separate
    if fit == second:
        raise TableRefused(
            f"The delimiter cannot be told: {delimiter!r} and {other!r} fit alike. "
            "Say which with --delimiter."
        )
    return delimiter


def _fit(sample: Sequence[_Line], delimiter: str) -> tuple[float, int]:
    """Return (share of records as wide as the header, width of the header)."""
    lines = _Lines(io.StringIO())
    lines.put_back(sample)
    rows = list(islice(_Parser(lines, delimiter), SNIFF_RECORDS))
    widths = [len(row.cells) for row in rows if isinstance(row, _Cells)]
    if not widths or widths[0] < 2:
        return 0.0, 1
    return sum(width == widths[0] for width in widths) / len(rows), widths[0]
