"""A database named by one URL, as `DATABASE_URL` carries it."""

from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

# IMMEDIATE takes the write lock when a transaction begins, so two writers wait for each
# other instead of failing half-way; without recursive_triggers an INSERT OR REPLACE
# would slip past the triggers that keep the audit append-only.
SQLITE_OPTIONS = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": (
        "PRAGMA journal_mode=WAL;"
        "PRAGMA synchronous=NORMAL;"
        "PRAGMA recursive_triggers=ON;"
    ),
}


def from_url(url: str) -> dict[str, Any]:
    """Return the entry of DATABASES that this URL describes.

    A `host` in the query names a socket's folder; the rest of it goes to the driver.

    >>> from_url("postgresql://ann:s%40fe@db.example/cem?sslmode=require")["PASSWORD"]
    's@fe'
    >>> from_url("sqlite:///var/demo.sqlite3")["NAME"]
    'var/demo.sqlite3'
    """
    parts = urlsplit(url)
    if parts.scheme in ("postgres", "postgresql"):
        return _postgres(parts)
    if parts.scheme == "sqlite":
        return sqlite(unquote(parts.path.removeprefix("/")))
    raise ImproperlyConfigured(
        f"A database URL starts with postgresql:// or sqlite:///, not {parts.scheme!r}."
    )


def sqlite(path: str | Path) -> dict[str, Any]:
    """Return the entry of DATABASES for this file, fit for a site and its workers."""
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(path),
        "OPTIONS": SQLITE_OPTIONS,
    }


def _postgres(parts: SplitResult) -> dict[str, Any]:
    options = dict(parse_qsl(parts.query))
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.removeprefix("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": options.pop("host", None) or parts.hostname or "",
        "PORT": str(parts.port or ""),
        "OPTIONS": options,
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
    }
