"""How routing grows with workers: the same answers, drained by 1, 2 and 4 processes.

    python -m benchmarks.routing_concurrency [--quick] [--rows N] [--rounds N]

README.md says how to read what it prints.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from benchmarks import servers, table

WORKERS = (1, 2, 4)


@dataclass(frozen=True, slots=True)
class Run:
    """One time through all answers, with so many workers."""

    seconds: float
    shares: Sequence[int]
    """How many answers each worker took."""


def main() -> None:
    """Measure, and print a table and, as the last line, one JSON object."""
    options = _options()
    if options.worker:
        _work()
        return
    with servers.site():
        found = measure(options.rows, options.rounds)
    _print(options.rows, found)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.routing_concurrency")
    parser.add_argument("--quick", action="store_true", help="10,000 rows, 1 round")
    parser.add_argument("--rows", type=int, help="default: 50,000")
    parser.add_argument("--rounds", type=int, help="default: 3")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.rows = options.rows or (10_000 if options.quick else 50_000)
    options.rounds = options.rounds or (1 if options.quick else 3)
    return options


def measure(rows: int, rounds: int) -> Mapping[int, list[Run]]:
    """Return what each number of workers took, round by round, in turns."""
    from benchmarks import routingsite  # needs Django set up

    routingsite.set_up()
    found: dict[int, list[Run]] = {count: [] for count in WORKERS}
    for number in range(1, rounds + 1):
        for count in sorted(WORKERS, reverse=number % 2 == 0):
            routingsite.fill(rows)
            run = _drain(count)
            routingsite.check(rows)
            found[count].append(run)
            print(
                f"round {number}/{rounds}, {count} workers: {run.seconds:.2f} s",
                file=sys.stderr,
            )
    return found


def _drain(count: int) -> Run:
    """Let so many processes drain; the time is from the first one's start to the last
    one's end, without that which Python takes to start."""
    command = [sys.executable, "-m", "benchmarks.routing_concurrency", "--worker"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    workers = [subprocess.Popen(command, text=True, **pipes) for _ in range(count)]
    for worker in workers:
        assert worker.stdout
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin
        worker.stdin.write("go\n")
        worker.stdin.flush()
    said = [json.loads(worker.communicate()[0]) for worker in workers]
    began, ended = min(s["began"] for s in said), max(s["ended"] for s in said)
    return Run(ended - began, [s["processed"] for s in said])


def _work() -> None:
    """What one worker does; it says when it began and ended."""
    import django

    django.setup()
    from django.db import connection

    from cem_cases.loop import drain

    connection.ensure_connection()
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.time()
    done = drain.drain()
    totals = {"began": began, "ended": time.time(), "failed": done.failed}
    print(json.dumps({**totals, "processed": done.processed}))


def _print(rows: int, found: Mapping[int, Sequence[Run]]) -> None:
    alone = median(run.seconds for run in found[WORKERS[0]])
    lines = [
        [
            count,
            median(run.seconds for run in runs),
            rows / median(run.seconds for run in runs),
            alone / median(run.seconds for run in runs),
            " + ".join(f"{share:,}" for share in runs[-1].shares),
        ]
        for count, runs in found.items()
    ]
    heads = ["workers", "seconds", "answers/s", "times one worker", "who took how many"]
    print(table.table(heads, lines))
    print(
        f"{rows:,} answers each time, a case and an owner for each: none lost, none "
        "doubled, all counters right, turns fair to one; the audit verifies."
    )
    print(json.dumps({"rows": rows, "workers": _figures(rows, found)}))


def _figures(rows: int, found: Mapping[int, Sequence[Run]]) -> Mapping[str, Any]:
    return {
        str(count): {
            "rows_per_s": round(rows / median(run.seconds for run in runs)),
            **asdict(runs[-1]),
        }
        for count, runs in found.items()
    }


if __name__ == "__main__":
    main()
