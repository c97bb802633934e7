"""A PostgreSQL to measure on, and the site's settings for it.

CEM_BENCH_DATABASE_URL names a server, on which a database is created and dropped;
without it a server is started from the wheel, as the tests do.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import django
import psycopg
from django.core.management import call_command

from tests import pglaunch

NAME = f"cem_bench_{os.getpid()}"


@contextmanager
def site() -> Iterator[None]:
    """Set up Django on a database of its own, migrated; drop it afterwards."""
    server = _server()
    _run(server, f"CREATE DATABASE {NAME}")
    try:
        _set_up(urlsplit(server)._replace(path=f"/{NAME}").geturl())
        yield
    finally:
        _run(server, f"DROP DATABASE {NAME} WITH (FORCE)")


@contextmanager
def copies(of: Iterable[object]) -> Iterator[Callable[[object], None]]:
    """Copy the database for each of these; yield what leads Django to a copy."""
    from django.db import connection

    names = {each: f"{NAME}_{each}" for each in of}

    at: object = None
    kept: dict[object, object] = {}

    def go_to(each: object) -> None:
        """Each copy keeps its connection, and what that has cached."""
        nonlocal at
        kept[at], at = connection.connection, each
        connection.connection = kept.get(each)
        connection.settings_dict["NAME"] = names[each]

    server = _server()
    connection.close()
    for name in names.values():
        _run(server, f"CREATE DATABASE {name} TEMPLATE {NAME}")
    try:
        yield go_to
    finally:
        for each in names:
            go_to(each)
            connection.close()
        for name in names.values():
            _run(server, f"DROP DATABASE {name} WITH (FORCE)")


@functools.cache
def _server() -> str:
    given = os.environ.get("CEM_BENCH_DATABASE_URL")
    return given or pglaunch.start(shared_buffers="1GB")


def _set_up(url: str) -> None:
    os.environ |= {
        "DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "demo_project.settings",
        "DJANGO_DEBUG": "0",  # with DEBUG, Django keeps every statement
        "DJANGO_SECRET_KEY": "only-for-the-benchmark-and-fifty-characters-long-yes",
        "CEM_AUDIT_KEY": "only-for-the-benchmark",
        "BROKER_URL": "memory://",  # rings the doorbell; nobody answers
    }
    django.setup()
    call_command("migrate", verbosity=0)


def _run(server: str, sql: str) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql)
