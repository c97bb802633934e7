"""Who has to do with a case, and is told of it: owner, leads, managers, watchers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef

from cem_cases import rules
from cem_cases.loop import bulk, owners
from cem_cases.models import Absence, Case, Membership


def is_watched(case: str) -> Exists:
    """Return whether anybody watches the case to which `case` leads, for a query."""
    return Exists(Case.watchers.through.objects.filter(case=OuterRef(case)))


class People:
    """Who has to do with some cases: owners, leads, managers, watchers.

    Three statements, however many cases, and those only when somebody asks; of the
    watchers none where the caller knows that there are none.
    """

    def __init__(
        self, cases: Iterable[Case], now: datetime, *, are_watched: bool = True
    ) -> None:
        self._cases: dict[int, Case] = {}
        self._now = now
        for case in cases:
            self._cases.setdefault(case.pk, case)
        self._roles: Mapping[tuple[int, str], list[Membership]] | None = None
        self._watchers: Mapping[int, list[Any]] | None = None if are_watched else {}
        self._away: set[Any] | None = None

    def case(self, key: int) -> Case:
        """Return the one copy of this case: two clocks may have one each."""
        return self._cases[key]

    def leads(self, case: Case) -> list[Membership]:
        """Return the team's active leads, the least loaded first."""
        return self._with_role(case, Membership.Role.LEAD)

    def in_charge(self, case: Case) -> list[Any]:
        """Return the keys of the team's leads; of its managers where it has none."""
        return users(self.leads(case) or self.managers(case))

    def managers(self, case: Case) -> list[Membership]:
        return self._with_role(case, Membership.Role.MANAGER)

    def watchers(self, case: Case) -> list[Any]:
        """Return the keys of the users who watch the case."""
        if self._watchers is None:
            found: dict[int, list[Any]] = defaultdict(list)
            rows = Case.watchers.through.objects.filter(
                case__in=bulk.among(self._cases)
            )
            for case_id, user_id in rows.values_list("case_id", "user_id"):
                found[case_id].append(user_id)
            self._watchers = found
        return self._watchers.get(case.pk, [])

    def concerned(self, case: Case) -> list[Any]:
        """Return who is told of its clocks: the owner, or the leads; and who watches."""
        keys = [case.owner_id] if case.owner_id else self.in_charge(case)
        return [*keys, *self.watchers(case)]

    def lead_for(self, case: Case) -> Membership | None:
        """Return the lead with the least to do who is there, and count this case."""
        if self._away is None:
            known = [m.user_id for found in self._loaded().values() for m in found]
            absent = Absence.objects.at(self._now).filter(user__in=known)
            self._away = set(absent.values_list("user", flat=True))
        present = [member for member in self.leads(case) if self._may_own(member)]
        if not present:
            return None
        lead = min(present, key=lambda member: (member.open_cases, member.pk))
        lead.open_cases += 1  # of this copy; `owners.move_loads` writes it
        return lead

    def _may_own(self, member: Membership) -> bool:
        found = owners.candidate(member)
        found.is_absent = member.user_id in (self._away or ())
        said = rules.verdict(found, rules.Chooser.STEP)
        return said is rules.Verdict.ELIGIBLE

    def _with_role(self, case: Case, role: str) -> list[Membership]:
        return self._loaded().get((case.team_id or 0, role), [])

    def _loaded(self) -> Mapping[tuple[int, str], list[Membership]]:
        if self._roles is None:
            rows = Membership.objects.filter(
                team__in={c.team_id for c in self._cases.values()} - {None},
                role__in=(Membership.Role.LEAD, Membership.Role.MANAGER),
                is_active=True,
                user__is_active=True,
                team__is_active=True,
            )
            found: dict[tuple[int, str], list[Membership]] = defaultdict(list)
            rows = rows.select_related("user")
            for row in rows.order_by("open_cases", "pk"):
                found[row.team_id, row.role].append(row)
            self._roles = found
        return self._roles


def users(members: Iterable[Membership]) -> list[Any]:
    return [member.user_id for member in members]
