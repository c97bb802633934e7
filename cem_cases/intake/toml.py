"""Writing TOML, which the standard library only reads.

What `dumps` writes, `tomllib` reads back as it was. The layout depends on nothing but
the values, so that a change of one value is a change of one line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from math import isfinite
from typing import Any

WIDTH = 80
BARE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
UNSEEN = re.compile(
    "[\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]"
)
"""What JSON leaves as it is and a reader does not see, or sees in another order."""


def dumps(document: Mapping[str, Any], *, tables: Collection[str] = ()) -> str:
    """Return this document as TOML.

    `tables`: keys whose values get `[sections]` of their own; all others stay on the
    line of their key, lists of tables with a line for each.

    >>> print(dumps({"a": {"b": [True, {"c": 1.5}]}}), end="")
    a = { b = [
      true,
      { c = 1.5 },
    ] }
    >>> print(dumps({"n": 1, "days": [{"mon": ["9", "17"]}]}, tables=["days"]), end="")
    n = 1
    <BLANKLINE>
    [[days]]
    mon = ["9", "17"]

    Raises ValueError for what TOML does not have: null, NaN, half a character.
    """
    return "\n".join(_table((), document, tables)).lstrip("\n") + "\n"


def inline(value: Any) -> str:
    """Return this value on one line.

    >>> print(inline({"fact": "score", "operator": "in", "value": [1, 2]}))
    { fact = "score", operator = "in", value = [1, 2] }
    """
    return _value(value, None)


def visible(text: str) -> str:
    r"""Return the text of a document with all that cannot be seen in it escaped.

    >>> print(visible('{"a": "right\u202eleft"}'))
    {"a": "right\u202eleft"}
    """
    return UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _table(
    path: tuple[str, ...], table: Mapping[str, Any], tables: Collection[str]
) -> list[str]:
    lines, later = [], []
    for key, value in table.items():
        here = (*path, key)
        if key in tables and value and isinstance(value, Mapping):
            later += ["", f"[{_dotted(here)}]", *_table(here, value, tables)]
        elif key in tables and value and _are_tables(value):
            for each in value:
                later += ["", f"[[{_dotted(here)}]]", *_table(here, each, tables)]
        else:
            lines.append(f"{_key(key)} = {_value(value, '')}")
    return lines + later


def _dotted(path: tuple[str, ...]) -> str:
    return ".".join(map(_key, path))


def _key(key: str) -> str:
    return key if BARE.fullmatch(key) else _text(key)


def _value(value: Any, indent: str | None) -> str:
    """Return the text of a value; `indent` None: all of it on one line."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float() | Decimal() if isfinite(value):
            return str(value)
        case str():
            return _text(value)
        case date() if not isinstance(value, datetime):
            return value.isoformat()
        case Mapping():
            pairs = [f"{_key(k)} = {_value(v, indent)}" for k, v in value.items()]
            return f"{{ {', '.join(pairs)} }}" if pairs else "{}"
        case list() | tuple():
            return _array(value, indent)
    raise ValueError(f"TOML has no {value!r}")


def _array(items: Sequence[Any], indent: str | None) -> str:
    if indent is None or not _holds_tables(items):
        line = f"[{', '.join(inline(item) for item in items)}]"
        if indent is None or len(line) <= WIDTH:
            return line
    inner = f"{indent}  "
    lines = [f"{inner}{_value(item, inner)},\n" for item in items]
    return f"[\n{''.join(lines)}{indent}]"


def _are_tables(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, Mapping) for each in value)


def _holds_tables(items: Sequence[Any]) -> bool:
    return any(
        isinstance(item, Mapping)
        or (isinstance(item, list | tuple) and _holds_tables(item))
        for item in items
    )


def _text(text: str) -> str:
    """Return a TOML string: JSON's escapes are among TOML's."""
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError("TOML has no half of a surrogate pair")
    return visible(json.dumps(text, ensure_ascii=False))
