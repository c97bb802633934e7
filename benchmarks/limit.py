"""The limit: the same rows, written by set-based SQL and nothing else.

Seven statements per batch, in one transaction, from a table in which the answers lie
ready. They write every row and every column that the loop writes, in the same number
and of the same width, into the same tables with the same indexes and constraints; but
what they write of audit, explanations and due times is a stand-in. What they leave out is listed in
README.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import connection, transaction

from benchmarks import rulesql

STAGE = """
CREATE UNLOGGED TABLE stage (
    batch int, number serial, survey text, source_system text, external_id text,
    score smallint, comment text, answered_at timestamptz, touchpoint text,
    channel text, wants_contact boolean, answers jsonb, customer text, name text,
    email text, segment text, annual_value numeric(14, 2), currency text,
    language text, attributes jsonb, digest text, looks text
)
"""
COLUMNS = (
    *("batch", "survey", "source_system", "external_id", "score", "comment"),
    *("answered_at", "touchpoint", "channel", "wants_contact", "answers", "customer"),
    *("name", "email", "segment", "annual_value", "currency", "language", "attributes"),
)

CUSTOMERS = """
INSERT INTO cem_cases_customer (
    external_id, name, email, phone, segment, annual_value, currency, language,
    time_zone, attributes, created_at, host_id
)
SELECT DISTINCT ON (customer)
    customer, name, email, '', segment, annual_value, currency, language,
    '', attributes, %(now)s, ''
FROM stage WHERE batch = %(batch)s ORDER BY customer, number
ON CONFLICT (external_id) DO NOTHING
"""
IDENTITIES = """
INSERT INTO cem_cases_channelidentity (customer_id, channel, identifier)
SELECT DISTINCT ON (c.id) c.id, 'email', lower(s.email)
FROM stage s JOIN cem_cases_customer c ON c.external_id = s.customer
WHERE s.batch = %(batch)s
ON CONFLICT (channel, identifier) DO NOTHING
"""
RESPONSES = """
INSERT INTO cem_cases_response (
    survey_id, customer_id, touchpoint_id, source_system, external_id, channel, score,
    band, weight, comment, language, wants_contact, answers, answered_at, received_at,
    attempts, error
)
SELECT survey.id, c.id, touchpoint.id, s.source_system, s.external_id, s.channel,
    s.score, '', 1, s.comment, s.language, s.wants_contact, s.answers, s.answered_at,
    %(now)s, 0, ''
