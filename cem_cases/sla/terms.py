"""The terms of one version of an SLA policy, and what they make of a clock.

    {
        "calendar": {"zone": "Europe/Berlin", "hours": {"mon": [["09:00", "17:00"]]}},
        "targets": [
            {"metric": "first contact", "priority": 1, "amount": 3600,
             "unit": "business seconds", "warn_percents": [75]}
        ],
        "steps": [
            {"metric": "first contact", "percent": 150, "action": "notify lead"},
            {"metric": "first contact", "minutes": -30, "action": "notify owner"}
        ],
        "pauses": ["pending"]
    }

`calendar` may be null: around the clock. Statuses in `pauses` stop *next update* and
*resolution*; nothing stops *first contact*, nor a statutory clock.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar

from cem_cases.sla.calendar import Calendar, NeverOpen
from cem_cases.sla.clock import Pause, Target, Unit, at_offset, at_percent, due
from cem_cases.sla.parse import InvalidCalendar, parse_calendar

Word = TypeVar("Word", bound=StrEnum)


class Metric(StrEnum):
    """What a clock measures."""

    FIRST_CONTACT = "first contact"
    """Until the customer is first reached."""
    NEXT_UPDATE = "next update"
    """Between one contact that reached the customer and the next."""
    RESOLUTION = "resolution"
    """Until the case is resolved."""
    STATUTORY = "statutory"
    """Until a complaint is resolved, as the law counts: every second, never paused."""


class Action(StrEnum):
    """What an escalation step does."""

    NOTIFY_OWNER = "notify owner"
    NOTIFY_LEAD = "notify lead"
    NOTIFY_MANAGER = "notify manager"
    REASSIGN_TO_LEAD = "reassign to lead"
    RAISE_PRIORITY = "raise priority"
    ADD_WATCHER = "add watcher"


PAUSED_BY_STATUS = frozenset((Metric.NEXT_UPDATE, Metric.RESOLUTION))
PRIORITIES = (1, 2, 3, 4)
WORDS = {1: "urgent", 2: "high", 3: "normal", 4: "low"}
BREACH = "breach"
"""The key of the level at which a clock breaches."""


class InvalidPolicy(ValueError):
    """`path` says which entry is wrong (`targets[2].amount`), `message` what about it."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(path, message)
        self.path, self.message = path, message

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


