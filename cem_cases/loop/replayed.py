"""What a replay found: frozen values, ready for a page, a table or JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")

UNNAMED = "This rule"
"""What a rule is called that has no name yet."""
SHOWN = 10
"""How many examples there are of each sort."""


@dataclass(frozen=True, slots=True)
class RuleTally:
    """How one rule fared."""

    id: int | None
    """Its key; None: a draft that was never saved."""
    name: str
    looked_at: int
    matched: int
    opened: int
    """Cases that it opens itself."""


@dataclass(frozen=True, slots=True)
class PersonTally:
    """What one member of a team would have had."""

    username: str
    given: int
    began_with: int
    """Cases that they really had open when the span began."""
    peak: int
    """The most cases open at a time."""
    capacity: int | None
    full_days: int
    """Days on which they had as much as they may have, or more."""
    is_manager: bool


@dataclass(frozen=True, slots=True)
class TeamTally:
    """What one team would have had."""

    slug: str | None
    """None: cases for which no rule names an active team."""
    name: str
    opened: int
    by_rule: int
    """Of these, cases of answers that the rule in question matched."""
    peak: int
    capacity: int | None
    """Of all members together; None: somebody has no limit, or there is nobody."""
    unasked: int
    """Cases for which no rule asked for an owner."""
    waited: Mapping[str, int]
    """Cases that nobody could take at once, by the reason."""
    waiting: int
    """Of these, cases that still wait when the span ends."""
    people: Sequence[PersonTally]


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a case, or would have."""

    kind: str
    priority: str
    team: str | None
    owner: str | None
    """A username."""


@dataclass(frozen=True, slots=True)
class Look:
    """That a rule was looked at, what came of it, and what decided."""

    rule: int | None
    name: str
    matched: bool
    because: str


@dataclass(frozen=True, slots=True)
class Example:
    """One answer, why the rules say what they say, and what would happen."""

    response: int
    """Its key."""
    customer: int
    customer_name: str
    survey: str
    received_at: datetime
    score: int | None
    does: str
    """*opens a case*, *joins a case*, or *no case*."""
    case: Fate | None
    joins: int | None
    """The number of the case it joins, where that one was there before the span."""
    really: int | None
    """The number of the case to which the answer really belongs."""
    policy: str
    waits: str
    """Why nobody could take the case; empty: somebody could, or it is no new one."""
    looks: Sequence[Look]


@dataclass(frozen=True, slots=True)
class Difference:
    """One answer of which replay and reality made something else."""

    response: int
    received_at: datetime
    score: int | None
    number: int | None
    """Of the case that was really opened; None: none was."""
    really_in: int | None
    """The number of the case to which the answer really belongs."""
    replayed: Fate | None
    real: Fate | None


@dataclass(frozen=True, slots=True)
class Differences:
    """Replay and reality beside each other: how many cases, and some of each sort."""

    both: int = 0
    """Answers for which both opened a case."""
    only_replay: int = 0
    only_reality: int = 0
    other_team: int = 0
    other_priority: int = 0
    other_owner: int = 0
    """Of those where the replay found an owner."""
    examples: Mapping[str, Sequence[Difference]] = field(default_factory=dict)
    """By *only_replay*, *only_reality*, *other_team*, …"""


@dataclass(frozen=True, slots=True)
class Replay:
    """What would have come of the answers of a span. Nothing of it was kept."""

    since: datetime
    until: datetime
    survey: str | None
    rule: str | None
    """The name of the rule in question; None: the whole set was."""
    rule_id: int | None
    days_open: float | None
    answers: int
    matched: int
    """Answers that the rule matches; of the whole set: that some rule matches."""
    opened: int
    """Of these, answers that open a case."""
    joined: int
    """Of these, answers that join one."""
    covered: int
    """Of these, answers whose customers really had a case open."""
    opened_by_all: int
    """Cases that all rules together open."""
    really_opened: int
    """Cases that these answers have really opened."""
    really_joined: int
    rules: Sequence[RuleTally]
    teams: Sequence[TeamTally]
    policies: Mapping[str, int]
    """Cases by the SLA policy under which they would stand."""
    differences: Differences
    examples: Sequence[Example]
    assumptions: Sequence[str]

    @property
    def share(self) -> float | None:
        """Return which part of the answers matches; None: there are none."""
        return self.matched / self.answers if self.answers else None

    @property
    def headline(self) -> str:
        """Return what is to be known first, in one sentence."""
        cases = f"{_many(self.opened, 'case')} would have been opened"
        joins = f"{self.joined:,} would have joined one"
        if not self.answers:
            return "No answers reached us in this time."
        if self.rule is None:
            return f"Of {_many(self.answers, 'answer')} {cases}, and {joins}."
        return (
            f"{self.matched:,} of {_many(self.answers, 'answer')} would have matched; "
            f"{cases}, {joins}."
        )

    def as_data(self) -> dict[str, Any]:
        """Return it as JSON has it; what is never written is left out."""
        data: dict[str, Any] = plain(self)
        return {"headline": self.headline, "share": self.share, **data}


def plain(value: Any) -> Any:
    """Return these values as JSON knows them."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(found) for key, found in value.items()}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, list | tuple):
        return [plain(found) for found in value]
    return value


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


class Spread(Generic[Item]):
    """Keeps some of many, spread evenly over them: the same ones every time.

    >>> spread = Spread(3)
    >>> for number in range(100):
    ...     spread.show(lambda: number)
    >>> spread.chosen()
    [0, 48, 96]
    """

    def __init__(self, most: int = SHOWN) -> None:
        self._most, self._seen, self._stride = most, 0, 1
        self._kept: list[Item] = []

    def show(self, make: Callable[[], Item]) -> None:
        """Keep what this makes, if its turn has come."""
        if self._seen % self._stride == 0:
            self._kept.append(make())
            if len(self._kept) > 4 * self._most:
                self._kept = self._kept[::2]
                self._stride *= 2
        self._seen += 1

    def chosen(self) -> list[Item]:
        """Return those that are kept: the first, the last, and some in between."""
        kept, most = self._kept, self._most
        if len(kept) <= most:
            return list(kept)
        return [kept[n * (len(kept) - 1) // (most - 1)] for n in range(most)]
