"""What a calendar gets from a country, and from a calendar file."""

import sys
from datetime import date

import pytest

from cem_cases.exceptions import InvalidInput, MissingExtra
from cem_cases.intake.ics import Entry
from cem_cases.loop import holidays
from cem_cases.models import AuditEvent, BusinessCalendar, Holiday, PolicyVersion
from tests import make
from tests.make import DAY, MONDAY
from tests.threads import at_once

CHRISTMAS = date(2025, 12, 25)
FILE = (
    b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:Stocktaking\nDTSTART:20250630\n"
    b"END:VEVENT\nEND:VCALENDAR\n"
)


@pytest.fixture
def boss(db):
    return make.user("boss")


@pytest.fixture
def bavaria(db):
    calendar = make.office()
    calendar.country, calendar.subdivision = "DE", "BY"
    calendar.save()
    return calendar


@pytest.fixture
def without_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "holidays", None)


def test_a_country_has_its_holidays_in_its_own_language(monkeypatch):
    monkeypatch.setenv("LANGUAGE", "en_US")

    found = holidays.of_country("DE", "", [2026, 2025])

    assert found[0] == Entry(date(2025, 1, 1), "Neujahr")
    assert Entry(date(2026, 4, 3), "Karfreitag") in found
    assert found == sorted(found)
    assert len(found) == 2 * 9


def test_a_subdivision_has_its_own_besides():
    bavarian = holidays.of_country("DE", "BY", [2026])

    more = set(bavarian) - set(holidays.of_country("DE", "", [2026]))
    assert [entry.day.month for entry in sorted(more)] == [1, 6, 11]


def test_half_days_are_no_holidays():
    days = {entry.day for entry in holidays.of_country("DE", "", [2026])}

    assert not days & {date(2026, 12, 24), date(2026, 12, 31)}


def test_holidays_on_one_day_are_one_entry():
    found = holidays.of_country("DE", "", [2008])

    (may,) = (entry for entry in found if entry.day == date(2008, 5, 1))
    assert may.name == "Christi Himmelfahrt; Erster Mai"


@pytest.mark.parametrize(
    ("country", "subdivision", "said"),
    [
        ("", "", "country: Is missing."),
        ("XX", "", "country: Its holidays are not known. Such as DE, GB or US."),
        ("de", "", "country: Its holidays are not known. Did you mean DE?"),
        ("Germany", "", "Did you mean DE?"),
        ("Swedn", "", "Did you mean SE"),
        ("DE", "by", "subdivision: Must be one of: BB, BE, BW, BY,"),
        ("MC", "X", "subdivision: MC has none: leave it empty."),
    ],
)
def test_what_is_not_known_is_refused_by_its_field(country, subdivision, said):
    with pytest.raises(InvalidInput) as error:
        holidays.of_country(country, subdivision, [2026])

    assert said in str(error.value)


@pytest.mark.usefixtures("without_the_extra")
def test_without_the_extra_it_is_said_what_to_install(bavaria, boss):
    for ask in (
        holidays.countries,
        lambda: holidays.of_country("DE", "", [2026]),
        lambda: holidays.top_up(bavaria, by=boss, now=MONDAY),
    ):
        with pytest.raises(
            MissingExtra, match=r"^Install django-cem-cases\[holidays\] to"
        ):
            ask()

    assert not AuditEvent.objects.exists()


@pytest.mark.usefixtures("without_the_extra")
def test_a_calendar_file_needs_no_extra(bavaria, boss):
    found = holidays.read_ics(FILE, now=MONDAY)

    assert len(holidays.keep(bavaria, found.entries, by=boss, now=MONDAY).days) == 1


def test_countries_have_names():
    found = holidays.countries()

    assert found["GB"] == "United Kingdom"
    assert holidays.subdivisions("GB") == ["ENG", "NIR", "SCT", "WLS"]
    assert holidays.subdivisions("") == []


def test_a_calendar_is_filled_from_last_year_to_five_years_ahead(bavaria):
    rows = holidays.fill(bavaria, now=MONDAY)

    assert {row.day.year for row in rows} == set(range(2024, 2031))
    assert {row.source for row in rows} == {Holiday.Source.COUNTRY}
    assert not Holiday.objects.exists()


