"""The demo's clock: two years pass in half a minute.

What a worker does is dated by its clock. So that the history which the demo plays reads
like one, its workers go by the time in a file, as long as that file is there. The site
itself, and workers started in any other way, know nothing of it.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from cem_cases.loop import moment

VARIABLE = "DEMO_CLOCK"
"""Names the file; set only for the workers that the demo starts."""


def install() -> None:
    """Let this process go by the demo's clock, if it was started to."""
    if path := os.environ.get(VARIABLE):
        moment.now = lambda: _now(Path(path))


def _now(path: Path) -> datetime:
    try:
        return datetime.fromisoformat(path.read_text())
    except FileNotFoundError:
        return datetime.now(UTC)


def set_to(path: Path, now: datetime) -> None:
    """Set the clock for all workers at once."""
    part = path.with_suffix(".part")
    part.write_text(now.isoformat())
    os.replace(part, path)


def stop(path: Path) -> None:
    """From now on the time is what it is."""
    path.unlink(missing_ok=True)
