"""Cases with running clocks, of which 1,000 come due; swept by us, or by SQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from time import perf_counter

from django.db import connection, transaction

from benchmarks.counting import counted
from cem_cases.loop import sla
from cem_cases.models import AuditEvent, Clock, ClockMark, Notification
from tests import make

OPENED = datetime(2026, 3, 2, 9, tzinfo=UTC)
LATE = datetime(2026, 3, 2, 13, tzinfo=UTC)
"""When four business hours since then are over."""
NOW = datetime(2026, 3, 2, 13, 1, tzinfo=UTC)
DUE = 1_000
WAYS = ("ours", "sql")

# Two clocks a case; both run for weeks to come.
GROW = """
WITH fresh AS (
    INSERT INTO cem_cases_case (
        kind, customer_id, team_id, owner_id, status, priority, opened_at, due_at,
        outcome, is_complaint, policy_version_id, waiting_reason, cycle, version
    )
    SELECT 'recovery', c.id, m.team_id, m.user_id, 'open', 3, %(opened)s,
        %(opened)s + interval '30 days', '', false, v.id, '', 1, 1
    FROM generate_series(1, %(cases)s) AS n
    JOIN (SELECT id, row_number() OVER (ORDER BY id) - 1 AS place
          FROM cem_cases_customer) AS c ON c.place = n %% 1000
    JOIN (SELECT *, row_number() OVER (ORDER BY id) - 1 AS place
          FROM cem_cases_membership WHERE role = 'agent') AS m ON m.place = n %% 10
    CROSS JOIN (SELECT max(id) AS id FROM cem_cases_policyversion) AS v
    RETURNING id, policy_version_id
), clocks AS (
    INSERT INTO cem_cases_clock (
        case_id, metric, cycle, version_id, started_at, target_amount, target_unit,
        due_at, next_at, breach_cause, cancel_cause
    )
    SELECT id, metric, 1, policy_version_id, %(opened)s, 14400, 'business seconds',
        %(opened)s + interval '30 days' + id * interval '1 second',
        %(opened)s + interval '20 days' + id * interval '1 second', '', ''
    FROM fresh CROSS JOIN (VALUES ('first contact'), ('resolution')) AS m (metric)
)
INSERT INTO cem_cases_audithead (stream, sequence, hash, sealed_sequence)
SELECT 'case:' || id, 1, repeat('0', 64), 0 FROM fresh
"""
# The first clock of each of 1,000 cases, spread over all of them, is late by now.
MAKE_DUE = """
UPDATE cem_cases_clock SET due_at = %(due)s, next_at = %(due)s, breached_at = NULL,
    breach_cause = '', warned_at = NULL
WHERE id = ANY(%(keys)s)
"""
# What the sweep writes, in one statement: clocks, marks, ends of streams, events (their
# payload as it is; a plain hash in place of the HMAC) and notifications.
SWEEP = """
WITH due AS MATERIALIZED (
    SELECT c.id, c.case_id, c.metric, c.cycle, c.due_at, k.owner_id
    FROM cem_cases_clock c JOIN cem_cases_case k ON k.id = c.case_id
    WHERE c.next_at <= %(now)s ORDER BY c.next_at LIMIT 1000
    FOR NO KEY UPDATE OF c, k SKIP LOCKED
), clocks AS (
    UPDATE cem_cases_clock c
    SET next_at = NULL, breached_at = %(now)s, breach_cause = 'late'
    FROM due WHERE c.id = due.id
), marks AS (
    INSERT INTO cem_cases_clockmark (clock_id, level, at)
    SELECT id, 'breach', %(now)s FROM due
), said AS (
    SELECT due.*, head.stream, head.sequence + 1 AS sequence, head.hash AS previous,
        format('{"cause":"late","cycle":%%s,"due_at":"%%s","metric":"%%s"}',
            cycle, to_char(due_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), metric) AS payload
    FROM due JOIN cem_cases_audithead head ON head.stream = 'case:' || case_id
), linked AS (
    SELECT said.*, encode(sha256(convert_to(
        stream || sequence || previous || payload || 'clock.breached', 'UTF8')), 'hex')
        AS hash
    FROM said
), heads AS (
    UPDATE cem_cases_audithead head SET sequence = linked.sequence, hash = linked.hash
    FROM linked WHERE head.stream = linked.stream
), events AS (
    INSERT INTO cem_cases_auditevent (
        stream, sequence, case_id, at, kind, payload, previous_hash, key_id, hash
    )
    SELECT stream, sequence, case_id, %(now)s, 'clock.breached', payload, previous,
        'site', hash
    FROM linked RETURNING id, case_id
)
INSERT INTO cem_cases_notification (recipient_id, case_id, event_id, text, at)
SELECT owner_id, case_id, events.id, format(
    'Case #%%s: %%s was due %%s.', case_id, metric, to_char(due_at, 'Dy DD Mon, HH24:MI')
), %(now)s
FROM events JOIN due USING (case_id)
"""


def set_up_site() -> None:
    """Ten agents, a policy in office hours, a thousand customers."""
    team = make.team("service")
    for _ in range(10):
        make.agent(team)
    make.policy(hours=4, warn=())
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO cem_cases_customer (external_id, name, email, phone, segment,
                currency, language, time_zone, attributes, created_at, host_id)
            SELECT 'c' || n, 'Customer ' || n, '', '', '', '', '', '', '{}', %s, ''
            FROM generate_series(1, 1000) AS n
            """,
            [NOW],
        )


