"""The configuration of a site, to a file and from a file.

`preview` is `apply` in a transaction that is rolled back, so that what it says is what
would be done, refusals included.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.db import transaction

from cem_cases.exceptions import InvalidInput
from cem_cases.intake import configfile as files
from cem_cases.intake.configdiff import Difference, differences, same
from cem_cases.intake.configfile import ConfigRefused, Document, Entry
from cem_cases.intake.configvalues import shown
from cem_cases.intake.specs import similar
from cem_cases.loop import configplaces, configrows, moment
from cem_cases.loop.configrows import SECTIONS, Author, Missing, Values

SWITCHED = ("rules", "policies", "teams")
"""What can be switched off, in this order: who names comes before who is named."""

WITH_USERS = {"members", "steps"}
"""Parts of an entry that name users."""


class What(StrEnum):
    """What becomes of one entry."""

    CREATED = "created"
    CHANGED = "changed"
    SWITCHED_OFF = "switched off"
    LEFT_ALONE = "left alone"


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one calendar, team, member, policy or rule."""

    section: str
    key: str
    what: What
    fields: Sequence[Difference] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What was done, or would be."""

    changes: Sequence[Change]
    unchanged: Mapping[str, int]
    left_out: Sequence[tuple[str, str]] = ()
    """Places that name users who do not exist, and the names."""
    notes: Sequence[str] = ()

    @property
    def changes_something(self) -> bool:
        return any(change.what != What.LEFT_ALONE for change in self.changes)


def export(
    sections: Collection[str] = tuple(SECTIONS), *, is_json: bool = False
) -> str:
    """Return the text of a file with these sections, as they are saved now.

    Raises InvalidInput for what a file cannot hold.
    """
    try:
        found = {name: SECTIONS[name].entries() for name in sections}
        return files.written(found, is_json=is_json)
    except ConfigRefused as error:
        raise _invalid(error.problems) from None


def read(data: bytes, *, is_json: bool = False) -> Document:
    """Return what a file says. Raises InvalidInput where it cannot be read at all."""
    try:
        return files.read(data, is_json=is_json)
    except ConfigRefused as error:
        raise _invalid(error.problems) from None


def preview(
    document: Document,
    *,
    by: AbstractBaseUser | None = None,
    now: datetime | None = None,
    prune: bool = False,
    skip_missing_users: bool = False,
) -> Report:
    """Return what `apply` would do, and do nothing. Raises InvalidInput as it does."""
    with transaction.atomic():
        report = apply(
            document,
            by=by,
            now=now,
            prune=prune,
            skip_missing_users=skip_missing_users,
        )
        transaction.set_rollback(True)
    return report


@transaction.atomic
def apply(
    document: Document,
    *,
    by: AbstractBaseUser | None,
    now: datetime | None = None,
    prune: bool = False,
    skip_missing_users: bool = False,
) -> Report:
    """Make the configuration what the file says, all of it or nothing.

    A second time nothing changes. What the file does not name is left alone; with
    `prune`, rules, policies, teams and members that it does not name are switched off.

    Raises InvalidInput with everything that is wrong, place by place.
    """
    configrows.lock()
    work = _Work(document, prune=prune, skip_missing_users=skip_missing_users)
    work.save(Author(by=by, now=now or moment.now(), users=work.users))
    if work.problems:
        raise _invalid(sorted(work.problems, key=lambda each: files.place(each[0])))
    return work.report()


def _invalid(problems: Iterable[tuple[str, str]]) -> InvalidInput:
    found: dict[str, list[str]] = {}
    for path, text in problems:
        texts = found.setdefault(path, [])
        if text.rstrip(".") not in (said.rstrip(".") for said in texts):
            texts.append(text)
    return InvalidInput(found)


@dataclass(slots=True)
class _Step:
    """One entry that is to be saved."""

    section: str
    path: str
    values: Values
    changed: Set[str]
    why_not: ValidationError | Missing | None = None

    @property
    def key(self) -> str:
        return str(self.values[SECTIONS[self.section].key])

    @property
    def place(self) -> tuple[bool, int]:
        """What is switched off goes first: who names before who is named."""
        is_off = "active" in self.changed and not self.values["active"]
        order = SWITCHED if is_off else tuple(SECTIONS)
        return not is_off, order.index(self.section)


class _Work:
    """Compares a file with what is saved, and saves what differs."""

    def __init__(
        self, document: Document, *, prune: bool, skip_missing_users: bool
    ) -> None:
        self.problems = list(document.problems)
        self.left_out: list[tuple[str, str]] = []
        self.users = configrows.users_named(_users(document))
        self._prune, self._skip_missing = prune, skip_missing_users
        self._changes: list[Change] = []
        self._unchanged: dict[str, int] = {}
        self._steps: list[_Step] = []
        self._refused: set[tuple[str, str]] = set()
        self._notes = list(_ties(document))
        for section in SECTIONS:
            if section in document.sections:
                self._compare(section, document.sections[section])

    def report(self) -> Report:
        return Report(self._changes, self._unchanged, self.left_out, self._notes)

    # Comparing

    def _compare(self, section: str, entries: Sequence[Entry]) -> None:
        self._unchanged[section] = 0
        saved = SECTIONS[section].load()
        for entry in entries:
            values = self._with_known_users(entry)
            have = saved.pop(entry.key, None)
            if values is None:
                self._refused.add((section, entry.key))
            elif have is None:
                self._changes.append(Change(section, entry.key, What.CREATED))
                self._steps.append(_Step(section, entry.path, values, set(values)))
            else:
                self._compare_one(section, entry, have, values)
        for key, have in saved.items():
            self._not_in_file(section, key, have)

    def _compare_one(
        self, section: str, entry: Entry, have: Values, values: Values
    ) -> None:
        if section == "teams":
            values = self._with_other_members(entry.key, have, values)
        if section == "calendars":
            values = self._with_other_holidays(entry.path, have, values)
        want = files.canonical(section, values)
        changed = {name for name in want if not same(have[name], want[name])}
        if not changed:
            self._unchanged[section] += 1
            return
        found = differences(section, have, want)
        self._changes.append(Change(section, entry.key, What.CHANGED, found))
        self._steps.append(_Step(section, entry.path, values, changed))

    def _with_known_users(self, entry: Entry) -> Values | None:
        """Return what the entry says; None if something is wrong with it."""
        if not entry.is_sound:
            return None
        values, is_sound = dict(entry.values), True
        for name in WITH_USERS & set(values):
            known = []
            for n, row in enumerate(values[name]):
                path, user = f"{entry.path}.{name}[{n}].user", row["user"]
                if user is None or user in self.users:
                    known.append(row)
                elif self._skip_missing:
                    self.left_out.append((path, user))
                else:
                    self.problems.append((path, f"there is no user {user!r}"))
                    is_sound = False
            values[name] = known
        return values if is_sound else None

    def _with_other_members(self, key: str, have: Values, values: Values) -> Values:
        named = {member["user"] for member in values["members"]}
        others = [each for each in have["members"] if each["user"] not in named]
        if self._prune:
            others = [{**each, "active": False} for each in others]
        self._changes += [
            Change("members", f"{key}: {each['user']}", What.LEFT_ALONE)
            for each in others
            if each["active"]
        ]
        return {**values, "members": [*values["members"], *others]}

    def _with_other_holidays(self, path: str, have: Values, values: Values) -> Values:
        """Keep the public holidays that `cem_holidays` added here and not there."""
        named = {holiday["day"] for holiday in values["holidays"]}
        others = [
            each
            for each in have["holidays"]
            if each["source"] == "country" and each["day"] not in named
        ]
        if others:
            self._notes.append(
                f"{path}: public holidays that it does not name are left alone: "
                f"{len(others):,}."
            )
        return {**values, "holidays": [*values["holidays"], *others]}

    def _not_in_file(self, section: str, key: str, have: Values) -> None:
        if not (self._prune and have.get("active")):
            self._changes.append(Change(section, key, What.LEFT_ALONE))
            return
        values, path = {**have, "active": False}, f"{section}[{shown(key)}]"
        self._changes.append(Change(section, key, What.SWITCHED_OFF))
        self._steps.append(_Step(section, path, values, {"active"}))

    # Saving

    def save(self, author: Author) -> None:
        """Save what differs, as often as that helps: one may have to wait for another.

        A policy that moves behind a new one, say, or a calendar with shorter hours for
        a policy that promises less.
        """
        before: list[_Step] = []
        waiting = sorted(self._steps, key=lambda step: step.place)
        while len(waiting) != len(before):
            before, waiting = waiting, [s for s in waiting if not _save(s, author)]
        self._refused |= {(step.section, step.key) for step in waiting}
        for step in waiting:
            self.problems += self._why_not(step)

    def _why_not(self, step: _Step) -> Iterator[tuple[str, str]]:
        """Yield what was wrong with it, less what follows from others that were wrong."""
        error = step.why_not
        if isinstance(error, Missing):
            if (error.section, error.key) not in self._refused:
                known = list(SECTIONS[error.section].load())
                yield (
                    f"{step.path}.{error.field}",
                    f"there is no {error.key!r} among the {error.section}, neither here "
                    f"nor in the file{similar(error.key, known)}",
                )
            error = error.besides
        if error is None or (step.section == "rules" and self._names_refused(step)):
            return
        needs_teams = step.section == "policies" and self._has_refused("teams")
        for path, text in configplaces.problems(error, SECTIONS[step.section].model):
            if not (needs_teams and path.startswith("steps")):
                yield f"{step.path}{path and '.'}{path}", text

    def _has_refused(self, section: str) -> set[str]:
        return {key for name, key in self._refused if name == section}

    def _names_refused(self, step: _Step) -> bool:
        named = self._has_refused("teams") | self._has_refused("policies")
        return not named.isdisjoint(_texts(step.values))


def _save(step: _Step, author: Author) -> bool:
    try:
        with transaction.atomic():
            SECTIONS[step.section].keep(step.values, step.changed, author)
    except (ValidationError, Missing) as error:
        step.why_not = error
        return False
    return True


def _users(document: Document) -> Iterator[str]:
    for entries in document.sections.values():
        for entry in entries:
            if entry.is_sound:
                for name in WITH_USERS & set(entry.values):
                    yield from (
                        row["user"] for row in entry.values[name] if row["user"]
                    )


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in a document."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(each)


def _ties(document: Document) -> Iterator[str]:
    """Of two with one position the older goes first, and no file says which it is."""
    for section in ("policies", "rules"):
        seen: dict[tuple[Any, int], str] = {}
        for entry in document.sections.get(section, ()):
            if entry.is_sound and entry.values["active"]:
                place = (entry.values.get("trigger"), entry.values["position"])
                first = seen.setdefault(place, entry.path)
                if first != entry.path:
                    yield (
                        f"{entry.path} has the position of {first}: which goes first is "
                        "not said by a file, and may differ between sites."
                    )
