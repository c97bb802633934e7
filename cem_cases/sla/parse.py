"""A calendar from JSON-like data, as it is stored and as the API takes it.

    {
        "zone": "Europe/Berlin",
        "hours": {"mon": [["09:00", "12:30"], ["13:00", "24:00"]]},
        "closed": ["2026-12-25"],
        "special": {"2026-12-24": [["09:00", "12:00"]]}
    }

Only `zone` is required. A weekday without openings is closed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from cem_cases.sla.calendar import Calendar, Opening

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class InvalidCalendar(ValueError):
    """`path` says which entry is wrong (`hours.mon[1]`), `message` what about it."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(path, message)
        self.path = path
        self.message = message

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


def parse_calendar(
    raw: Mapping[str, object], *, opens_within_year_of: date | None = None
) -> Calendar:
    """Return the calendar which `raw` describes.

    With `opens_within_year_of`, a calendar without any opening in the 366 days from that
    date is refused: for saving. Leave it out to read what was saved long ago.

    >>> parse_calendar({"zone": "UTC", "hours": {"mon": [["9:00", "17:00"]]}})
    Traceback (most recent call last):
    cem_cases.sla.parse.InvalidCalendar: hours.mon[0]: '9:00' is not a time from 00:00 to 24:00

    Raises InvalidCalendar for the first wrong entry.
    """
    fields = _mapping(raw, "calendar")
    for name in fields:
        if name not in _FIELDS:
            raise InvalidCalendar(
                _shown(name), f"unknown, choose from {_listed(_FIELDS)}"
            )
    calendar = Calendar(
        zone=_zone(fields.get("zone")),
        hours=_hours(fields.get("hours", {})),
        closed=_closed(fields.get("closed", ())),
        special=_special(fields.get("special", {})),
    )
    if opens_within_year_of is not None:
        _refuse_never_open(calendar, opens_within_year_of)
    return calendar


_FIELDS = ("zone", "hours", "closed", "special")
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|24:00")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _zone(raw: object) -> ZoneInfo:
    # A name is only looked up in the list, never opened as a path.
    if not isinstance(raw, str) or raw not in _zone_names():
        raise InvalidCalendar(
            "zone", f"{_shown(raw)} is not a time zone such as Europe/Berlin"
        )
    return ZoneInfo(raw)


@lru_cache(maxsize=1)
def _zone_names() -> frozenset[str]:
    # What these two mean depends on the machine.
    return frozenset(available_timezones() - {"Factory", "localtime"})


def _hours(raw: object) -> dict[int, tuple[Opening, ...]]:
    hours = {}
    for name, openings in _mapping(raw, "hours").items():
        path = f"hours.{_shown(name)}"
        if name not in WEEKDAYS:
            raise InvalidCalendar(path, f"unknown, choose from {_listed(WEEKDAYS)}")
        hours[WEEKDAYS.index(name)] = _openings(openings, path)
    return hours


def _closed(raw: object) -> frozenset[date]:
    days = enumerate(_sequence(raw, "closed", "dates"))
    return frozenset(_date(day, f"closed[{i}]") for i, day in days)


def _special(raw: object) -> dict[date, tuple[Opening, ...]]:
    special = {}
    for name, openings in _mapping(raw, "special").items():
        path = f"special.{_shown(name)}"
        special[_date(name, path)] = _openings(openings, path)
    return special


def _openings(raw: object, path: str) -> tuple[Opening, ...]:
    """Return the openings of one day in their order."""
    openings: list[Opening] = []
    for i, entry in enumerate(_sequence(raw, path, "openings")):
        opening = _opening(entry, f"{path}[{i}]")
        for other in openings:
            if opening.opens < other.closes and other.opens < opening.closes:
                raise InvalidCalendar(f"{path}[{i}]", f"overlaps {other}")
        openings.append(opening)
    return tuple(sorted(openings))


def _opening(raw: object, path: str) -> Opening:
    pair = _sequence(raw, path, "two times")
    if len(pair) != 2:
        raise InvalidCalendar(path, 'must be two times, such as ["09:00", "17:00"]')
    opens, closes = (_minutes(at, path) for at in pair)
    if opens >= closes:
        raise InvalidCalendar(
            path, f"{pair[0]}-{pair[1]} must end after it starts; part a night at 24:00"
        )
    return Opening(opens, closes)


def _minutes(raw: object, path: str) -> int:
    if not isinstance(raw, str) or not _TIME.fullmatch(raw):
        raise InvalidCalendar(path, f"{_shown(raw)} is not a time from 00:00 to 24:00")
    hour, minute = raw.split(":")
    return int(hour) * 60 + int(minute)


def _date(raw: object, path: str) -> date:
    # fromisoformat alone would also take 20261225 and 2026-W52-5.
    if isinstance(raw, str) and _DATE.fullmatch(raw):
        try:
            return date.fromisoformat(raw)
        except ValueError:
            pass
    raise InvalidCalendar(path, f"{_shown(raw)} is not a date such as 2026-12-24")


def _mapping(raw: object, path: str) -> Mapping[object, object]:
    if not isinstance(raw, Mapping):
        raise InvalidCalendar(path, "must be an object")
    return raw


def _sequence(raw: object, path: str, of: str) -> list[object] | tuple[object, ...]:
    if not isinstance(raw, list | tuple):
        raise InvalidCalendar(path, f"must be a list of {of}")
    return raw


def _shown(raw: object) -> str:
    """Return what was given, short enough for a message and without control characters.

    Names of entries appear bare, all else as Python shows it.
    """
    if isinstance(raw, str) and re.fullmatch(r"[a-z0-9_-]{1,20}", raw):
        return raw
    text = repr(raw[:40]) if isinstance(raw, str) else repr(raw)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _refuse_never_open(calendar: Calendar, on: date) -> None:
    start, end = (
        datetime.combine(day, time(), calendar.zone)
        for day in (on, on + timedelta(days=366))
    )
    if not calendar.between(start, end):
        raise InvalidCalendar("hours", f"no opening in the year from {on.isoformat()}")
