"""What time it is: by the database's clock, which is the same for every machine.

A worker or a web server whose own clock is wrong neither breaches a clock nor skips one.
"""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import DEFAULT_DB_ALIAS, connections

_ASK = {
    "postgresql": "SELECT clock_timestamp()",
    "sqlite": "SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')",
}


def now() -> datetime:
    """Return the present instant in UTC; one statement."""
    connection = connections[DEFAULT_DB_ALIAS]
    with connection.cursor() as cursor:
        cursor.execute(_ASK[connection.vendor])
        (at,) = cursor.fetchone()
    if isinstance(at, str):
        return datetime.fromisoformat(at).replace(tzinfo=UTC)
    found: datetime = at.astimezone(UTC)
    return found
