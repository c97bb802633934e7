"""Rules notify people: whom they name, of those who may see the case."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import OuterRef, Subquery

from cem_cases import rules
from cem_cases.loop import audit, bulk, notices, outgoing
from cem_cases.models import (
    AuditEvent,
    AuditHead,
    Case,
    Membership,
    Notification,
    sees_everything,
)

ROLES = {
    rules.Audience.LEADS: Membership.Role.LEAD,
    rules.Audience.MANAGERS: Membership.Role.MANAGER,
}

Wish = tuple[outgoing.Due, rules.Notify]


def tell(wishes: Sequence[Wish], *, now: datetime) -> int:
    """Notify whom rules name of these cases; return how many entries that made.

    Where no case is, nobody is told. A person is told of an event once: who was told of
    it by somebody else, or by a rule before, is not told again. Statements: eight, and
    up to three for each person outside the team (may they see it?).
    """
    wishes = [(due, effect) for due, effect in wishes if due.case is not None]
    if not wishes:
        return 0
    audience = _Audience(wishes)
    events = _events([due for due, _ in wishes])
    notes = [
        notices.Note(events[_case(due), due.event], keys, _words(due))
        for due, effect in wishes
        if (due.case, due.event) in events and (keys := audience.of(due, effect))
    ]
    return notices.tell(_news(notes), now=now)


class _Audience:
    """Who is named by these wishes, and may see the case."""

    def __init__(self, wishes: Sequence[Wish]) -> None:
        keys = {_case(due) for due, _ in wishes}
        effects = [effect for _, effect in wishes]
        rows = Case.objects.filter(bulk.any_of("pk", keys))
        self._cases = {
            pk: (team, owner)
            for pk, team, owner in rows.values_list("pk", "team_id", "owner_id")
        }
        self._members = _members({team for team, _ in self._cases.values()} - {None})
        is_watched = any(rules.Audience.WATCHERS in e.audiences for e in effects)
        self._watchers = _watchers(keys) if is_watched else {}
        self._named = _named({name for e in effects for name in e.users})
        outside = {
            key
            for due, effect in wishes
            for key in self._wanted(due, effect)
            if key not in self._team(due)
        }
        self._see_everything = _who_see_everything(outside)

    def of(self, due: outgoing.Due, effect: rules.Notify) -> list[Any]:
        """Return the keys of those who are told."""
        members = self._team(due)
        return [
            key
            for key in self._wanted(due, effect)
            if key in members or key in self._see_everything
        ]

    def _team(self, due: outgoing.Due) -> Mapping[Any, str]:
        """Return the members of the case's team, with their roles."""
        return self._members.get(self._cases[_case(due)][0], {})

    def _wanted(self, due: outgoing.Due, effect: rules.Notify) -> list[Any]:
        owner, members = self._cases[_case(due)][1], self._team(due)
        found = [self._named[name] for name in effect.users if name in self._named]
        for audience in effect.audiences:
            match audience:
                case rules.Audience.OWNER:
                    found += [owner] if owner is not None else []
                case rules.Audience.TEAM:
                    found += members
                case rules.Audience.WATCHERS:
                    found += self._watchers.get(_case(due), [])
                case rules.Audience.LEADS | rules.Audience.MANAGERS:
                    role = ROLES[audience]
                    found += [key for key, its in members.items() if its == role]
        return list(dict.fromkeys(found))


def _who_see_everything(keys: Collection[Any]) -> set[Any]:
    if not keys:
        return set()
    users = get_user_model()._default_manager.filter(pk__in=keys)
    return {user.pk for user in users if sees_everything(user)}


def _members(teams: Collection[Any]) -> Mapping[Any, Mapping[Any, str]]:
    """Return the roles of the active members, by team and user."""
    rows = Membership.objects.filter(
        team__in=teams, is_active=True, user__is_active=True, team__is_active=True
    )
    found: dict[Any, dict[Any, str]] = defaultdict(dict)
    for team, user, role in rows.order_by("pk").values_list(
        "team_id", "user_id", "role"
    ):
        found[team][user] = role
    return found


def _watchers(keys: Collection[Any]) -> Mapping[Any, list[Any]]:
    rows = Case.watchers.through.objects.filter(bulk.any_of("case_id", keys))
    found: dict[Any, list[Any]] = defaultdict(list)
    for case, user in rows.order_by("pk").values_list("case_id", "user_id"):
        found[case].append(user)
    return found


def _named(names: Collection[str]) -> Mapping[str, Any]:
    """Return the keys of the active users with these names."""
    if not names:
        return {}
    model = get_user_model()
    column = model.USERNAME_FIELD
    users = model._default_manager.filter(**{f"{column}__in": names}, is_active=True)
    return dict(users.values_list(column, "pk"))


def _events(
    due: Iterable[outgoing.Due],
) -> Mapping[tuple[int, int | None], AuditEvent]:
    """Return of which event people are told, by the case and event of the rules.

    Where no event made a rule act it is the last one of the case.
    """
    found: dict[tuple[int, int | None], AuditEvent] = {}
    streams = []
    for each in due:
        case = _case(each)
        if each.event is not None:
            found[case, each.event] = AuditEvent(pk=each.event, case_id=case)
        else:
            streams.append(audit.stream_of(case))
    return found | _last_events(streams)


def _last_events(
    streams: Collection[str],
) -> dict[tuple[int, int | None], AuditEvent]:
    if not streams:
        return {}
    head = AuditHead.objects.filter(stream=OuterRef("stream"))
    rows = AuditEvent.objects.filter(
        stream__in=bulk.among(set(streams), "text"),
        sequence=Subquery(head.values("sequence")[:1]),
    )
    return {
        (case, None): AuditEvent(pk=pk, case_id=case)
        for pk, case in rows.values_list("pk", "case_id")
    }


def _news(notes: Sequence[notices.Note]) -> list[notices.Note]:
    """Return the notes without those who were told of the same event before."""
    if not notes:
        return []
    rows = Notification.objects.filter(
        bulk.any_of("event_id", {note.event.pk for note in notes})
    )
    told = set(rows.values_list("event_id", "recipient_id"))
    return [
        notices.Note(
            note.event,
            [key for key in note.recipients if (note.event.pk, key) not in told],
            note.text,
        )
        for note in notes
    ]


def _words(due: outgoing.Due) -> str:
    """Return the line: which rule, which case, and by which conditions of its own."""
    return f"Rule '{due.rule.name}': case #{due.case} ({due.rule.conditions})."


def _case(due: outgoing.Due) -> int:
    assert due.case is not None  # noqa: S101  (`tell` leaves those out)
    return due.case
