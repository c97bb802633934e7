"""Beginning with nothing, and destroying nothing that is not the demo's."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, connections

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


@contextlib.contextmanager
def only_one() -> Iterator[None]:
    """Refuse to run beside another `demo` or `serve` that uses the same folder."""
    with (settings.VAR / "lock").open("w") as lock:
        if fcntl:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise CommandError(
                    "The demo or its site is running already: stop it first (Ctrl-C)."
                ) from None
        yield


def own_file() -> Path | None:
    """Return the SQLite file which is the demo's alone, or None with another database."""
    path = settings.VAR / "demo.sqlite3"
    is_own = connection.vendor == "sqlite" and connection.settings_dict["NAME"] == str(
        path
    )
    return path if is_own else None


def clean(*, reset: bool) -> None:
    """Empty queue and database.

    The demo's own SQLite file is deleted. Any other database must be empty, unless
    `reset` says that the rows of this site's tables may go. Raises CommandError.
    """
    own = own_file()
    if own:
        connections.close_all()
        for suffix in ("", "-wal", "-shm", "-journal"):
            Path(f"{own}{suffix}").unlink(missing_ok=True)
    elif has_rows():
        if not reset:
            raise CommandError(
                f"The database {connection.settings_dict['NAME']!r} has rows. The demo "
                "begins with an empty one: name another in DATABASE_URL, or let it "
                "empty all tables of this site with --reset."
            )
        call_command("migrate", verbosity=0)
        call_command("flush", interactive=False, verbosity=0)
    _clean_folder()


def has_rows() -> bool:
    """Whether any table of this site holds something that `migrate` did not put there."""
    there = set(connection.introspection.table_names())
    return any(
        model._meta.db_table in there and model._base_manager.exists()
        for label in ("auth.user", "cem_cases.survey", "cem_cases.response")
        for model in [apps.get_model(label)]
    )


def has_demo() -> bool:
    """Whether there is a site to look at."""
    own = own_file()
    return (own is None or own.exists()) and has_rows()


def _clean_folder() -> None:
    options = settings.CELERY_BROKER_TRANSPORT_OPTIONS
    if "data_folder_in" in options:
        messages = Path(options["data_folder_in"])
        shutil.rmtree(messages.parent, ignore_errors=True)
        messages.mkdir(parents=True)
    for leftover in settings.VAR.glob("beat-schedule*"):
        leftover.unlink()
