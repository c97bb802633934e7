"""Calendars, teams, policies and rules as entries of a file, and saved from them.

A section knows its rows, what they say, and how they are saved: by `config`, as the
admin does, so that versions, events and what is refused are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.db import models

from cem_cases.intake.configfile import canonical
from cem_cases.intake.configkinds import PRIORITIES, amount_of, amount_text
from cem_cases.loop import config, configplaces
from cem_cases.models import (
    BusinessCalendar,
    EscalationStep,
    Holiday,
    Membership,
    Rule,
    SlaPolicy,
    Target,
    Team,
)

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """On whose behalf is saved, when, and which users the file may name."""

    by: AbstractBaseUser | None
    now: datetime
    users: Mapping[str, Any]


class Missing(Exception):
    """What an entry names is not there (yet): the calendar of a team, of a policy."""

    def __init__(self, field: str, section: str, key: str) -> None:
        self.field, self.section, self.key = field, section, key
        self.besides: ValidationError | None = None
        """What else is wrong with the entry."""
        super().__init__(field, section, key)


@dataclass(frozen=True, slots=True)
class Section:
    """One kind of entry."""

    name: str
    model: type[models.Model]
    key: str
    """What names a row."""
    fields: Mapping[str, str]
    """Keys of an entry that are kept as they are, and in which field."""
    more: Callable[[Any], Values]
    """The other keys of the entry of a row."""
    save: Callable[[Any, Values, Set[str], Author], object]
    """Save a row, whose fields are set, with the parts that changed."""
    related: tuple[str, ...] = ()
    """What `more` reads."""

    def load(self) -> dict[str, Values]:
        """Return all entries as they are saved now, canonical, by their key."""
        return {row[self.key]: canonical(self.name, row) for row in self.entries()}

    def entries(self) -> list[Values]:
        """Return all entries as they are saved now."""
        rows = self.model._default_manager.prefetch_related(*self.related)
        return [self._entry(row) for row in rows.order_by("pk")]

    def keep(self, values: Values, changed: Set[str], author: Author) -> None:
        """Save one entry. Raises ValidationError and Missing."""
        found = self.model._default_manager.filter(**{self.key: values[self.key]})
        row: Any = found.first() or self.model()
        for name in changed & set(self.fields):
            setattr(row, self.fields[name], values[name])
        if "calendar" in changed:
            _set_calendar(row, values["calendar"])
        self.save(row, values, changed, author)

    def _entry(self, row: Any) -> Values:
        same = {name: getattr(row, field) for name, field in self.fields.items()}
        return {**same, **self.more(row)}


def _set_calendar(row: Any, name: str | None) -> None:
    row.calendar = BusinessCalendar.objects.filter(name=name).first() if name else None
    if name and row.calendar is None:
        missing = Missing("calendar", "calendars", name)
        try:
            row.full_clean()
        except ValidationError as error:
            missing.besides = error
        raise missing


def named(row: Any) -> str | None:
    """Return the name of a row's calendar."""
    return row.calendar and row.calendar.name


# Calendars


def _holidays(row: BusinessCalendar) -> Values:
    return {
        "holidays": [
            {
                "day": holiday.day,
                "name": holiday.name,
                "source": holiday.source,
                "active": holiday.is_active,
            }
            for holiday in row.holidays.all()
        ]
    }


def _save_calendar(
    row: BusinessCalendar, values: Values, changed: Set[str], author: Author
) -> None:
    rows = None
    if "holidays" in changed:
        rows = [_with(Holiday, each, calendar=row) for each in values["holidays"]]
        configplaces.check(rows, "holidays", {"calendar"})
    config.save_calendar(row, holidays=rows, by=author.by, now=author.now)


# Teams


def _members(row: Team) -> Values:
    return {
        "calendar": named(row),
        "members": [
            {
                "user": member.user.get_username(),
                "role": member.role,
                "capacity": member.capacity,
                "skills": member.skills,
                "active": member.is_active,
            }
            for member in row.memberships.all()
        ],
    }


