"""What a rule may ask for. The loop performs it; nothing here does anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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


class CaseKind(StrEnum):
    """What a case is about: something to make good, or something to pass on."""

    RECOVERY = "recovery"
    PRAISE = "praise"


class Strategy(StrEnum):
    """How an owner is chosen among those who may take the case."""

    LEAST_LOADED = "least loaded"
    ROUND_ROBIN = "round robin"
    ACCOUNT_OWNER = "account owner"
    SAME_AGENT = "same agent as before"


class Audience(StrEnum):
    """Who is notified, besides users that are named."""

    OWNER = "owner"
    LEADS = "leads"
    MANAGERS = "managers"
    TEAM = "team"
    WATCHERS = "watchers"


@dataclass(frozen=True, slots=True)
class OpenCase:
    """Open a case for the response; the priority holds unless another rule sets one."""

    priority: Priority = Priority.NORMAL
    kind: CaseKind = CaseKind.RECOVERY

    def __str__(self) -> str:
        praise = " of praise" if self.kind is CaseKind.PRAISE else ""
        return f"open case{praise}, priority {self.priority.word}"


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
class SetOwner:
    """Give the case to this user (a username), if they may take it now."""

    user: str

    def __str__(self) -> str:
        return f"set owner {self.user}"


@dataclass(frozen=True, slots=True)
class AddTags:
    """Add these tags to the case; of several such actions, all count."""

    tags: tuple[str, ...]

    def __str__(self) -> str:
        return f"add tags {', '.join(self.tags)}"


@dataclass(frozen=True, slots=True)
class SetPolicy:
    """Put the case under the SLA policy of this name, whatever its conditions say."""

    policy: str

    def __str__(self) -> str:
        return f"set SLA policy {self.policy}"


@dataclass(frozen=True, slots=True)
class Assign:
    """Choose an owner in the case's team; the last one counts.

    The strategies are tried in their order: the first that finds somebody decides. All
    the skills are needed.
    """

    strategies: tuple[Strategy, ...]
    skills: tuple[str, ...] = ()

    def __str__(self) -> str:
        by = ", else ".join(self.strategies)
        return f"assign {by}" + (
            f", with {' and '.join(self.skills)}" if self.skills else ""
        )


@dataclass(frozen=True, slots=True)
class MarkComplaint:
    """Flag the case as a complaint: the statutory clock of its policy starts, too."""

    def __str__(self) -> str:
        return "mark as complaint"


@dataclass(frozen=True, slots=True)
class Notify:
    """Tell these people of the case: in their list, and in their next digest."""

    audiences: tuple[Audience, ...] = ()
    users: tuple[str, ...] = ()
    """Usernames."""

    def __str__(self) -> str:
        return f"notify {', '.join([*self.audiences, *self.users])}"


@dataclass(frozen=True, slots=True)
class SendTemplate:
    """Write to the customer with the template of this slug."""

    template: str

    def __str__(self) -> str:
        return f"send template {self.template}"


@dataclass(frozen=True, slots=True)
class CallWebhook:
    """Tell another system, by the webhook of this name."""

    webhook: str

    def __str__(self) -> str:
        return f"call webhook {self.webhook}"


@dataclass(frozen=True, slots=True)
class Invite:
    """Ask the customer to answer the survey of this slug, so many days from now."""

    survey: str
    in_days: int = 0

    def __str__(self) -> str:
        days = f" in {self.in_days} days" if self.in_days else ""
        return f"invite to survey {self.survey}{days}"


Effect = Notify | SendTemplate | CallWebhook | Invite
"""What goes out to people and systems, and changes no case."""

Action = (
    OpenCase
    | SetPriority
    | SetTeam
    | SetOwner
    | AddTags
    | SetPolicy
    | Assign
    | MarkComplaint
    | Effect
)


@dataclass(frozen=True, slots=True)
class Reference:
    """That an action names something which must be there."""

    path: str
    """Where: `actions[2].team`."""
    kind: str
    """What: team, user, tag, policy, template, webhook or survey."""
    name: str


def references(actions: Sequence[Action]) -> Iterator[Reference]:
    """Yield everything that these actions name, so that it can be looked up.

    >>> [(r.path, r.kind, r.name) for r in references([SetTeam("care")])]
    [('actions[0].team', 'team', 'care')]
    """
    for n, action in enumerate(actions):
        path = f"actions[{n}]"
        match action:
            case SetTeam(team):
                yield Reference(f"{path}.team", "team", team)
            case SetOwner(user):
                yield Reference(f"{path}.user", "user", user)
            case AddTags(tags):
                for m, tag in enumerate(tags):
                    yield Reference(f"{path}.tags[{m}]", "tag", tag)
            case SetPolicy(policy):
                yield Reference(f"{path}.policy", "policy", policy)
            case Notify(_, users):
                for m, user in enumerate(users):
                    yield Reference(f"{path}.users[{m}]", "user", user)
            case SendTemplate(template):
                yield Reference(f"{path}.template", "template", template)
            case CallWebhook(webhook):
                yield Reference(f"{path}.webhook", "webhook", webhook)
            case Invite(survey):
                yield Reference(f"{path}.survey", "survey", survey)
