"""Teams in memory, over a span of time: who would have had which case, and what waited.

Owners are chosen by the same roster as in a worker, with everybody's absences and hours
of that moment. Nothing is locked, and nothing is written.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import count
from typing import Any

from django.db.models import Q
from django.utils import timezone

from cem_cases import rules
from cem_cases.loop.roster import Roster
from cem_cases.models import Case, Team

LOOK_AGAIN = timedelta(minutes=15)
"""How long it takes at most until somebody who becomes available gets what waits."""
NOBODY_ASKED = "no rule asks for an owner"
NO_TEAM = "no team"
NO_MEMBERS = "no members"


@dataclass(slots=True, eq=False)
class Simulated:
    """A case that there is only in a replay."""

    response: int
    """The key of the response that opens it; 0: it was there before."""
    customer: int
    rule: int
    opened_at: datetime
    until: datetime | None
    """When it is resolved; None: not in this replay."""
    kind: str = rules.CaseKind.RECOVERY
    priority: int = rules.Priority.NORMAL
    is_complaint: bool = False
    team: Team | None = None
    owner: Any | None = None
    """The key of the user."""
    policy: str = ""
    """The name of its SLA policy."""
    policy_is_set: bool = False
    account_owner: Any | None = None
    """The key of the customer's account owner."""
    wanted: rules.Wanted | None = None
    """How a rule wants its owner to be found; None: no rule asks for one."""
    waits: str = ""
    """Why nobody could take it when it was opened; empty: somebody could."""

    @property
    def team_id(self) -> int | None:
        return self.team.pk if self.team else None

    def is_active(self, at: datetime) -> bool:
        return self.until is None or self.until > at


@dataclass(slots=True, eq=False)
class Desk:
    """A member of a team, and how much they had."""

    member: rules.Candidate
    began_with: int = 0
    given: int = 0
    peak: int = 0
    full_days: int = 0
    """Days on which they had as much as they may have, or more."""
    _full_since: date | None = None
    _counted: date | None = None

    def look(self, at: datetime) -> None:
        """Take note of the load as it is from now on."""
        member = self.member
        self.peak = max(self.peak, member.load)
        is_full = member.capacity is not None and member.load >= member.capacity
        if is_full and self._full_since is None:
            self._full_since = timezone.localtime(at).date()
        elif not is_full and self._full_since is not None:
            self._count(timezone.localtime(at).date())
            self._full_since = None

    def _count(self, last: date) -> None:
        first = self._full_since
        if first is None:
            return
        if self._counted is not None and first <= self._counted:
            first = self._counted + timedelta(days=1)
        self.full_days += max((last - first).days + 1, 0)
        self._counted = last

    def end(self, at: datetime) -> None:
        self._count(timezone.localtime(at).date())


@dataclass(slots=True, eq=False)
class Room:
    """A team, and what came to it."""

    team: Team | None
    desks: Mapping[str, Desk] = field(default_factory=dict)
    """By the key of the user, as text."""
    opened: int = 0
    open_now: int = 0
    peak: int = 0
    waited: Counter[str] = field(default_factory=Counter)
    """Cases that nobody could take at once, by the reason."""
    unasked: int = 0
    """Cases for which no rule asked for an owner."""
    queues: dict[rules.Wanted, list[tuple[int, datetime, int, Simulated]]] = field(
        default_factory=dict
    )
    looked_at: datetime | None = None
    """When it was last seen whether somebody could take what waits."""

    def waiting(self, at: datetime) -> int:
        """Return how many cases wait for somebody at this moment."""
        cases = {place[-1] for queue in self.queues.values() for place in queue}
        return sum(case.owner is None and case.is_active(at) for case in cases)

    def line_up(self, case: Simulated, wanted: rules.Wanted) -> None:
        """Let a case wait, by its priority and then by its age."""
        place = (case.priority, case.opened_at, case.response, case)
        heapq.heappush(self.queues.setdefault(wanted, []), place)

    def more(self) -> None:
        """Take note of one more open case."""
        self.open_now += 1
        self.peak = max(self.peak, self.open_now)


