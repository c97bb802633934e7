"""Who may own a case: the one place that asks, for rules, doors and reopening.

`standing` answers for one person, `loop.roster` chooses for batches. Both ask
`rules.verdict`, so that an absence counts the same everywhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.db.models import OuterRef, Q, Subquery

from cem_cases import rules
from cem_cases.loop import bulk
from cem_cases.models import Absence, Case, Customer, Membership


def candidate(row: Membership) -> rules.Candidate:
    """Return this membership as choosing sees it; whether they are there is not said."""
    return rules.Candidate(
        membership=row.pk,
        user=str(row.user_id),
        load=row.open_cases,
        capacity=row.capacity,
        last_assigned=row.last_assigned,
        name=row.user.get_username(),
        skills=rules.folded(rules.texts(row.skills)),
        is_inactive=not (row.is_active and row.user.is_active),
        is_manager=row.role == Membership.Role.MANAGER,
    )


@dataclass(slots=True)
class Hints:
    """Whom the strategies that name somebody would name, by customer."""

    _found: dict[int, rules.Hint] = field(default_factory=dict)

    def of(self, customer_id: int) -> rules.Hint:
        return self._found.get(customer_id, rules.NO_HINT)

    def remember(self, customer_id: int, owner: Any) -> None:
        """Say who has the customer's newest case from now on."""
        known = self._found.get(customer_id)
        if known is not None and owner is not None:
            self._found[customer_id] = known._replace(before=str(owner))


def hints(asked: Iterable[tuple[int, rules.Wanted | None]]) -> Hints:
    """Return whom these customers' cases would be given to by name.

    One statement at most, and none where no strategy asks.
    """
    accounts, before = rules.Strategy.ACCOUNT_OWNER, rules.Strategy.SAME_AGENT
    keys, asks_before = set(), False
    for customer_id, wanted in asked:
        if wanted and (wanted.asks_for(accounts) or wanted.asks_for(before)):
            keys.add(customer_id)
            asks_before = asks_before or wanted.asks_for(before)
    if not keys:
        return Hints()
    rows = Customer.objects.filter(pk__in=bulk.among(keys))
    names = ["pk", "account_owner"]
    if asks_before:
        earlier = Case.objects.filter(customer=OuterRef("pk"), owner__isnull=False)
        newest = earlier.order_by("-opened_at", "-pk").values("owner")[:1]
        rows, names = rows.annotate(before=Subquery(newest)), [*names, "before"]
    return Hints(
        {
            key: rules.Hint(*(None if user is None else str(user) for user in users))
            for key, *users in rows.values_list(*names)
        }
    )


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


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether somebody may be given a case of a team, and who stands in if not."""

    verdict: rules.Verdict
    until: datetime | None = None
    """When an absent one is back."""
    substitute: AbstractBaseUser | None = None
    """Of an absent one, if they may be given it themselves."""

    @property
    def is_eligible(self) -> bool:
        return self.verdict is rules.Verdict.ELIGIBLE


def standing(
    user: AbstractBaseUser, team_id: int | None, by: rules.Chooser, *, now: datetime
) -> Standing:
    """Return whether `by` may give this user a case of this team now."""
    found = _member(user, team_id)
    away = list(
        Absence.objects.at(now)
        .filter(user=user.pk)
        .select_related("substitute")
        .order_by("from_at", "pk")
    )
    if found:
        found.is_absent = bool(away)
    verdict = rules.verdict(found, by)
    if verdict is not rules.Verdict.ABSENT:
        return Standing(verdict)
    until = max(row.until_at for row in away)
    instead = next((row.substitute for row in away if row.substitute), None)
    if instead is not None:
        stand_in = _member(instead, team_id)
        if stand_in:
            is_away = Absence.objects.at(now).filter(user=instead.pk).exists()
            stand_in.is_absent = is_away
        if rules.verdict(stand_in, by) is not rules.Verdict.ELIGIBLE:
            instead = None
    return Standing(verdict, until, instead)


def _member(user: AbstractBaseUser, team_id: int | None) -> rules.Candidate | None:
    rows = Membership.objects.filter(team=team_id, user=user.pk, is_active=True)
    row = rows.select_related("user").first()
    return None if row is None else candidate(row)


def members(team_id: int | None) -> Any:
    """Return the active members of this team; who of them is there is not asked."""
    return get_user_model()._default_manager.filter(
        cem_memberships__team=team_id,
        cem_memberships__is_active=True,
        is_active=True,
    )