def _save_team(row: Team, values: Values, changed: Set[str], author: Author) -> None:
    rows = []
    if "members" in changed:
        saved = (
            {} if row.pk is None else _by_name(row.memberships.select_related("user"))
        )
        for each in values["members"]:
            name = each["user"]
            member = saved.get(name) or Membership(user=author.users[name])
            for name in ("role", "capacity", "skills"):
                setattr(member, name, each[name])
            member.is_active = each["active"]
            rows.append(member)
        configplaces.check(rows, "members", {"team", "user"})
    config.save_team(row, members=rows, by=author.by, now=author.now)


def _by_name(members: Iterable[Membership]) -> dict[str, Membership]:
    return {member.user.get_username(): member for member in members}


# Policies


def _parts(row: SlaPolicy) -> Values:
    return {
        "calendar": named(row),
        "targets": [
            {
                "metric": target.metric,
                "priority": PRIORITIES[target.priority - 1],
                "amount": amount_text(target.amount, target.unit),
                "unit": target.unit,
                "warn_percents": target.warn_percents,
            }
            for target in row.targets.all()
        ],
        "steps": [
            {
                "metric": step.metric,
                "percent": step.percent,
                "minutes": step.minutes,
                "action": step.action,
                "user": step.user and step.user.get_username(),
            }
            for step in row.escalation_steps.all()
        ],
    }


def _save_policy(
    row: SlaPolicy, values: Values, changed: Set[str], author: Author
) -> None:
    targets = steps = None
    if "targets" in changed:
        targets = [
            Target(
                metric=each["metric"],
                priority=PRIORITIES.index(each["priority"]) + 1,
                amount=amount_of(each["amount"]),
                unit=each["unit"],
                warn_percents=each["warn_percents"],
            )
            for each in values["targets"]
        ]
    if "steps" in changed:
        steps = [
            EscalationStep(
                metric=each["metric"],
                percent=each["percent"],
                minutes=each["minutes"],
                action=each["action"],
                user=author.users[each["user"]] if each["user"] else None,
            )
            for each in values["steps"]
        ]
    config.save_policy(row, targets=targets, steps=steps, by=author.by, now=author.now)


# Rules


def _save_rule(row: Rule, values: Values, changed: Set[str], author: Author) -> None:
    config.save(row, by=author.by, now=author.now)


def _no_more(row: Rule) -> Values:
    return {}


def _as_they_are(*names: str) -> dict[str, str]:
    return {name: {"active": "is_active"}.get(name, name) for name in names}


_SECTIONS = (
    Section(
        "calendars",
        BusinessCalendar,
        "name",
        _as_they_are("name", "zone", "country", "subdivision", "hours", "special"),
        _holidays,
        _save_calendar,
        ("holidays",),
    ),
    Section(
        "teams",
        Team,
        "slug",
        _as_they_are("slug", "name", "active"),
        _members,
        _save_team,
        ("calendar", "memberships__user"),
    ),
    Section(
        "policies",
        SlaPolicy,
        "name",
        _as_they_are(
            "name",
            "position",
            "active",
            "conditions",
            "pauses_pending",
            "pauses_on_hold",
        ),
        _parts,
        _save_policy,
        ("calendar", "targets", "escalation_steps__user"),
    ),
    Section(
        "rules",
        Rule,
        "name",
        _as_they_are(
            "name",
            "position",
            "active",
            "trigger",
            "quiet_hours",
            "conditions",
            "actions",
            "stop",
        ),
        _no_more,
        _save_rule,
    ),
)
SECTIONS: Mapping[str, Section] = {section.name: section for section in _SECTIONS}
"""In the order in which they are applied: who is named comes first."""


def lock() -> None:
    """Lock all of it until the transaction ends, in the one order that all keep."""
    for model in (Team, Membership, SlaPolicy, BusinessCalendar, Rule):
        rows: Any = model._default_manager.select_for_update(no_key=True)
        list(rows.order_by("pk").values_list("pk"))


def users_named(names: Iterable[str]) -> dict[str, Any]:
    """Return the users of these names, by name."""
    model = get_user_model()
    found = model._default_manager.filter(
        **{f"{model.USERNAME_FIELD}__in": sorted(set(names))}
    )
    return {user.get_username(): user for user in found}


def _with(model: type[models.Model], values: Values, **more: Any) -> Any:
    return model(
        **{("is_active" if k == "active" else k): v for k, v in values.items()}
    )
