import json

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import OperationalError, connection

from cem_cases.loop import audit, drain
from cem_cases.management.commands import cem_doctor
from cem_cases.models import Membership, Rule, SlaPolicy
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _well(settings):
    """A site about which there is nothing to say."""
    settings.SILENCED_SYSTEM_CHECKS = ["cem_cases.W002"]  # of the server under test
    north = make.team("north")
    make.agent(north)
    make.rule_for(north, name="Detractors")
    make.policy(name="Standard")


def doctor(*arguments):
    call_command("cem_doctor", *arguments)


def refused(capsys, *arguments):
    with pytest.raises(CommandError) as error:
        doctor(*arguments)
    assert error.value.returncode == 1
    return str(error.value), capsys.readouterr().out


def test_where_all_is_well_it_says_little(capsys):
    doctor()

    assert capsys.readouterr().out == "Errors: 0, warnings: 0.\n"


def test_asked_for_more_it_says_what_is_well(capsys):
    doctor("--verbose")

    *lines, last = capsys.readouterr().out.splitlines()
    assert last == "Errors: 0, warnings: 0."
    assert len(lines) >= 9
    assert all(line.startswith("ok: ") for line in lines)
    assert "ok: policies: 1 active, each in force as its rows say." in lines


def test_a_warning_is_told_and_is_no_failure(capsys):
    Rule.objects.update(is_active=False)

    doctor()

    assert capsys.readouterr().out.splitlines() == [
        "warning: rules: No rule is active: no answer opens a case. Make one in the "
        "admin, or switch one on.",
        "Errors: 0, warnings: 1.",
    ]


def test_an_error_is_told_and_is_one(capsys):
    SlaPolicy.objects.update(version=9)
    Rule.objects.update(is_active=False)

    said, out = refused(capsys)

    assert said == "Errors: 1, warnings: 1."
    assert [line.split(":")[0] for line in out.splitlines()] == ["error", "warning"]


def test_as_json_it_says_everything(capsys):
    Rule.objects.update(is_active=False)

    doctor("--json")

    told = json.loads(capsys.readouterr().out)
    assert sorted(told) == ["errors", "findings", "warnings"]
    assert (told["errors"], told["warnings"]) == (0, 1)
    assert told["findings"][0] == {
        "level": "warning",
        "subject": "rules",
        "says": "No rule is active: no answer opens a case.",
        "hint": "Make one in the admin, or switch one on.",
    }
    assert {finding["level"] for finding in told["findings"][1:]} == {"ok"}
    assert {tuple(finding) for finding in told["findings"]} == {
        ("level", "subject", "says", "hint")
    }


def test_as_json_an_error_fails_too(capsys):
    SlaPolicy.objects.update(version=9)

    said, out = refused(capsys, "--json")

    assert said == "Errors: 1, warnings: 0."
    assert json.loads(out)["errors"] == 1


def test_system_checks_are_told_and_do_not_end_it_before_the_rest(capsys, settings):
    settings.CEM_CASES = {"AUDIT_KEYS": {}}
    Rule.objects.update(is_active=False)

    said, out = refused(capsys)

    assert cem_doctor.Command.requires_system_checks == []
    assert said == "Errors: 1, warnings: 1."
    assert "cem_cases.E004" in out
    assert "warning: rules:" in out


def test_a_database_that_does_not_answer_is_told(capsys):
    def execute(*args):
        raise OperationalError("password and all")

    with connection.execute_wrapper(execute):
        said, out = refused(capsys)

    assert said == "Errors: 1, warnings: 0."
    assert out.startswith("error: database: It does not answer (OperationalError).")
    assert "password" not in out


def test_after_the_loop_has_run_all_is_well(capsys):
    make.response(score=2)  # received long ago
    said, _ = refused(capsys)
    assert said == "Errors: 1, warnings: 0."

    call_command("cem_drain")
    audit.seal()
    capsys.readouterr()

    doctor()
    assert capsys.readouterr().out == "Errors: 0, warnings: 0.\n"
    assert not drain.drain().processed


def test_counters_are_reconciled_only_when_asked_to(capsys):
    Membership.objects.update(open_cases=7)

    doctor()
    assert Membership.objects.filter(open_cases=7).exists()
    assert "--reconcile" in capsys.readouterr().out
    doctor("--reconcile")

    assert "7 corrected to 0." in capsys.readouterr().out
    assert not Membership.objects.filter(open_cases=7).exists()