def grow_to(clocks: int) -> None:
    """Add cases until so many clocks run; nothing is due."""
    missing = clocks - Clock.objects.running().count()
    later = OPENED + timedelta(days=20)
    swept = Clock.objects.exclude(breached_at=None)
    swept.update(breached_at=None, breach_cause="", next_at=later)
    with connection.cursor() as cursor:
        cursor.execute(GROW, {"cases": missing // 2, "opened": OPENED})
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("CHECKPOINT")


def _due_keys() -> list[int]:
    """Return 1,000 first-contact clocks, evenly spread over all."""
    found = Clock.objects.filter(metric="first contact").order_by("pk")
    keys = list(found.values_list("pk", flat=True))
    return keys[:: max(1, len(keys) // DUE)][:DUE]


_keys: dict[int, list[int]] = {}


def make_due() -> None:
    """Let the same 1,000 clocks be late by one minute, as if nobody had swept them."""
    size = Clock.objects.count()
    keys = _keys.get(size) or _keys.setdefault(size, _due_keys())
    with connection.cursor() as cursor:
        cursor.execute(
            "TRUNCATE cem_cases_clockmark, cem_cases_notification, "
            "cem_cases_auditevent, cem_cases_auditdetail"
        )
        cursor.execute(MAKE_DUE, {"due": LATE, "keys": keys})
        cursor.execute("VACUUM cem_cases_clock, cem_cases_audithead, cem_cases_case")


def warm_up() -> None:
    for way in WAYS:
        make_due()
        timed(way)


def timed(way: str) -> float:
    """Sweep what is due, and return how long it took; check what was written."""
    began = perf_counter()
    if way == "ours":
        sla.sweep(now=NOW)
    else:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(SWEEP, {"now": NOW})
    took = perf_counter() - began
    wrote = (
        Clock.objects.filter(breached_at=NOW).count(),
        ClockMark.objects.count(),
        AuditEvent.objects.count(),
        Notification.objects.count(),
    )
    assert wrote == (DUE, DUE, DUE, DUE), f"{way} wrote {wrote}"
    return took


def nothing_due() -> float:
    began = perf_counter()
    swept = sla.sweep(now=NOW)
    assert swept == sla.Swept()
    return perf_counter() - began


def statements() -> tuple[int, int]:
    """Return the statements of one sweep of 1,000, and those of the audit in it."""
    make_due()
    sent: list[str] = []

    def note(execute, sql, params, many, context):  # type: ignore[no-untyped-def]
        sent.append(sql)
        return execute(sql, params, many, context)

    with counted() as count, connection.execute_wrapper(note):
        sla.sweep(now=NOW)
    of_audit = sum("audit" in sql for sql in sent)
    # the events go by COPY, which passes by the wrapper
    return count.statements - of_audit - 1, of_audit + 1
