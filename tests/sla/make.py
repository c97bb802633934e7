"""Calendars and instants for tests, short to write and to read."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from cem_cases.sla import Calendar, Opening, Pause, Target, Unit


def opening(text):
    """`09:00-17:30` as an Opening."""
    opens, closes = (
        int(hour) * 60 + int(minute)
        for hour, minute in (at.split(":") for at in text.split("-"))
    )
    return Opening(opens, closes)


def openings(text):
    return tuple(opening(each) for each in text.split())


def calendar(hours="09:00-17:00", days=range(5), zone="Europe/Berlin", **dates):
    """The same hours on each of `days`; `closed` and `special` take ISO dates."""
    return Calendar(
        ZoneInfo(zone),
        dict.fromkeys(days, openings(hours)),
        closed=frozenset(map(date.fromisoformat, dates.get("closed", ()))),
        special={
            date.fromisoformat(day): openings(text)
            for day, text in dates.get("special", {}).items()
        },
    )


ALWAYS = calendar("00:00-24:00", range(7))


def business_hours(hours):
    return Target(round(hours * 3600), Unit.BUSINESS_SECONDS)


def calendar_hours(hours):
    return Target(round(hours * 3600), Unit.CALENDAR_SECONDS)


def business_days(days):
    return Target(days, Unit.BUSINESS_DAYS)


def pause(start, end, label=""):
    """From one wall time in Berlin to another."""
    return Pause(at(start), at(end), label)


def at(text, zone="Europe/Berlin", fold=0):
    """This wall time of the zone."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
