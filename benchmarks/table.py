"""A table for the terminal."""

from __future__ import annotations

from collections.abc import Sequence


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return these rows under their heads; all but the first column to the right.

    >>> print(table(["way", "rows/s"], [["SQL", 21000], ["cem_cases", 8000.4]]))
    way        rows/s
    SQL        21,000
    cem_cases   8,000
    """
    lines = [list(heads), *([_word(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if n else cell.ljust(width)
            for n, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _word(cell: object) -> str:
    if isinstance(cell, int | float):
        return f"{cell:,.0f}" if abs(cell) >= 100 else f"{cell:,.4g}"
    return str(cell)
