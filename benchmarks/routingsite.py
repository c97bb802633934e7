"""A site whose every answer opens a case with an owner. Needs Django set up."""

from __future__ import annotations

from collections import Counter

from django.db import connection
from django.db.models import Count

from benchmarks import content
from cem_cases import models
from cem_cases.loop import audit, capture
from cem_cases.models import Case, Membership, Response, Team
from tests import make

BATCH = 1_000
TEAMS = ("north", "south")
AGENTS = 25
"""In each team."""
WRITTEN = (
    models.Response,
    models.Customer,
    models.ChannelIdentity,
    models.Case,
    models.Clock,
    models.AuditHead,
    models.AuditEvent,
    models.RuleRun,
    models.Happening,
)


def set_up() -> None:
    """Two teams of 25, a policy, and rules that give each answer's case to one of them."""
    make.nps()
    make.policy(now=content.NOW)
    everything = {"fact": "score", "operator": "at least", "value": 0}
    for slug, channels in (("north", ["email", "sms"]), ("south", ["web", "app"])):
        team = make.team(slug)
        for _ in range(AGENTS):
            make.agent(team)
        make.rule(
            "open case",
            {"do": "set team", "team": slug},
            {"do": "assign", "by": "round robin"},
            conditions={
                "all": [
                    everything,
                    {"fact": "channel", "operator": "in", "value": channels},
                ]
            },
        )


def fill(rows: int) -> None:
    """Empty the tables, and let so many answers of as many customers wait."""
    names = ", ".join(model._meta.db_table for model in WRITTEN)
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {names} RESTART IDENTITY CASCADE")
        cursor.execute("UPDATE cem_cases_team SET assigned_count = 0")
        cursor.execute(
            "UPDATE cem_cases_membership SET open_cases = 0, last_assigned = 0"
        )
    channels = ("email", "sms", "web", "app")
    for start in range(0, rows, BATCH):
        capture.record(
            [
                make.answer(
                    external_id=f"answer-{n}",
                    score=n % 7,
                    channel=channels[n % 4],
                    customer={"external_id": f"customer-{n}"},
                )
                for n in range(start, min(start + BATCH, rows))
            ]
        )
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("CHECKPOINT")


def check(rows: int) -> None:
    """Fail unless nothing is lost or doubled, counters are right, and turns fair."""
    assert not Response.objects.unprocessed().exists()
    assert not Response.objects.failed().exists()
    owned = Case.objects.filter(owner__isnull=False)
    assert owned.count() == rows
    assert owned.values("opening_response").distinct().count() == rows
    held = Counter(dict(owned.values_list("owner").annotate(Count("pk"))))
    for team in Team.objects.all():
        members = Membership.objects.filter(team=team)
        counts = [held[member.user_id] for member in members]
        assert [member.open_cases for member in members] == counts
        assert max(counts) - min(counts) <= 1, counts
        assert team.assigned_count == sum(counts)
    faults = list(audit.verify())
    assert not faults, f"the audit is broken: {faults[:3]}"
