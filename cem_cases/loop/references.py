"""Whether what rules name is there, and can do what they want of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth import get_user_model
from django.db import models
from django.db.models import Q

from cem_cases import rules
from cem_cases.conf import conf
from cem_cases.models import (
    Membership,
    SlaPolicy,
    Survey,
    Tag,
    Team,
    Template,
    WebhookEndpoint,
    sees_everything,
)
from cem_cases.rules import InvalidRule


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody active who works in an active team."""

    name: str
    skills: frozenset[str]
    is_manager: bool


@dataclass(frozen=True, slots=True)
class There:
    """Of what rules name: what is there."""

    names: Mapping[str, Collection[str]]
    """By kind of reference: team, tag, policy, template, webhook, survey."""
    members: Mapping[str, Sequence[Member]]
    """By the slug of their team."""
    watchers: Collection[str] = field(default_factory=frozenset)
    """Usernames of those who see every case, though they work in no team."""


def look_up(actions: Iterable[Sequence[rules.Action]]) -> There:
    """Return what is there of what these actions name: eight statements at most."""
    named: dict[str, set[str]] = {}
    for each in actions:
        for reference in rules.references(each):
            named.setdefault(reference.kind, set()).add(reference.name)
    names = {
        kind: set(
            rows.filter(**{f"{key}__in": named[kind]}).values_list(key, flat=True)
        )
        for kind, (rows, key) in _rows().items()
        if kind in named
    }
    users = named.get("user", set())
    members = _members(named.get("team", set()), users)
    work = {member.name for team in members.values() for member in team}
    return There(names, members, _watchers(users - work))


def _rows() -> Mapping[str, tuple[models.QuerySet[Any], str]]:
    return {
        "team": (Team.objects.filter(is_active=True), "slug"),
        "tag": (Tag.objects.all(), "name"),
        "policy": (SlaPolicy.objects.filter(is_active=True), "name"),
        "template": (Template.objects.all(), "slug"),
        "webhook": (WebhookEndpoint.objects.filter(is_active=True), "name"),
        "survey": (Survey.objects.filter(is_active=True), "slug"),
    }


def _members(
    teams: Collection[str], users: Collection[str]
) -> Mapping[str, Sequence[Member]]:
    if not teams and not users:
        return {}
    username = f"user__{get_user_model().USERNAME_FIELD}"
    rows = Membership.objects.filter(
        Q(team__slug__in=teams) | Q(**{f"{username}__in": users}),
        is_active=True,
        user__is_active=True,
        team__is_active=True,
    )
    found: dict[str, list[Member]] = {}
    for slug, name, skills, role in rows.values_list(
        "team__slug", username, "skills", "role"
    ):
        is_manager = role == Membership.Role.MANAGER
        member = Member(name, rules.folded(rules.texts(skills)), is_manager)
        found.setdefault(slug, []).append(member)
    return found


def _watchers(names: Collection[str]) -> set[str]:
    if not names:
        return set()
    users = get_user_model()
    rows = users._default_manager.filter(
        **{f"{users.USERNAME_FIELD}__in": names}, is_active=True
    )
    return {user.get_username() for user in rows if sees_everything(user)}


def problems(actions: Sequence[rules.Action], there: There) -> Iterator[InvalidRule]:
    """Yield what these actions name and is not there, or cannot do what they want."""
    teams = [action.team for action in actions if isinstance(action, rules.SetTeam)]
    team = teams[-1] if teams else None
    if team not in there.names.get("team", ()):
        team = None
    for reference in rules.references(actions):
        kind, name = reference.kind, reference.name
        if kind != "user" and name not in there.names[kind]:
            yield InvalidRule(reference.path, f"{name!r} {MISSING[kind]}")
    for n, action in enumerate(actions):
        path = f"actions[{n}]"
        match action:
            case rules.SetOwner(user):
                yield from _owner(f"{path}.user", user, team, there)
            case rules.Notify(_, users):
                yield from _notified(path, users, there)
            case rules.Assign():
                yield from _assigned(path, action, team, there)
            case rules.Invite() if not conf().SURVEY_URL:
                text = 'needs CEM_CASES["SURVEY_URL"]: where customers answer.'
                yield InvalidRule(path, text)


def doubts(actions: Sequence[rules.Action], there: There) -> Iterator[InvalidRule]:
    """Yield teams that are there, and in which nobody works: their queues wait in vain.

    Where such a rule assigns, too, `problems` says so.
    """
    if any(isinstance(action, rules.Assign) for action in actions):
        return
    for reference in rules.references(actions):
        name = reference.name
        if reference.kind != "team" or name not in there.names["team"]:
            continue
        if not there.members.get(name):
            text = f"nobody works in team {name!r}: who takes these cases?"
            yield InvalidRule(reference.path, text)


MISSING: Mapping[str, str] = {
    "team": "is not the slug of an active team.",
    "tag": "is not a tag.",
    "policy": "is not the name of an active SLA policy.",
    "template": "is not the slug of a template.",
    "webhook": "is not the name of an active webhook.",
    "survey": "is not the slug of an active survey.",
}


def _owner(
    path: str, user: str, team: str | None, there: There
) -> Iterator[InvalidRule]:
    where = [team] if team else list(there.members)
    found = [m for slug in where for m in there.members.get(slug, ()) if m.name == user]
    place = f"team {team!r}" if team else "any active team"
    if not found:
        text = f"{user!r} is not an active user who works in {place}."
        yield InvalidRule(path, text)
    elif all(member.is_manager for member in found):
        text = f"{user!r} is a manager there: rules give managers no cases."
        yield InvalidRule(path, text)


def _notified(path: str, users: Sequence[str], there: There) -> Iterator[InvalidRule]:
    known = {m.name for team in there.members.values() for m in team}
    for n, user in enumerate(users):
        if user not in known and user not in there.watchers:
            text = f"{user!r} is not an active user who sees cases of some team."
            yield InvalidRule(f"{path}.users[{n}]", text)


def _assigned(
    path: str, action: rules.Assign, team: str | None, there: There
) -> Iterator[InvalidRule]:
    if team is None:
        return
    members = [m for m in there.members.get(team, ()) if not m.is_manager]
    if not members:
        text = f"team {team!r} has no active member to whom a rule may give a case."
        yield InvalidRule(path, text)
        return
    wanted = rules.folded(action.skills)
    if not any(wanted <= member.skills for member in members):
        skills = " and ".join(map(repr, action.skills))
        text = f"no active member of team {team!r} has {skills}."
        yield InvalidRule(f"{path}.skills", text)
