"""Who is next: the members of a team, ranked by what a rule asks for.

Never at random: ties go to whoever has been longest without a new case, then to the
lowest id. The verdict on every candidate is kept, so that "why me?" has an answer.

A batch asks a thousand times who is next. So who may take a case is found out once, and
again only when somebody has become full, or is gone; then only ranking is left.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from heapq import nsmallest
from operator import attrgetter
from typing import Any, NamedTuple

from cem_cases.rules.actions import Assign, Strategy
from cem_cases.rules.owners import (
    Candidate,
    Chooser,
    Verdict,
    folded,
    texts,
    verdict,
)

SET_OWNER = "set owner"
"""How the choice is called in which a rule named the owner."""
MOST_SUBSTITUTES = 3
"""How long a chain of absent people is followed."""
RANKED_KEPT = 5
REFUSED_KEPT = 20


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a rule wants the owner of a case to be found; it is kept with the case."""

    strategies: tuple[Strategy, ...] = ()
    """Tried in their order: the first that finds somebody decides."""
    skills: frozenset[str] = frozenset()
    """All of them are needed, but of a named `owner`."""
    owner: str | None = None
    """A username; tried before the strategies."""

    def as_data(self) -> dict[str, Any]:
        """Return what `read_wanted` reads.

        >>> Wanted((Strategy.ROUND_ROBIN,), frozenset({"german"})).as_data()
        {'by': ['round robin'], 'skills': ['german']}
        """
        data: dict[str, Any] = {
            "by": [strategy.value for strategy in self.strategies],
            "skills": sorted(self.skills),
        }
        if self.owner is not None:
            data["owner"] = self.owner
        return data

    def asks_for(self, strategy: Strategy) -> bool:
        return strategy in self.strategies


@lru_cache(maxsize=1000)
def wanted(assign: Assign | None, owner: str | None = None) -> Wanted | None:
    """Return what a decision asks for; None: no owner."""
    if assign is None:
        return None if owner is None else Wanted(owner=owner)
    return Wanted(tuple(assign.strategies), folded(assign.skills), owner)


def read_wanted(kept: Any) -> Wanted:
    """Return what `as_data` wrote; what cannot be read is left out."""
    data = kept if isinstance(kept, Mapping) else {}
    known = {strategy.value for strategy in Strategy}
    owner = data.get("owner")
    return Wanted(
        tuple(Strategy(word) for word in texts(data.get("by")) if word in known),
        folded(texts(data.get("skills"))),
        owner if isinstance(owner, str) else None,
    )


class Hint(NamedTuple):
    """Whom the strategies that name somebody would name for one case: keys, as text."""

    account_owner: str | None = None
    before: str | None = None
    """The owner of the customer's most recent earlier case."""


NO_HINT = Hint()


class Standing(NamedTuple):
    """What was said of one candidate; `rank` 1 is the owner, None not ranked."""

    user: str
    verdict: Verdict
    load: int
    rank: int | None


class Tried(NamedTuple):
    """That a strategy found nobody: whom it names, and why not."""

    strategy: str
    user: str | None
    verdict: Verdict


class Choice(NamedTuple):
    """Who takes the case (None: nobody may), and what was said of each."""

    winner: Candidate | None
    strategy: str = ""
    """Which one decided; empty: none."""
    substitute_for: str | None = None
    """Whose substitute the winner is."""
    tried: tuple[Tried, ...] = ()
    """The strategies before it."""
    ranked: tuple[Standing, ...] = ()
    """The first of the eligible."""
    more: int = 0
    """How many more of them there are."""
    refused: Sequence[Standing] = ()

    @property
    def waits_for_opening(self) -> bool:
        """Whether somebody would take it, if the team were not outside its hours."""
        return any(said.verdict is Verdict.CLOSED for said in self.refused)

    def as_data(self) -> dict[str, Any]:
        """Return what an event keeps: some of each, and how many more there were."""
        refused = self.refused[:REFUSED_KEPT]
        data: dict[str, Any] = {
            "strategy": str(self.strategy),
            "candidates": [_data(said) for said in (*self.ranked, *refused)],
        }
        if self.tried:
            data["tried"] = [tried._asdict() for tried in self.tried]
        if self.substitute_for is not None:
            data["substitute_for"] = self.substitute_for
        if self.more:
            data["more_eligible"] = self.more
        if len(self.refused) > REFUSED_KEPT:
            data["more_refused"] = len(self.refused) - REFUSED_KEPT
        return data


def _data(said: Standing) -> dict[str, Any]:
    user, word, load, rank = said
    return {"user": user, "verdict": word, "load": load, "rank": rank}


_Pool = tuple[list[Candidate], Sequence[Standing]]
"""Who may take a case, and what was said of the others."""

RANKING = {
    Strategy.LEAST_LOADED: attrgetter("load", "last_assigned", "membership"),
    Strategy.ROUND_ROBIN: attrgetter("last_assigned", "membership"),
}