@dataclass(frozen=True, slots=True)
class Promise:
    """The target of one metric at one priority, and at which shares of it to warn."""

    target: Target
    warn_percents: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the escalation; its point is a percentage or minutes from the due."""

    metric: Metric
    action: Action
    percent: int | None = None
    minutes: int | None = None
    user: str | None = None
    """The key of the watcher to add, as text."""

    @property
    def point(self) -> str:
        """When it comes, in words.

        >>> Step(Metric.RESOLUTION, Action.NOTIFY_LEAD, minutes=-30).point
        '30 min before due'
        """
        if self.percent is not None:
            return f"{self.percent} % of the target"
        minutes = self.minutes or 0
        return f"{abs(minutes)} min {'before' if minutes < 0 else 'after'} due"

    @property
    def key(self) -> str:
        """What names this level of a clock: two steps of one policy never share it."""
        user = f" {self.user}" if self.user else ""
        return f"{self.point}: {self.action}{user}"[:100]


class Level(NamedTuple):
    """Something that is to be acted upon, once, when a clock comes to `at`."""

    at: datetime
    key: str
    step: Step | None = None


KNOWN = 1_000
"""How many different clocks the terms remember the levels of."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a version of a policy promises. Compiled once, asked for every clock."""

    calendar: Calendar | None
    promises: Mapping[tuple[str, int], Promise]
    steps: Mapping[str, tuple[Step, ...]]
    pauses: frozenset[str]
    _known: dict[Any, tuple[datetime, Sequence[Level]]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def promise(self, metric: str, priority: int) -> Promise | None:
        """Return what is promised, or None where nothing is."""
        return self.promises.get((metric, priority))

    def pauses_on(self, status: str, metric: str) -> bool:
        """Whether a clock of this metric stands still while the case has this status."""
        return status in self.pauses and metric in PAUSED_BY_STATUS

    def due(
        self, target: Target, started_at: datetime, pauses: Collection[Pause] = ()
    ) -> datetime:
        """Return when this target is used up. Raises as `sla.due` does."""
        return due(self._calendar(target), started_at, target, pauses)

    def levels(
        self,
        metric: str,
        priority: int,
        target: Target,
        started_at: datetime,
        pauses: Collection[Pause] = (),
    ) -> tuple[datetime, Sequence[Level]]:
        """Return when the target is used up, and the levels of the clock in their order.

        A clock breaches one microsecond after its due time: what is done at the very
        due instant is in time. Raises NeverOpen.
        """
        if pauses:
            return self._levels(metric, priority, target, started_at, pauses)
        # a batch of answers comes in at one moment: its clocks are all the same
        key = metric, priority, target, started_at
        found = self._known.get(key)
        if found is None:
            found = self._levels(metric, priority, target, started_at, ())
            if len(self._known) < KNOWN:
                self._known[key] = found
        return found

    def _levels(
        self,
        metric: str,
        priority: int,
        target: Target,
        started_at: datetime,
        pauses: Collection[Pause],
    ) -> tuple[datetime, Sequence[Level]]:
        calendar = self._calendar(target)
        due_at = due(calendar, started_at, target, pauses)
        breach_at = due_at + _INSTANT
        levels = [Level(breach_at, BREACH)]
        promise = self.promise(metric, priority)
        for percent in promise.warn_percents if promise else ():
            at = at_percent(calendar, started_at, target, percent, pauses)
            levels.append(Level(at, f"warn {percent}"))
        for step in self.steps.get(metric, ()):
            try:
                at = _at(step, calendar, target, started_at, pauses)
            except NeverOpen:  # the openings end before it; the others stand
                continue
            is_late = step.percent >= 100 if step.percent else (step.minutes or 0) >= 0
            levels.append(Level(max(at, breach_at) if is_late else at, step.key, step))
        levels.sort(key=_moment)
        return due_at, levels

    def _calendar(self, target: Target) -> Calendar | None:
        return _counting(self.calendar, target)


def _counting(calendar: Calendar | None, target: Target) -> Calendar | None:
    """Return the calendar by which this target is counted; None: around the clock."""
    return None if target.unit is Unit.CALENDAR_SECONDS else calendar


def _moment(level: Level) -> datetime:
    return level.at


def parse_terms(raw: Mapping[str, object], *, on: datetime | None = None) -> Terms:
    """Return the terms that `raw` describes.

    With `on`, terms that are dead are refused, too: a calendar that does not open in the
    year from then, a target it never reaches, a metric without a target for one of the
    priorities, no target at all, a step for a metric that is not promised. Leave it out
    to read what was saved long ago.

    Raises InvalidPolicy for the first wrong entry.
    """
    calendar = _calendar(raw.get("calendar"), on)
    promises = _promises(_list(raw, "targets"), calendar)
    steps = _steps(_list(raw, "steps"))
    if on is not None:
        _refuse_dead(calendar, promises, steps, on)
    return Terms(
        calendar=calendar,
        promises=promises,
        steps={
            metric: tuple(step for step in steps if step.metric == metric)
            for metric in {step.metric for step in steps}
        },
        pauses=frozenset(str(status) for status in _list(raw, "pauses")),
    )


_INSTANT = timedelta(microseconds=1)
MOST_PERCENT = 1000
LONGEST = 10 * 366 * 86_400
"""The longest target, in seconds; in days it is `MOST_DAYS`."""
MOST_DAYS = 2_500


def _calendar(raw: object, on: datetime | None) -> Calendar | None:
    if raw is None:
        return None
    if not isinstance(raw, Mapping):
        raise InvalidPolicy("calendar", "must be an object, or null")
    try:
        year = None if on is None else date(on.year, on.month, on.day)
        return parse_calendar(raw, opens_within_year_of=year)
    except InvalidCalendar as error:
        raise InvalidPolicy(f"calendar.{error.path}", error.message) from None


def _promises(
    raw: Sequence[object], calendar: Calendar | None
) -> dict[tuple[str, int], Promise]:
    promises: dict[tuple[str, int], Promise] = {}
    for n, entry in enumerate(raw):
        path = f"targets[{n}]"
        fields = _object(entry, path)
        metric = _one_of(Metric, fields.get("metric"), f"{path}.metric")
        priority = fields.get("priority")
        if type(priority) is not int or priority not in PRIORITIES:
            raise InvalidPolicy(
                f"{path}.priority", "must be from 1 (urgent) to 4 (low)"
            )
        if (metric, priority) in promises:
            raise InvalidPolicy(
                path, f"{metric} has two targets for priority {WORDS[priority]}"
            )
        target = _target(fields, metric, calendar, path)
        percents = _percents(fields.get("warn_percents", ()), f"{path}.warn_percents")
        promises[metric, priority] = Promise(target, percents)
    return promises


def _target(
    fields: Mapping[str, object], metric: str, calendar: Calendar | None, path: str
) -> Target:
    unit = _one_of(Unit, fields.get("unit"), f"{path}.unit")
    most = MOST_DAYS if unit is Unit.BUSINESS_DAYS else LONGEST
    amount = _whole(fields.get("amount"), f"{path}.amount", 1, most)
    if metric == Metric.STATUTORY and unit is not Unit.CALENDAR_SECONDS:
        raise InvalidPolicy(
            f"{path}.unit", "a statutory clock is always in calendar time"
        )
    if unit is Unit.BUSINESS_DAYS and calendar is None:
        raise InvalidPolicy(f"{path}.unit", "business days need a calendar")
    return Target(amount, unit)


def _percents(raw: object, path: str) -> tuple[int, ...]:
    if not isinstance(raw, list | tuple) or len(raw) > 5:
        raise InvalidPolicy(path, "must be a list of at most 5 percentages")
    percents = sorted(_whole(percent, path, 1, 99) for percent in raw)
    if len(set(percents)) < len(percents):
        raise InvalidPolicy(path, "names a percentage twice")
    return tuple(percents)


def _steps(raw: Sequence[object]) -> list[Step]:
    steps: list[Step] = []
    for n, entry in enumerate(raw):
        path = f"steps[{n}]"
        fields = _object(entry, path)
        percent, minutes = fields.get("percent"), fields.get("minutes")
        if (percent is None) == (minutes is None):
            raise InvalidPolicy(path, "give either percent or minutes")
        user = fields.get("user")
        step = Step(
            metric=_one_of(Metric, fields.get("metric"), f"{path}.metric"),
            action=_one_of(Action, fields.get("action"), f"{path}.action"),
            percent=None
            if percent is None
            else _whole(percent, f"{path}.percent", 1, MOST_PERCENT),
            minutes=None
            if minutes is None
            else _whole(minutes, f"{path}.minutes", -LONGEST // 60, LONGEST // 60),
            user=None if user is None else str(user),
        )
        if (step.action is Action.ADD_WATCHER) != (step.user is not None):
            raise InvalidPolicy(f"{path}.user", "goes with add watcher, and only there")
        if any((step.metric, step.key) == (s.metric, s.key) for s in steps):
            raise InvalidPolicy(path, f"is there twice: {step.key}")
        steps.append(step)
    return steps


def _refuse_dead(
    calendar: Calendar | None,
    promises: Mapping[tuple[str, int], Promise],
    steps: Sequence[Step],
    on: datetime,
) -> None:
    metrics = {metric for metric, _ in promises}
    if not metrics:
        raise InvalidPolicy("targets", "promise something: there is no target")
    for metric in sorted(metrics):
        missing = [WORDS[p] for p in PRIORITIES if (metric, p) not in promises]
        if missing:
            raise InvalidPolicy(
                "targets",
                f"{metric} has no target for priority {', '.join(missing)}: clocks of "
                "such cases would never start",
            )
    for n, ((metric, priority), promise) in enumerate(promises.items()):
        around = _counting(calendar, promise.target)
        try:
            due(around, datetime.combine(on, time(), on.tzinfo), promise.target)
        except (NeverOpen, ValueError):
            raise InvalidPolicy(
                f"targets[{n}].amount",
                f"{metric} at priority {WORDS[priority]} is never reached: the calendar "
                "is not open for so long",
            ) from None
    for n, step in enumerate(steps):
        if step.metric not in metrics:
            raise InvalidPolicy(
                f"steps[{n}].metric",
                f"{step.metric} has no targets in this policy: the step never comes",
            )
        for (metric, priority), promise in promises.items():
            if metric == step.metric and not _comes(step, calendar, promise, on):
                raise InvalidPolicy(
                    f"steps[{n}]",
                    f"never comes at priority {WORDS[priority]}: the calendar is not "
                    "open for so long",
                )


def _comes(
    step: Step, calendar: Calendar | None, promise: Promise, on: datetime
) -> bool:
    around = _counting(calendar, promise.target)
    try:
        _at(step, around, promise.target, on, ())
    except (NeverOpen, ValueError):
        return False
    return True


def _at(
    step: Step,
    calendar: Calendar | None,
    target: Target,
    started_at: datetime,
    pauses: Collection[Pause],
) -> datetime:
    if step.percent is not None:
        return at_percent(calendar, started_at, target, step.percent, pauses)
    return at_offset(calendar, started_at, target, 60 * (step.minutes or 0), pauses)


def _list(raw: Mapping[str, object], name: str) -> Sequence[object]:
    found = raw.get(name, ())
    if not isinstance(found, list | tuple):
        raise InvalidPolicy(name, "must be a list")
    return found


def _object(raw: object, path: str) -> Mapping[str, object]:
    if not isinstance(raw, Mapping):
        raise InvalidPolicy(path, "must be an object")
    return raw


def _whole(raw: object, path: str, least: int, most: int) -> int:
    if not isinstance(raw, int) or isinstance(raw, bool) or not least <= raw <= most:
        raise InvalidPolicy(path, f"must be a whole number from {least} to {most}")
    return raw


def _one_of(words: type[Word], raw: object, path: str) -> Word:
    try:
        return words(str(raw))
    except ValueError:
        raise InvalidPolicy(path, f"must be one of: {', '.join(words)}") from None
