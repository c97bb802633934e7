"""`manage.py cem_starter_causes`: a first tree of root causes, by department."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from cem_cases.loop import improve


class Command(BaseCommand):
    help = (
        "Create a starter tree of root causes by department. Causes that are there "
        "already, by their codes, stay as they are."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        done = improve.create_starter_causes()
        for code in done.created:
            self.stdout.write(f"  {code}")
        self.stdout.write(
            f"{len(done.created)} root causes created, "
            f"{len(done.kept)} were there already."
        )
