"""How an owner is found: first who may take the case, then who is next.

Never at random: ties go to whoever has been longest without a new case, then to the
lowest id. The verdict on every candidate is kept, so that "why me?" has an answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cem_cases.rules.actions import Strategy


@dataclass(slots=True)
class Candidate:
    """A member of the team, as far as choosing goes. `take` changes it in place."""

    membership: int
    user: str
    load: int
    """Open cases the member has in this team."""
    capacity: int | None
    """Most open cases the member may have; None: no limit."""
    last_assigned: int
    """The team's running number of assignments when the member got the last one."""
    absent: bool = False
    inactive: bool = False

    def verdict(self) -> str:
        """Return `eligible`, or why the member may not take a case now."""
        if self.inactive:
            return "inactive"
        if self.absent:
            return "absent"
        if self.capacity is not None and self.load >= self.capacity:
            return "at capacity"
        return "eligible"

    def take(self, assignment: int) -> None:
        """Count one more case, the team's `assignment`-th."""
        self.load += 1
        self.last_assigned = assignment


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was said of one candidate; `rank` 1 is the owner, None not eligible."""

    user: str
    verdict: str
    load: int
    rank: int | None


@dataclass(frozen=True, slots=True)
class Choice:
    """Who takes the case (None: nobody may), and what was said of each."""

    winner: Candidate | None
    verdicts: tuple[Verdict, ...]


def choose(candidates: Sequence[Candidate], strategy: Strategy) -> Choice:
    """Return who is next by `strategy`, and why; changes nothing.

    >>> ada = Candidate(1, "ada", load=2, capacity=5, last_assigned=7)
    >>> bob = Candidate(2, "bob", load=1, capacity=1, last_assigned=3)
    >>> choice = choose([ada, bob], Strategy.LEAST_LOADED)
    >>> choice.winner.user, [(v.user, v.verdict) for v in choice.verdicts]
    ('ada', [('ada', 'eligible'), ('bob', 'at capacity')])
    """
    eligible = [c for c in candidates if c.verdict() == "eligible"]
    ranked = sorted(eligible, key=RANKING[strategy])
    verdicts = [
        Verdict(c.user, "eligible", c.load, rank)
        for rank, c in enumerate(ranked, start=1)
    ]
    verdicts += [
        Verdict(c.user, c.verdict(), c.load, None)
        for c in candidates
        if c.verdict() != "eligible"
    ]
    return Choice(ranked[0] if ranked else None, tuple(verdicts))


RANKING = {
    Strategy.LEAST_LOADED: lambda c: (c.load, c.last_assigned, c.membership),
    Strategy.ROUND_ROBIN: lambda c: (c.last_assigned, c.membership),
}
