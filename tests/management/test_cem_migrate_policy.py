import json
from datetime import UTC, datetime

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from cem_cases.loop import config
from cem_cases.management.commands import cem_migrate_policy
from cem_cases.models import AuditEvent, Case, Clock, ClockMetric, Target
from tests import make

pytestmark = pytest.mark.django_db


def promised(policy, amount):
    """Save the policy with this many seconds around the clock for everything."""
    policy.refresh_from_db()
    targets = [
        Target(metric=metric, priority=priority, amount=amount, unit="calendar seconds")
        for metric in (ClockMetric.FIRST_CONTACT, ClockMetric.RESOLUTION)
        for priority in Case.Priority.values
    ]
    config.save_policy(policy, targets=targets, by=None)


@pytest.fixture
def policy(db):
    """A policy whose second version promises ten years; by its first, it is over."""
    made = make.policy(name="Gold", calendar=None)
    make.case(now=make.MONDAY)
    promised(made, 3650 * 86_400)
    return made


def versions():
    return set(Clock.objects.values_list("version__number", flat=True))


def test_running_clocks_are_moved_to_the_newest_version(policy, capsys):
    call_command("cem_migrate_policy", "Gold")

    said = capsys.readouterr().out.splitlines()
    case = Case.objects.get()
    assert said == [
        f"#{case.pk} first contact: Mon 03 Mar 2025 13:00 → Thu 01 Mar 2035 09:00",
        f"#{case.pk} resolution: Tue 04 Mar 2025 09:00 → Thu 01 Mar 2035 09:00",
        "Version 2: 2 clocks of 1 cases moved, 0 breached by it",
    ]
    assert versions() == {2}
    assert AuditEvent.objects.get(kind="case.policy_migrated").actor is None


def test_a_dry_run_says_the_same_and_keeps_nothing(policy, capsys, fingerprint):
    before = fingerprint()

    call_command("cem_migrate_policy", "Gold", "--dry-run")

    said = capsys.readouterr().out
    assert "2 clocks of 1 cases moved" in said
    assert said.endswith("Nothing was kept: this was a dry run.\n")
    assert fingerprint() == before


def test_a_second_time_nothing_changes(policy, capsys, fingerprint):
    call_command("cem_migrate_policy", "Gold")
    before = fingerprint()

    call_command("cem_migrate_policy", "Gold", "--json")

    assert fingerprint() == before
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["clocks"] == 0


def test_what_breaches_is_told_first_and_the_rest_is_counted(db, capsys, monkeypatch):
    monkeypatch.setattr(cem_migrate_policy, "SHOWN", 1)
    policy = make.policy(name="Gold")
    promised(policy, 3650 * 86_400)
    make.case(now=make.MONDAY)
    Clock.objects.filter(metric="resolution").update(
        started_at=datetime(2020, 1, 1, tzinfo=UTC)
    )
    promised(policy, 5 * 366 * 86_400)

    call_command("cem_migrate_policy", "Gold")

    first, rest, totals = capsys.readouterr().out.splitlines()
    assert "resolution" in first
    assert first.endswith(", breaches now")
    assert rest == "… and 1 more"
    assert totals.endswith("1 breached by it")


def test_all_of_it_is_told_to_machines(policy, capsys):
    call_command("cem_migrate_policy", "Gold", "--json", "--dry-run")

    told = json.loads(capsys.readouterr().out)
    moves = told.pop("moves")
    assert told == {
        "policy": "Gold",
        "version": 2,
        "dry_run": True,
        "clocks": 2,
        "cases": 1,
        "breached": 0,
    }
    assert moves[0] == {
        "case": Case.objects.get().pk,
        "metric": "first contact",
        "cycle": 1,
        "version_before": 1,
        "version": 2,
        "due_before": "2025-03-03T13:00:00+00:00",
        "due_at": "2035-03-01T09:00:00+00:00",
        "breached": False,
    }


def test_an_unknown_policy_is_refused_and_the_known_are_named(policy):
    with pytest.raises(CommandError, match=r"no policy 'Silver'.*are: Gold\."):
        call_command("cem_migrate_policy", "Silver")


def test_without_any_policy_that_is_said(db):
    with pytest.raises(CommandError, match="There is none yet"):
        call_command("cem_migrate_policy", "Gold")