def test_a_calendar_is_filled_for_the_years_asked_for(bavaria):
    rows = holidays.fill(bavaria, years=[2025], now=MONDAY)

    assert {row.day.year for row in rows} == {2025}


def test_days_that_are_there_stay_as_they_are(bavaria, boss):
    bavaria.holidays.create(day=CHRISTMAS, name="We work", is_active=False)

    holidays.top_up(bavaria, by=boss, now=MONDAY)

    kept = bavaria.holidays.get(day=CHRISTMAS)
    assert (kept.name, kept.is_active, kept.source) == ("We work", False, "own")


def test_what_is_added_is_one_event_and_a_version_of_each_policy(bavaria, boss):
    policy = make.policy(calendar=bavaria)

    added = holidays.top_up(bavaria, by=boss, now=MONDAY)

    assert len(added.days) == bavaria.holidays.count() == 7 * 12
    assert [version.policy for version in added.versions] == [policy]
    assert "2025-12-25" in PolicyVersion.objects.latest("pk").terms
    event = AuditEvent.objects.get()
    assert (event.kind, event.actor) == ("businesscalendar.changed", boss)


def test_a_second_time_nothing_is_added_and_nothing_saved(bavaria, boss, fingerprint):
    make.policy(calendar=bavaria)
    entries = holidays.read_ics(FILE, now=MONDAY).entries
    holidays.top_up(bavaria, by=boss, now=MONDAY)
    holidays.keep(bavaria, entries, by=boss, now=MONDAY)
    before = fingerprint()

    assert not holidays.top_up(bavaria, by=boss, now=MONDAY).days
    assert not holidays.keep(bavaria, entries, by=boss, now=MONDAY).days
    assert fingerprint() == before


def test_the_calendar_is_taken_as_it_is_by_now(bavaria, boss):
    mine = BusinessCalendar.objects.get()
    BusinessCalendar.objects.update(name="Renamed meanwhile")

    holidays.top_up(mine, by=boss, now=MONDAY)

    assert BusinessCalendar.objects.get().name == "Renamed meanwhile"


def test_the_days_of_a_file_are_previewed_and_then_kept(bavaria, boss):
    preview = holidays.read_ics(FILE, now=MONDAY)
    assert preview.entries == [Entry(date(2025, 6, 30), "Stocktaking")]
    assert not Holiday.objects.exists()

    added = holidays.keep(bavaria, preview.entries, by=boss, now=MONDAY)

    (row,) = bavaria.holidays.all()
    assert (row.day, row.name, row.source) == (date(2025, 6, 30), "Stocktaking", "ics")
    assert [day.pk for day in added.days] == [row.pk]


def test_a_file_that_is_none_is_refused_as_input():
    with pytest.raises(InvalidInput) as error:
        holidays.read_ics(b"\xff\x00", now=MONDAY)

    assert error.value.errors == {
        "file": ["The file is not UTF-8, as calendar files are."]
    }


def test_days_that_would_leave_nothing_open_are_not_kept(boss):
    calendar = BusinessCalendar.objects.create(
        name="Mondays", hours={"mon": [["09:00", "10:00"]]}
    )
    mondays = [Entry((MONDAY + 7 * n * DAY).date(), "") for n in range(60)]

    with pytest.raises(InvalidInput, match="no opening in the year"):
        holidays.keep(calendar, mondays, by=boss, now=MONDAY)

    assert not Holiday.objects.exists()


def test_a_policy_that_would_be_dead_is_named(bavaria, boss):
    make.policy(calendar=bavaria, name="Promise").targets.filter(priority=1).delete()

    with pytest.raises(InvalidInput, match="Policy 'Promise'"):
        holidays.top_up(bavaria, by=boss, now=MONDAY)

    assert not Holiday.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_who_add_the_same_at_once_add_it_once(boss, bavaria):
    def add():
        return len(holidays.top_up(bavaria, by=boss, now=MONDAY).days)

    assert sorted(at_once([add, add])) == [0, bavaria.holidays.count()]
