"""`manage.py cem_verify_audit`: is the audit as it was written? Exit code 1 if not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from cem_cases.audit import Fault
from cem_cases.loop import audit
from cem_cases.models import AuditEvent, AuditHead, Seal


class Command(BaseCommand):
    help = (
        "Verify the hash chain of every audit stream, the private texts beside it and "
        "the seals over it. Prints each fault; exits with 1 if there is any."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--seal",
            action="append",
            default=[],
            metavar="HASH",
            help="a seal you kept outside the database; it must still be there. "
            "May be given more than once",
        )
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        faults = []
        for fault in _faults(options["seal"]):
            faults.append(fault)
            if not options["json"]:
                self.stdout.write(str(fault))
        counts = {
            "events": AuditEvent.objects.count(),
            "streams": AuditHead.objects.count(),
            "seals": Seal.objects.count(),
        }
        if options["json"]:
            found = [asdict(fault) for fault in faults]
            self.stdout.write(json.dumps({**counts, "faults": found}))
        if faults:
            word = "fault" if len(faults) == 1 else "faults"
            raise CommandError(f"The audit has {len(faults):,} {word}.")
        if not options["json"]:
            self.stdout.write(
                "{events:,} events in {streams:,} streams, {seals:,} seals: "
                "no faults".format(**counts)
            )


def _faults(kept: Sequence[str]) -> Iterator[Fault]:
    yield from audit.verify()
    there = set(Seal.objects.filter(hash__in=kept).values_list("hash", flat=True))
    for hash_ in kept:
        if hash_ not in there:
            yield Fault("seal", 0, f"the seal {hash_} is gone")
