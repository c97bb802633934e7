"""The configuration of a site as a file: TOML or JSON ⇄ entries, checked key by key.

    format = 1

    [[rules]]
    name = "Detractors"
    position = 10
    active = true
    conditions = { fact = "band", operator = "is", value = "detractor" }
    actions = [
      { do = "open case", priority = "high" },
    ]

What an entry means is for others to say: conditions, actions and hours are taken as
documents. Here it has its keys, their types and its name, and all that is wrong with it
is collected.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cem_cases.intake import configkinds as kinds
from cem_cases.intake import toml
from cem_cases.intake.configkinds import Field, Table
from cem_cases.intake.configvalues import Problems, plain, shown
from cem_cases.intake.refusals import FileRefused

FORMAT = 1
MAX_BYTES = 5_000_000
MAX_DOTS = 2_000
"""In one line: the time that tomllib takes for a dotted key grows with its square."""

HOLIDAYS = Table(
    ("day",),
    {
        "day": Field(kinds.DAY, is_required=True),
        "name": Field(kinds.TEXT, ""),
        "source": Field(kinds.TEXT, "own"),
        "active": Field(kinds.TRUTH, True),
    },
)
MEMBERS = Table(
    ("user",),
    {
        "user": Field(kinds.NAME, is_required=True),
        "role": Field(kinds.TEXT, "agent"),
        "capacity": Field(kinds.WHOLE),
        "skills": Field(kinds.WORDS, ()),
        "active": Field(kinds.TRUTH, True),
    },
)
TARGETS = Table(
    ("metric", "priority"),
    {
        "metric": Field(kinds.NAME, is_required=True),
        "priority": Field(kinds.PRIORITY, is_required=True),
        "amount": Field(kinds.AMOUNT, is_required=True),
        "unit": Field(kinds.TEXT, kinds.BUSINESS_SECONDS),
        "warn_percents": Field(kinds.WHOLES, ()),
    },
    check=kinds.amount_in_its_unit,
)
STEPS = Table(
    ("metric", "percent", "minutes", "action", "user"),
    {
        "metric": Field(kinds.NAME, is_required=True),
        "percent": Field(kinds.WHOLE),
        "minutes": Field(kinds.WHOLE),
        "action": Field(kinds.NAME, is_required=True),
        "user": Field(kinds.TEXT),
    },
)
SECTIONS: Mapping[str, Table] = {
    "calendars": Table(
        ("name",),
        {
            "name": Field(kinds.NAME, is_required=True),
            "zone": Field(kinds.TEXT, "UTC", is_always_written=True),
            "country": Field(kinds.TEXT, ""),
            "subdivision": Field(kinds.TEXT, ""),
            "hours": Field(kinds.HOURS, {}),
            "special": Field(kinds.SPECIAL, {}),
            "holidays": Field(kinds.rows_of(HOLIDAYS), ()),
        },
    ),
    "teams": Table(
        ("slug",),
        {
            "slug": Field(kinds.NAME, is_required=True),
            "name": Field(kinds.NAME, is_required=True),
            "active": Field(kinds.TRUTH, True),
            "calendar": Field(kinds.NAME),
            "members": Field(kinds.rows_of(MEMBERS), ()),
        },
    ),
    "policies": Table(
        ("name",),
        {
            "name": Field(kinds.NAME, is_required=True),
            "position": Field(kinds.WHOLE, 0, is_always_written=True),
            "active": Field(kinds.TRUTH, True),
            "conditions": Field(kinds.CONDITIONS, {}),
            "calendar": Field(kinds.NAME),
            "pauses_pending": Field(kinds.TRUTH, True),
            "pauses_on_hold": Field(kinds.TRUTH, False),
            "targets": Field(kinds.rows_of(TARGETS), ()),
            "steps": Field(kinds.rows_of(STEPS), ()),
        },
        order=("position", "name"),
    ),
    "rules": Table(
        ("name",),
        {
            "name": Field(kinds.NAME, is_required=True),
            "position": Field(kinds.WHOLE, 0, is_always_written=True),
            "active": Field(kinds.TRUTH, False, is_always_written=True),
            "trigger": Field(kinds.TEXT, "response received"),
            "quiet_hours": Field(kinds.WHOLE),
            "conditions": Field(kinds.CONDITIONS, {}),
            "actions": Field(kinds.DOCUMENT, ()),
            "stop": Field(kinds.TRUTH, False),
        },
        order=("position", "name"),
    ),
}
"""Everything that a file may say, in the order in which it is written and applied."""

_OWN_SECTIONS = {*SECTIONS, "hours", "special"}


class ConfigRefused(FileRefused):
    """The file is not one of ours; `problems` says where, and what is wrong there."""

    def __init__(self, problems: Problems) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(f"{path}: {text}" for path, text in problems))


@dataclass(frozen=True, slots=True)
class Entry:
    """One rule, policy, calendar or team of a file, and where it stands: `rules[3]`."""

    path: str
    key: str
    values: Mapping[str, Any]
    is_sound: bool = True
    """False: something is wrong with its types, and `values` must not be used."""


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says. A section that it does not have is not in `sections`."""

    sections: Mapping[str, Sequence[Entry]]
    problems: Sequence[tuple[str, str]] = ()


def read(data: bytes, *, is_json: bool = False) -> Document:
    """Return what this file says, with all that is wrong with it.

    Raises ConfigRefused where it cannot be read at all: too large, not UTF-8, not TOML
    or JSON, of another format.
    """
    raw = _load(data, is_json)
    problems: Problems = []
    _check_format(raw.pop("format", None))
    kinds.refuse_unknown(raw, SECTIONS, "", problems)
    found = {
        name: _entries(raw[name], name, problems) for name in SECTIONS if name in raw
    }
    return Document(found, problems)


def _load(data: bytes, is_json: bool) -> dict[str, Any]:
    if len(data) > MAX_BYTES:
        raise _refused(f"The file is larger than {MAX_BYTES:,} bytes.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _refused(f"The file is not UTF-8: see line {line}.") from None
    try:
        found = _loads_json(text) if is_json else _loads_toml(text)
    except RecursionError:
        raise _refused("The file is nested too deep.") from None
    except ValueError as error:
        kind = "JSON" if is_json else "TOML"
        raise _refused(f"The file is not valid {kind}: {error}") from None
    if not isinstance(found, dict):
        raise _refused("The file must be a table of sections.")
    return found


def _refused(text: str) -> ConfigRefused:
    return ConfigRefused([("file", text)])


def _loads_json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_once)


def _loads_toml(text: str) -> Any:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.count(".") > MAX_DOTS:
            raise ValueError(f"line {number} has more than {MAX_DOTS:,} dots")
    return tomllib.loads(text)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"the key {shown(twice)} is given twice in one object")
    return found


def _check_format(found: object) -> None:
    if found is None:
        raise ConfigRefused([("format", f"is missing; begin with format = {FORMAT}")])
    if type(found) is not int or found != FORMAT:
        raise ConfigRefused(
            [("format", f"must be {FORMAT}: no other is known to this version")]
        )


def _entries(raw: object, name: str, problems: Problems) -> list[Entry]:
    table = SECTIONS[name]
    if not isinstance(raw, list):
        problems.append((name, f"must be tables, [[{name}]]"))
        return []
    entries: list[Entry] = []
    seen: dict[str, str] = {}
    for n, each in enumerate(raw):
        path, before = f"{name}[{n}]", len(problems)
        values = kinds.read_table(plain(each, path, problems), path, table, problems)
        key = values.get(table.key[0]) or ""
        if key and key in seen:
            problems.append(
                (f"{path}.{table.key[0]}", f"{shown(key)} is also {seen[key]}")
            )
        seen.setdefault(key, path)
        entries.append(Entry(path, key, values, len(problems) == before))
    return entries


def written(
    document: Mapping[str, Sequence[Mapping[str, Any]]], *, is_json: bool
) -> str:
    """Return the text of a file with these sections; `read` gives them back.

    The same entries give the same text. Raises ConfigRefused for what neither TOML nor
    JSON can hold.
    """
    raw: dict[str, Any] = {"format": FORMAT}
    problems: Problems = []
    for name, table in SECTIONS.items():
        if name in document:
            entries = [canonical(name, each, problems) for each in document[name]]
            raw[name] = [_without_defaults(e, table) for e in table.sorted(entries)]
    if problems:
        raise ConfigRefused(problems)
    if is_json:
        text = json.dumps(raw, indent=2, ensure_ascii=False, default=str)
        return toml.visible(text) + "\n"
    return toml.dumps(raw, tables=_OWN_SECTIONS)


def canonical(
    section: str, values: Mapping[str, Any], problems: Problems | None = None
) -> dict[str, Any]:
    """Return an entry as it is compared and written: in order, and nothing twice.

    `problems` gets what a file cannot hold; there it says nothing.
    """
    table = SECTIONS[section]
    path = f"{section}[{shown(values.get(table.key[0]))}]"
    return table.in_order(
        plain(dict(values), path, [] if problems is None else problems)
    )


def _without_defaults(values: Mapping[str, Any], table: Table) -> dict[str, Any]:
    found = {}
    for name, field in table.fields.items():
        value = values[name]
        if rows := field.kind.table:
            value = [_without_defaults(row, rows) for row in value]
        if field.is_always_written or field.is_required or value != field.blank:
            found[name] = value
    return found


def place(path: str) -> tuple[int, tuple[int, ...], str]:
    """Return where this path stands in a file, to sort by."""
    section = re.split(r"[.\[]", path)[0]
    order = list(SECTIONS).index(section) if section in SECTIONS else -1
    return order, tuple(map(int, re.findall(r"\[(\d{1,9})\]", path))), path
