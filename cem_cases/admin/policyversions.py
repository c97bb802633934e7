"""The versions of an SLA policy, and moving running clocks to the newest on purpose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext as _now
from django.utils.translation import ngettext

from cem_cases.admin.timeline import name_of
from cem_cases.admin.versioned import DecidingPage
from cem_cases.loop import sla
from cem_cases.models import (
    AuditEvent,
    Case,
    Clock,
    ClockMetric,
    PolicyVersion,
    SlaPolicy,
    sees_everything,
)

MOST_VERSIONS = 20
MOST_MOVES = 200
"""Clocks of a preview that are listed; all of them are counted."""


class VersionsPage(DecidingPage):
    """The page of a policy, with its versions and the way from one to the next."""

    def get_urls(self) -> list[Any]:
        migrate = path(
            "<path:object_id>/migrate/",
            self.admin_site.admin_view(self.migrate_view),
            name="cem_cases_slapolicy_migrate",
        )
        return [migrate, *super().get_urls()]

    def step_url(self, policy: SlaPolicy | None, step: str) -> str:
        name = f"{self.admin_site.name}:cem_cases_slapolicy"
        if policy is None:
            return reverse(f"{name}_add_{step}")
        return reverse(f"{name}_{step}", args=[policy.pk])

    def about_versions(self, request: HttpRequest, policy: Any) -> dict[str, Any]:
        can_move = self._may_move(request) and _movable(policy).exists()
        return {
            "versions": versions(policy, counted=sees_everything(request.user)),  # type: ignore[arg-type]
            "migrate_url": self.step_url(policy, "migrate") if can_move else None,
        }

    def migrate_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show what moving the running clocks to the newest version changes; do it."""
        if not self._may_move(request):
            raise PermissionDenied
        policy = self.get_object(request, unquote(object_id))
        if policy is None:
            return self.nobody(request, object_id)
        if request.method == "POST":
            return self._migrate(request, policy)
        moves = sla.migrate_preview(policy)
        moves.sort(
            key=sla.how_much
        )  # what breaches comes first, what stays the same last
        context = {
            **self.admin_site.each_context(request),
            "title": _now("Move running clocks to version %d") % policy.version,
            "opts": self.opts,
            "original": policy,
            "media": self.media,
            "policy_url": self.url(policy),
            "has_view_permission": True,
            "moves": [self._line(move) for move in moves[:MOST_MOVES]],
            "totals": _totals(moves),
            "hidden": max(len(moves) - MOST_MOVES, 0),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "cem_cases/admin/policymigrate.html", context)

    def _migrate(self, request: HttpRequest, policy: SlaPolicy) -> HttpResponse:
        if request.POST.get("version") != str(policy.version):
            text = _now("Version %d was saved meanwhile: look at it once more.")
            self.message_user(request, text % policy.version, messages.WARNING)
            return HttpResponseRedirect(self.step_url(policy, "migrate"))
        found = _totals(sla.migrate(policy, by=request.user))  # type: ignore[arg-type]
        self.message_user(request, found.sentence(policy.version), messages.SUCCESS)
        return HttpResponseRedirect(str(self.url(policy)))

    def _line(self, move: sla.Move) -> tuple[sla.Move, str, str | None]:
        """Return the move with its metric in words and the page of its case."""
        case = Case(pk=move.case)
        return move, str(ClockMetric(move.metric).label), self.url(case)

    def _may_move(self, request: HttpRequest) -> bool:
        # the preview tells of the cases of all teams
        may_change = self.has_change_permission(request)
        return may_change and sees_everything(request.user)  # type: ignore[arg-type]

    def nobody(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Answer as Django does for a row that is not there."""
        return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a policy, as it is listed."""

    number: int
    saved_at: datetime
    who: str
    clocks: int | None
    """How many running clocks go by it; None for who may not know."""


@dataclass(frozen=True, slots=True)
class Totals:
    """How much a migration changes."""

    clocks: int
    cases: int
    late: int

    def sentence(self, version: int) -> str:
        said = ngettext(
            "%(clocks)d running clock goes by version %(version)d now.",
            "%(clocks)d running clocks go by version %(version)d now.",
            self.clocks,
        ) % {"clocks": self.clocks, "version": version}
        if not self.late:
            return said
        more = ngettext("%d breached by it.", "%d breached by it.", self.late)
        return f"{said} {more % self.late}"


def _totals(moves: Sequence[sla.Move]) -> Totals:
    return Totals(
        clocks=len(moves),
        cases=len({move.case for move in moves}),
        late=sum(move.is_late for move in moves),
    )


def _movable(policy: SlaPolicy) -> QuerySet[Clock]:
    """Return the running clocks whose cases still go by an older version."""
    return Clock.objects.running().filter(
        version__policy=policy,
        version__number__lt=policy.version,
        case__policy_version__number__lt=policy.version,
    )


# Versions


def versions(policy: SlaPolicy, *, counted: bool) -> list[Version]:
    """Return the newest versions, and older ones by which clocks still run.

    `counted`: with the number of those clocks.
    """
    running = Clock.objects.running().filter(version__policy=policy)
    counts = dict(
        running.order_by().values_list("version").annotate(Count("pk"))
        if counted
        else ()
    )
    newest = Q(number__gt=policy.version - MOST_VERSIONS)
    rows = list(
        PolicyVersion.objects.filter(newest | Q(pk__in=counts), policy=policy)
        .defer("terms")
        .order_by("-number")
    )
    authors = _authors(policy, rows)
    return [
        Version(
            number=row.number,
            saved_at=row.created_at,
            who=authors.get(row.created_at, ""),
            clocks=counts.get(row.pk, 0) if counted else None,
        )
        for row in rows
    ]


def _authors(policy: SlaPolicy, rows: Sequence[PolicyVersion]) -> dict[datetime, str]:
    """Return who made each version, by the instant at which it was made.

    An event has the same instant as the version that it tells of.
    """
    events = AuditEvent.objects.filter(
        kind__in=("slapolicy.created", "slapolicy.changed", "businesscalendar.changed"),
        at__in=[row.created_at for row in rows],
    ).select_related("actor")
    found = {}
    for event in events:
        if event.kind == "businesscalendar.changed":
            is_ours = policy.pk in event.data.get("policies", ())
            through = _now("%s, in the calendar")
        else:
            is_ours, through = event.data.get("id") == policy.pk, "%s"
        if is_ours and event.actor is not None:
            found[event.at] = through % name_of(event.actor)
    return found
