"""How long a target may take, and when to warn: as people type it, and as it is kept."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fractions import Fraction
from typing import NoReturn

from django.core.exceptions import ValidationError
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from cem_cases.models import TimeUnit
from cem_cases.sla.terms import LONGEST, MOST_DAYS

UNITS = (
    (TimeUnit.BUSINESS_SECONDS.value, _("business hours")),
    (TimeUnit.CALENDAR_SECONDS.value, _("calendar hours")),
    (TimeUnit.BUSINESS_DAYS.value, _("business days")),
)
"""What the units are called here: nobody promises in seconds."""

MOST_PERCENTS = 5
MOST_TYPED = 40
"""Letters of an amount; the form takes no more."""

_DAY, _HOUR, _MINUTE = 86_400, 3600, 60
_SECONDS = {
    **dict.fromkeys(("d", "day", "days"), _DAY),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), _HOUR),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), _MINUTE),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1),
}
_PART = re.compile(r"([0-9]+(?:[.,][0-9]+)?) ?([a-z]*)\.?")
_WALL = re.compile(r"([0-9]+):([0-5][0-9])")
_BUSINESS_DAYS = re.compile(r"([0-9]+) ?(?:d|days?|business days?)?")


def parse(text: str, unit: str) -> int:
    """Return what was typed as the amount of a target in this unit.

    A bare number is hours, or days where those are the unit.

    >>> parse("1 h 30 min", "business seconds"), parse("1.5", "business seconds")
    (5400, 5400)
    >>> parse("56 d", "calendar seconds"), parse("3", "business days")
    (4838400, 3)

    Raises ValidationError, saying what would be right.
    """
    text = " ".join(text[:MOST_TYPED].lower().split())
    in_days = unit == TimeUnit.BUSINESS_DAYS
    amount = _days(text) if in_days else _seconds(text, unit)
    most = MOST_DAYS if in_days else LONGEST
    if not amount:
        _refuse(_("A target takes some time: write more than 0."))
    if amount > most:
        longest = MOST_DAYS if in_days else LONGEST // _DAY
        _refuse(_("This is too long: at most %d days.") % longest)
    return amount


def _days(text: str) -> int:
    found = _BUSINESS_DAYS.fullmatch(text)
    if found is None:
        _refuse(
            _("Business days are whole, such as 3. For hours, choose another unit.")
        )
    return int(found[1])


def _seconds(text: str, unit: str) -> int:
    if wall := _WALL.fullmatch(text):
        return int(wall[1]) * _HOUR + int(wall[2]) * _MINUTE
    # what is left when the parts are taken out was not understood
    parts = [] if _PART.sub("", text).strip() else _PART.findall(text)
    if not parts or any(word not in (*_SECONDS, "") for _number, word in parts):
        _refuse(_("Write hours and minutes, such as 4 h, 90 min or 1 h 30 min."))
    if any(not word for _number, word in parts) and len(parts) > 1:
        _refuse(_("Write what each number counts, such as 1 h 30 min."))
    sizes = [_SECONDS.get(word, _HOUR) for _number, word in parts]
    if _DAY in sizes and unit == TimeUnit.BUSINESS_SECONDS:
        _refuse(
            _(
                "A day of business hours has no fixed length: write hours, or choose "
                "business days."
            )
        )
    numbers = [Fraction(number.replace(",", ".")) for number, _word in parts]
    return round(sum(n * size for n, size in zip(numbers, sizes, strict=True)))


def _refuse(text: str | Promise) -> NoReturn:
    raise ValidationError(str(text), code="invalid")


def write(amount: int, unit: str) -> str:
    """Return an amount as it may be typed; `parse` reads exactly the same from it.

    >>> write(5400, "business seconds"), write(172_800, "calendar seconds")
    ('1 h 30 min', '2 d')
    >>> write(172_800, "business seconds"), write(3, "business days")
    ('48 h', '3 d')
    """
    if unit == TimeUnit.BUSINESS_DAYS:
        return f"{amount} d"
    sizes = {"d": _DAY, "h": _HOUR, "min": _MINUTE, "s": 1}
    if unit == TimeUnit.BUSINESS_SECONDS:
        del sizes["d"]
    parts = []
    for word, size in sizes.items():
        count, amount = divmod(amount, size)
        if count:
            parts.append(f"{count} {word}")
    return " ".join(parts)


def parse_percents(text: str) -> list[int]:
    """Return the percentages that were typed, in their order.

    >>> parse_percents("75 %, 50")
    [50, 75]

    Raises ValidationError.
    """
    found = re.findall(r"[^\s,;%]+", text)
    if not all(re.fullmatch(r"[1-9][0-9]?", each) for each in found):
        _refuse(_("Write percentages from 1 to 99, such as 50, 75."))
    percents = {int(each) for each in found}
    if len(percents) < len(found):
        _refuse(_("This names a percentage twice."))
    if len(percents) > MOST_PERCENTS:
        _refuse(_("At most %d percentages.") % MOST_PERCENTS)
    return sorted(percents)


def write_percents(percents: Iterable[int]) -> str:
    """Return percentages as they may be typed."""
    return ", ".join(map(str, percents))
