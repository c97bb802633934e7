"""System checks: what is wrong with the installation, told at `manage.py check`.

The ids are never used again for something else; `docs/reference/checks.md` lists them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, connections, router, transaction

from cem_cases.conf import OPTIONS, PLUGINS, Conf, audit_keys, conf, plugin
from cem_cases.schedule import BEAT_SCHEDULE


@register(Tags.compatibility)
def check_options(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E001: `CEM_CASES` names an option that does not exist, or a value that cannot be."""
    given = getattr(settings, "CEM_CASES", {})
    unknown: list[CheckMessage] = [
        Error(
            f"CEM_CASES has no option {name!r}.",
            hint=f"The options are: {', '.join(OPTIONS)}.",
            id="cem_cases.E001",
        )
        for name in sorted(set(given) - set(OPTIONS))
    ]
    return unknown or [
        Error(f"CEM_CASES[{name!r}] {problem}", id="cem_cases.E001")
        for name, problem in _wrong_values(conf())
    ]


def _wrong_values(given: Conf) -> Iterator[tuple[str, str]]:
    for field in fields(Conf):
        value = getattr(given, field.name)
        if isinstance(field.default, bool):
            if type(value) is not bool:
                yield field.name, "must be True or False."
        elif isinstance(field.default, int | float):
            kind = type(field.default)
            if type(value) not in (int, kind) or value < (kind is int):
                yield field.name, "must be a number that is at least 1."
    if not isinstance(given.AUDIT_KEYS, Mapping):
        yield "AUDIT_KEYS", "must be a dict of secrets by their key ids."
    url = given.SURVEY_URL
    if url and (
        not isinstance(url, str)
        or url.count("{token}") != 1
        or not url.startswith(("https://", "http://"))
    ):
        yield "SURVEY_URL", "must be a URL with {token}, https://example.org/s/{token}."


@register(Tags.compatibility)
def check_time_zones(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E002: `USE_TZ` is off, but due times need aware datetimes."""
    if settings.USE_TZ:
        return []
    return [
        Error(
            "cem_cases needs USE_TZ = True: due times are instants, not wall times.",
            id="cem_cases.E002",
        )
    ]


@register(Tags.compatibility)
def check_plugins(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E003: a dotted path in `CEM_CASES` cannot be imported."""
    if check_options(None):
        return []
    return list(_broken_plugins())


def _broken_plugins() -> Iterator[CheckMessage]:
    for option in PLUGINS:
        try:
            found = plugin(option)
        except ImportError as error:
            yield Error(
                f"CEM_CASES[{option!r}] cannot be imported: {error}",
                hint="Give the dotted path of a function, 'package.module.function'.",
                id="cem_cases.E003",
            )
        else:
            if found is not None and not callable(found):
                yield Error(
                    f"CEM_CASES[{option!r}] is not a function.", id="cem_cases.E003"
                )


@register(Tags.security)
def check_audit_keys(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E004: nothing signs the audit, or a blank key does. | W003: a key of the audit is too short."""
    if check_options(None):
        return []
    try:
        audit_keys()
    except ImproperlyConfigured as error:
        return [
            Error(
                str(error),
                hint='Name a key: {"AUDIT_KEYS": {"2026": "<50 random letters>"}}, '
                "and keep it outside the database.",
                id="cem_cases.E004",
            )
        ]
    short = [] if settings.DEBUG else _short_keys()
    return [
        Warning(
            f"The audit key {name!r} has fewer than 32 characters.",
            id="cem_cases.W003",
        )
        for name in short
    ]


def _short_keys() -> Sequence[str]:
    return [name for name, secret in audit_keys().items() if len(secret) < 32]


@register(Tags.compatibility)
def check_beat(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W001: the beat schedule lacks our sweeps."""
    scheduled = {
        entry.get("task")
        for entry in getattr(settings, "CELERY_BEAT_SCHEDULE", {}).values()
        if isinstance(entry, dict)
    }
    missing = sorted({entry["task"] for entry in BEAT_SCHEDULE.values()} - scheduled)
    if not missing:
        return []
    return [
        Warning(
            f"CELERY_BEAT_SCHEDULE does not run {', '.join(missing)}.",
            hint="Add `**cem_cases.schedule.BEAT_SCHEDULE` to it. If beat is configured "
            "elsewhere, or cron runs `manage.py cem_drain`, silence this check.",
            id="cem_cases.W001",
        )
    ]


@register(Tags.compatibility)
def check_router(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E008: a router sends cem_cases to another database than `default`."""
    from cem_cases.models import Response

    alias = router.db_for_write(Response)
    if alias == DEFAULT_DB_ALIAS:
        return []
    return [
        Error(
            f"A database router sends cem_cases to {alias!r}; its transactions and "
            "locks are on 'default'.",
            hint="Let cem_cases stay on the default database.",
            id="cem_cases.E008",
        )
    ]


@register(Tags.database)
def check_databases(
    app_configs: Any, databases: Iterable[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """E005: SQLite does not begin its transactions as IMMEDIATE. |
    E006: PostgreSQL does not run at READ COMMITTED. |
    E007: the database is neither PostgreSQL nor SQLite. |
    W002: PostgreSQL may lose what it accepted: `synchronous_commit` is off.
    """
    from cem_cases.models import Response

    alias = router.db_for_write(Response)
    if alias not in (databases or ()):
        return []
    connection = connections[alias]
    inspect = _DATABASES.get(connection.vendor, _unknown_database)
    return list(inspect(connection))


def _sqlite(connection: Any) -> Iterator[CheckMessage]:
    options = connection.settings_dict.get("OPTIONS", {})
    if str(options.get("transaction_mode", "")).upper() != "IMMEDIATE":
        yield Error(
            f"The SQLite database {connection.alias!r} does not begin its transactions "
            "as IMMEDIATE: two writers would fail with 'database is locked'.",
            hint='Set OPTIONS = {"transaction_mode": "IMMEDIATE", "timeout": 20}.',
            id="cem_cases.E005",
        )


def _postgresql(connection: Any) -> Iterator[CheckMessage]:
    # asked inside a transaction: what counts is what Django's own begin with
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute("SHOW transaction_isolation")
        (isolation,) = cursor.fetchone()
        cursor.execute("SHOW synchronous_commit")
        (synchronous,) = cursor.fetchone()
    if isolation != "read committed":
        yield Error(
            f"The database {connection.alias!r} does not run at READ COMMITTED, on "
            "which the locks of cem_cases rely.",
            id="cem_cases.E006",
        )
    if synchronous == "off":
        yield Warning(
            f"The database {connection.alias!r} has synchronous_commit off: an answer "
            "that was accepted may be lost when the server crashes.",
            id="cem_cases.W002",
        )


def _unknown_database(connection: Any) -> Iterator[CheckMessage]:
    yield Error(
        f"cem_cases keeps its promises on PostgreSQL and SQLite; {connection.vendor} "
        "lacks conditional unique constraints.",
        id="cem_cases.E007",
    )


_DATABASES = {"sqlite": _sqlite, "postgresql": _postgresql}
