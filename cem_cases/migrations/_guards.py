"""Database triggers: what is final is never changed.

An audit event is never changed nor, on PostgreSQL, deleted. A finished clock, an ended
pause and a version of a policy are never changed.

The second lock, not the first: for the audit, the hash chain finds out what a trigger
cannot refuse (a superuser, a TRUNCATE). Deletes are let through on SQLite, and TRUNCATE
everywhere, because that is how Django empties the tables of a site's
`TransactionTestCase`.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple


class Guard(NamedTuple):
    """Refuses to change those rows of a table for which `final` holds."""

    name: str
    table: str
    says: str
    final: str = ""
    """SQL over OLD; empty: every row."""
    deletes: bool = False
    """Whether PostgreSQL refuses to delete them, too."""


GUARDS = (
    Guard(
        "cem_cases_append_only",
        "cem_cases_auditevent",
        "Audit events are never changed or deleted.",
        deletes=True,
    ),
    Guard(
        "cem_cases_finished_clock",
        "cem_cases_clock",
        "A finished clock is never changed.",
        final="OLD.completed_at IS NOT NULL OR OLD.cancelled_at IS NOT NULL",
    ),
    Guard(
        "cem_cases_ended_pause",
        "cem_cases_pause",
        "An ended pause is never changed.",
        final="OLD.until_at IS NOT NULL",
    ),
    Guard(
        "cem_cases_policy_version",
        "cem_cases_policyversion",
        "A version of a policy is never changed.",
    ),
)


def _postgresql(guard: Guard) -> Iterator[str]:
    when = f"WHEN ({guard.final})" if guard.final else ""
    events = "UPDATE OR DELETE" if guard.deletes else "UPDATE"
    yield f"""
        CREATE OR REPLACE FUNCTION {guard.name}() RETURNS trigger AS $$
        BEGIN
            RAISE EXCEPTION '{guard.says}' USING ERRCODE = 'integrity_constraint_violation';
        END
        $$ LANGUAGE plpgsql
        """
    yield f"""
        CREATE TRIGGER {guard.name} BEFORE {events} ON {guard.table}
        FOR EACH ROW {when} EXECUTE FUNCTION {guard.name}()
        """


def _sqlite(guard: Guard) -> Iterator[str]:
    when = f"WHEN {guard.final}" if guard.final else ""
    yield f"""
        CREATE TRIGGER {guard.name} BEFORE UPDATE ON {guard.table} {when}
        BEGIN
            SELECT RAISE(ABORT, '{guard.says}');
        END
        """


WRITERS: Mapping[str, Callable[[Guard], Iterator[str]]] = {
    "postgresql": _postgresql,
    "sqlite": _sqlite,
}


def install(apps: Any, schema_editor: Any) -> None:
    write = WRITERS.get(schema_editor.connection.vendor)
    for guard in GUARDS if write else ():
        for statement in write(guard):
            schema_editor.execute(statement)


def remove(apps: Any, schema_editor: Any) -> None:
    is_postgresql = schema_editor.connection.vendor == "postgresql"
    for guard in GUARDS:
        on = f" ON {guard.table}" if is_postgresql else ""
        schema_editor.execute(f"DROP TRIGGER IF EXISTS {guard.name}{on}")
        if is_postgresql:
            schema_editor.execute(f"DROP FUNCTION IF EXISTS {guard.name}()")
