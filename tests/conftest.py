"""Fixtures that many tests share. Servers are started earlier, by `tests.services`."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from tests import processes, waiting

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
    from pytest_django.live_server_helper import LiveServer

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("CEM_TEST_DATA", ROOT.parent / "shared" / "data"))
CHROMIUM = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, in a sentence, what this machine or this database cannot show."""
    if item.get_closest_marker("guarantee") and item.config.getoption("db") == "sqlite":
        pytest.skip("guarantees are shown on PostgreSQL: leave out --db=sqlite")
    if item.get_closest_marker("data") and not DATA.is_dir():
        pytest.skip("the data sets are not here: set CEM_TEST_DATA to their folder")


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Keep SQLite's test database in a file: threads cannot share one in memory."""
    from django.conf import settings

    database = settings.DATABASES["default"]
    if database["ENGINE"].endswith("sqlite3"):
        path = tmp_path_factory.mktemp("database") / "test.sqlite3"
        database.setdefault("TEST", {})["NAME"] = str(path)
    request.getfixturevalue("django_db_modify_db_settings_parallel_suffix")


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Where the public data sets are, for tests marked `data`."""
    return DATA


@pytest.fixture
def test_database_url(transactional_db: None) -> str:
    """DATABASE_URL for other processes: the test database, with committed rows."""
    from django.db import connection

    name = connection.settings_dict["NAME"]
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()


StartWorkers = Callable[..., list[processes.Tethered]]


@pytest.fixture
def workers(
    request: pytest.FixtureRequest, test_database_url: str, tmp_path: Path
) -> Iterator[StartWorkers]:
    """Start real `celery worker` processes on the test database.

    `workers(2, concurrency=2, beat=True, env={…})` returns when they are ready, one
    handle a process, the beat last: `kill()` is SIGKILL for it and its children,
    `stop()` is a deploy. Called again, it starts more.
    """
    if request.config.getoption("db") == "sqlite":
        pytest.skip("worker processes are tried on PostgreSQL: leave out --db=sqlite")
    started: list[processes.Tethered] = []
    site_env = os.environ | {
        "DATABASE_URL": test_database_url,
        "DJANGO_SETTINGS_MODULE": "demo_project.settings",
        "PYTHONUNBUFFERED": "1",
    }
    _empty_queue()

    def start(
        count: int = 1,
        *,
        concurrency: int = 2,
        beat: bool = False,
        env: Mapping[str, str] | None = None,
        wait: bool = True,
    ) -> list[processes.Tethered]:
        first = len(started)
        for number in range(first, first + count):
            started.append(
                _worker(number, concurrency, tmp_path, site_env | (env or {}))
            )
        if beat:
            started.append(_beat(len(started), tmp_path, site_env | (env or {})))
        for process in started[first:] if wait else ():
            _wait_until_ready(process)
        return started[first:]

    yield start
    for process in started:
        process.kill()
        print(f"--- {process.name}\n{process.text()[-4000:]}")  # shown on failure


def _celery(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "celery", "-A", "demo_project", *arguments]


def _worker(
    number: int, concurrency: int, folder: Path, env: Mapping[str, str]
) -> processes.Tethered:
    name = f"worker{number}"
    command = _celery(
        "worker", "-n", f"{name}@%h", "-l", "info", "-c", str(concurrency)
    )
    return processes.start(name, command, log=folder / f"{name}.log", env=env, cwd=ROOT)


def _beat(number: int, folder: Path, env: Mapping[str, str]) -> processes.Tethered:
    name = f"beat{number}"
    schedule = str(folder / f"{name}.schedule")
    command = _celery("beat", "-s", schedule, "--pidfile=", "-l", "info")
    return processes.start(name, command, log=folder / f"{name}.log", env=env, cwd=ROOT)


def _wait_until_ready(process: processes.Tethered) -> None:
    sign = "beat: Starting..." if process.name.startswith("beat") else " ready."
    waiting.until(lambda: sign in process.text() or not process.is_running)
    assert process.is_running, process.text()


def _empty_queue() -> None:
    """Take away what earlier tests rang, so that the workers hear only this test."""
    from demo_project.celery import app

    app.control.purge()


@pytest.fixture
def fingerprint(db: None) -> "Callable[[], dict[str, list[Any]]]":
    """`fingerprint()` is every row of ours; two equal ones: nothing was written."""
    from django.apps import apps

    def rows() -> dict[str, list[Any]]:
        models = apps.get_app_config("cem_cases").get_models(include_auto_created=True)
        return {
            model._meta.label: list(model._default_manager.order_by("pk").values_list())
            for model in models
        }

    return rows


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    """A headless Chromium. Without one: a skip at the desk, a failure in CI."""
    from playwright.sync_api import Error, sync_playwright

    # Playwright's sync API runs an event loop in this thread, and Django would refuse
    # to touch the database beside it.
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        try:
            chromium = playwright.chromium.launch(
                executable_path=find_chromium(), args=_browser_arguments()
            )
        except Error as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(
                "no browser: apt-get install chromium-headless-shell, or playwright "
                f"install chromium-headless-shell ({str(error).splitlines()[0]})"
            )
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: "Browser", live_server: "LiveServer") -> "Iterator[Page]":
    """A fresh page on the live site: `page.goto("/admin/")`."""
    context = browser.new_context(base_url=live_server.url, locale="en-GB")
    context.set_default_timeout(10_000)
    yield context.new_page()
    context.close()


def find_chromium() -> str | None:
    """Return a browser of this machine; as root on Debian, install the small one first.

    None leaves the choice to Playwright, which may have been given one of its own.
    """
    named = os.environ.get("CEM_TEST_CHROMIUM") or _first_on_path()
    if named or os.geteuid() or not shutil.which("apt-get"):
        return named
    for step in (["update", "-qq"], ["install", "-yqq", "--no-install-recommends"]):
        package = [CHROMIUM[0]] if "install" in step else []
        subprocess.run(
            ["apt-get", *step, *package], stdout=subprocess.DEVNULL, check=False
        )
    return _first_on_path()


def _first_on_path() -> str | None:
    return next(filter(None, map(shutil.which, CHROMIUM)), None)


def _browser_arguments() -> list[str]:
    quiet = ["--disable-gpu", "--disable-background-networking", "--disable-sync"]
    return quiet if os.geteuid() else [*quiet, "--no-sandbox"]
