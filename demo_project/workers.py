"""The processes beside the site: Celery workers, beat, and the site's own server.

None of them outlives the command that started it, however that ends: each runs in a
group of its own, held by a shell that reads from a pipe of ours. When we end, by
kill -9 even, the pipe does, and the shell tells its process to stop. (The shell's own
words, "Terminated" above all, go nowhere.)
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType

from django.conf import settings

_TETHER = """
exec 3<&0 4>&2 2>/dev/null
"$@" 3<&- 2>&4 4>&- </dev/null & child=$!
{ read _ <&3; kill -TERM $child; } & watch=$!
wait $child; code=$?
kill $watch 2>/dev/null
exit $code
"""


class Failed(Exception):
    """A process ended, or did not do what it was waited for."""


class Process:
    """A child process; what it says goes to `log`, or to our own output."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path | None,
        env: Mapping[str, str],
    ) -> None:
        self.name, self.log = name, log
        with contextlib.ExitStack() as stack:
            out = stack.enter_context(log.open("wb")) if log else None
            self._popen = subprocess.Popen(
                ["/bin/sh", "-c", _TETHER, "sh", *command],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=subprocess.STDOUT if out else None,
                start_new_session=True,
                env=env,
            )

    @property
    def is_running(self) -> bool:
        return self._popen.poll() is None

    def text(self) -> str:
        """Return what the process has said so far."""
        return self.log.read_text(errors="replace") if self.log else ""

    def ask_to_stop(self) -> None:
        assert self._popen.stdin  # noqa: S101
        with contextlib.suppress(BrokenPipeError):
            self._popen.stdin.close()

    def stop(self, *, within: float) -> None:
        """Return when the process has ended; kill it where it does not."""
        self.ask_to_stop()
        try:
            self._popen.wait(within)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._popen.pid, signal.SIGKILL)
            self._popen.wait()


class Crew:
    """The processes of one command. Stops them all when it is left.

    Celery takes six seconds to end, busy or not. Who does not want to wait gives less
    `patience`: killing a worker loses nothing, its rows go on waiting.
    """

    def __init__(self, *, patience: float, **env: str) -> None:
        self.processes: list[Process] = []
        self._patience = patience
        self._logs = settings.VAR / "log"
        self._logs.mkdir(exist_ok=True)
        self._env = os.environ | {
            "DJANGO_SETTINGS_MODULE": os.environ["DJANGO_SETTINGS_MODULE"],
            "PYTHONPATH": _path(str(settings.BASE_DIR)),
            "PYTHONUNBUFFERED": "1",
            **env,
        }

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start_worker(self, number: int, *, concurrency: int = 1) -> None:
        name = f"worker{number}"
        options = ["-n", f"{name}@%h", "-c", str(concurrency), "-l", "info"]
        self._celery(name, "worker", *options, "--without-mingle", "--without-gossip")

    def start_beat(self, **env: str) -> None:
        schedule = settings.CELERY_BEAT_SCHEDULE_FILENAME
        self._celery(
            "beat", "beat", "-s", schedule, "--pidfile=", "-l", "info", env=env
        )

    def start_site(self, address: str) -> None:
        """Start the site; what it says is shown."""
        manage = [str(settings.BASE_DIR / "manage.py"), "runserver", "--noreload"]
        command = [sys.executable, *manage, address]
        self.processes.append(Process("site", command, log=None, env=self._env))

    def _celery(
        self, name: str, *arguments: str, env: Mapping[str, str] | None = None
    ) -> None:
        # As root, Celery warns of its own pickle; nothing here pickles.
        quiet = [sys.executable, "-W", "ignore::UserWarning"]
        command = [*quiet, "-m", "celery", "-A", "demo_project", *arguments]
        log = self._logs / f"{name}.log"
        process = Process(name, command, log=log, env={**self._env, **(env or {})})
        self.processes.append(process)

    def wait_until_ready(self) -> None:
        """Return when every worker takes tasks."""
        for process in self.processes:
            if process.name.startswith("worker"):
                self.wait(lambda process=process: " ready." in process.text())  # type: ignore[misc]

    def said(self, *words: str) -> bool:
        """Whether some process has said all of these words on one line."""
        return any(
            all(word in line for word in words)
            for process in self.processes
            for line in process.text().splitlines()
        )

    def wait(
        self,
        what: Callable[[], object],
        *,
        within: float = 60,
        every: float = 0.01,
        again: Callable[[], None] | None = None,
    ) -> None:
        """Return as soon as `what()` is true; every two seconds, do `again()`.

        Raises Failed when a process ends meanwhile, or when it is not `within` seconds.
        """
        began = asked = time.monotonic()
        while not what():
            self.check()
            now = time.monotonic()
            if now - began > within:
                raise Failed(f"The workers took more than {within:.0f} s. {self._see}")
            if again and now - asked > 2:
                asked = now
                again()
            time.sleep(every)

    def check(self) -> None:
        """Raise Failed if a process has ended by itself."""
        for process in self.processes:
            if not process.is_running:
                tail = "\n".join(process.text().splitlines()[-15:])
                raise Failed(f"The {process.name} has stopped. {self._see}\n{tail}")

    @property
    def _see(self) -> str:
        return f"What they said is in {os.path.relpath(self._logs)}."

    def stop(self) -> None:
        for process in self.processes:
            process.ask_to_stop()
        until = time.monotonic() + self._patience
        for process in self.processes:
            process.stop(within=max(0.0, until - time.monotonic()))
        self.processes = []


def _path(first: str) -> str:
    return os.pathsep.join(filter(None, [first, os.environ.get("PYTHONPATH", "")]))


STOPPING = (signal.SIGTERM, signal.SIGINT)
_asked_to_stop = threading.Event()


@contextlib.contextmanager
def stopping_politely() -> Iterator[None]:
    """Take SIGTERM for Ctrl-C, so that what was started is stopped, too."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        _asked_to_stop.set()
        raise KeyboardInterrupt

    before = [signal.signal(number, interrupt) for number in STOPPING]
    try:
        yield
    finally:
        for number, handler in zip(STOPPING, before, strict=True):
            signal.signal(number, handler)


def stop_if_asked() -> None:
    """Raise KeyboardInterrupt if it was raised where Python could not pass it on.

    In a finalizer or a callback of C an exception is printed and forgotten.
    """
    if _asked_to_stop.is_set():
        raise KeyboardInterrupt
