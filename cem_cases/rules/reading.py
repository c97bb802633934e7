"""Actions as they are written in a rule's row, checked one by one.

`parse` reads conditions and whole rules; here is one reader for each thing to do, and what
both need to say that something is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, TypeVar

from cem_cases.rules.actions import (
    Action,
    AddTags,
    Assign,
    Audience,
    CallWebhook,
    CaseKind,
    Invite,
    MarkComplaint,
    Notify,
    OpenCase,
    Priority,
    SendTemplate,
    SetOwner,
    SetPolicy,
    SetPriority,
    SetTeam,
    Strategy,
)

MAX_TEXT = 200
MAX_NAMES = 20
MAX_DAYS = 365

_Word = TypeVar("_Word", bound=StrEnum)


class InvalidRule(ValueError):
    """A rule is wrong; `path` points at the place, `problem` says what is right."""

    def __init__(self, path: str, problem: str) -> None:
        self.path, self.problem = path, problem
        super().__init__(f"{path}: {problem}")


def action(raw: Any, path: str) -> Action:
    """Return the action that this says. Raises InvalidRule."""
    do = raw.get("do") if isinstance(raw, Mapping) else None
    if not isinstance(do, str) or do not in ACTIONS:
        raise InvalidRule(path, f'must have "do": one of {", ".join(ACTIONS)}.')
    return ACTIONS[do](raw, path)


def _open_case(raw: Mapping[str, Any], path: str) -> OpenCase:
    only(raw, ("do", "priority", "kind"), path)
    priority = _priority(raw, path) if "priority" in raw else Priority.NORMAL
    kind = raw.get("kind", CaseKind.RECOVERY)
    return OpenCase(priority, _word(CaseKind, kind, f"{path}.kind"))


def _set_priority(raw: Mapping[str, Any], path: str) -> SetPriority:
    only(raw, ("do", "priority"), path)
    return SetPriority(_priority(raw, path))


def _named(
    make: Callable[[str], Action], key: str
) -> Callable[[Mapping[str, Any], str], Action]:
    """Return what reads an action that says nothing but a name, under this key."""

    def read(raw: Mapping[str, Any], path: str) -> Action:
        only(raw, ("do", key), path)
        return make(text(raw.get(key), f"{path}.{key}"))

    return read


def _add_tags(raw: Mapping[str, Any], path: str) -> AddTags:
    only(raw, ("do", "tags"), path)
    return AddTags(_names(raw.get("tags"), f"{path}.tags"))


def _assign(raw: Mapping[str, Any], path: str) -> Assign:
    only(raw, ("do", "by", "skills"), path)
    by = raw.get("by")
    words = by if isinstance(by, list) else [by]
    if not 0 < len(words) <= len(Strategy):
        raise InvalidRule(f"{path}.by", f"must be some of: {', '.join(Strategy)}.")
    strategies = tuple(_word(Strategy, word, f"{path}.by") for word in words)
    if len(set(strategies)) < len(strategies):
        raise InvalidRule(f"{path}.by", "has a strategy twice.")
    skills = raw.get("skills", [])
    return Assign(strategies, _names(skills, f"{path}.skills") if skills else ())


def _mark_complaint(raw: Mapping[str, Any], path: str) -> MarkComplaint:
    only(raw, ("do",), path)
    return MarkComplaint()


def _notify(raw: Mapping[str, Any], path: str) -> Notify:
    only(raw, ("do", "who", "users"), path)
    who, users = raw.get("who", []), raw.get("users", [])
    words = who if isinstance(who, list) else [who]
    if not (words or users):
        raise InvalidRule(f"{path}.who", f"must be some of: {', '.join(Audience)}.")
    audiences = tuple(_word(Audience, word, f"{path}.who") for word in words)
    return Notify(audiences, _names(users, f"{path}.users") if users else ())


def _invite(raw: Mapping[str, Any], path: str) -> Invite:
    only(raw, ("do", "survey", "in_days"), path)
    days = raw.get("in_days", 0)
    if days.__class__ is not int or not 0 <= days <= MAX_DAYS:
        raise InvalidRule(
            f"{path}.in_days", f"must be a whole number from 0 to {MAX_DAYS}."
        )
    return Invite(text(raw.get("survey"), f"{path}.survey"), days)


def _names(raw: Any, path: str) -> tuple[str, ...]:
    if not isinstance(raw, list) or not 0 < len(raw) <= MAX_NAMES:
        raise InvalidRule(path, f"must be a list of 1 to {MAX_NAMES} names.")
    return tuple(text(item, f"{path}[{n}]") for n, item in enumerate(raw))


def _word(words: type[_Word], given: Any, path: str) -> _Word:
    if not isinstance(given, str) or given not in set(words):
        raise InvalidRule(path, f"must be one of: {', '.join(words)}.")
    return words(given)


def _priority(raw: Mapping[str, Any], path: str) -> Priority:
    words = [priority.word for priority in Priority]
    if raw.get("priority") not in words:
        raise InvalidRule(f"{path}.priority", f"must be one of: {', '.join(words)}.")
    return Priority[raw["priority"].upper()]


ACTIONS: Mapping[str, Callable[[Mapping[str, Any], str], Action]] = {
    "open case": _open_case,
    "set priority": _set_priority,
    "set team": _named(SetTeam, "team"),
    "set owner": _named(SetOwner, "user"),
    "assign": _assign,
    "add tags": _add_tags,
    "set SLA policy": _named(SetPolicy, "policy"),
    "mark as complaint": _mark_complaint,
    "notify": _notify,
    "send template": _named(SendTemplate, "template"),
    "call webhook": _named(CallWebhook, "webhook"),
    "invite to survey": _invite,
}


def text(value: Any, path: str) -> str:
    """Return this text if it is one, printable and not too long; else InvalidRule."""
    if not isinstance(value, str) or not value.strip() or len(value) > MAX_TEXT:
        raise InvalidRule(path, f"must be text of 1 to {MAX_TEXT} characters.")
    if not value.isprintable():
        raise InvalidRule(path, "must not have control characters.")
    return value


def only(raw: Mapping[str, Any], known: tuple[str, ...], path: str) -> None:
    """Refuse keys that are not known here."""
    for name in raw:
        if name not in known:
            raise InvalidRule(
                path,
                f"has {str(name)[:MAX_TEXT]!r}; it may only have {', '.join(known)}.",
            )
