"""The days on which a calendar is closed: a country's public holidays, a calendar file.

Days that a calendar has are left as they are, switched off or renamed, whoever adds the
same again. What is added goes through `config.save_calendar`: the policies of the
calendar get their next version, running clocks keep theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from difflib import get_close_matches
from importlib import import_module
from re import sub
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.db import transaction

from cem_cases.exceptions import FieldErrors, InvalidInput, MissingExtra
from cem_cases.intake import ics
from cem_cases.intake.ics import Entry, Preview
from cem_cases.intake.refusals import FileRefused
from cem_cases.loop import config, given, moment
from cem_cases.models import BusinessCalendar, Holiday, PolicyVersion


@dataclass(frozen=True, slots=True)
class Added:
    """The days that a calendar got, and the versions that its policies got for it."""

    days: Sequence[Holiday]
    versions: Sequence[PolicyVersion]


def years_around(now: datetime, *, ahead: int = 5) -> range:
    """Return the years that are looked up: last year to so many years ahead."""
    return range(now.year - 1, now.year + ahead + 1)


def countries() -> Mapping[str, str]:
    """Return the codes of all countries whose holidays are known, with their names.

    Raises MissingExtra.
    """
    known = _package().list_supported_countries(include_aliases=False)
    names = {code: name for name, code, *_more in _registry().values()}
    return {code: _words(names.get(code, code)) for code in known}


def subdivisions(country: str) -> Sequence[str]:
    """Return the codes of the states or regions whose holidays are known.

    Raises MissingExtra.
    """
    known = _package().list_supported_countries(include_aliases=False)
    return known.get(country, [])


def of_country(country: str, subdivision: str, years: Iterable[int]) -> list[Entry]:
    """Return the public holidays of these years, in the country's own language.

    Half days are none. Raises InvalidInput, which names the field, and MissingExtra.
    """
    check_country(country, subdivision)
    find = _package().country_holidays
    # Without a language it would take that of the process.
    language = find(country).default_language
    found = find(
        country,
        subdiv=subdivision or None,
        years=sorted(years),
        language=language,
        categories=("public",),
    )
    return [Entry(day, ics.one_line(name)) for day, name in sorted(found.items())]


def check_country(country: str, subdivision: str) -> None:
    """Raise InvalidInput unless the holidays there are known; MissingExtra."""
    if not country:
        raise InvalidInput({"country": ["Is missing."]})
    known = countries()
    if country not in known:
        near = _near(country, known)
        hint = f" Did you mean {near}?" if near else " Such as DE, GB or US."
        raise InvalidInput({"country": [f"Its holidays are not known.{hint}"]})
    regions = subdivisions(country)
    if subdivision and not regions:
        raise InvalidInput({"subdivision": [f"{country} has none: leave it empty."]})
    if subdivision:
        given.one_of(regions, subdivision, "subdivision")


def fill(
    calendar: BusinessCalendar, *, years: Iterable[int] | None = None, now: datetime
) -> list[Holiday]:
    """Return, unsaved, the holidays of its country that this calendar does not have.

    Raises InvalidInput and MissingExtra.
    """
    entries = of_country(
        calendar.country, calendar.subdivision, years or years_around(now)
    )
    return _missing(calendar, entries, Holiday.Source.COUNTRY)


def read_ics(data: bytes, *, now: datetime) -> Preview:
    """Return the whole days that a calendar file names in `years_around(now)`.

    Nothing is kept. Raises InvalidInput where the file cannot be read.
    """
    years = years_around(now)
    try:
        return ics.read(data, first=date(years[0], 1, 1), last=date(years[-1], 12, 31))
    except FileRefused as error:
        raise InvalidInput({"file": [str(error)]}) from None


@transaction.atomic
def top_up(
    calendar: BusinessCalendar,
    *,
    years: Iterable[int] | None = None,
    by: AbstractBaseUser | None,
    now: datetime | None = None,
) -> Added:
    """Add the holidays of its country that this calendar does not have.

    A second time nothing is added, and nothing is saved. Raises InvalidInput and
    MissingExtra.
    """
    now, calendar = now or moment.now(), _locked(calendar)
    return _add(calendar, fill(calendar, years=years, now=now), by=by, now=now)


@transaction.atomic
def keep(
    calendar: BusinessCalendar,
    entries: Iterable[Entry],
    *,
    by: AbstractBaseUser | None,
    now: datetime | None = None,
) -> Added:
    """Close this calendar on these days of a calendar file.

    A second time nothing is added, and nothing is saved. Raises InvalidInput.
    """
    now, calendar = now or moment.now(), _locked(calendar)
    rows = _missing(calendar, entries, Holiday.Source.ICS)
    return _add(calendar, rows, by=by, now=now)


def _locked(calendar: BusinessCalendar) -> BusinessCalendar:
    """Return the calendar as it is now; two who add to it take turns."""
    return config.lock_calendar(calendar.pk)


def _missing(
    calendar: BusinessCalendar, entries: Iterable[Entry], source: Holiday.Source
) -> list[Holiday]:
    days = {entry.day: entry.name for entry in entries}
    if calendar.pk:
        for day in calendar.holidays.values_list("day", flat=True):
            days.pop(day, None)
    return [
        Holiday(calendar=calendar, day=day, name=name, source=source)
        for day, name in sorted(days.items())
    ]


def _add(
    calendar: BusinessCalendar,
    rows: Sequence[Holiday],
    *,
    by: AbstractBaseUser | None,
    now: datetime,
) -> Added:
    if not rows:
        return Added([], [])
    every = [*calendar.holidays.all(), *rows]
    try:
        versions = config.save_calendar(calendar, holidays=every, by=by, now=now)
    except ValidationError as error:
        raise InvalidInput(_by_field(error)) from None
    return Added(rows, versions)


def _by_field(error: ValidationError) -> FieldErrors:
    return (
        error.message_dict
        if hasattr(error, "error_dict")
        else {"calendar": error.messages}
    )


def _package() -> Any:
    """Return the package `holidays`, which a site may do without."""
    try:
        return import_module("holidays")
    except ImportError:
        raise MissingExtra("holidays", "look up the holidays of a country") from None


def _registry() -> Mapping[str, Sequence[str]]:
    """Return the names of the countries; the package does not promise to have them."""
    found: Mapping[str, Sequence[str]] = getattr(
        import_module("holidays.registry"), "COUNTRIES", {}
    )
    return found


def _words(name: str) -> str:
    """Return a name with its words apart.

    >>> _words("UnitedKingdom")
    'United Kingdom'
    """
    return sub(r"(?<=[a-z])(?=[A-Z])", " ", name)


def _near(country: str, known: Mapping[str, str]) -> str:
    """Return the codes that may have been meant, by code or by name."""
    said = country.upper()
    if said in known:
        return said
    codes = {name.upper(): code for code, name in known.items()}
    return ", ".join(
        codes[name] for name in get_close_matches(said, codes, cutoff=0.75)
    )