class Floor:
    """The teams of these slugs, from the cases open at `since` on."""

    def __init__(
        self, slugs: Collection[str], *, since: datetime, until: datetime
    ) -> None:
        rows = Team.objects.filter(slug__in=slugs, is_active=True).order_by("name")
        self.teams = {team.slug: team for team in rows}
        keys = [team.pk for team in self.teams.values()]
        self._roster = Roster(keys, now=until, since=since, is_simulated=True)
        self.rooms: dict[int | None, Room] = {}
        for team in self.teams.values():
            found = self._roster.members(team.pk)
            desks = {member.user: Desk(member) for member in found}
            self.rooms[team.pk] = Room(team, desks)
        self.rooms[None] = Room(None)
        self.agents: dict[int, str] = {}
        """Who had a customer's newest case in this replay, as text."""
        self._ends: list[tuple[datetime, int, Simulated]] = []
        self._number = count()
        self._now = since
        self._begin(since)

    def _begin(self, since: datetime) -> None:
        """Give everybody the cases that they really had when the span began."""
        held: Counter[tuple[int, str]] = Counter()
        for case in self._open_at(since):
            self.rooms[case.team_id].more()
            held[case.team_id or 0, str(case.owner)] += 1
            self._will_end(case)
        for key, room in self.rooms.items():
            for user, desk in room.desks.items():
                desk.began_with = desk.member.load = held[key or 0, user]
                desk.look(since)

    def _open_at(self, since: datetime) -> Iterator[Simulated]:
        unresolved = Q(resolved_at=None) | Q(resolved_at__gt=since)
        rows = Case.objects.filter(unresolved, opened_at__lt=since)
        rows = rows.filter(team__in=[team.pk for team in self.teams.values()])
        teams = {team.pk: team for team in self.teams.values()}
        for team, owner, opened_at, until in rows.order_by("pk").values_list(
            "team", "owner", "opened_at", "resolved_at"
        ):
            yield Simulated(0, 0, 0, opened_at, until, team=teams[team], owner=owner)

    def _will_end(self, case: Simulated) -> None:
        if case.until is not None:
            heapq.heappush(self._ends, (case.until, next(self._number), case))

    def open(self, case: Simulated) -> None:
        """Put a case into its team, and give it the owner that a rule asks for."""
        self.pass_to(case.opened_at)
        room = self.rooms[case.team_id]
        room.opened += 1
        room.more()
        self._will_end(case)
        if case.wanted is None:
            room.unasked += 1
            case.waits = NOBODY_ASKED
            return
        choice = self._give(case, case.wanted)
        if choice.winner is not None:
            return
        case.waits = _why(choice) if case.team else NO_TEAM
        room.waited[case.waits] += 1
        if case.team:
            room.line_up(case, case.wanted)

    def raised(self, case: Simulated) -> None:
        """Take note that the priority of a case has changed: it may be taken sooner."""
        if case.team and case.wanted and case.owner is None:
            self.rooms[case.team_id].line_up(case, case.wanted)

    def _give(self, case: Simulated, wanted: rules.Wanted) -> rules.Choice:
        team_id = case.team_id or 0
        account_owner = None if case.account_owner is None else str(case.account_owner)
        hint = rules.Hint(account_owner, self.agents.get(case.customer))
        choice, owner = self._roster.assign(team_id, wanted, hint=hint, at=self._now)
        if owner is not None:
            case.owner = owner
            self.agents[case.customer] = str(owner)
            desk = self.rooms[team_id].desks[str(owner)]
            desk.given += 1
            desk.look(self._now)
        return choice

    def pass_to(self, at: datetime) -> None:
        """Let time pass: cases end, and who becomes available gets what waits."""
        while self._ends and self._ends[0][0] <= at:
            ended, _, case = heapq.heappop(self._ends)
            self._now = max(self._now, ended)
            self._end(case)
        self._now = max(self._now, at)
        for room in self.rooms.values():
            last = room.looked_at
            if room.queues and (last is None or self._now - last >= LOOK_AGAIN):
                self._take_up(room)

    def _end(self, case: Simulated) -> None:
        room = self.rooms[case.team_id]
        room.open_now -= 1
        desk = room.desks.get(str(case.owner))
        if case.owner is None or desk is None:
            return
        self._roster.release(case.team_id, case.owner)
        desk.look(self._now)
        if room.queues:
            self._take_up(room)

    def _take_up(self, room: Room) -> None:
        room.looked_at = self._now
        for wanted in sorted(room.queues, key=lambda wanted: room.queues[wanted][0]):
            queue = room.queues[wanted]
            while queue and self._is_settled(queue[0][-1], wanted):
                heapq.heappop(queue)
            if not queue:
                del room.queues[wanted]

    def _is_settled(self, case: Simulated, wanted: rules.Wanted) -> bool:
        """Give this waiting case to somebody; return whether it waits no longer."""
        if case.owner is not None or not case.is_active(self._now):
            return True
        return self._give(case, wanted).winner is not None

    def end(self, at: datetime) -> Iterable[Room]:
        """Let the span end; return the teams that had anything to do."""
        self.pass_to(at)
        for room in self.rooms.values():
            for desk in room.desks.values():
                desk.end(at)
        return [room for room in self.rooms.values() if room.opened]


def _why(choice: rules.Choice) -> str:
    """Return the reason that keeps most of the members from taking a case."""
    if choice.waits_for_opening:
        return rules.Verdict.CLOSED.value
    said: dict[str, int] = defaultdict(int)
    for standing in choice.refused:
        if standing.verdict is not rules.Verdict.MANAGER:
            said[standing.verdict.value] += 1
    if not said and choice.tried:
        return choice.tried[-1].verdict.value
    return max(said, key=lambda word: (said[word], word), default=NO_MEMBERS)
