import json
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from cem_cases.models import Case, Clock, Response
from tests import make

pytestmark = pytest.mark.django_db


def drained(capsys, *arguments):
    call_command("cem_drain", "--json", *arguments)
    return json.loads(capsys.readouterr().out)


def test_what_waits_goes_through_the_loop(capsys):
    make.rule()
    make.response(score=2)
    make.response(score=10)

    totals = drained(capsys)

    assert (totals["processed"], totals["opened"], totals["waiting"]) == (2, 1, 0)
    assert Case.objects.count() == 1


def test_a_second_time_there_is_nothing_to_do(capsys):
    make.rule()
    make.response(score=2)
    drained(capsys)

    assert set(drained(capsys).values()) == {0}


def test_clocks_that_are_due_are_marked_once(capsys):
    make.policy()
    make.rule_for(make.team())
    make.response(score=2, now=timezone.now() - timedelta(days=60))

    assert drained(capsys)["breached"] == 2
    assert drained(capsys)["breached"] == 0
    assert not Clock.objects.filter(breached_at=None).exists()


def test_rules_look_at_a_breach_in_the_same_run(capsys):
    make.policy()
    make.rule_for(make.team())
    make.rule({"do": "mark as complaint"}, trigger="clock breached", conditions={})
    make.response(score=2, now=timezone.now() - timedelta(days=60))

    totals = drained(capsys)

    assert (totals["breached"], totals["reacted"]) == (2, 2)
    assert Case.objects.get().is_complaint


def test_a_response_that_fails_waits_and_is_counted(capsys, monkeypatch):
    from cem_cases.loop import route

    def broken(*args, **kwargs):
        raise RuntimeError("no")

    make.response(score=2)
    monkeypatch.setattr(route, "route", broken)

    totals = drained(capsys)

    assert (totals["failed"], totals["waiting"], totals["processed"]) == (1, 1, 0)


def test_without_json_it_says_so_in_words(capsys):
    make.rule()
    make.response(score=2)

    call_command("cem_drain", "--seconds", "5")

    said = capsys.readouterr().out
    assert "Responses: 1 processed, 0 failed, 0 waiting, 0 parked" in said
    assert "Cases: 1 opened" in said
    assert Response.objects.get().processed_at


@pytest.mark.parametrize("seconds", ["0", "-1", "soon", "nan"])
def test_a_time_that_is_none_is_refused(seconds):
    with pytest.raises(CommandError, match="above 0"):
        call_command("cem_drain", "--seconds", seconds)
