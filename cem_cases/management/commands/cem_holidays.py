"""`manage.py cem_holidays`: the public holidays of the years to come. Fit for cron."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from cem_cases.exceptions import CemCasesError
from cem_cases.loop import holidays
from cem_cases.models import BusinessCalendar

MOST_YEARS = 20


class Command(BaseCommand):
    help = (
        "Add the public holidays of its country to each calendar that names one. Days "
        "that are there stay as they are, also those that were switched off."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--calendar", metavar="NAME", help="only this calendar")
        parser.add_argument(
            "--years", type=_years, default=5, help="so many years ahead (5)"
        )
        parser.add_argument("--json", action="store_true", help="print it as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        years = holidays.years_around(timezone.now(), ahead=options["years"])
        done = [_top_up(row, years) for row in _calendars(options["calendar"])]
        if options["json"]:
            self.stdout.write(json.dumps(done))
        else:
            self._report(done)
        if any(each["refused"] for each in done):
            raise CommandError("Some calendars were left as they are.")

    def _report(self, done: list[dict[str, Any]]) -> None:
        for each in done:
            said = each["refused"] or (
                f"days added: {len(each['added'])}, "
                f"policies with a new version: {each['policies']}"
            )
            self.stdout.write(f"{each['calendar']}: {said}")
        if not done:
            self.stdout.write("No calendar names a country.")


def _calendars(name: str | None) -> list[BusinessCalendar]:
    found = BusinessCalendar.objects.exclude(country="").order_by("name")
    if name is None:
        return list(found)
    if not (named := list(found.filter(name=name))):
        raise CommandError(f"There is no calendar {name!r} that names a country.")
    return named


def _top_up(calendar: BusinessCalendar, years: range) -> dict[str, Any]:
    """Each calendar for itself: one that is refused does not hold up the others."""
    done: dict[str, Any] = {"calendar": calendar.name, "added": [], "policies": 0}
    try:
        added = holidays.top_up(calendar, years=years, by=None)
    except CemCasesError as error:
        return done | {"refused": str(error)}
    days = [{"day": row.day.isoformat(), "name": row.name} for row in added.days]
    return done | {"added": days, "policies": len(added.versions), "refused": ""}


def _years(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text[:4]) <= MOST_YEARS):
        raise ArgumentTypeError(f"must be a number from 0 to {MOST_YEARS}.")
    return int(text[:4])
