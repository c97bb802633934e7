"""Cases get the owners that rules want: when they open, and from the queue.

What a rule wants is kept with the case (`Case.assignment`), so that a case which nobody
could take, or which somebody gave back, is given to the next one who can.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from cem_cases import rules
from cem_cases.conf import conf
from cem_cases.loop import audit, batches, bulk, clocks, notices, owners, people
from cem_cases.loop.roster import Roster
from cem_cases.models import Case, Decline, Notification, Team

IN_THE_QUEUE = ("case.not_assigned", "case.unassigned")
"""The events of which leads are told."""


def give(
    case: Case,
    wanted: rules.Wanted,
    found: Roster,
    *,
    hint: rules.Hint = rules.NO_HINT,
    declined: Collection[str] = (),
) -> rules.Choice:
    """Give this case, which nobody has, its owner; it is unsaved. Return the choice.

    How its owner is to be found stays with it.
    """
    case.assignment = wanted.as_data()
    if case.team_id is None:
        return rules.Choice(None)
    choice, owner_id = found.assign(case.team_id, wanted, hint=hint, declined=declined)
    if owner_id is not None:
        case.owner_id, case.owner_is_manual = owner_id, False
        case.move("assign")
    return choice


def event(case: Case, choice: rules.Choice, **how: Any) -> audit.NewEvent:
    """Return the event that says who was looked at, and who got it."""
    to = choice.winner and choice.winner.user
    return audit.NewEvent(
        kind="case.assigned" if choice.winner else "case.not_assigned",
        case=case,
        payload={"to": to, "by_rule": case.rule_id, **how, **choice.as_data()},
    )


def give_again(case: Case, found: Roster) -> tuple[audit.NewEvent, rules.Choice] | None:
    """Give this locked case to the next one, as its rule wants; it is unsaved.

    Return what to append; None where no rule wants anything.
    """
    if case.assignment is None or case.team_id is None:
        return None
    wanted = rules.read_wanted(case.assignment)
    choice = give(
        case,
        wanted,
        found,
        hint=owners.hints([(case.customer_id, wanted)]).of(case.customer_id),
        declined=declines_of([case])[case.pk],
    )
    return event(case, choice), choice


def to_queue(cases: Sequence[Case], *, now: datetime) -> Collection[int]:
    """Let these locked cases wait in their queues; unsaved. Return which had waited.

    In the queue nothing waits for the customer: paused clocks go on. Who had them is for
    the caller to take away. By the keys of the cases.
    """
    ends = {
        case.pk: min(case.waiting_until, now) for case in cases if case.waiting_until
    }
    for case in cases:
        case.move("unassign")
        case.waiting_reason, case.waiting_until = "", None
    if ends:
        waited = [case for case in cases if case.pk in ends]
        clocks.resumed(ends, waited, now=now)
    return ends.keys()


def declines_of(cases: Collection[Case]) -> Mapping[int, set[str]]:
    """Return who gave these cases back."""
    found: dict[int, set[str]] = defaultdict(set)
    rows = Decline.objects.filter(case__in=bulk.among([case.pk for case in cases]))
    for case_id, user_id in rows.values_list("case_id", "user_id"):
        found[case_id].add(str(user_id))
    return found


def decline(case: Case, *, by: AbstractBaseUser, now: datetime) -> None:
    """Note that they gave it back: rules do not offer it to them again."""
    Decline.objects.update_or_create(case=case, user_id=by.pk, defaults={"at": now})


# Take-up


def take_up(*, now: datetime) -> int:
    """Give waiting cases to those who have become available; return how many.

    Team by team, by priority and then by age. Of a team in which nobody may take
    anything now, no case is looked at. Safe in any number of processes.
    """
    waiting = Case.objects.to_assign().filter(team=OuterRef("pk"))
    teams = Team.objects.filter(Exists(waiting), is_active=True).order_by("pk")
    keys = list(teams.values_list("pk", flat=True))
    at_first_sight = Roster(keys, now=now, is_simulated=True)
    return sum(_Queue(key, now).run() for key in keys if at_first_sight.has_room(key))


@dataclass(slots=True)
class _Queue:
    """The waiting cases of one team, and up to which one they were looked at.

    A case that nobody can take is passed by, so that it holds up none behind it.
    """

    team_id: int
    now: datetime
    after: Q = Q()  # noqa: RUF009  (never changed)
    given: int = 0

    def run(self) -> int:
        batches.through(self._batch, self._waiting())
        return self.given

    def _waiting(self) -> QuerySet[Case]:
        return Case.objects.to_assign().filter(team=self.team_id)

    @transaction.atomic
    def _batch(self, only: int | None) -> int:
        rows = self._waiting().filter(self.after if only is None else Q(pk=only))
        rows = rows.order_by("priority", "opened_at", "pk")
        found = list(
            rows.select_for_update(skip_locked=True, no_key=True)[: conf().BATCH_SIZE]
        )
        if not found:
            return 0
        members = Roster([self.team_id], now=self.now)
        if not members.has_room(self.team_id):
            return 0
        count = _give_to(found, members, now=self.now)
        self.after, self.given = _behind(found[-1]), self.given + count
        return len(found)


def _behind(case: Case) -> Q:
    return (
        Q(priority__gt=case.priority)
        | Q(priority=case.priority, opened_at__gt=case.opened_at)
        | Q(priority=case.priority, opened_at=case.opened_at, pk__gt=case.pk)
    )


def _give_to(cases: Sequence[Case], found: Roster, *, now: datetime) -> int:
    """Give these locked cases to members; who gets none stays as it is, unsaid."""
    wanted = [rules.read_wanted(case.assignment) for case in cases]
    keys = [case.customer_id for case in cases]
    hints = owners.hints(zip(keys, wanted, strict=True))
    declines = declines_of(cases)
    given, events = [], []
    for case, wants in zip(cases, wanted, strict=True):
        choice = give(
            case,
            wants,
            found,
            hint=hints.of(case.customer_id),
            declined=declines.get(case.pk, ()),
        )
        if choice.winner:
            hints.remember(case.customer_id, case.owner_id)
            case.version += 1
            given.append(case)
            events.append(event(case, choice, has_waited=True))
    bulk.update(given, ["owner", "owner_is_manual", "status", "version"])
    found.save()
    audit.append(events, now=now)
    return len(given)


# Who is told


@dataclass(frozen=True, slots=True)
class Waiting:
    """That a case is in its team's queue, and why: the end of a sentence."""

    event: audit.Appended
    case: Case
    why: str


