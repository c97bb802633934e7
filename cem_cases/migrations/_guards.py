"""Database triggers: an audit event is never changed, nor, on PostgreSQL, deleted.

The second lock, not the first: the hash chain finds out what a trigger cannot refuse
(a superuser, a TRUNCATE). Deletes are let through on SQLite, and TRUNCATE everywhere,
because that is how Django empties the tables of a site's `TransactionTestCase`.
"""

TABLE = "cem_cases_auditevent"

INSTALL = {
    "postgresql": (
        """
        CREATE OR REPLACE FUNCTION cem_cases_append_only() RETURNS trigger AS $$
        BEGIN
            RAISE EXCEPTION 'Audit events are never changed or deleted.';
        END
        $$ LANGUAGE plpgsql
        """,
        f"""
        CREATE TRIGGER cem_cases_append_only BEFORE UPDATE OR DELETE ON {TABLE}
        FOR EACH ROW EXECUTE FUNCTION cem_cases_append_only()
        """,
    ),
    "sqlite": (
        f"""
        CREATE TRIGGER cem_cases_append_only BEFORE UPDATE ON {TABLE}
        BEGIN
            SELECT RAISE(ABORT, 'Audit events are never changed.');
        END
        """,
    ),
}
REMOVE = {
    "postgresql": (
        f"DROP TRIGGER IF EXISTS cem_cases_append_only ON {TABLE}",
        "DROP FUNCTION IF EXISTS cem_cases_append_only()",
    ),
    "sqlite": ("DROP TRIGGER IF EXISTS cem_cases_append_only",),
}


def install(apps, schema_editor):
    for statement in INSTALL.get(schema_editor.connection.vendor, ()):
        schema_editor.execute(statement)


def remove(apps, schema_editor):
    for statement in REMOVE.get(schema_editor.connection.vendor, ()):
        schema_editor.execute(statement)
