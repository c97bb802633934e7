"""The rejected rows as a file: to be looked at, put right, and imported again.

It is written as the original was: same encoding, delimiter and header rows, two columns
more in front. So the mapping of the original fits it.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from typing import TextIO

from cem_cases.intake.source import Source

FORMULA = re.compile(r"[=+\-@\t\r]")
PLAIN_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?", re.ASCII)


def write(source: Source, rejects: Iterable[tuple[int, str]], out: TextIO) -> None:
    """Write these rejects, (line, reason) in the order of their lines, to `out`.

    `out` is text opened with `newline=""` and the encoding of `source`.
    """
    writer = csv.writer(out, delimiter=source.delimiter, lineterminator="\r\n")
    with source.table() as table:
        names, *others = table.header_rows
        writer.writerow(["line", "reason", *map(inert, names)])
        writer.writerows(["", "", *map(inert, cells)] for cells in others)
        rows = iter(table)
        for line, reason in rejects:
            row = next((row for row in rows if row.line == line), None)
            writer.writerow([line, reason, *map(inert, row.cells if row else ())])


def inert(cell: str) -> str:
    """Return the cell such that no spreadsheet takes it for a formula.

    >>> inert("=1+1"), inert("-7"), inert("good")
    ("'=1+1", '-7', 'good')
    """
    if FORMULA.match(cell) and not PLAIN_NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell
