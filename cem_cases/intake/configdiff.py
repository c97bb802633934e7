"""Where two entries of a configuration differ, told as people would look for it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from cem_cases.intake import toml
from cem_cases.intake.configfile import SECTIONS
from cem_cases.intake.configkinds import Table
from cem_cases.intake.configvalues import shown

MOST_SHOWN = 300


class Difference(NamedTuple):
    """`path` inside the entry, as `targets[resolution, high].amount`; None: nothing."""

    path: str
    old: Any
    new: Any

    def __str__(self) -> str:
        if isinstance(self.new, Mapping) and self.old is None:
            return f"{self.path}: added {_shown(self.new) if self.new else ''}".rstrip()
        if isinstance(self.old, Mapping) and self.new is None:
            return (
                f"{self.path}: removed {_shown(self.old) if self.old else ''}".rstrip()
            )
        return f"{self.path}: {_shown(self.old)} → {_shown(self.new)}"


def differences(
    section: str, old: Mapping[str, Any], new: Mapping[str, Any]
) -> list[Difference]:
    """Return where these entries, both canonical, differ: as deep inside as can be.

    >>> is_60, is_70 = ({"name": "A", "conditions": {"value": n}} for n in (60, 70))
    >>> print(*differences("rules", is_60, is_70))
    conditions.value: 60 → 70
    """
    return list(_tables(old, new, SECTIONS[section], ""))


def _tables(
    old: Mapping[str, Any], new: Mapping[str, Any], table: Table | None, path: str
) -> Iterator[Difference]:
    for name in {**old, **new}:
        field = table.fields.get(name) if table else None
        inner = f"{path}.{shown(name)}" if path else shown(name)
        rows = field.kind.table if field else None
        if rows:
            yield from _rows(old.get(name, ()), new.get(name, ()), rows, inner)
        else:
            yield from _values(old.get(name), new.get(name), inner)


def _rows(
    old: Sequence[Mapping[str, Any]],
    new: Sequence[Mapping[str, Any]],
    table: Table,
    path: str,
) -> Iterator[Difference]:
    before, after = ({table.name_of(row): row for row in rows} for rows in (old, new))
    for name in {**before, **after}:
        inner = f"{path}[{name}]"
        if name in before and name in after:
            yield from _tables(before[name], after[name], table, inner)
        else:
            there, then = before.get(name), after.get(name)
            yield Difference(inner, _told(there, table), _told(then, table))


def _told(row: Mapping[str, Any] | None, table: Table) -> Mapping[str, Any] | None:
    """Return what there is to say of a row beside its name."""
    if row is None:
        return None
    return {
        name: row[name]
        for name, field in table.fields.items()
        if name not in table.key and row[name] != field.blank
    }


def _values(old: Any, new: Any, path: str) -> Iterator[Difference]:
    if same(old, new):
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping) and old and new:
        yield from _tables(old, new, None, path)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for n, pair in enumerate(zip(old, new, strict=True)):
            yield from _values(*pair, f"{path}[{n}]")
    else:
        yield Difference(path, old, new)


def same(old: Any, new: Any) -> bool:
    """Whether two values are the same when written: true is not 1.

    >>> same({"a": 1, "b": True}, {"b": True, "a": 1}), same(True, 1)
    (True, False)
    """
    a, b = (json.dumps(each, sort_keys=True, default=str) for each in (old, new))
    return a == b


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    text = toml.inline(value)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"
