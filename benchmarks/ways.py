"""The two ways from answers to cases: ours, and the limit. Needs Django set up."""

from __future__ import annotations

import resource
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import perf_counter

from django.conf import settings
from django.db import connection
from django.test import override_settings

from benchmarks import content, limit
from benchmarks.counting import counted
from cem_cases import models
from cem_cases.loop import audit, capture, drain

BATCH = 1_000
WRITTEN = (
    models.Response,
    models.Explanation,
    models.RuleRun,
    models.Customer,
    models.ChannelIdentity,
    models.Case,
    models.Clock,
    models.AuditHead,
    models.AuditEvent,
)


@dataclass(slots=True)
class Run:
    """One way through all answers: its times by step, its statements, its rows."""

    seconds: dict[str, float]
    statements: int
    rows: dict[str, int] = field(default_factory=dict)
    peak_mib: int = 0
    """The most memory that the process has had until its end, in MiB."""

    @property
    def total(self) -> float:
        return sum(self.seconds.values())


def fresh(way: Callable[[int], Run], rows: int) -> Run:
    """Go this way on empty tables, after a checkpoint; count what it wrote."""
    names = ", ".join(model._meta.db_table for model in WRITTEN)
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {names} RESTART IDENTITY CASCADE")
        cursor.execute("UPDATE cem_cases_team SET assigned_count = 0")
        cursor.execute(
            "UPDATE cem_cases_membership SET open_cases = 0, last_assigned = 0"
        )
        cursor.execute("VACUUM ANALYZE cem_cases_team, cem_cases_membership")
        cursor.execute("CHECKPOINT")
    done = way(rows)
    done.rows = {
        str(model._meta.verbose_name_plural): model._default_manager.count()
        for model in WRITTEN
    }
    return done


def ours(rows: int) -> Run:
    """Take the answers through capture, then the waiting rows through the drain."""
    seconds = {"capture": 0.0, "drain": 0.0}
    with counted() as count:
        for batch in content.batches(rows, BATCH):
            began = perf_counter()
            capture.record(batch, now=content.NOW)
            seconds["capture"] += perf_counter() - began
        began = perf_counter()
        drain.drain(now=content.NOW)
        seconds["drain"] = perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    faults = list(audit.verify())
    assert not faults, f"the audit is broken: {faults[:3]}"
    return Run(seconds, count.statements, peak_mib=peak)


def statements_of_a_batch(size: int) -> int:
    """Return how many statements the drain takes for one batch of so many answers."""
    fresh(_wait, size)
    options = {**settings.CEM_CASES, "BATCH_SIZE": size}
    with override_settings(CEM_CASES=options), counted() as count:
        drain.drain(now=content.NOW)
    return count.statements


def _wait(rows: int) -> Run:
    for batch in content.batches(rows, BATCH):
        capture.record(batch, now=content.NOW)
    return Run({}, 0)


def sql(rows: int, values: Mapping[str, object]) -> Run:
    """Write what lies ready, by set-based SQL."""
    with counted() as count:
        parts = limit.statements()
        began = perf_counter()
        for batch in range(1, -(-rows // BATCH) + 1):
            limit.write(batch, parts, values)
        took = perf_counter() - began
    return Run({"all": took}, count.statements)
