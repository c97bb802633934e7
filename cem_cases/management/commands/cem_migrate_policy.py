"""`manage.py cem_migrate_policy NAME`: running clocks to the newest version of a policy."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from cem_cases.loop import sla
from cem_cases.loop.sla import Move
from cem_cases.models import SlaPolicy

SHOWN = 20
"""Clocks that are told one by one; with --json it is all of them."""


class Command(BaseCommand):
    help = (
        "Move the running clocks of a policy's older versions to its newest one. What "
        "they have used up is kept; one that is past its new due time breaches now."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("policy", help="the name of the policy")
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would change, keep nothing"
        )
        parser.add_argument("--json", action="store_true", help="print it as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        policy = _policy(options["policy"])
        if options["dry_run"]:
            moves = sla.migrate_preview(policy)
        else:
            moves = sla.migrate(policy, by=None)
        totals = {
            "policy": policy.name,
            "version": policy.version,
            "dry_run": options["dry_run"],
            "clocks": len(moves),
            "cases": len({move.case for move in moves}),
            "breached": sum(move.is_late for move in moves),
        }
        if options["json"]:
            told = [_told(move) for move in moves]
            self.stdout.write(json.dumps({**totals, "moves": told}))
        else:
            self._report(moves, totals)

    def _report(self, moves: Sequence[Move], totals: dict[str, Any]) -> None:
        for move in sorted(moves, key=sla.how_much)[:SHOWN]:
            self.stdout.write(
                f"#{move.case} {move.metric}: {_moment(move.due_before)} → "
                f"{_moment(move.due_at)}{', breaches now' if move.is_late else ''}"
            )
        if len(moves) > SHOWN:
            self.stdout.write(f"… and {len(moves) - SHOWN:,} more")
        self.stdout.write(
            "Version {version}: {clocks:,} clocks of {cases:,} cases moved, "
            "{breached:,} breached by it".format(**totals)
        )
        if totals["dry_run"]:
            self.stdout.write("Nothing was kept: this was a dry run.")


def _policy(name: str) -> SlaPolicy:
    policy = SlaPolicy.objects.filter(name=name).first()
    if policy is None:
        names = SlaPolicy.objects.order_by("name").values_list("name", flat=True)[:20]
        known = (
            f"The policies are: {', '.join(names)}." if names else "There is none yet."
        )
        raise CommandError(f"There is no policy {name!r}. {known}")
    return policy


def _moment(at: datetime | None) -> str:
    return f"{timezone.localtime(at):%a %d %b %Y %H:%M}" if at else "cancelled"


def _told(move: Move) -> dict[str, Any]:
    return {
        "case": move.case,
        "metric": move.metric,
        "cycle": move.cycle,
        "version_before": move.version_before,
        "version": move.version,
        "due_before": move.due_before.isoformat(),
        "due_at": move.due_at and move.due_at.isoformat(),
        "breached": move.is_late,
    }
