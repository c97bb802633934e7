"""How one field is made from the cells of a row: a column, a constant or a template.

A spec is what stands on the right of `=` in a mapping: a column name, or a table such as
`{column = "NETPRO", blank = ["11"]}`. It is checked when it is parsed, so that only the
cells of a file can still be wrong when it is used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from difflib import get_close_matches
from math import isfinite
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from cem_cases.intake.refusals import MappingRefused

Scalar = str | int | float | bool
Value = Scalar | datetime | date

PLAIN_NUMBER = re.compile(r"[+-]?\d{1,30}(\.\d{1,30})?", re.ASCII)
WHOLE = re.compile(r"([+-]?\d{1,30})\.0+", re.ASCII)
PLACE = re.compile(r"\{([^{}:]+)(?::0(\d{1,2}))?\}")
DIRECTIVES = "aAwdbBmyYHIMSfzZjpUWcxXGuV%"


class CellRefused(ValueError):
    """A cell does not fit its spec. The message names the column, not the value."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a field holds, and so which options its spec may have."""

    name: str
    options: frozenset[str]
    convert: Callable[[Scalar, Spec], Value]


@dataclass(frozen=True, slots=True)
class Template:
    """Text with places for columns: `2017-05-{INTDATE:02}` pads with zeros to two."""

    text: str
    columns: tuple[str, ...]

    def fill(self, cells: Mapping[str, str]) -> str:
        """Return the text with these cells in their places."""

        def cell(place: re.Match[str]) -> str:
            return cells[place[1].strip()].zfill(int(place[2] or 0))

        return PLACE.sub(cell, self.text)


@dataclass(frozen=True, slots=True)
class Spec:
    """One field's source and how its text is read. Made by `parse_spec`."""

    kind: Kind
    column: str = ""
    template: Template | None = None
    constant: Scalar | None = None
    blank: frozenset[str] = frozenset()
    map: Mapping[str, Scalar] | None = None
    otherwise: Scalar | None = None
    format: str = ""
    zone: ZoneInfo | None = None
    decimal: str = "."
    true: frozenset[str] = frozenset()
    false: frozenset[str] = frozenset()
    number: bool = False
    columns: tuple[str, ...] = field(default=())

    def value(self, cells: Mapping[str, str]) -> Value | None:
        """Return what the field is to hold, or None where the row leaves it blank.

        Raises CellRefused where a cell holds what the spec does not allow.
        """
        found = self.constant if self.constant is not None else self._read(cells)
        if found is None or found == "":
            return None
        return self.kind.convert(found, self)

    def refuse(self, what: str) -> CellRefused:
        """Return the refusal that says what is wrong with this spec's columns."""
        if not self.columns:
            return CellRefused(f"The constant {what}.")
        names = ", ".join(repr(name) for name in self.columns)
        return CellRefused(
            f"{'Column' if len(self.columns) == 1 else 'Columns'} {names} {what}."
        )

    def _read(self, cells: Mapping[str, str]) -> Scalar | None:
        stripped = {name: cells[name].strip() for name in self.columns}
        if any(not cell or cell in self.blank for cell in stripped.values()):
            return None
        text = self.template.fill(stripped) if self.template else stripped[self.column]
        if self.map is None:
            return text
        found = self.map.get(text, self.otherwise)
        if found is None:
            raise self.refuse("has a value that is not in the map")
        return found


def parse_spec(raw: object, path: str, kind: Kind) -> Spec:
    """Return the spec that `raw` describes: a column name, or a table of options.

    Raises MappingRefused, naming `path`, for anything a spec of this kind cannot have.
    """
    if isinstance(raw, str):
        raw = {"column": raw}
    if not isinstance(raw, Mapping):
        raise MappingRefused(f"{path}: must be a column name, or a table such as {{…}}")
    source = _one_source(raw, path)
    options = (
        kind.options if source != "constant" else kind.options & {"format", "zone"}
    )
    refuse_unknown(raw, {source, *options}, path)
    parsed = {name: PARSERS[name](raw[name], f"{path}.{name}") for name in raw}
    _check_together(parsed, path)
    template = parsed.get("template")
    column = parsed.get("column")
    columns = template.columns if template else (column,) if column else ()
    spec = Spec(kind=kind, columns=columns, **parsed)
    if source == "constant":
        _try_constant(spec, path)
    return spec


