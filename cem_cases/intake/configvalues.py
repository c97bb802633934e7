"""Values that a configuration file can hold, the database, too, and a message can show.

Nothing here raises: what is wrong is added to the problems, as path and sentence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date, datetime
from math import isfinite
from typing import Any

from cem_cases.intake import toml

Problems = list[tuple[str, str]]

MAX_DEPTH = 60
LARGEST = 2**63
SHOWN = 60


def plain(raw: Any, path: str, problems: Problems, depth: int = 0) -> Any:
    """Return a value without what the database or the other format cannot hold.

    What is null is left out, 6.0 is 6. A value that is wrong is noted, and None.
    """
    wrong = ""
    match raw:
        case None | bool():
            return raw
        case int() if abs(raw) < LARGEST:
            return raw
        case float() if isfinite(raw):
            return plain(int(raw), path, problems) if raw.is_integer() else raw
        case int() | float():
            wrong = "must be a number of less than 20 digits"
        case str():
            if not (wrong := _unfit(raw)):
                return raw
        case date() if not isinstance(raw, datetime):
            return raw
        case Mapping() | list() if depth > MAX_DEPTH:
            wrong = f"is nested more than {MAX_DEPTH} deep"
        case Mapping():
            return _plain_table(raw, path, problems, depth)
        case list():
            return _plain_list(raw, path, problems, depth)
        case _:
            wrong = "must be text, a number, true, false, a date, a list or a table"
    problems.append((path, wrong))
    return None


def _plain_table(
    raw: Mapping[str, Any], path: str, problems: Problems, depth: int
) -> dict[str, Any]:
    found = {}
    for key, value in raw.items():
        inner = f"{path}.{shown(key)}"
        if wrong := _unfit(key):
            problems.append((inner, wrong))
        elif value is not None:
            found[key] = plain(value, inner, problems, depth + 1)
    return found


def _plain_list(raw: list[Any], path: str, problems: Problems, depth: int) -> list[Any]:
    found = []
    for n, value in enumerate(raw):
        if value is None:
            problems.append((f"{path}[{n}]", "must not be null"))
        found.append(plain(value, f"{path}[{n}]", problems, depth + 1))
    return found


def _unfit(text: str) -> str:
    if "\x00" in text:
        return "must not contain zero characters"
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        return "must not contain half a character (\\ud800 to \\udfff)"
    return ""


def shown(name: object) -> str:
    """Return a name of the file as it may stand in a message.

    >>> print(shown("customer.segment"), shown("a\\nb"))
    customer.segment "a\\nb"
    """
    text = str(name)
    if re.fullmatch(r"[\w.-]{1,60}", text):
        return text
    cut = text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
    return (
        toml.visible(json.dumps(cut, ensure_ascii=False))
        .encode("utf-8", "backslashreplace")
        .decode()
    )
