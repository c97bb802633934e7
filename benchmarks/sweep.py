"""A sweep over open clocks, beside the same in one statement of SQL, in one run.

    python -m benchmarks.sweep [--quick] [--rounds N]

README.md says how to read what it prints.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks import servers, table

SIZES = (10_000, 100_000, 1_000_000)
QUICK = (10_000, 100_000)


@dataclass(slots=True)
class Measured:
    """What sweeps took at one size, in seconds, round by round."""

    ours: list[float] = field(default_factory=list)
    sql: list[float] = field(default_factory=list)
    nothing_due: list[float] = field(default_factory=list)
    statements: int = 0
    audit_statements: int = 0


def main() -> None:
    """Measure, and print a table and, as the last line, one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sweep")
    parser.add_argument("--quick", action="store_true", help="without 1,000,000")
    parser.add_argument("--rounds", type=int, help="default: 9")
    options = parser.parse_args()
    sizes = QUICK if options.quick else SIZES
    with servers.site():
        found = measure(sizes, options.rounds or 9)
    _print(found)


def measure(sizes: Sequence[int], rounds: int) -> Mapping[int, Measured]:
    """Return what was measured at each size, each in a database of its own.

    In every round all sizes have their turn, and at each of them ours and SQL.
    """
    from benchmarks import openclocks  # needs Django set up

    openclocks.set_up_site()
    found = {size: Measured() for size in sizes}
    with servers.copies(sizes) as go_to:
        for size in sizes:
            go_to(size)
            openclocks.grow_to(size)
            openclocks.warm_up()
        for number in range(1, rounds + 1):
            for size, at in found.items():
                go_to(size)
                for way in sorted(openclocks.WAYS, reverse=number % 2 == 0):
                    openclocks.make_due()
                    getattr(at, way).append(openclocks.timed(way))
                at.nothing_due.append(openclocks.nothing_due())
            print(f"round {number}/{rounds}", file=sys.stderr)
        for size, at in found.items():
            go_to(size)
            at.statements, at.audit_statements = openclocks.statements()
    return found


def _print(found: Mapping[int, Measured]) -> None:
    heads = ["open clocks", "ours ms", "SQL ms", "times SQL", "nothing due ms"]
    lines = [
        [
            f"{size:,}",
            1000 * median(at.ours),
            1000 * median(at.sql),
            _ratio(at),
            1000 * median(at.nothing_due),
        ]
        for size, at in found.items()
    ]
    print(table.table(heads, lines))
    last = found[max(found)]
    print(
        f"1,000 clocks due each time: {last.statements} statements, and "
        f"{last.audit_statements} of the audit. Both ways wrote the same rows."
    )
    print(json.dumps(_figures(found)))


def _ratio(at: Measured) -> float:
    return median(o / s for o, s in zip(at.ours, at.sql, strict=True))


def _growth(small: Measured, large: Measured) -> float:
    """Return how much longer ours took at the larger size: the median over rounds."""
    return median(b / a for a, b in zip(small.ours, large.ours, strict=True))


def _figures(found: Mapping[int, Measured]) -> Mapping[str, object]:
    first, second, *_ = found.values()
    last = found[max(found)]
    return {
        "open_clocks": max(found),
        "growth_10x_open": round(_growth(first, second), 3),
        "growth_largest": round(_growth(first, last), 3),
        "ratio_to_sql": round(_ratio(last), 2),
        "sql_ms": round(1000 * median(last.sql), 1),
        "sweep_ms": round(1000 * median(last.ours), 1),
        "nothing_due_ms": round(1000 * median(last.nothing_due), 2),
        "statements": last.statements,
        "audit_statements": last.audit_statements,
    }


if __name__ == "__main__":
    main()