FROM stage s
JOIN cem_cases_customer c ON c.external_id = s.customer
JOIN cem_cases_survey survey ON survey.slug = s.survey
JOIN cem_cases_touchpoint touchpoint ON touchpoint.slug = s.touchpoint
WHERE s.batch = %(batch)s ORDER BY s.number
ON CONFLICT (source_system, external_id) DO NOTHING
"""
# What the rules decide about each answer, in the names of `rulesql.decisions`.
RUNS = """
INSERT INTO cem_cases_rulerun (rule_id, rule_version, subject, subject_id, at)
SELECT rule, 1, 1, id, %(now)s FROM (
    SELECT r.id, unnest({matched}) AS rule
    FROM cem_cases_response r
    JOIN cem_cases_customer c ON c.id = r.customer_id
    JOIN cem_cases_touchpoint t ON t.id = r.touchpoint_id
    WHERE r.processed_at IS NULL AND r.failed_at IS NULL
) AS acting
"""
EXPLANATIONS = """
INSERT INTO cem_cases_explanation (digest, looks)
SELECT DISTINCT digest, looks FROM stage WHERE batch = %(batch)s
ON CONFLICT (digest) DO NOTHING
"""
# For each customer without an active case the first answer that may opens one. The
# agents of a team take turns; `assigned_count` says whose turn it is.
CASES = """
WITH opening AS (
    SELECT DISTINCT ON (c.id) c.id AS customer, r.id AS response, r.received_at,
        {team} AS team, {priority} AS priority
    FROM cem_cases_response r
    JOIN cem_cases_customer c ON c.id = r.customer_id
    JOIN cem_cases_touchpoint t ON t.id = r.touchpoint_id
    WHERE r.processed_at IS NULL AND r.failed_at IS NULL AND {opens}
    AND NOT EXISTS (
        SELECT FROM cem_cases_case k WHERE k.customer_id = c.id
        AND k.status IN ('new', 'open', 'pending', 'on hold')
    )
    ORDER BY c.id, r.id
), turn AS (
    SELECT opening.*, rule.id AS rule, rule.version,
        (team.assigned_count
            + row_number() OVER (PARTITION BY team.id ORDER BY response)) AS turn
    FROM opening
    JOIN cem_cases_team team ON team.id = opening.team
    JOIN cem_cases_rule rule ON rule.id = {opener}
), member AS (
    SELECT id, team_id, user_id,
        row_number() OVER (PARTITION BY team_id ORDER BY id) - 1 AS place,
        count(*) OVER (PARTITION BY team_id) AS places
    FROM cem_cases_membership WHERE is_active
), fresh AS (
    INSERT INTO cem_cases_case (
        kind, customer_id, opening_response_id, rule_id, rule_version, team_id,
        owner_id, status, priority, opened_at, owner_is_manual, assignment,
        last_activity_at, quiet_hours, policy_is_set, due_at, outcome, is_complaint,
        policy_version_id, waiting_reason, cycle, version
    )
    SELECT 'recovery', customer, response, rule, version, team, user_id, 'open',
        priority, received_at, false, '{{"by": ["round robin"], "skills": []}}',
        received_at, 0, false, received_at + interval '4 hours', '', false,
        (SELECT max(id) FROM cem_cases_policyversion), '', 1, 1
    FROM turn
    JOIN member ON team_id = team AND place = turn %% places
    ORDER BY response
    RETURNING id, team_id, owner_id, priority, opened_at
), clocks AS (
    INSERT INTO cem_cases_clock (
        case_id, metric, cycle, version_id, started_at, target_amount, target_unit,
        next_at, due_at, breach_cause, cancel_cause
    )
    SELECT f.id, t.metric, 1, v.id, f.opened_at, t.amount, t.unit,
        f.opened_at + t.amount * interval '0.75 seconds',
        f.opened_at + t.amount * interval '1 second', '', ''
    FROM fresh f
    JOIN cem_cases_slapolicy p ON p.is_active
    JOIN cem_cases_policyversion v ON v.policy_id = p.id AND v.number = p.version
    JOIN cem_cases_target t ON t.policy_id = p.id AND t.priority = f.priority
), heads AS (
    INSERT INTO cem_cases_audithead (stream, sequence, hash, sealed_sequence)
    SELECT 'case:' || id, 2, %(hash)s, 0 FROM fresh
), events AS (
    INSERT INTO cem_cases_auditevent (
        stream, sequence, case_id, at, kind, payload, previous_hash, key_id, hash
    )
    SELECT 'case:' || id, n, id, %(now)s, kind, payload, %(hash)s, 'site', %(hash)s
    FROM fresh CROSS JOIN (VALUES
        (1, 'case.opened', %(opened)s), (2, 'case.assigned', %(assigned)s)
    ) AS said (n, kind, payload)
), loads AS (
    UPDATE cem_cases_membership m
    SET open_cases = open_cases + cases, last_assigned = last_assigned + cases
    FROM (SELECT team_id, owner_id, count(*) AS cases FROM fresh GROUP BY 1, 2) AS got
    WHERE m.team_id = got.team_id AND m.user_id = got.owner_id
)
UPDATE cem_cases_team t SET assigned_count = assigned_count + cases
FROM (SELECT team_id, count(*) AS cases FROM fresh GROUP BY 1) AS got
WHERE t.id = got.team_id
"""
# The responses are done; of detractors, those who opened no case joined the active one.
DONE = """
WITH done AS (
    UPDATE cem_cases_response r SET
        band = CASE WHEN r.score <= 6 THEN 'detractor'
                    WHEN r.score >= 9 THEN 'promoter' ELSE 'passive' END,
        sentiment = NULL,
        case_id = k.id,
        explanation_id = why.id,
        processed_at = %(now)s
    FROM cem_cases_response w
    JOIN stage s ON s.batch = %(batch)s
    JOIN cem_cases_explanation why ON why.digest = s.digest
    LEFT JOIN cem_cases_case k ON k.customer_id = w.customer_id AND {opens_again}
        AND k.status IN ('new', 'open', 'pending', 'on hold')
    WHERE w.id = r.id AND w.processed_at IS NULL AND w.failed_at IS NULL
        AND s.source_system = w.source_system AND s.external_id = w.external_id
    RETURNING r.id, k.id AS case_id, k.opening_response_id AS opening
), joined AS (
    SELECT done.*, 'case:' || case_id AS stream,
        row_number() OVER (PARTITION BY case_id ORDER BY id) AS n
    FROM done WHERE id <> opening
), events AS (
    INSERT INTO cem_cases_auditevent (
        stream, sequence, case_id, at, kind, payload, previous_hash, key_id, hash
    )
    SELECT head.stream, head.sequence + n, case_id, %(now)s, 'case.joined', %(joined)s,
        head.hash, 'site', %(hash)s
    FROM joined JOIN cem_cases_audithead head ON head.stream = joined.stream
), active AS (
    UPDATE cem_cases_case k SET last_activity_at = %(now)s, quiet_hours = 0
    FROM joined WHERE k.id = joined.case_id
)
UPDATE cem_cases_audithead head SET sequence = sequence + n, hash = %(hash)s
FROM (SELECT stream, max(n) AS n FROM joined GROUP BY 1) AS grown
WHERE head.stream = grown.stream
"""
STATEMENTS = (CUSTOMERS, IDENTITIES, RESPONSES, EXPLANATIONS, RUNS, CASES, DONE)


def stage(batches: Iterable[list[dict[str, Any]]]) -> int:
    """Lay the answers ready; return how many batches they are. Nobody times this."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS stage")
        cursor.execute(STAGE)
        count = 0
        with cursor.copy(f"COPY stage ({', '.join(COLUMNS)}) FROM STDIN") as copy:
            for count, batch in enumerate(batches, start=1):
                for answer in batch:
                    copy.write_row(_staged(count, answer))
        cursor.execute("CREATE INDEX ON stage (batch)")
        cursor.execute("ANALYZE stage")
    return count


