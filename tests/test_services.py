"""The servers of the test session, and how the demo site finds its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from demo_project import broker, database
from tests import processes, waiting

# A pytest of its own would be slower: this is the part of one that kill -9 hits.
OWNER = """
import sys, time
from pathlib import Path
from tests import processes
child = processes.start("sleep", ["sleep", "600"], log=Path(sys.argv[1]))
print(child.popen.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[processes.Tethered]:
    process = processes.start("sleep", ["sleep", "600"], log=tmp_path / "log")
    yield process
    process.kill()


@pytest.mark.django_db
def test_the_database_under_test_is_the_one_asked_for(pytestconfig):
    vendors = {"postgres": "postgresql", "sqlite": "sqlite"}

    assert connection.vendor == vendors[pytestconfig.getoption("db")]


@pytest.mark.guarantee
@pytest.mark.django_db
def test_postgresql_knows_capital_letters_with_accents():
    with connection.cursor() as cursor:
        cursor.execute("SELECT upper('é'), 'É' ILIKE 'é'")
        assert cursor.fetchone() == ("É", True)


@pytest.mark.django_db
def test_sqlite_takes_the_write_lock_early_and_its_triggers_see_replace(pytestconfig):
    if pytestconfig.getoption("db") != "sqlite":
        pytest.skip("about SQLite: --db=sqlite")

    with connection.cursor() as cursor:
        assert cursor.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert cursor.execute("PRAGMA recursive_triggers").fetchone() == (1,)
    assert connection.transaction_mode == "IMMEDIATE"


@pytest.mark.guarantee
def test_the_broker_answers():
    from demo_project.celery import app

    with app.connection_for_read() as line:
        assert line.default_channel.client.ping()


@pytest.mark.guarantee
def test_a_worker_process_works_on_the_test_database(workers, test_database_url):
    from demo_project.celery import app

    worker, beat = workers(1, concurrency=1, beat=True)

    pings = app.control.ping(timeout=5, limit=1)
    assert [list(ping.values()) for ping in pings] == [[{"ok": "pong"}]]
    command = Path(f"/proc/{worker.pid}/environ")
    if command.exists():
        assert f"DATABASE_URL={test_database_url}" in command.read_text()
    worker.stop()
    beat.kill()
    assert not worker.is_running
    assert not beat.is_running


def test_a_process_that_is_stopped_ends(sleeper):
    sleeper.stop()

    assert not sleeper.is_running


def test_a_process_that_ends_by_itself_is_seen_to_have_ended(tmp_path):
    process = processes.start("false", ["false"], log=tmp_path / "log")

    assert process.popen.wait(10) == 1
    process.kill()


def test_a_process_does_not_outlive_a_session_that_is_killed(tmp_path):
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path / "log")],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parent.parent,
    )
    with owner:
        group = int(owner.stdout.readline())
        owner.send_signal(signal.SIGKILL)

    waiting.until(lambda: not group_exists(group), within=10)


def group_exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_database_url_names_host_port_and_a_quoted_password():
    entry = database.from_url("postgresql://ann:s%40fe@db.example:5433/cem")

    assert entry["ENGINE"] == "django.db.backends.postgresql"
    assert (entry["HOST"], entry["PORT"]) == ("db.example", "5433")
    assert (entry["USER"], entry["PASSWORD"]) == ("ann", "s@fe")
    assert entry["NAME"] == "cem"


def test_a_database_url_names_a_socket_and_options_of_the_driver():
    entry = database.from_url("postgresql://cem@/site?host=/run/pg&sslmode=disable")

    assert (entry["HOST"], entry["PORT"]) == ("/run/pg", "")
    assert entry["OPTIONS"] == {"sslmode": "disable"}


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///var/demo.sqlite3", "var/demo.sqlite3"),
        ("sqlite:////srv/demo.sqlite3", "/srv/demo.sqlite3"),
        ("sqlite:////srv/my%20site.sqlite3", "/srv/my site.sqlite3"),
    ],
)
def test_a_database_url_names_a_file(url, path):
    assert database.from_url(url)["NAME"] == path


@pytest.mark.parametrize("url", ["mysql://db/cem", "demo.sqlite3", ""])
def test_a_database_url_of_another_kind_is_refused_with_a_sentence(url):
    with pytest.raises(ImproperlyConfigured, match="starts with postgresql://"):
        database.from_url(url)


def test_the_file_broker_has_its_folder_before_anybody_sends(tmp_path):
    options = broker.transport_options("filesystem://", folder=tmp_path / "queue")

    assert Path(options["data_folder_in"]).is_dir()
    assert options["data_folder_in"] == options["data_folder_out"]


@pytest.mark.parametrize("url", ["redis://localhost/0", "redis+socket:///run/s"])
def test_a_redis_broker_that_is_away_is_given_up_soon(url, tmp_path):
    options = broker.transport_options(url, folder=tmp_path)

    assert options["socket_connect_timeout"] <= 2
