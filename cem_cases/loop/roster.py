"""The members of teams at one moment, locked, for choosing in batches and in memory."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from django.db.models import Q, prefetch_related_objects

from cem_cases import rules, sla
from cem_cases.loop import bulk, owners
from cem_cases.models import Absence, Membership, Team

logger = logging.getLogger(__name__)

_EVER = (
    datetime.min.replace(tzinfo=UTC),
    datetime.max.replace(tzinfo=UTC),
)


@dataclass(slots=True)
class _Place:
    """One team at one moment, as long as that is the same."""

    team: Team
    desk: rules.Desk
    calendar: sla.Calendar | None
    absences: Sequence[Absence] = ()
    """Of its members, within the roster's reach."""
    since: datetime = _EVER[1]
    until: datetime = _EVER[0]
    """Between these nobody leaves, and nobody returns."""

    def see(self, at: datetime) -> None:
        """Say of each member whether they are there at this moment."""
        if not self.since <= at < self.until:
            self._see_who_is_absent(at)
        is_closed = self.calendar is not None and not self.calendar.is_open(at)
        members = self.desk.members.values()
        if any(member.is_closed is not is_closed for member in members):
            for member in members:
                member.is_closed = is_closed
            self.desk.look_again()

    def _see_who_is_absent(self, at: datetime) -> None:
        edges = [edge for row in self.absences for edge in (row.from_at, row.until_at)]
        self.since = max((e for e in edges if e <= at), default=_EVER[0])
        self.until = min((e for e in edges if e > at), default=_EVER[1])
        substitutes = _substitutes(self.absences, at)
        for member in self.desk.members.values():
            member.is_absent = member.user in substitutes
            member.substitute = substitutes.get(member.user)
        self.desk.look_again()