def _staged(batch: int, answer: Mapping[str, Any]) -> list[Any]:
    customer = answer["customer"]
    flat = {
        **answer,
        **customer,
        "batch": batch,
        "external_id": answer["external_id"],
        "customer": customer["external_id"],
        "answers": json.dumps(answer["answers"]),
        "attributes": json.dumps(customer["attributes"]),
    }
    return [flat[column] for column in COLUMNS]


def samples() -> dict[str, str]:
    """Return a payload of average length of each kind of event, as the loop wrote it."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT DISTINCT ON (kind) kind, payload
            FROM cem_cases_auditevent
            JOIN (
                SELECT kind, avg(length(payload)) AS usual
                FROM cem_cases_auditevent GROUP BY kind
            ) AS lengths USING (kind)
            ORDER BY kind, abs(length(payload) - usual)
            """
        )
        return {kind.removeprefix("case."): text for kind, text in cursor.fetchall()}


def explain() -> None:
    """Lay the explanations ready, too, as the loop has just written them."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE stage s SET digest = why.digest, looks = why.looks
            FROM cem_cases_response r
            JOIN cem_cases_explanation why ON why.id = r.explanation_id
            WHERE r.source_system = s.source_system AND r.external_id = s.external_id
            """
        )
        cursor.execute("VACUUM ANALYZE stage")


def statements() -> list[str]:
    """Return the statements that write a batch, with what the rules decide in them."""
    said = rulesql.decisions()
    said = {**said, "opens_again": said["opens"].replace("r.", "w.")}
    return [
        statement.format_map(said) if "{" in statement else statement
        for statement in STATEMENTS
    ]


def write(batch: int, parts: Sequence[str], values: Mapping[str, Any]) -> None:
    """Write one batch of what lies ready, in one transaction."""
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in parts:
            cursor.execute(statement, {**values, "batch": batch})
