"""pytest plugin (`-p tests.services`): a real database and a real broker.

By default every test runs on a real PostgreSQL with a real Valkey, both started here
from wheels. `--db=sqlite` runs the same tests on a file, with no server at all.
CEM_TEST_DATABASE_URL and CEM_TEST_BROKER_URL name servers that are there already.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Generator

import pytest

from tests import pglaunch, valkeylaunch


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--db",
        choices=["postgres", "sqlite"],
        default="postgres",
        help="the database under test (default: postgres, started from a wheel)",
    )


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config,
) -> Generator[None, object, object]:
    """Start the servers before pytest-django, in this same hook, reads the settings."""
    # DEBUG is off under test, and so there is no development key for the audit.
    os.environ["DJANGO_TIME_ZONE"] = "UTC"
    os.environ["CEM_AUDIT_KEY"] = "tests-sign-their-audit-with-this-key"
    if early_config.known_args_namespace.db == "sqlite":
        _use_files(early_config)
    else:
        _use_servers()
    return (yield)


def _use_files(config: pytest.Config) -> None:
    folder = tempfile.TemporaryDirectory(prefix="cem-sqlite-")
    config.add_cleanup(folder.cleanup)
    os.environ["DATABASE_URL"] = f"sqlite:///{folder.name}/site.sqlite3"
    os.environ["BROKER_URL"] = "memory://"


def _use_servers() -> None:
    database = _server("CEM_TEST_DATABASE_URL", pglaunch.start)
    broker = _server("CEM_TEST_BROKER_URL", valkeylaunch.start)
    os.environ["DATABASE_URL"] = database
    os.environ["BROKER_URL"] = _own_queue(broker)


def _server(variable: str, start: Callable[[], str]) -> str:
    """Return the URL in `variable`; when there is none, start a server and keep it there.

    pytest-xdist's workers inherit the variable, and so share the server.
    """
    if not os.environ.get(variable):
        began = time.monotonic()
        os.environ[variable] = start()
        took = time.monotonic() - began
        print(f"[services] {start.__module__} up in {took:.2f} s", file=sys.stderr)
    return os.environ[variable]


def _own_queue(broker: str) -> str:
    """Return the broker's URL with a queue that no other pytest-xdist worker hears."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if not worker or not broker.startswith("redis+socket:"):
        return broker
    return f"{broker}?virtual_host={int(worker.removeprefix('gw')) + 1}"
