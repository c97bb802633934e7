"""`manage.py cem_drain`: what the workers do, without Celery. Fit for cron."""

from __future__ import annotations

import json
import logging
from argparse import ArgumentTypeError
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from cem_cases.channels import email
from cem_cases.loop import drain, moment, notices, sla
from cem_cases.models import Response

logger = logging.getLogger(__name__)

DELIVER_SECONDS = 10


class Command(BaseCommand):
    help = (
        "Take up what waits and mark what is due, as the workers do, but here and "
        "without Celery. Safe beside workers, and as often as you like."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--seconds", type=_positive, help="stop taking up more after so long"
        )
        parser.add_argument("--json", action="store_true", help="print totals as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            done = drain.drain(seconds=options["seconds"])
        finally:  # whatever fails there, clocks are on time
            swept = sla.sweep()
        sent = _deliver()
        totals = {
            "processed": done.processed,
            "opened": done.opened,
            "joined": done.joined,
            "failed": done.failed,
            **asdict(swept),
            "sent": sent,
            "waiting": Response.objects.unprocessed().count(),
            "parked": Response.objects.failed().count(),
        }
        if options["json"]:
            self.stdout.write(json.dumps(totals))
        else:
            self._report(totals)

    def _report(self, totals: dict[str, int]) -> None:
        for line in (
            "Responses: {processed:,} processed, {failed:,} failed, "
            "{waiting:,} waiting, {parked:,} parked",
            "Cases: {opened:,} opened, {joined:,} joined by another response",
            "Clocks: {warned:,} warned, {breached:,} breached, {escalated:,} escalated; "
            "{resumed:,} cases resumed, {nagged:,} reminders",
            "Owners: {handed_over:,} cases handed over, {taken_up:,} taken up from queues",
            "E-mails: {sent:,} sent",
        ):
            self.stdout.write(line.format(**totals))


def _deliver() -> int:
    """Send what people are told; what is wrong with the mail settings stops nothing."""
    now = moment.now()
    try:
        notices.gather(now=now)
        return email.send_waiting(now=now, seconds=DELIVER_SECONDS).sent
    except Exception as error:  # its text may quote an address
        logger.error("Nothing was delivered: %s", type(error).__name__)
        return 0


def _positive(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not seconds > 0:
        raise ArgumentTypeError("must be a number of seconds above 0.")
    return seconds