class Roster:
    """The members of some teams, locked until the transaction ends.

    Choosing happens in memory and is written once, by `save`: a batch of a thousand
    cases costs the same statements as one. Round robin runs on over batches, because
    the number of each assignment is kept with team and member.

    `also` are users who are asked about although their membership is switched off. A
    roster that `is_simulated` locks nothing and cannot be saved: what it gives and what
    is released stays in memory. `since` is the earliest moment that it is asked about;
    without it everything is as it is `now`.
    """

    def __init__(
        self,
        team_ids: Collection[int],
        *,
        now: datetime,
        since: datetime | None = None,
        also: Collection[Any] = (),
        is_simulated: bool = False,
    ) -> None:
        self._now, self._is_simulated = now, is_simulated
        self._places: dict[int, _Place] = {}
        self._rows: dict[int, Membership] = {}
        self._changed: dict[int, rules.Candidate] = {}
        self._keys: dict[str, Any] = {}
        if team_ids:
            self._load(team_ids, since or now, also)

    def assign(
        self,
        team_id: int,
        wanted: rules.Wanted,
        *,
        hint: rules.Hint = rules.NO_HINT,
        declined: Collection[str] = (),
        at: datetime | None = None,
    ) -> tuple[rules.Choice, Any | None]:
        """Return the choice and the key of the new owner (None: nobody may).

        `at` is the moment at which they must be there; by default it is now. Of a team
        that is not in the roster nobody may.
        """
        place = self._places.get(team_id)
        if place is None:
            return rules.Choice(None), None
        if at is not None:
            place.see(at)
        choice = place.desk.choose(wanted, hint, declined)
        winner = choice.winner
        if winner is None:
            return choice, None
        place.team.assigned_count += 1
        place.desk.take(winner, place.team.assigned_count)
        self._changed[winner.membership] = winner
        return choice, self._keys[winner.user]

    def give(
        self,
        team_id: int,
        user_id: Any,
        by: rules.Chooser,
        *,
        declined: Collection[str] = (),
    ) -> Any | None:
        """Return who takes what is meant for this user, and count it; None: nobody may.

        That is the user, or the substitute. It is nobody's turn: round robin goes on
        where it was.
        """
        place = self._places.get(team_id)
        if place is None:
            return None
        winner, _ = place.desk.stand_in(str(user_id), by, declined=declined)
        if winner is None:
            return None
        place.desk.take(winner)
        self._changed[winner.membership] = winner
        return self._keys[winner.user]

    def release(self, team_id: int | None, user_id: Any) -> None:
        """Count one case less of this user; who is no member has no counter."""
        place = self._places.get(team_id or 0)
        member = place and place.desk.members.get(str(user_id))
        if place and member:
            place.desk.release(member)
            self._changed[member.membership] = member

    def members(self, team_id: int) -> Sequence[rules.Candidate]:
        """Return the members of this team, as choosing sees them."""
        place = self._places.get(team_id)
        return list(place.desk.members.values()) if place else []

    def has_room(self, team_id: int) -> bool:
        """Whether anybody in the team may take any case now."""
        place = self._places.get(team_id)
        return place is not None and place.desk.has_room()

    def save(self) -> None:
        """Write the counters of those whose cases have changed."""
        assert not self._is_simulated, "nothing is locked"  # noqa: S101
        changed = [self._rows[key] for key in sorted(self._changed)]
        for row in changed:
            member = self._changed[row.pk]
            row.open_cases, row.last_assigned = member.load, member.last_assigned
        teams = sorted({row.team_id for row in changed})
        places = [self._places[team_id].team for team_id in teams]
        bulk.update(places, ["assigned_count"])
        bulk.update(changed, ["open_cases", "last_assigned"])

    def _load(
        self, team_ids: Collection[int], since: datetime, also: Collection[Any]
    ) -> None:
        teams = Team.objects.filter(pk__in=team_ids).select_related("calendar")
        rows = Membership.objects.filter(Q(is_active=True) | Q(user__in=also))
        if not self._is_simulated:
            teams = teams.select_for_update(no_key=True, of=("self",))
            rows = rows.select_for_update(no_key=True, of=("self",))
        for team, calendar in _with_hours(list(teams.order_by("pk"))):
            self._places[team.pk] = _Place(team, rules.Desk(()), calendar)
        members: dict[int, list[rules.Candidate]] = {key: [] for key in self._places}
        rows = rows.filter(team__in=self._places).select_related("user")
        for row in rows.order_by("pk"):
            self._rows[row.pk] = row
            self._keys[str(row.user_id)] = row.user_id
            members[row.team_id].append(owners.candidate(row))
        away = _absences(list(self._keys.values()), since, self._now)
        for key, place in self._places.items():
            place.desk = rules.Desk(members[key])
            known = place.desk.members
            place.absences = [row for row in away if str(row.user_id) in known]
            place.see(self._now)


def _with_hours(
    teams: Sequence[Team],
) -> Iterable[tuple[Team, sla.Calendar | None]]:
    calendars = [team.calendar for team in teams if team.calendar]
    if calendars:
        prefetch_related_objects(calendars, "holidays")
    for team in teams:
        calendar = team.calendar
        text = json.dumps(calendar.as_data(), sort_keys=True) if calendar else None
        yield team, _calendar(text) if text else None


@lru_cache(maxsize=100)
def _calendar(text: str) -> sla.Calendar | None:
    """Return working hours; one that cannot be read holds nobody up."""
    try:
        return sla.parse_calendar(json.loads(text))
    except sla.InvalidCalendar as error:
        logger.error("The working hours of a team cannot be read: %s", error)
        return None


def _absences(
    users: Collection[Any], since: datetime, until: datetime
) -> Sequence[Absence]:
    if not users:
        return []
    rows = Absence.objects.filter(user__in=users, until_at__gt=since)
    return list(rows.filter(from_at__lte=until).order_by("from_at", "pk"))


def _substitutes(absences: Iterable[Absence], at: datetime) -> Mapping[str, str | None]:
    """Return who is absent, and who stands in: of several absences the first says."""
    found: dict[str, str | None] = {}
    for row in absences:
        if row.from_at <= at < row.until_at:
            stands_in = None if row.substitute_id is None else str(row.substitute_id)
            key = str(row.user_id)
            found[key] = found.get(key) or stands_in
    return found
