"""Processes that never outlive the test session, whatever ends it."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# The shell holds one end of our pipe. When this process dies in any way, kill -9
# included, the read ends and the child is told to stop; when the child ends first, so
# does the shell, with the child's exit code.
_TETHER = """
stop=$1; pidfile=$2; shift 2
exec 3<&0
"$@" 3<&- </dev/null & child=$!
echo $child >"$pidfile"
{ read _ <&3; kill -"$stop" $child; } & watch=$!
wait $child; code=$?
kill $watch 2>/dev/null
exit $code
"""


@dataclass
class Tethered:
    """A child process in a group of its own, with a file that takes what it says."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        """The process itself, for a test that wants to hit only it or its children."""
        return int(_pid_file(self.log).read_text())

    @property
    def is_running(self) -> bool:
        return self.popen.poll() is None

    def text(self) -> str:
        """Return what the process has written so far."""
        return self.log.read_text(errors="replace")

    def stop(self, *, within: float = 15) -> None:
        """Ask the process to end; when it has not `within` so many seconds, kill it."""
        assert self.popen.stdin
        self.popen.stdin.close()
        try:
            self.popen.wait(within)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """SIGKILL the process and all its children, as a power cut would."""
        assert self.popen.stdin
        with contextlib.suppress(ProcessLookupError):  # it ended by itself, all of it
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()
        self.popen.stdin.close()


def start(
    name: str,
    command: Sequence[str | Path],
    *,
    log: Path,
    stop_signal: str = "TERM",
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    **identity: Any,
) -> Tethered:
    """Start `command`; `stop_signal` is what it gets from `stop()` and when we die.

    `identity` is Popen's user, group and extra_groups, where root must not run it.
    """
    tether = ["/bin/sh", "-c", _TETHER, "sh", stop_signal, _pid_file(log)]
    with log.open("wb") as out:
        popen = subprocess.Popen(
            [*tether, *command],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=env,
            cwd=cwd,
            **identity,
        )
    return Tethered(name, popen, log)


def _pid_file(log: Path) -> Path:
    return log.with_suffix(".pid")
