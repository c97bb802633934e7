"""What a key of a configuration file may hold, how it is checked, and in which order.

Nothing here raises: what is wrong is added to the problems, as path and sentence, and
the reading goes on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Any

from cem_cases.intake.configvalues import SHOWN, Problems, shown
from cem_cases.intake.specs import similar

PRIORITIES = ("urgent", "high", "normal", "low")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
FIRST = ("do", "fact", "operator", "value")
"""Keys of conditions and actions that are written before the others."""

BUSINESS_SECONDS, CALENDAR_SECONDS = "business seconds", "calendar seconds"
BUSINESS_DAYS = "business days"
SIZES = {"d": 86_400, "h": 3600, "min": 60, "s": 1}
_TIME = re.compile(r"[0-9]{1,9} (?:d|h|min|s)(?: [0-9]{1,9} (?:d|h|min|s)){0,3}")


def _as_it_is(value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True)
class Kind:
    """`read` checks a value of a file, `order` brings equal ones into one form."""

    read: Callable[[Any, str, Problems], Any]
    order: Callable[[Any], Any] = _as_it_is
    table: Table | None = None


@dataclass(frozen=True, slots=True)
class Field:
    kind: Kind
    default: Any = None
    is_required: bool = False
    is_always_written: bool = False

    @property
    def blank(self) -> Any:
        """What it is where the file does not say."""
        return list(self.default) if isinstance(self.default, tuple) else self.default


@dataclass(frozen=True, slots=True)
class Table:
    """The keys of an entry; those in `key` name it among the others of its list."""

    key: tuple[str, ...]
    fields: Mapping[str, Field]
    order: tuple[str, ...] = ()
    """By what the entries are sorted; empty: by their key."""
    check: Callable[[MutableMapping[str, Any], str, Problems], None] | None = None

    def name_of(self, values: Mapping[str, Any]) -> str:
        """Return what names this entry, in words."""
        parts = (values.get(name) for name in self.key)
        return ", ".join(str(part) for part in parts if part is not None)

    def sorted(self, rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        names = self.order or self.key
        return sorted(rows, key=lambda row: [_rank(row[name]) for name in names])

    def in_order(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return all of an entry as it is compared and written."""
        return {
            name: field.kind.order(values.get(name, field.blank))
            for name, field in self.fields.items()
        }


def _rank(value: Any) -> tuple[int, int, str]:
    if value is None:
        return 2, 0, ""
    if value in PRIORITIES:
        return 0, PRIORITIES.index(value), ""
    return (0, value, "") if isinstance(value, int) else (1, 0, str(value))


def read_table(raw: Any, path: str, table: Table, problems: Problems) -> dict[str, Any]:
    """Return what this table of the file says, with the defaults of what it does not."""
    if not isinstance(raw, Mapping):
        problems.append((path, "must be a table"))
        return {}
    refuse_unknown(raw, table.fields, path, problems)
    values: dict[str, Any] = {}
    for name, field in table.fields.items():
        if name not in raw:
            values[name] = field.blank
            if field.is_required:
                problems.append((f"{path}.{name}", "is missing"))
        elif raw[name] is None:  # `configvalues.plain` has said why
            values[name] = None
        else:
            values[name] = field.kind.read(raw[name], f"{path}.{name}", problems)
    if table.check:
        table.check(values, path, problems)
    return values


def refuse_unknown(
    raw: Mapping[str, Any], known: Iterable[str], path: str, problems: Problems
) -> None:
    """Note each key that is not known here, with what may have been meant."""
    known = list(known)
    for name in raw:
        if name not in known:
            where = f"{path}.{shown(name)}" if path else shown(name)
            hint = similar(name[:SHOWN], known)
            problems.append((where, f"unknown key; known are {', '.join(known)}{hint}"))


# The kinds ---------------------------------------------------------------------------


def _expect(holds: bool, raw: Any, path: str, problems: Problems, what: str) -> Any:
    if holds:
        return raw
    problems.append((path, f"must be {what}"))
    return None


def _text(raw: Any, path: str, problems: Problems) -> Any:
    return _expect(isinstance(raw, str), raw, path, problems, "text in quotes")


def _name(raw: Any, path: str, problems: Problems) -> Any:
    is_name = isinstance(raw, str) and bool(raw.strip())
    return _expect(is_name, raw, path, problems, "text in quotes, not empty")


def _truth(raw: Any, path: str, problems: Problems) -> Any:
    return _expect(isinstance(raw, bool), raw, path, problems, "true or false")


def _whole(raw: Any, path: str, problems: Problems) -> Any:
    return _expect(type(raw) is int, raw, path, problems, "a whole number")


def _words(raw: Any, path: str, problems: Problems) -> Any:
    fits = isinstance(raw, list) and all(isinstance(w, str) and w.strip() for w in raw)
    return _expect(fits, raw, path, problems, 'a list of words, such as ["german"]')


def _wholes(raw: Any, path: str, problems: Problems) -> Any:
    fits = isinstance(raw, list) and all(type(each) is int for each in raw)
    return _expect(fits, raw, path, problems, "a list of whole numbers, such as [75]")


