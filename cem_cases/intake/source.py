"""A file that has been looked through once: what it is, and that it can be imported.

Everything that makes a file as a whole unfit is found here, before a single row is
taken: its size, its encoding, its delimiter, its header, its number of rows.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from cem_cases.intake import encoding as encodings
from cem_cases.intake.encoding import CHUNK, Encoding
from cem_cases.intake.mapping import ColumnMapping
from cem_cases.intake.records import Table, parse_delimiter
from cem_cases.intake.refusals import FileRefused


@dataclass(frozen=True)
class Source:
    """A CSV file with its mapping, which can be read from its start as often as needed."""

    file: BinaryIO
    mapping: ColumnMapping
    encoding: Encoding
    delimiter: str
    rows: int
    file_hash: str
    """SHA-256 of the file's bytes."""

    @property
    def mapping_hash(self) -> str:
        """SHA-256 of the way in which the file is read: the mapping and what was found."""
        way = [self.mapping.fingerprint, self.encoding.name, self.delimiter]
        return hashlib.sha256("\0".join(way).encode()).hexdigest()

    @contextmanager
    def table(self) -> Iterator[Table]:
        """Open the file's table at its first row."""
        with _text(self.file, self.encoding) as stream:
            rows = self.mapping.file.header_rows
            yield Table(stream, delimiter=self.delimiter, header_rows=rows)


def examine(
    file: BinaryIO,
    mapping: ColumnMapping,
    *,
    encoding: str | None = None,
    delimiter: str | None = None,
    max_bytes: int,
    max_rows: int,
) -> Source:
    """Look through this seekable file and return what it is.

    What is given here goes before what the mapping says, and that before what is found.
    Raises FileRefused where the file is too large, or cannot be read as a whole, or has
    not the columns of its mapping.
    """
    separator = parse_delimiter(delimiter) if delimiter else mapping.file.delimiter
    file_hash = _hash(file, max_bytes)
    named = encoding or mapping.file.encoding
    found = encodings.declared(file, named) if named else encodings.detect(file)
    with _text(file, found) as stream:
        table = Table(
            stream,
            delimiter=separator,
            header_rows=mapping.file.header_rows,
        )
        mapping.bind(table.header)
        rows = _count(table, max_rows)
    return Source(file, mapping, found, table.delimiter, rows, file_hash)


@contextmanager
def _text(file: BinaryIO, encoding: Encoding) -> Iterator[io.TextIOWrapper]:
    file.seek(0)
    stream = io.TextIOWrapper(file, encoding=encoding.name, newline="")
    try:
        yield stream
    finally:
        stream.detach()  # or it would close the file, which is not ours


def _hash(file: BinaryIO, max_bytes: int) -> str:
    digest, size = hashlib.sha256(), 0
    file.seek(0)
    while piece := file.read(CHUNK):
        size += len(piece)
        if size > max_bytes:
            raise FileRefused(f"The file is larger than {max_bytes:,} bytes.")
        digest.update(piece)
    return digest.hexdigest()


def _count(table: Table, max_rows: int) -> int:
    count = 0
    for count, _ in enumerate(table, start=1):
        if count > max_rows:
            raise FileRefused(f"The file has more than {max_rows:,} rows.")
    return count
