"""What Celery runs. Each task names a step of the loop and adds nothing to it.

No task takes arguments: what is to be done is in the rows. Run one twice, or three at a
time, and nothing is done twice.
"""

from celery import shared_task

from cem_cases import delivery, enqueue
from cem_cases.conf import conf
from cem_cases.loop import audit, sla
from cem_cases.loop import drain as loop_drain


@shared_task(name="cem_cases.drain", ignore_result=True, acks_late=True)
def drain() -> None:
    """Process what waits, for a bounded time; ring again if that was not enough."""
    if loop_drain.drain(seconds=conf().DRAIN_SECONDS).more:
        enqueue.ring()


@shared_task(name="cem_cases.sweep", ignore_result=True, acks_late=True)
def sweep() -> None:
    """Find what no doorbell told of: waiting rows, retries, due clocks, what goes out."""
    try:
        sla.sweep()
    finally:
        try:
            drain()
        finally:
            delivery.deliver()


@shared_task(name="cem_cases.deliver", ignore_result=True, acks_late=True)
def deliver() -> None:
    """Send e-mails and call webhooks that wait, for a bounded time."""
    delivery.deliver()


@shared_task(name="cem_cases.seal", ignore_result=True, acks_late=True)
def seal() -> None:
    """Sign where the audit stands."""
    audit.seal()
