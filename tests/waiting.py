"""Waiting for what another process or thread does."""

import time
from collections.abc import Callable


def until(
    what: Callable[[], object], *, within: float = 30, every: float = 0.05
) -> None:
    """Return as soon as `what()` is true; fail the test when it is not `within` time."""
    end = time.monotonic() + within
    while not what():
        assert time.monotonic() < end, f"not within {within} s"
        time.sleep(every)
