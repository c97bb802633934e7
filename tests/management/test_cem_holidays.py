import json
import sys

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from cem_cases.models import AuditEvent, BusinessCalendar
from tests import make

pytestmark = pytest.mark.django_db
YEAR = timezone.now().year


@pytest.fixture
def berlin():
    return BusinessCalendar.objects.create(
        name="Berlin", hours=make.NINE_TO_FIVE, country="DE", subdivision="BE"
    )


def test_every_calendar_that_names_a_country_is_topped_up(berlin, capsys):
    make.office()
    make.policy(calendar=berlin)

    call_command("cem_holidays")

    added = berlin.holidays.count()
    said = capsys.readouterr().out
    assert said == f"Berlin: days added: {added}, policies with a new version: 1\n"
    assert added >= 7 * 10
    assert AuditEvent.objects.get().actor is None


def test_a_second_time_nothing_changes(berlin, fingerprint, capsys):
    call_command("cem_holidays")
    before = fingerprint()

    call_command("cem_holidays", "--json")

    assert fingerprint() == before
    (done,) = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert done == {"calendar": "Berlin", "added": [], "policies": 0, "refused": ""}


def test_years_and_a_calendar_are_chosen(berlin, capsys):
    BusinessCalendar.objects.create(
        name="Vienna", hours=make.NINE_TO_FIVE, country="AT"
    )

    call_command("cem_holidays", "--calendar=Vienna", "--years=0", "--json")

    (done,) = json.loads(capsys.readouterr().out)
    assert done["calendar"] == "Vienna"
    assert {"day": f"{YEAR}-10-26", "name": "Nationalfeiertag"} in done["added"]
    assert {added["day"][:4] for added in done["added"]} == {str(YEAR - 1), str(YEAR)}
    assert not berlin.holidays.exists()


def test_a_calendar_that_is_refused_does_not_hold_up_the_others(berlin, capsys):
    BusinessCalendar.objects.create(
        name="Atlantis", hours=make.NINE_TO_FIVE, country="XX"
    )

    with pytest.raises(CommandError, match="Some calendars were left as they are"):
        call_command("cem_holidays")

    assert "Atlantis: country: Its holidays are not known." in capsys.readouterr().out
    assert berlin.holidays.exists()


def test_without_the_extra_it_is_said_what_to_install(berlin, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "holidays", None)

    with pytest.raises(CommandError):
        call_command("cem_holidays")

    assert "Install django-cem-cases[holidays]" in capsys.readouterr().out


def test_a_site_without_countries_has_nothing_to_do(capsys):
    make.office()

    call_command("cem_holidays")

    assert capsys.readouterr().out == "No calendar names a country.\n"


@pytest.mark.parametrize(
    "arguments", [["--calendar=Nowhere"], ["--years=-1"], ["--years=x"], ["--years=99"]]
)
def test_what_is_wrong_is_refused(berlin, arguments):
    with pytest.raises(CommandError):
        call_command("cem_holidays", *arguments)

    assert not berlin.holidays.exists()
