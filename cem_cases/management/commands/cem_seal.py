"""`manage.py cem_seal`: sign where the audit stands, and say the hash to keep."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from cem_cases.loop import audit


class Command(BaseCommand):
    help = (
        "Seal the ends of all audit streams that grew since the last seal, and print "
        "the seal's hash. Keep it outside the database: `cem_verify_audit --seal HASH` "
        "then finds out also if the end of the audit and its seals were cut off."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        seal = audit.seal()
        self.stdout.write(seal.hash if seal else "Nothing new to seal.")