def refuse_unknown(
    raw: Mapping[str, object], allowed: set[str] | Sequence[str], path: str
) -> None:
    """Raise MappingRefused for the first key which is not allowed here."""
    for name in raw:
        if name not in allowed:
            where = f"{path}.{name}" if path else str(name)
            raise MappingRefused(
                f"{where}: unknown key; allowed are {', '.join(sorted(allowed))}"
                f"{similar(str(name), allowed)}"
            )


def similar(name: str, names: set[str] | Sequence[str]) -> str:
    """Return `; did you mean …?` where one of these names is nearly the same.

    >>> similar("blanc", ["blank", "column"])
    '; did you mean blank?'
    """
    lower = {each.lower(): each for each in sorted(names)}
    close = [lower[each] for each in get_close_matches(name.lower(), lower, n=3)]
    return f"; did you mean {' or '.join(close)}?" if close else ""


def _one_source(raw: Mapping[str, object], path: str) -> str:
    given = [name for name in ("column", "constant", "template") if name in raw]
    if len(given) != 1:
        found = f"has {' and '.join(given)}" if given else "has none of them"
        raise MappingRefused(
            f"{path}: needs one of column, constant or template; it {found}"
        )
    return given[0]


def _check_together(parsed: Mapping[str, object], path: str) -> None:
    if "otherwise" in parsed and "map" not in parsed:
        raise MappingRefused(f"{path}.otherwise: needs a map")
    if "false" in parsed and "true" not in parsed:
        raise MappingRefused(f"{path}.false: needs true as well")
    if "number" in parsed and "true" in parsed:
        raise MappingRefused(f"{path}: is either a number or true and false, not both")


def _try_constant(spec: Spec, path: str) -> None:
    try:
        spec.value({})
    except CellRefused as error:
        raise MappingRefused(f"{path}: {error}") from None


# How the options are read -----------------------------------------------------------


def _column(raw: object, path: str) -> str:
    if not isinstance(raw, str) or not raw.strip():
        raise MappingRefused(f"{path}: must be the name of a column")
    return raw.strip()


def _scalar(raw: object, path: str) -> Scalar:
    if isinstance(raw, str | int) or (isinstance(raw, float) and isfinite(raw)):
        return raw
    raise MappingRefused(f"{path}: must be text in quotes, a number, true or false")


def _constant(raw: object, path: str) -> Scalar:
    constant = _scalar(raw, path)
    if constant == "":
        raise MappingRefused(f"{path}: is empty; leave the field out instead")
    return constant


def _template(raw: object, path: str) -> Template:
    if not isinstance(raw, str):
        raise MappingRefused(f"{path}: must be text such as 2017-05-{{DAY:02}}")
    columns = tuple(dict.fromkeys(name.strip() for name, _ in PLACE.findall(raw)))
    rest = PLACE.sub("", raw)
    if not columns or "{" in rest or "}" in rest:
        raise MappingRefused(
            f"{path}: must name columns in braces, {{DAY}} or with zeros {{DAY:02}}"
        )
    return Template(raw, columns)


def _words(raw: object, path: str) -> frozenset[str]:
    if not isinstance(raw, list) or not all(
        isinstance(word, str | int) and not isinstance(word, bool) for word in raw
    ):
        raise MappingRefused(f'{path}: must be a list of values, such as ["0", "99"]')
    return frozenset(str(word).strip() for word in raw)


def _folded(raw: object, path: str) -> frozenset[str]:
    return frozenset(word.casefold() for word in _words(raw, path))


def _map(raw: object, path: str) -> Mapping[str, Scalar]:
    if not isinstance(raw, Mapping) or not raw:
        raise MappingRefused(f'{path}: must be a table, such as {{ "1" = "yes" }}')
    return {
        str(key).strip(): _scalar(value, f"{path}.{key}") for key, value in raw.items()
    }


def _format(raw: object, path: str) -> str:
    directives = re.findall(r"%(.?)", raw) if isinstance(raw, str) else []
    if directives and all(each and each in DIRECTIVES for each in directives):
        return str(raw)
    raise MappingRefused(f"{path}: must be a date format, such as %m/%d/%Y %H:%M")


