"""Whether cases and teams agree: owners who are gone, counters, cases that nobody gets.

`of_owners` yields what the doctor says and changes nothing. `reconcile` puts counters
right. Both cost what is active, not what ever was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Count, Exists, Min, OuterRef, QuerySet

from cem_cases import rules
from cem_cases.loop import bulk, findings
from cem_cases.loop.findings import Said
from cem_cases.models import Case, Membership, Team

MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Correction:
    """A counter that did not agree with the cases."""

    membership: Membership
    before: int
    after: int


def of_owners() -> Iterator[Said]:
    """What there is to say about owners, teams, and the members' counters."""
    said = [*_gone(), *_of_no_team(), *_counters(), *_beyond_all()]
    fine = findings.ok("Active cases belong to members, and their counters agree.")
    yield from said or [fine]


def _gone() -> Iterator[Said]:
    members = Membership.objects.filter(
        team=OuterRef("team"),
        user=OuterRef("owner"),
        is_active=True,
        user__is_active=True,
    )
    rows = Case.objects.active().filter(
        ~Exists(members), owner__isnull=False, team__is_active=True
    )
    keys = list(rows.values_list("pk", flat=True)[: findings.MOST])
    if keys:
        yield findings.warning(
            f"Active cases whose owner is no active member of their team: "
            f"{findings.count(len(keys))}, such as {_numbers(keys)}.",
            "Assign them to somebody, or make the owner a member. Cases of members who "
            "left go back to the queue with the next sweep.",
        )


def _of_no_team() -> Iterator[Said]:
    rows = Case.objects.active().filter(team__is_active=False).order_by("team__name")
    grouped = rows.values_list("team__name").annotate(Count("pk"), Min("pk"))
    for name, count, first in grouped[: findings.MOST]:
        yield findings.warning(
            f"Team {name!r} is switched off and has active cases: {count:,}, such as "
            f"#{first}.",
            "Nobody sees them but managers: assign them to another team.",
        )


def _counters() -> Iterator[Said]:
    wrong = [
        (member, found)
        for member, found in _compared(Membership.objects.all(), _held())
        if member.open_cases != found
    ]
    if wrong:
        (member, found), *_ = wrong
        yield findings.warning(
            f"Counters of open cases that do not agree with the cases: {len(wrong):,}, "
            f"such as that of {member.user.get_username()!r} in {member.team.name!r}: "
            f"it says {member.open_cases:,}, and {found:,} are there.",
            "Capacity and *least loaded* go by them: `manage.py cem_doctor --reconcile`.",
        )


def _beyond_all() -> Iterator[Said]:
    """Cases wait that need skills which nobody in their team has."""
    waiting = Case.objects.to_assign().filter(team__is_active=True)
    rows = waiting.values_list("team", "assignment__skills").distinct()
    asked = [
        (team_id, rules.folded(words))
        for team_id, skills in list(rows[: findings.MOST])
        if (words := rules.texts(skills))
    ]
    if not asked:
        return
    members = Membership.objects.filter(
        team__in={team_id for team_id, _ in asked}, is_active=True
    )
    known = [(row.team_id, rules.folded(rules.texts(row.skills))) for row in members]
    names = dict(Team.objects.values_list("pk", "name"))
    for team_id, skills in asked:
        if not any(team_id == of and skills <= has for of, has in known):
            yield findings.warning(
                f"Cases wait in the queue of {names[team_id]!r} for somebody with the "
                f"skills {', '.join(sorted(skills))}: nobody there has them.",
                "Give the skills to a member, or change the rule.",
            )


def reconcile() -> Sequence[Correction]:
    """Set the members' counters to what is there; return those that were wrong.

    Team by team, under its lock and those of its members: nobody gets or gives back a
    case meanwhile.
    """
    found: list[Correction] = []
    for team_id in Team.objects.order_by("pk").values_list("pk", flat=True):
        found += _reconcile(team_id)
    return found


@transaction.atomic
def _reconcile(team_id: int) -> list[Correction]:
    Team.objects.select_for_update(no_key=True).filter(pk=team_id).first()
    members = Membership.objects.filter(team=team_id).order_by("pk")
    locked = members.select_for_update(no_key=True, of=("self",))
    corrections = [
        Correction(member, member.open_cases, count)
        for member, count in _compared(locked, _held(team_id))
        if member.open_cases != count
    ]
    for correction in corrections:
        correction.membership.open_cases = correction.after
    bulk.update([each.membership for each in corrections], ["open_cases"])
    return corrections


def _compared(
    members: QuerySet[Membership], held: QuerySet[Case, Any]
) -> Iterator[tuple[Membership, int]]:
    """Yield each membership, and how many active cases it has; read in this order."""
    rows = list(members.select_related("user", "team"))
    counts = Counter({(team, owner): n for team, owner, n in held})
    for row in rows:
        yield row, counts[row.team_id, row.user_id]


def _held(team_id: int | None = None) -> QuerySet[Case, Any]:
    rows = Case.objects.active().filter(owner__isnull=False, team__isnull=False)
    if team_id is not None:
        rows = rows.filter(team=team_id)
    grouped = rows.order_by().values("team", "owner").annotate(count=Count("pk"))
    return grouped.values_list("team", "owner", "count")


def _numbers(keys: Sequence[int]) -> str:
    return ", ".join(f"#{key}" for key in keys[:MOST_NAMED])
