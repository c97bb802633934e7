"""The result of a replay as its page shows it: bars, and differences in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from cem_cases.loop.replayed import Difference, PersonTally, Replay, TeamTally

KINDS = (
    ("only_replay", _("Only the replay opens a case")),
    ("only_reality", _("Only in reality there is a case")),
    ("other_team", _("The case has another team")),
    ("other_priority", _("The case has another priority")),
    ("other_owner", _("The case has another owner")),
)


@dataclass(frozen=True, slots=True)
class Bar:
    """A load beside a capacity, in hundredths of the longest bar of the team."""

    load: float
    capacity: float | None
    is_full: bool


@dataclass(frozen=True, slots=True)
class Person:
    tally: PersonTally
    bar: Bar


@dataclass(frozen=True, slots=True)
class Team:
    tally: TeamTally
    people: Sequence[Person]

    @property
    def waited(self) -> int:
        return sum(self.tally.waited.values())


@dataclass(frozen=True, slots=True)
class Kind:
    """One way in which replay and reality differ."""

    label: str
    count: int
    examples: Sequence[Difference]


def team(tally: TeamTally) -> Team:
    """Return a team with a bar for each member who had or may have a case."""
    shown = [p for p in tally.people if p.given or p.peak or not p.is_manager]
    longest = max([1, *(max(p.peak, p.capacity or 0) for p in shown)])
    return Team(tally, [Person(p, _bar(p, longest)) for p in shown])


def _bar(person: PersonTally, longest: int) -> Bar:
    limit = person.capacity
    return Bar(
        load=round(100 * person.peak / longest, 1),
        capacity=None if limit is None else round(100 * limit / longest, 1),
        is_full=limit is not None and person.peak >= limit,
    )


def kinds(found: Replay) -> list[Kind]:
    """Return in which ways replay and reality differ, where they do."""
    differ = found.differences
    return [
        Kind(str(label), count, differ.examples.get(name, ()))
        for name, label in KINDS
        if (count := getattr(differ, name))
    ]