def nobody(event: audit.Appended, case: Case, choice: rules.Choice) -> Waiting | None:
    """Return that nobody could take it; None where the team only is not at work."""
    if choice.waits_for_opening or case.team_id is None:
        return None
    counts = Counter(said.verdict.value for said in choice.refused)
    said = ", ".join(f"{count} {word}" for word, count in counts.most_common())
    return Waiting(event, case, f"nobody can take it ({said or 'no members'})")


def alert(waiting: Iterable[Waiting | None], *, now: datetime) -> None:
    """Tell the leads, of each team once: for how many cases, and why the first waits.

    Who has not read yet that cases of the team wait is not told again.
    """
    teams: dict[int, list[Waiting]] = defaultdict(list)
    for each in waiting:
        if each and each.case.team_id:
            teams[each.case.team_id].append(each)
    if not teams:
        return
    who = people.People((w[0].case for w in teams.values()), now, are_watched=False)
    known = _who_knows(teams)
    notes = []
    for team_id, found in teams.items():
        leads = who.in_charge(found[0].case)
        told = [key for key in leads if (key, team_id) not in known]
        notes.append(notices.Note(found[0].event, told, _sentence(found)))
    notices.tell(notes, now=now)


def _who_knows(teams: Collection[int]) -> set[tuple[Any, int]]:
    unread = Notification.objects.unread().filter(
        event__kind__in=IN_THE_QUEUE, case__team__in=teams, case__owner=None
    )
    return set(unread.values_list("recipient", "case__team"))


def _sentence(found: Sequence[Waiting]) -> str:
    first, more = found[0], len(found) - 1
    others = f" and {more:,} more" if more else ""
    return f"Case {first.case}{others} in the queue of {first.case.team}: {first.why}."


def refusal(user: AbstractBaseUser, found: owners.Standing) -> str:
    """Return why a person may not give this user a case, and who stands in."""
    if found.verdict is not rules.Verdict.ABSENT or found.until is None:
        return "Must be an active member of the case's team."
    until = timezone.localtime(found.until)
    text = f"{user.get_username()} is absent until {until:%d %b %Y %H:%M}."
    if found.substitute is not None:
        text += f" The substitute is {found.substitute.get_username()}."
    return text