def _day(raw: Any, path: str, problems: Problems) -> Any:
    if isinstance(raw, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", raw, re.ASCII):
        with suppress(ValueError):
            raw = date.fromisoformat(raw)
    return _expect(isinstance(raw, date), raw, path, problems, "a date as 2026-12-25")


def _priority(raw: Any, path: str, problems: Problems) -> Any:
    what = f"one of: {', '.join(PRIORITIES)}"
    return _expect(raw in PRIORITIES, raw, path, problems, what)


def _amount(raw: Any, path: str, problems: Problems) -> Any:
    fits = type(raw) is int or (isinstance(raw, str) and _TIME.fullmatch(raw))
    what = 'a time such as "4 h", "90 min" or "1 h 30 min"; business days a number'
    return _expect(bool(fits), raw, path, problems, what)


def amount_in_its_unit(
    target: MutableMapping[str, Any], path: str, problems: Problems
) -> None:
    """Write the amount of a target as it is always written."""
    amount, unit = target["amount"], target["unit"]
    if amount is None:
        return
    if isinstance(amount, str) and unit == BUSINESS_DAYS:
        problems.append((f"{path}.amount", "business days are a number, such as 3"))
    elif isinstance(amount, str) and "d" in amount and unit != CALENDAR_SECONDS:
        problems.append(
            (
                f"{path}.amount",
                "a day of business time has no fixed length: write hours",
            )
        )
    else:
        target["amount"] = amount_text(amount_of(amount), unit)


def amount_text(amount: int, unit: str) -> str | int:
    """Return the amount of a target as it is written.

    >>> amount_text(5400, "business seconds"), amount_text(172_800, "calendar seconds")
    ('1 h 30 min', '2 d')
    >>> amount_text(172_800, "business seconds"), amount_text(3, "business days")
    ('48 h', 3)
    """
    if unit == BUSINESS_DAYS or amount <= 0:
        return amount
    parts = []
    for word, size in SIZES.items():
        if word != "d" or unit == CALENDAR_SECONDS:
            count, amount = divmod(amount, size)
            parts += [f"{count} {word}"] if count else []
    return " ".join(parts)


def amount_of(text: str | int) -> int:
    """Return what was written, in its unit: seconds, or business days.

    >>> amount_of("1 h 30 min"), amount_of(3)
    (5400, 3)
    """
    if isinstance(text, int):
        return text
    parts = re.findall(r"([0-9]+) ([a-z]+)", text)
    return sum(int(number) * SIZES[word] for number, word in parts)


def _document(raw: Any, path: str, problems: Problems) -> Any:
    return json.loads(json.dumps(raw, default=str))  # of dates their text


def _conditions(raw: Any, path: str, problems: Problems) -> Any:
    return _document(raw, path, problems) or {}


def _sorted_document(value: Any) -> Any:
    if isinstance(value, Mapping):
        keys = sorted(value, key=lambda key: (key not in FIRST, _first(key), key))
        return {key: _sorted_document(value[key]) for key in keys}
    return [*map(_sorted_document, value)] if isinstance(value, list) else value


def _first(key: str) -> int:
    return FIRST.index(key) if key in FIRST else 0


def _sorted_hours(value: Any) -> Any:
    """By weekday, without those that are closed."""
    if not isinstance(value, Mapping):
        return value
    days = sorted(value, key=lambda day: (day not in WEEKDAYS, _weekday(day), day))
    return {day: value[day] for day in days if value[day] != []}


def _weekday(day: str) -> int:
    return WEEKDAYS.index(day) if day in WEEKDAYS else 0


def _sorted_wholes(value: Any) -> Any:
    fits = isinstance(value, list) and all(type(each) is int for each in value)
    return sorted(value) if fits else value


TEXT, NAME, TRUTH = Kind(_text), Kind(_name), Kind(_truth)
WHOLE, WORDS, WHOLES = Kind(_whole), Kind(_words), Kind(_wholes, _sorted_wholes)
DAY, PRIORITY, AMOUNT = Kind(_day), Kind(_priority), Kind(_amount)
DOCUMENT = Kind(_document, _sorted_document)
CONDITIONS = Kind(_conditions, lambda value: _sorted_document(value or {}))
HOURS, SPECIAL = Kind(_document, _sorted_hours), Kind(_document, _sorted_document)


def rows_of(table: Table) -> Kind:
    """Return the kind of a list of such tables."""

    def read(raw: Any, path: str, problems: Problems) -> Any:
        if not isinstance(raw, list):
            problems.append((path, "must be a list of tables"))
            return []
        found = [
            read_table(each, f"{path}[{n}]", table, problems)
            for n, each in enumerate(raw)
        ]
        refuse_twice(found, path, table, problems)
        return found

    def order(found: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        return table.sorted(table.in_order(row) for row in found)

    return Kind(read, order, table)


def refuse_twice(
    found: Sequence[Mapping[str, Any]], path: str, table: Table, problems: Problems
) -> None:
    """Note each entry that is named as one before it."""
    seen: dict[str, int] = {}
    for n, row in enumerate(found):
        if name := table.name_of(row):
            first = seen.setdefault(name, n)
            if first != n:
                problems.append(
                    (f"{path}[{n}]", f"{shown(name)} is also {path}[{first}]")
                )
