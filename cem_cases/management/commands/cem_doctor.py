"""`manage.py cem_doctor`: is everything as it should be? Exit code 1 if not."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from cem_cases.loop import doctor, staffcheck
from cem_cases.loop.doctor import Level


class Command(BaseCommand):
    help = (
        "Look for what is wrong: dead policies, rules and calendars, a late sweep, "
        "answers and e-mails that wait, clocks that disagree, owners who are gone, missing "
        "beat entries, an audit that nobody seals. Changes nothing but, with "
        "--reconcile, counters. Exits with 1 if there is an error; warnings alone exit "
        "with 0."
    )
    # They are among the findings; here they would end the command before the others.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--verbose", action="store_true", help="print also what is well"
        )
        parser.add_argument(
            "--json", action="store_true", help="print all of it as JSON"
        )

        parser.add_argument(
            "--reconcile",
            action="store_true",
            help="first set the members' counters of open cases to what is there",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        corrected = staffcheck.reconcile() if options["reconcile"] else []
        if not options["json"]:
            for each in corrected:
                self.stdout.write(
                    f"{each.membership}: {each.before:,} corrected to {each.after:,}."
                )
        findings = doctor.examine()
        counts = Counter(finding.level for finding in findings)
        if options["json"]:
            totals = {
                "errors": counts[Level.ERROR],
                "warnings": counts[Level.WARNING],
                "findings": [asdict(finding) for finding in findings],
            }
            if options["reconcile"]:
                totals["corrected"] = len(corrected)
            self.stdout.write(json.dumps(totals))
        else:
            for finding in findings:
                if finding.level != Level.OK or options["verbose"]:
                    self.stdout.write(str(finding))
        said = f"Errors: {counts[Level.ERROR]}, warnings: {counts[Level.WARNING]}."
        if counts[Level.ERROR]:
            raise CommandError(said)
        if not options["json"]:
            self.stdout.write(said)