class Desk:
    """The members of one team, and who of them is next.

    >>> ada = Candidate(1, "ada", load=2, capacity=5, last_assigned=7)
    >>> bob = Candidate(2, "bob", load=1, capacity=1, last_assigned=3)
    >>> choice = Desk([ada, bob]).choose(Wanted((Strategy.LEAST_LOADED,)))
    >>> choice.winner.user, [(said.user, said.verdict.value) for said in choice.refused]
    ('ada', [('bob', 'at capacity')])
    """

    def __init__(self, members: Iterable[Candidate]) -> None:
        self.members = {member.user: member for member in members}
        self._by_name = {member.name: member for member in self.members.values()}
        self._pools: dict[frozenset[str], _Pool] = {}

    def look_again(self) -> None:
        """Forget who may take a case: presence or hours have changed."""
        self._pools.clear()

    def take(self, member: Candidate, turn: int | None = None) -> None:
        """Count one more case; of a rule the team's `turn`-th assignment."""
        member.load += 1
        if turn is not None:
            member.last_assigned = turn
        if member.load == member.capacity:
            self._pools.clear()

    def release(self, member: Candidate) -> None:
        """Count one case less."""
        if not member.load:
            return
        if member.load == member.capacity:
            self._pools.clear()
        member.load -= 1

    def has_room(self, skills: frozenset[str] = frozenset()) -> bool:
        """Whether somebody may take a case that needs these skills."""
        return bool(self._pool(skills)[0])

    def choose(
        self, wanted: Wanted, hint: Hint = NO_HINT, declined: Collection[str] = ()
    ) -> Choice:
        """Return who is next, and why; changes nothing."""
        tried: list[Tried] = []
        if wanted.owner is not None:
            named = self._by_name.get(wanted.owner)
            pool = self._without(declined, self._pool(frozenset()))
            meant = wanted.owner if named is None else named.user
            found = self._name(SET_OWNER, meant, pool, tried, frozenset(), declined)
            if found:
                return found
        pool = self._without(declined, self._pool(wanted.skills))
        eligible, refused = pool
        for strategy in wanted.strategies:
            key = RANKING.get(strategy)
            if key is None:
                user = _named(strategy, hint)
                found = self._name(strategy, user, pool, tried, wanted.skills, declined)
                if found:
                    return found
            elif eligible:
                first = nsmallest(RANKED_KEPT, eligible, key)
                ranked = [
                    Standing(member.user, Verdict.ELIGIBLE, member.load, rank)
                    for rank, member in enumerate(first, start=1)
                ]
                more = len(eligible) - len(first)
                return Choice(
                    first[0],
                    strategy,
                    None,
                    tuple(tried),
                    tuple(ranked),
                    more,
                    refused,
                )
            else:
                break  # whoever is named now is not eligible either
        more = len(eligible)
        return Choice(None, tried=tuple(tried), more=more, refused=refused)

    def stand_in(
        self,
        user: str | None,
        by: Chooser = Chooser.RULE,
        *,
        skills: frozenset[str] = frozenset(),
        declined: Collection[str] = (),
    ) -> tuple[Candidate | None, Verdict]:
        """Return who takes what is meant for this user, and the verdict on the user.

        An absent one's substitute takes it, or the substitute's; None: nobody may.
        """
        if user is None:
            return None, Verdict.NOBODY
        member = self.members.get(user)
        first = said = verdict(member, by, skills=skills, declined=declined)
        for _ in range(MOST_SUBSTITUTES):
            if member is None or said is not Verdict.ABSENT:
                break
            member = self.members.get(member.substitute or "")
            said = verdict(member, by, skills=skills, declined=declined)
        return (member if said is Verdict.ELIGIBLE else None), first

    def _name(
        self,
        strategy: str,
        user: str | None,
        pool: _Pool,
        tried: list[Tried],
        skills: frozenset[str],
        declined: Collection[str],
    ) -> Choice | None:
        """Return the choice of who is named, or note why it is not."""
        winner, said = self.stand_in(user, skills=skills, declined=declined)
        if winner is None:
            tried.append(Tried(strategy, user, said))
            return None
        ranked = (Standing(winner.user, Verdict.ELIGIBLE, winner.load, 1),)
        instead_of = None if winner.user == user else user
        eligible, refused = pool
        more = len(eligible) - 1
        return Choice(winner, strategy, instead_of, tuple(tried), ranked, more, refused)

    def _pool(self, skills: frozenset[str]) -> _Pool:
        found = self._pools.get(skills)
        if found is None:
            found = self._pools[skills] = self._look(skills)
        return found

    def _look(self, skills: frozenset[str]) -> _Pool:
        eligible, refused = [], []
        for member in self.members.values():
            said = verdict(member, skills=skills)
            if said is Verdict.ELIGIBLE:
                eligible.append(member)
            else:
                refused.append(Standing(member.user, said, member.load, None))
        return eligible, refused

    def _without(self, declined: Collection[str], pool: _Pool) -> _Pool:
        if not declined:
            return pool
        eligible, refused = pool
        gone = [member for member in eligible if member.user in declined]
        said = [Standing(m.user, Verdict.DECLINED, m.load, None) for m in gone]
        left = [member for member in eligible if member.user not in declined]
        return left, [*said, *refused]


def _named(strategy: Strategy, hint: Hint) -> str | None:
    return hint.account_owner if strategy is Strategy.ACCOUNT_OWNER else hint.before
