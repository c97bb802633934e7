"""What a rule may ask for. The loop performs it; nothing here does anything."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Priority(IntEnum):
    """How much a case presses; the lower the number, the more."""

    URGENT = 1
    HIGH = 2
    NORMAL = 3
    LOW = 4

    @property
    def word(self) -> str:
        """The priority as it is written in rules, in the API and on the screen."""
        return self.name.lower()


class Strategy(StrEnum):
    """How an owner is chosen among those who may take the case."""

    LEAST_LOADED = "least loaded"
    ROUND_ROBIN = "round robin"


@dataclass(frozen=True, slots=True)
class OpenCase:
    """Open a case for the response; the priority holds unless another rule sets one."""

    priority: Priority = Priority.NORMAL

    def __str__(self) -> str:
        return f"open case, priority {self.priority.word}"


@dataclass(frozen=True, slots=True)
class SetPriority:
    """Give the case this priority; of several, the last one counts."""

    priority: Priority

    def __str__(self) -> str:
        return f"set priority {self.priority.word}"


@dataclass(frozen=True, slots=True)
class SetTeam:
    """Put the case into the queue of the team with this slug; the last one counts."""

    team: str

    def __str__(self) -> str:
        return f"set team {self.team}"


@dataclass(frozen=True, slots=True)
class Assign:
    """Choose an owner in the case's team by this strategy; the last one counts."""

    strategy: Strategy

    def __str__(self) -> str:
        return f"assign {self.strategy}"


@dataclass(frozen=True, slots=True)
class MarkComplaint:
    """Flag the case as a complaint: the statutory clock of its policy starts, too."""

    def __str__(self) -> str:
        return "mark as complaint"


Action = OpenCase | SetPriority | SetTeam | Assign | MarkComplaint
