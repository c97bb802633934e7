"""What Celery runs. Each task names a step of the loop and adds nothing to it.

No task takes arguments: what is to be done is in the rows. Run one twice, or three at a
time, and nothing is done twice.
"""

import logging

from celery import shared_task

from cem_cases import enqueue
from cem_cases.channels import email
from cem_cases.conf import conf
from cem_cases.loop import audit, moment, notices, sla
from cem_cases.loop import drain as loop_drain

logger = logging.getLogger(__name__)

DELIVER_SECONDS = 10
"""How long one sweep sends e-mails; the next goes on."""


@shared_task(name="cem_cases.drain", ignore_result=True, acks_late=True)
def drain() -> None:
    """Process what waits, for a bounded time; ring again if that was not enough."""
    if loop_drain.drain(seconds=conf().DRAIN_SECONDS).more:
        enqueue.ring()


@shared_task(name="cem_cases.sweep", ignore_result=True, acks_late=True)
def sweep() -> None:
    """Find what no doorbell told of: waiting rows, retries, due clocks, e-mails."""
    try:
        sla.sweep()
    finally:
        try:
            drain()
        finally:
            _deliver_if_possible()


@shared_task(name="cem_cases.deliver", ignore_result=True, acks_late=True)
def deliver() -> None:
    """Make the digests that are due, and send what waits for a bounded time."""
    now = moment.now()
    notices.gather(now=now)
    email.send_waiting(now=now, seconds=DELIVER_SECONDS)


def _deliver_if_possible() -> None:
    """Deliver; what is wrong with the mail settings must not hold up cases and clocks."""
    try:
        deliver()
    except Exception as error:  # its text may quote an address
        logger.error("Nothing was delivered: %s", type(error).__name__)


@shared_task(name="cem_cases.seal", ignore_result=True, acks_late=True)
def seal() -> None:
    """Sign where the audit stands."""
    audit.seal()
