"""`make demo` as a reader runs it: it ends by itself, twice, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import waiting

ROOT = Path(__file__).resolve().parents[2]
SMALL = ("--responses", "80", "--days", "60")

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="the demo holds its processes with a shell"
)


@pytest.fixture
def site(tmp_path):
    """The environment of a demo of its own: a file, a folder, no server."""
    mine = {
        "DEMO_VAR": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "demo_project.settings",
    }
    theirs = ("DATABASE_URL", "BROKER_URL", "DJANGO_DEBUG")
    return {k: v for k, v in os.environ.items() if k not in theirs} | mine


def command(*arguments):
    return [sys.executable, str(ROOT / "manage.py"), *arguments]


def run(site, *arguments):
    return subprocess.run(
        command(*arguments),
        env=site,
        cwd=site["DEMO_VAR"],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def running(site):
    """Return the ids of processes that were started in this demo's environment."""
    mark = f"DEMO_VAR={site['DEMO_VAR']}".encode()
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in environ.read_bytes().split(b"\0"):
                found.append(environ.parent.name)
        except OSError:  # it has just ended, or is somebody else's
            continue
    return found


def test_the_demo_runs_the_loop_says_what_came_of_it_and_does_so_again(site):
    for _ in range(2):
        done = run(site, "demo", *SMALL)

        assert done.returncode == 0, done.stdout + done.stderr
        assert "0 faults" in done.stdout
        assert "make serve" in done.stdout
        assert done.stderr == ""
        assert running(site) == []

    verified = run(site, "cem_verify_audit")
    assert verified.returncode == 0, verified.stdout


def test_a_demo_that_is_interrupted_takes_its_workers_along(site):
    # of full size: a small one might be through before it is interrupted
    demo = subprocess.Popen(
        command("demo"),
        env=site,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    log = Path(site["DEMO_VAR"], "log", "worker1.log")
    waiting.until(lambda: log.exists() and " ready." in log.read_text(), within=60)

    demo.send_signal(signal.SIGTERM)
    _, said = demo.communicate(timeout=30)

    assert demo.returncode == 130
    assert "Interrupted" in said
    assert running(site) == []


def test_a_demo_that_is_killed_takes_its_workers_along(site):
    demo = subprocess.Popen(command("demo"), env=site, stdout=subprocess.DEVNULL)
    log = Path(site["DEMO_VAR"], "log", "worker2.log")
    waiting.until(lambda: log.exists() and " ready." in log.read_text(), within=60)

    demo.kill()
    demo.wait()

    waiting.until(lambda: not running(site))


def test_there_is_nothing_to_serve_before_the_demo(site):
    done = run(site, "serve")

    assert done.returncode == 1
    assert "make demo" in done.stderr


def test_only_one_demo_runs_at_a_time(site):
    first = subprocess.Popen(command("demo", *SMALL), env=site, stdout=subprocess.PIPE)
    assert first.stdout
    first.stdout.readline()

    second = run(site, "demo", *SMALL)
    first.terminate()
    first.communicate(timeout=30)

    assert second.returncode == 1
    assert "running already" in second.stderr


def test_a_story_needs_some_room(site):
    began = time.monotonic()

    assert run(site, "demo", "--days", "3").returncode == 1
    assert time.monotonic() - began < 30
