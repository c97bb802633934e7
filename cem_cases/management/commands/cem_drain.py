"""`manage.py cem_drain`: what the workers do, without Celery. Fit for cron."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from cem_cases import delivery
from cem_cases.loop import drain, sla
from cem_cases.models import Response


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
        # what the sweep has done to cases is for the rules to look at
        again = drain.drain(seconds=options["seconds"])
        sent = delivery.deliver()
        totals = {
            "processed": done.processed + again.processed,
            "opened": done.opened + again.opened,
            "joined": done.joined + again.joined,
            "reacted": done.reacted + again.reacted,
            "failed": done.failed + again.failed,
            **asdict(swept),
            **asdict(sent),
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
            "Rules: {reacted:,} times looked at what happened to a case, {quiet:,} "
            "cases left quiet",
            "Clocks: {warned:,} warned, {breached:,} breached, {escalated:,} escalated; "
            "{resumed:,} cases resumed, {nagged:,} reminders",
            "Owners: {handed_over:,} cases handed over, {taken_up:,} taken up from queues",
            "Sent: {sent:,} digests, {letters:,} letters; {calls:,} webhooks called",
        ):
            self.stdout.write(line.format(**totals))


def _positive(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not seconds > 0:
        raise ArgumentTypeError("must be a number of seconds above 0.")
    return seconds
