"""From answers to owned cases, beside the limit of the database, in one run.

    python -m benchmarks.ingest [--quick] [--rows N] [--rounds N]

README.md says how to read what it prints.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks import servers, table

if TYPE_CHECKING:
    from benchmarks.ways import Run

SMALL = 10
"""The statements are counted at a size this many times smaller, too."""


def main() -> None:
    """Measure, and print a table and, as the last line, one JSON object."""
    options = _options()
    with servers.site():
        small, ours, sql = measure(options.rows, options.rounds)
        batches = statements_of_batches()
    _print(options.rows, small, ours, sql, batches)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ingest")
    parser.add_argument("--quick", action="store_true", help="10,000 rows, 3 rounds")
    parser.add_argument("--rows", type=int, help="default: 100,000")
    parser.add_argument("--rounds", type=int, help="default: 5")
    options = parser.parse_args()
    options.rows = options.rows or (10_000 if options.quick else 100_000)
    options.rounds = options.rounds or (3 if options.quick else 5)
    if options.rows < SMALL * 1_000:  # or the small run would not fill a batch
        parser.error(f"--rows must be at least {SMALL * 1_000:,}")
    return options


def measure(rows: int, rounds: int) -> tuple[Run, list[Run], list[Run]]:
    """Return a small run of ours, and the runs of ours and of SQL, round by round.

    The two go in turns, and the order changes every round. The small run warms up
    what both use, and shows the SQL how wide the audit's payloads are.
    """
    from benchmarks import content, limit, ways  # they need Django set up

    content.set_up_site()
    small = ways.fresh(ways.ours, rows // SMALL)
    values = {**limit.samples(), "hash": "5" * 64, "now": content.NOW}
    limit.stage(content.batches(rows, ways.BATCH))
    runs: dict[str, list[Run]] = {"ours": [], "sql": []}
    for number in range(1, rounds + 1):
        for way in sorted(runs, reverse=number % 2 == 0):
            go = ways.ours if way == "ours" else lambda rows: ways.sql(rows, values)
            run = ways.fresh(go, rows)
            if not runs["sql"] and way == "ours":
                limit.explain()
            runs[way].append(run)
            print(f"round {number}/{rounds}, {way}: {run.total:.2f} s", file=sys.stderr)
    written = [run.rows for run in [*runs["ours"], *runs["sql"]]]
    assert all(each == written[0] for each in written), f"not the same: {written}"
    return small, runs["ours"], runs["sql"]


def statements_of_batches() -> Mapping[int, int]:
    """Return how many statements it takes to route one batch, by its size."""
    from benchmarks import ways

    return {size: ways.statements_of_a_batch(size) for size in (100, 1_000, 5_000)}


def _print(
    rows: int,
    small: Run,
    ours: Sequence[Run],
    sql: Sequence[Run],
    batches: Mapping[int, int],
) -> None:
    figures = _figures(rows, small, ours, sql)
    figures["statements_of_a_batch"] = batches
    figures["peak_mib_small"] = small.peak_mib
    figures["peak_mib"] = max(run.peak_mib for run in ours)
    steps = {step: median(run.seconds[step] for run in ours) for step in small.seconds}
    of_sql = 100 * figures["ratio_to_sql"]
    lines = [
        ["set-based SQL", *_speed(rows, sql), 100, figures["sql_queries_per_1000"]],
        ["cem_cases", *_speed(rows, ours), of_sql, figures["queries_per_1000"]],
        *([f"  {step}", took, rows / took, "", ""] for step, took in steps.items()),
    ]
    heads = ["", "seconds", "rows/s", "% of SQL", "queries per 1,000 rows"]
    print(table.table(heads, lines))
    wrote = ", ".join(f"{count:,} {what}" for what, count in ours[-1].rows.items())
    print(f"Both wrote {wrote}; the audit verifies.")
    print(
        f"Queries per 1,000 rows: {figures['queries_per_1000_small']} at "
        f"{rows // SMALL:,} rows, {figures['queries_per_1000']} at {rows:,}."
    )
    counts = ", ".join(f"{n} for {size:,}" for size, n in batches.items())
    print(f"Statements that route one batch of answers: {counts} of them.")
    print(
        f"Peak memory of the process: {figures['peak_mib_small']} MiB after "
        f"{rows // SMALL:,} rows, {figures['peak_mib']} MiB after {rows:,}."
    )
    print(json.dumps(figures))


def _speed(rows: int, runs: Sequence[Run]) -> tuple[float, float]:
    seconds = median(run.total for run in runs)
    return seconds, rows / seconds


def _figures(
    rows: int, small: Run, ours: Sequence[Run], sql: Sequence[Run]
) -> dict[str, Any]:
    ratios = sorted(s.total / o.total for o, s in zip(ours, sql, strict=True))
    return {
        "rows": rows,
        "rounds": len(ratios),
        "rows_per_s": round(_speed(rows, ours)[1]),
        "sql_rows_per_s": round(_speed(rows, sql)[1]),
        "ratio_to_sql": round(median(ratios), 3),
        "ratio_lowest": round(ratios[0], 3),
        "ratio_highest": round(ratios[-1], 3),
        "queries_per_1000": round(1000 * ours[-1].statements / rows, 1),
        "queries_per_1000_small": round(1000 * small.statements / (rows // SMALL), 1),
        "sql_queries_per_1000": round(1000 * sql[-1].statements / rows, 1),
    }


if __name__ == "__main__":
    main()
