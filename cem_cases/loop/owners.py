"""Who may own a case: the one place that asks, for rules, doors and reopening."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Q

from cem_cases import rules
from cem_cases.loop import bulk
from cem_cases.models import Absence, Membership, Team


class Roster:
    """The members of some teams, locked until the transaction ends.

    Choosing happens in memory and is written once, by `save`: a batch of a thousand
    cases costs the same statements as one. Round robin runs on over batches, because
    the number of each assignment is kept with team and member.
    """

    def __init__(self, team_ids: Collection[int], *, now: datetime) -> None:
        self._teams: dict[int, Team] = {}
        self._members: dict[int, list[tuple[Membership, rules.Candidate]]] = {}
        self._changed: dict[int, Membership] = {}
        if not team_ids:
            return
        teams = Team.objects.select_for_update(no_key=True).filter(pk__in=team_ids)
        self._teams = {team.pk: team for team in teams.order_by("pk")}
        self._members = {team_id: [] for team_id in self._teams}
        for membership, candidate in _candidates(self._teams, now):
            self._members[membership.team_id].append((membership, candidate))

    def assign(
        self, team_id: int, strategy: rules.Strategy
    ) -> tuple[rules.Choice, Any | None]:
        """Return the choice and the key of the new owner (None: nobody may)."""
        members = self._members[team_id]
        choice = rules.choose([candidate for _, candidate in members], strategy)
        if choice.winner is None:
            return choice, None
        team = self._teams[team_id]
        team.assigned_count += 1
        choice.winner.take(team.assigned_count)
        (membership,) = (m for m, candidate in members if candidate is choice.winner)
        membership.open_cases = choice.winner.load
        membership.last_assigned = team.assigned_count
        self._changed[membership.pk] = membership
        return choice, membership.user_id

    def save(self) -> None:
        """Write the counters of those who got a case."""
        changed = list(self._changed.values())
        teams = {membership.team_id for membership in changed}
        bulk.update([self._teams[team_id] for team_id in teams], ["assigned_count"])
        bulk.update(changed, ["open_cases", "last_assigned"])


def _candidates(
    team_ids: Collection[int], now: datetime
) -> list[tuple[Membership, rules.Candidate]]:
    memberships = list(
        Membership.objects.select_for_update(no_key=True, of=("self",))
        .filter(team__in=team_ids, is_active=True)
        .exclude(role=Membership.Role.MANAGER)
        .select_related("user")
        .order_by("pk")
    )
    users = {membership.user_id for membership in memberships}
    absent = set(
        Absence.objects.at(now).filter(user__in=users).values_list("user", flat=True)
    )
    return [
        (
            membership,
            rules.Candidate(
                membership=membership.pk,
                user=str(membership.user_id),
                load=membership.open_cases,
                capacity=membership.capacity,
                last_assigned=membership.last_assigned,
                absent=membership.user_id in absent,
                inactive=not membership.user.is_active,
            ),
        )
        for membership in memberships
    ]


Holder = tuple[int | None, Any]
"""A team's key and a user's key; either may be None: then nobody's load is counted."""


def move_load(before: Holder, after: Holder) -> None:
    """Keep the members' counters in step: one case less here, one more there."""
    move_loads([(before, after)])


def move_loads(moves: Iterable[tuple[Holder, Holder]]) -> None:
    """Keep the members' counters in step with these moves.

    Locks all memberships by key first, so that two cases which change hands in opposite
    directions never wait for each other.
    """
    change: Counter[Holder] = Counter()
    for before, after in moves:
        change[before] -= 1
        change[after] += 1
    held = [h for h, by in change.items() if by and None not in h]
    if not held:
        return
    wanted = Q(pk__in=[])
    for team_id, user_id in held:
        wanted |= Q(team=team_id, user=user_id)
    rows = Membership.objects.select_for_update(no_key=True).filter(wanted)
    found = list(rows.order_by("pk"))
    for membership in found:
        by = change[membership.team_id, membership.user_id]
        membership.open_cases = max(membership.open_cases + by, 0)
    bulk.update(found, ["open_cases"])


def may_own(user: AbstractBaseUser, team_id: int | None) -> bool:
    """Whether a person may give this user a case of this team."""
    found: bool = members(team_id).filter(pk=user.pk).exists()
    return found


def members(team_id: int | None) -> Any:
    """Return the users to whom a case of this team may be given."""
    return get_user_model()._default_manager.filter(
        cem_memberships__team=team_id,
        cem_memberships__is_active=True,
        is_active=True,
    )
