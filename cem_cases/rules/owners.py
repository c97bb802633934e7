"""Who may own a case: the one place that knows, and the one table of whom it binds.

Rules, take-up, people, escalations and reopening all ask `verdict`. Who of the eligible
is next is in `cem_cases.rules.desk`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """That somebody may own a case, or why not; the first that holds is said.

    `outside working hours` comes last: whoever is told it may own the case otherwise.
    """

    ELIGIBLE = "eligible"
    NOBODY = "nobody"
    """Who is asked for is not known: the customer has no account owner, say."""
    NO_MEMBER = "no member"
    INACTIVE = "inactive"
    MANAGER = "manager"
    ABSENT = "absent"
    DECLINED = "declined"
    LACKS_SKILLS = "lacks skills"
    AT_CAPACITY = "at capacity"
    CLOSED = "outside working hours"


class Chooser(StrEnum):
    """Who gives a case to somebody."""

    RULE = "rule"
    """A rule, when the case is opened and when it is taken up from the queue."""
    PERSON = "person"
    """Somebody who assigns by hand."""
    ONESELF = "oneself"
    """Somebody who claims, or assigns to themselves."""
    STEP = "step"
    """An escalation that gives the case to a lead."""
    REOPENING = "reopening"
    """The case returns to who had it."""
    HAND_OVER = "hand-over"
    """An absence begins, and its substitute takes what was open."""


_NEVER = frozenset({Verdict.NOBODY, Verdict.NO_MEMBER, Verdict.INACTIVE})
_WHO_IS_THERE = _NEVER | {Verdict.ABSENT}

BINDING: Mapping[Chooser, frozenset[Verdict]] = {
    Chooser.RULE: frozenset(Verdict) - {Verdict.ELIGIBLE},
    Chooser.HAND_OVER: _WHO_IS_THERE | {Verdict.DECLINED, Verdict.AT_CAPACITY},
    Chooser.PERSON: _WHO_IS_THERE,
    Chooser.STEP: _WHO_IS_THERE,
    Chooser.REOPENING: _WHO_IS_THERE,
    Chooser.ONESELF: _NEVER,
}
"""Which verdicts keep whom from giving somebody a case. The others do not count."""


@dataclass(slots=True, eq=False)
class Candidate:
    """A member of the team, as far as choosing goes; the loop changes it in place."""

    membership: int
    user: str
    """The key of the user, as text."""
    load: int = 0
    """Open cases the member has in this team."""
    capacity: int | None = None
    """Most open cases the member may have; None: no limit."""
    last_assigned: int = 0
    """The team's running number of assignments when the member got the last one."""
    name: str = ""
    """The username, by which `set owner` names people."""
    skills: frozenset[str] = frozenset()
    """In the form that `folded` gives them."""
    is_inactive: bool = False
    is_manager: bool = False
    is_absent: bool = False
    is_closed: bool = False
    """Whether the team is outside its working hours."""
    substitute: str | None = None
    """Who stands in while this one is absent: the key of a user, as text."""


def texts(kept: Any) -> list[str]:
    """Return the texts of a list that a row keeps; what cannot be one is left out.

    >>> texts(["german", 7]), texts("german"), texts(None)
    (['german'], [], [])
    """
    found = kept if isinstance(kept, list) else ()
    return [each for each in found if isinstance(each, str)]


def folded(skills: Collection[str]) -> frozenset[str]:
    """Return these skills as they are compared: without regard to case and spaces."""
    return frozenset(" ".join(skill.split()).casefold() for skill in skills)


def verdict(
    candidate: Candidate | None,
    by: Chooser = Chooser.RULE,
    *,
    skills: frozenset[str] = frozenset(),
    declined: Collection[str] = (),
) -> Verdict:
    """Return whether `by` may give this member a case, or the first reason why not.

    None is somebody who is no member. `declined` are those who gave this case back.

    >>> ada = Candidate(1, "ada", load=5, capacity=5)
    >>> verdict(ada).value, verdict(ada, Chooser.PERSON).value
    ('at capacity', 'eligible')
    """
    if candidate is None:
        return Verdict.NO_MEMBER
    binding = BINDING[by]
    for found in _obstacles(candidate, skills, declined):
        if found in binding:
            return found
    return Verdict.ELIGIBLE


def _obstacles(
    candidate: Candidate, skills: frozenset[str], declined: Collection[str]
) -> Iterator[Verdict]:
    if candidate.is_inactive:
        yield Verdict.INACTIVE
    if candidate.is_manager:
        yield Verdict.MANAGER
    if candidate.is_absent:
        yield Verdict.ABSENT
    if candidate.user in declined:
        yield Verdict.DECLINED
    if not skills <= candidate.skills:
        yield Verdict.LACKS_SKILLS
    if candidate.capacity is not None and candidate.load >= candidate.capacity:
        yield Verdict.AT_CAPACITY
    if candidate.is_closed:
        yield Verdict.CLOSED