def _zone(raw: object, path: str) -> ZoneInfo:
    if not isinstance(raw, str) or raw not in available_timezones():
        raise MappingRefused(f"{path}: must be a time zone, such as Europe/Berlin")
    return ZoneInfo(raw)


def _decimal(raw: object, path: str) -> str:
    if raw not in (".", ","):
        raise MappingRefused(f'{path}: must be "." or ","')
    return str(raw)


def _is_set(raw: object, path: str) -> bool:
    if not isinstance(raw, bool):
        raise MappingRefused(f"{path}: must be true or false")
    return raw


PARSERS: Mapping[str, Callable[[object, str], Any]] = {
    "column": _column,
    "constant": _constant,
    "template": _template,
    "blank": _words,
    "map": _map,
    "otherwise": _scalar,
    "format": _format,
    "zone": _zone,
    "decimal": _decimal,
    "true": _folded,
    "false": _folded,
    "number": _is_set,
}


# How the text of a cell becomes the field's value --------------------------------------


def _to_text(found: Scalar, spec: Spec) -> Value:
    return found if isinstance(found, str) else str(found)


def _to_number(found: Scalar, spec: Spec) -> Value:
    """Bring a number's text into the form 1234.5; the loop reads it further."""
    if not isinstance(found, str):
        return found
    text = found
    if spec.decimal == ",":
        if "." in text:
            raise spec.refuse('is not a number with "," before its decimals')
        text = text.replace(",", ".")
    if not PLAIN_NUMBER.fullmatch(text):
        raise spec.refuse("is not a number")
    whole = WHOLE.fullmatch(text)  # pandas writes 7 as 7.0 where another row is blank
    return whole[1] if whole else text


def _to_moment(found: Scalar, spec: Spec) -> Value:
    """Return the moment in UTC.

    A wall time that comes twice is taken the first time; one that is skipped moves
    forward by the gap. A date alone is its midnight.
    """
    at = _parsed(found, spec)
    if at.tzinfo is None and spec.zone is None:
        raise spec.refuse('has no time zone: add zone = "…" to the mapping')
    try:
        return (at if at.tzinfo else at.replace(tzinfo=spec.zone)).astimezone(UTC)
    except OverflowError:
        raise spec.refuse("is not a date of our time") from None


def _to_date(found: Scalar, spec: Spec) -> Value:
    """Return the day as it is written, whatever time and zone stand beside it."""
    return _parsed(found, spec).date()


def _parsed(found: Scalar, spec: Spec) -> datetime:
    try:
        if spec.format:
            return datetime.strptime(str(found), spec.format)
        return datetime.fromisoformat(str(found))
    except ValueError:
        raise spec.refuse(f"is not a date {_expected(spec)}") from None


def _expected(spec: Spec) -> str:
    return f"in the format {spec.format}" if spec.format else "such as 2026-03-01 14:30"


def _to_truth(found: Scalar, spec: Spec) -> Value:
    if isinstance(found, bool):
        return found
    word = str(found).casefold()
    if word in (spec.true or TRUE):
        return True
    # With only the true words named, everything else is false.
    if word in (spec.false or FALSE) or (spec.true and not spec.false):
        return False
    raise spec.refuse("is neither true nor false")


def _to_any(found: Scalar, spec: Spec) -> Value:
    if spec.true:
        return _to_truth(found, spec)
    if not spec.number:
        return found
    number = _to_number(found, spec)
    if not isinstance(number, str):
        return number
    return float(number) if "." in number else int(number)


TRUE = frozenset(("true", "yes", "y", "1"))
FALSE = frozenset(("false", "no", "n", "0"))

_MAPPED = frozenset(("blank", "map", "otherwise"))
TEXT = Kind("text", _MAPPED, _to_text)
NUMBER = Kind("number", _MAPPED | {"decimal"}, _to_number)
MOMENT = Kind("moment", frozenset(("blank", "format", "zone")), _to_moment)
DATE = Kind("date", frozenset(("blank", "format")), _to_date)
TRUTH = Kind("truth", frozenset(("blank", "true", "false")), _to_truth)
ANY = Kind("any", _MAPPED | {"number", "decimal", "true", "false"}, _to_any)
