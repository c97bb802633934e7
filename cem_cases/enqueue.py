"""Rings for a worker, once the current transaction has committed.

This is the only module that sends to Celery. The message is a doorbell: it carries
nothing, and nothing depends on its arriving. Each row says for itself that it waits,
and a periodic sweep finds it. A lost message costs seconds, never work.

The sending is done by a thread of its own, so that a broker that hangs or is down never
holds up a request. `tasks` is imported inside the functions because it imports the
steps of the loop, and those import us.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading

from django.db import connections, router, transaction

from cem_cases.conf import conf

logger = logging.getLogger(__name__)


def ring() -> None:
    """Ask a worker to look for waiting rows, after commit; once per transaction."""
    from cem_cases.models import Response

    alias = router.db_for_write(Response)
    if not any(_bell.ring is call[1] for call in connections[alias].run_on_commit):
        # robust: by now the row is saved; nothing here may fail the request.
        transaction.on_commit(_bell.ring, using=alias, robust=True)


class Bell:
    """Publishes from a thread. Rings that come while it publishes become one more."""

    def __init__(self) -> None:
        self.ring = self._ring  # one object, so that `is` finds it among the callbacks
        self._reset()

    def _reset(self) -> None:
        self._wanted = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._start = threading.Lock()
        self._thread: threading.Thread | None = None

    def _ring(self) -> None:
        self._idle.clear()
        self._wanted.set()
        with self._start:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._work, name="cem-cases-bell", daemon=True
                )
                self._thread.start()

    def _work(self) -> None:
        while self._wanted.wait():
            self._wanted.clear()
            self._publish()
            if not self._wanted.is_set():
                self._idle.set()

    def _publish(self) -> None:
        from cem_cases import tasks

        try:
            tasks.drain.apply_async(expires=60, retry=False, ignore_result=True)
        except Exception as error:
            logger.warning(
                "The broker did not take the doorbell (%s); the sweep finds the rows.",
                type(error).__name__,
            )

    def wait(self, seconds: float) -> bool:
        """Wait until all rings are out; return whether they are."""
        return self._idle.wait(seconds)


def _wait_at_exit() -> None:
    if not _bell.wait(0):  # it is still on its way
        _bell.wait(conf().RING_SECONDS)


_bell = Bell()
os.register_at_fork(after_in_child=_bell._reset)  # threads do not survive a fork
atexit.register(_wait_at_exit)
