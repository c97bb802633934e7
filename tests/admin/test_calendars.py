"""The pages of calendars."""

import sys
import time
from datetime import date, timedelta

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission
from django.core import signing
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from cem_cases.admin import calendarfile
from cem_cases.admin.calendarform import read_openings
from cem_cases.models import AuditEvent, BusinessCalendar, Holiday, PolicyVersion
from tests import make
from tests.admin import at

ADD = f"{at.rows('businesscalendar')}add/"
YEAR = timezone.localdate().year
CHRISTMAS = date(YEAR, 12, 25)


def form(client, calendar=None, *, holidays=(), start="", **fields):
    """What a browser sends from this calendar's page, with these fields changed.

    `holidays`: rows put to it.
    """
    path = f"{at.page(calendar)}?from={start}" if calendar else ADD
    context = client.get(path).context
    bound = context["adminform"].form
    data = {name: bound[name].value() or "" for name in bound.fields}
    (inline,) = context["inline_admin_formsets"]
    rows = [
        dict(shown.initial, id=shown.instance.pk)
        for shown in inline.formset.initial_forms
    ]
    data |= {
        "holidays-INITIAL_FORMS": len(rows),
        "holidays-TOTAL_FORMS": len(rows) + len(holidays),
    }
    for n, row in enumerate([*rows, *({"is_active": "on", **row} for row in holidays)]):
        for name in ("id", "day", "name", "is_active", "DELETE"):
            if row.get(name):
                data[f"holidays-{n}-{name}"] = row[name]
    return data | fields


def save(client, calendar=None, *, start="", **fields):
    data = form(client, calendar, start=start, **fields)
    path = f"{at.page(calendar)}?from={start}" if calendar else ADD
    return client.post(path, data, follow=True)


@pytest.fixture
def client(door, root):
    return door(root)


@pytest.fixture
def office(db):
    return make.office()


@pytest.fixture
def planner(db):
    """Somebody who may change calendars, and nothing else."""
    return make.user(
        "planner", "view_businesscalendar", "change_businesscalendar", is_staff=True
    )


def step(calendar, name):
    return f"{at.rows('businesscalendar')}{calendar.pk}/{name}/"


# Hours


def test_a_calendar_is_written_without_json(client):
    answered = save(
        client,
        name="Hotline",
        zone="Europe/Berlin",
        hours_mon="9:00-12:30, 13:00 - 17:00",
        hours_sat="00:00-24:00",
        special=f"{YEAR}-12-24 09:00-12:00\n{YEAR}-12-31 closed\n",
    )

    assert answered.redirect_chain
    calendar = BusinessCalendar.objects.get()
    assert calendar.hours == {
        "mon": [["09:00", "12:30"], ["13:00", "17:00"]],
        "sat": [["00:00", "24:00"]],
    }
    assert calendar.special == {
        f"{YEAR}-12-24": [["09:00", "12:00"]],
        f"{YEAR}-12-31": [],
    }
    assert AuditEvent.objects.get().kind == "businesscalendar.created"


def test_what_is_shown_and_sent_back_changes_nothing(client, office):
    office.special = {f"{YEAR}-12-31": [], f"{YEAR}-12-24": [["09:00", "12:00"]]}
    office.save()
    office.holidays.create(day=CHRISTMAS, name="Christmas", source="country")
    before = BusinessCalendar.objects.values().get()

    save(client, office)

    assert BusinessCalendar.objects.values().get() == before
    (row,) = office.holidays.all()
    assert (row.day, row.name, row.source, row.is_active) == (
        CHRISTMAS,
        "Christmas",
        "country",
        True,
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("9-17", "“9-17” is not an opening such as 09:00-17:00."),
        ("09:00-12:30 12:00-13:00", "12:00-13:00: overlaps 09:00-12:30"),
        ("17:00-09:00", "17:00-09:00 must end after it starts; part a night at 24:00"),
        ("09:00-09:00", "09:00-09:00 must end after it starts"),
        ("24:00-25:00", "'25:00' is not a time from 00:00 to 24:00"),
        ("closed", "“closed” is not an opening"),
        ("09:00-17:00\x00", "is not an opening"),
        ("09:00-10:00 " * 200, "too many"),
        ("9" * 5000, "is not an opening"),
        (" -" * 50_000, "is not an opening"),
    ],
)
def test_hours_are_refused_with_the_entry_named(client, office, text, said):
    answered = save(client, office, hours_tue=text)

    errors = answered.context["adminform"].form.errors
    assert list(errors) == ["hours_tue"]
    assert said in errors["hours_tue"][0]
    assert text[:20] in at.text(answered) or "value=" in answered.content.decode()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("24.12. 09:00-12:00", "'24.12.' is not a date such as 2026-12-24"),
        ("2026-02-30 closed", "2026-02-30 is not a date such as"),
        ("2026-12-24", "2026-12-24: say when it is open, or write “closed”."),
        ("2026-12-24 12", "2026-12-24: “12” is not an opening"),
        ("2026-12-24 closed\n2026-12-24 09:00-10:00", "this date stands twice"),
        ("x" * 60_000, "too long"),
    ],
)
def test_special_hours_are_refused_with_the_date_named(client, office, text, said):
    answered = save(client, office, special=text)

    assert said in answered.context["adminform"].form.errors["special"][0]


def test_all_that_is_wrong_with_special_hours_is_said_at_once(client, office):
    answered = save(client, office, special="a\nb\n2026-12-24 closed")

    assert len(answered.context["adminform"].form.errors["special"]) == 2


def test_a_zone_that_is_none_is_refused(client, office):
    answered = save(client, office, zone="Mars/Olympus")

    assert "'Mars/Olympus' is not a time zone" in at.text(answered)


def test_a_calendar_that_never_opens_is_refused(client):
    answered = save(client, name="Never", zone="UTC")

    assert not answered.redirect_chain
    assert "no opening in the year" in at.text(answered)
    assert not BusinessCalendar.objects.exists()


def test_openings_may_be_written_as_word_processors_do():
    assert read_openings("9:00 \N{EN DASH} 12:30") == [["09:00", "12:30"]]


def test_hours_that_were_stored_around_the_loop_are_shown_and_refused(client, office):
    BusinessCalendar.objects.update(hours={"mon": "nine to five", "tue": [["09:00"]]})

    page = client.get(at.page(office))
    assert page.status_code == 200
    assert "Cannot be read" in at.text(page)
    assert not save(client, office).redirect_chain


# Holidays


def test_a_holiday_is_put_to_a_calendar(client, office):
    save(client, office, holidays=[{"day": CHRISTMAS, "name": "Christmas"}])

    (row,) = office.holidays.all()
    assert (row.day, row.name, row.source) == (CHRISTMAS, "Christmas", "own")


def test_holidays_that_are_not_shown_stay(client, office):
    every = [date(YEAR - 2, 1, 1) + timedelta(10 * n) for n in range(150)]
    Holiday.objects.bulk_create(
        Holiday(calendar=office, day=day, source="country") for day in every
    )

    for start in (
        "",
        f"{YEAR - 2}-01-01",
        f"{YEAR + 2}-06-15",
        "0000",
        "x",
        "9999-12-31",
    ):
        assert save(client, office, start=start).redirect_chain
        assert [row.day for row in office.holidays.all()] == every


def test_every_holiday_can_be_reached(client, office):
    every = [date(YEAR - 1, 1, 1) + timedelta(n) for n in range(100)]
    Holiday.objects.bulk_create(Holiday(calendar=office, day=day) for day in every)

    def shown(start):
        context = client.get(f"{at.page(office)}?from={start}").context
        (inline,) = context["inline_admin_formsets"]
        days = [each.instance.day for each in inline.formset.initial_forms]
        following = context["shown"].next_day
        return days + (shown(following) if following else [])

    assert shown("") == []
    assert shown(f"{YEAR - 1}-01-01") == every


def test_a_holiday_is_switched_off_and_another_deleted(client, office):
    office.holidays.create(day=CHRISTMAS, source="country")
    office.holidays.create(day=CHRISTMAS + timedelta(1))
    data = form(client, office)
    del data["holidays-0-is_active"]
    data["holidays-1-DELETE"] = "on"

    client.post(at.page(office), data)

    (row,) = office.holidays.all()
    assert (row.day, row.is_active, row.source) == (CHRISTMAS, False, "country")


def test_a_date_stands_once(client, office):
    office.holidays.create(day=CHRISTMAS)
    office.holidays.create(day=date(YEAR - 2, 1, 1))

    for day in (CHRISTMAS, date(YEAR - 2, 1, 1)):
        answered = save(client, office, holidays=[{"day": day}])
        assert not answered.redirect_chain

    assert office.holidays.count() == 2


def test_one_save_is_one_event_and_one_version_of_each_policy(client, office):
    policies = [make.policy(calendar=office), make.policy(calendar=office)]
    versions = PolicyVersion.objects.count()

    answered = save(
        client, office, holidays=[{"day": CHRISTMAS}], hours_sat="09:00-12:00"
    )

    assert at.said(answered)[0] == (
        "2 policies got a new version; running clocks keep the one they began with."
    )
    assert AuditEvent.objects.get().kind == "businesscalendar.changed"
    assert PolicyVersion.objects.count() == versions + len(policies)
    assert all(
        f"{YEAR}-12-25" in version.terms
        for version in PolicyVersion.objects.order_by("-pk")[:2]
    )


def test_what_the_loop_refuses_returns_into_the_form(client, office):
    make.policy(calendar=office, name="Promise").targets.filter(priority=1).delete()

    answered = save(
        client, office, hours_sat="09:00-12:00", holidays=[{"day": CHRISTMAS}]
    )

    assert "Policy 'Promise'" in at.text(answered)
    assert 'value="09:00-12:00"' in answered.content.decode()
    assert "sat" not in BusinessCalendar.objects.get().hours
    assert not Holiday.objects.exists()


def test_holidays_that_leave_nothing_open_return_into_the_form(client):
    day = timezone.localdate() + timedelta(30)
    once = BusinessCalendar.objects.create(
        name="Once", hours={"mon": [["09:00", "10:00"]]}
    )
    data = [
        {"day": day + timedelta(n)}
        for n in range(-40, 380)
        if (day + timedelta(n)).weekday() == 0
    ]

    answered = save(client, once, holidays=data)

    assert "no opening in the year" in at.text(answered)
    assert not Holiday.objects.exists()


@pytest.mark.parametrize("meanwhile", ["the calendar", "a holiday"])
def test_a_calendar_is_not_saved_over_somebody_elses_change(client, office, meanwhile):
    office.holidays.create(day=CHRISTMAS)
    data = form(client, office, hours_sat="09:00-12:00")
    if meanwhile == "a holiday":
        office.holidays.all().delete()
    else:
        BusinessCalendar.objects.update(name="Renamed")

    answered = client.post(at.page(office), data)

    assert "Somebody else saved this calendar" in at.text(answered)
    assert "sat" not in BusinessCalendar.objects.get().hours


# In words


def test_the_page_says_what_the_calendar_comes_to(client, office):
    office.holidays.create(day=CHRISTMAS.replace(year=YEAR + 1), name="Christmas")
    office.holidays.create(
        day=CHRISTMAS.replace(year=YEAR + 1, day=26), is_active=False
    )

    found = at.text(client.get(at.page(office)))

    assert "40 h open a week." in found
    assert f"Next holidays: 25 Dec {YEAR + 1} Christmas." in found
    assert "Open now." in found or "Closed now, opens on" in found


def test_the_list_says_how_calendars_stand(client, office, django_assert_num_queries):
    for n in range(5):
        calendar = BusinessCalendar.objects.create(
            name=f"Night {n}", hours={"sun": [["00:00", "24:00"]]}
        )
        calendar.holidays.create(day=CHRISTMAS)
    path = at.rows("businesscalendar")
    client.get(path)

    with django_assert_num_queries(5):  # session, user, count, rows, holidays
        found = at.text(client.get(path))

    assert "Closed now, opens on Sun" in found or "Open now." in found


def test_a_page_takes_as_many_queries_with_many_holidays(
    client, office, django_assert_num_queries
):
    def queries():
        with django_assert_num_queries(8):
            client.get(at.page(office))

    client.get(at.page(office))
    queries()
    Holiday.objects.bulk_create(
        Holiday(calendar=office, day=date(YEAR, 1, 1) + timedelta(n))
        for n in range(150)
    )
    queries()


def test_who_may_only_look_sees_hours_and_holidays_and_no_button(door, office):
    office.holidays.create(day=CHRISTMAS, name="Christmas")
    office.special = {f"{YEAR}-12-24": [["09:00", "12:00"]]}
    office.save()
    reader = make.user("reader", "view_businesscalendar", is_staff=True)

    answered = door(reader).get(at.page(office))

    found = at.text(answered)
    assert "Monday: 09:00-17:00" in found
    assert "Sunday: closed" in found
    assert f"{YEAR}-12-24: 09:00-12:00" in found
    assert "Christmas" in found
    assert "Import" not in found
    assert "cem-top-up" not in answered.content.decode()


# A country's holidays


def test_a_country_is_chosen_from_a_list_with_names(client, office):
    page = client.get(at.page(office)).content.decode()

    assert '<option value="GB">United Kingdom (GB)</option>' in page
    assert '<option value="Europe/Berlin">' in page


def test_a_country_that_is_known_no_longer_can_stay(client, office):
    BusinessCalendar.objects.update(country="YU", subdivision="X")

    save(client, office, hours_sat="09:00-12:00")

    assert BusinessCalendar.objects.get().country == "YU"


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"country": "XX"}, "country"),
        ({"country": "DE", "subdivision": "XX"}, "subdivision"),
        ({"subdivision": "BY"}, "country"),
    ],
)
def test_a_country_or_subdivision_that_is_none_is_refused(
    client, office, fields, wrong
):
    answered = save(client, office, **fields)

    assert list(answered.context["adminform"].form.errors) == [wrong]


def test_the_button_adds_the_holidays_and_says_which(door, planner, office):
    make.policy(calendar=office)
    BusinessCalendar.objects.update(country="DE", subdivision="BY")
    client = door(planner)
    assert "Add the public holidays of DE (BY)" in at.text(client.get(at.page(office)))

    answered = client.post(step(office, "holidays"), follow=True)

    added = office.holidays.count()
    first, second = at.said(answered)
    assert first.startswith(f"{added} days were added: 1 Jan {YEAR - 1} Neujahr,")
    assert first.endswith(f"and {added - 12} more.")
    assert second.startswith("1 policy got a new version")
    assert AuditEvent.objects.get().actor == planner
    again = client.post(step(office, "holidays"), follow=True)
    assert at.said(again) == [
        "No day was added: all are there already, or none was chosen."
    ]


def test_a_click_that_is_no_post_adds_nothing(client, office, fingerprint):
    BusinessCalendar.objects.update(country="DE")
    before = fingerprint()

    for name in ("holidays", "import/keep"):
        assert client.get(step(office, name)).status_code == 302

    assert fingerprint() == before


def test_without_the_extra_the_page_says_what_to_install(client, office, monkeypatch):
    monkeypatch.setitem(sys.modules, "holidays", None)

    assert "Install django-cem-cases[holidays]" in at.text(client.get(at.page(office)))
    assert save(client, office, country="DE").redirect_chain
    answered = client.post(step(office, "holidays"), follow=True)
    assert at.said(answered)[0].startswith(
        "Install django-cem-cases[holidays] to look up"
    )


# Calendar files


def ics(*events):
    within = "".join(f"BEGIN:VEVENT\n{event}\nEND:VEVENT\n" for event in events)
    return f"BEGIN:VCALENDAR\n{within}END:VCALENDAR\n".encode()


FILE = ics(
    f"DTSTART:{YEAR}0630\nSUMMARY:Stocktaking",
    f"DTSTART:{YEAR}1225\nSUMMARY:Christmas",
    f"DTSTART:{YEAR}0701\nSUMMARY:Summer <b>party</b>",
    f"DTSTART:{YEAR}0702T090000\nSUMMARY:Breakfast",
)


def upload(client, calendar, data=FILE):
    file = SimpleUploadedFile("days.ics", data, "text/calendar")
    return client.post(step(calendar, "import"), {"file": file})


def test_a_file_is_previewed_and_nothing_kept(client, office, fingerprint):
    office.holidays.create(day=CHRISTMAS)
    before = fingerprint()

    answered = upload(client, office)

    found = at.text(answered)
    assert "2 days are new. Nothing is kept yet" in found
    assert f"30 Jun {YEAR} Stocktaking new" in found
    assert f"25 Dec {YEAR} Christmas already there" in found
    assert "1 event is left out Breakfast It has a time of day" in found
    assert "Summer &lt;b&gt;party" in answered.content.decode()
    assert answered.content.decode().count('type="checkbox"') == 2
    assert fingerprint() == before


def test_of_a_preview_what_was_chosen_is_kept(door, planner, office):
    make.policy(calendar=office)
    client = door(planner)
    signed = upload(client, office).context["signed"]

    answered = client.post(
        step(office, "import/keep"),
        {"signed": signed, "day": [f"{YEAR}-06-30"]},
        follow=True,
    )

    (row,) = office.holidays.all()
    assert (str(row.day), row.name, row.source) == (
        f"{YEAR}-06-30",
        "Stocktaking",
        "ics",
    )
    first, second = at.said(answered)
    assert first == f"1 day was added: 30 Jun {YEAR} Stocktaking."
    assert second.startswith("1 policy got a new version")


def test_a_preview_is_kept_once(client, office, fingerprint):
    signed = upload(client, office).context["signed"]
    data = {"signed": signed, "day": [f"{YEAR}-06-30", f"{YEAR}-07-01"]}
    client.post(step(office, "import/keep"), data)
    before = fingerprint()

    client.post(step(office, "import/keep"), data)

    assert fingerprint() == before


@pytest.mark.parametrize("days", [[], ["2026-13-45"], ["x\x00"], [f"{YEAR}-12-31"]])
def test_days_that_were_not_shown_are_not_kept(client, office, days):
    signed = upload(client, office).context["signed"]

    client.post(step(office, "import/keep"), {"signed": signed, "day": days})

    assert not Holiday.objects.exists()


class AnHourAgo(signing.TimestampSigner):
    def timestamp(self):
        return signing.b62_encode(int(time.time()) - calendarfile.KEPT_SECONDS - 1)


def test_a_preview_that_is_old_forged_or_of_another_calendar_is_refused(client, office):
    other = BusinessCalendar.objects.create(name="Other", hours=make.NINE_TO_FIVE)
    of_other = upload(client, other).context["signed"]
    mine = upload(client, office).context["signed"]
    shown = [office.pk, [[f"{YEAR}-06-30", "x"]]]
    old = AnHourAgo(salt=calendarfile.SALT).sign_object(shown)
    forged = signing.dumps(shown, salt="another")

    for signed in (of_other, old, forged, mine[:-2] + "xx", "", "\x00é", "." * 5000):
        answered = client.post(
            step(office, "import/keep"),
            {"signed": signed, "day": f"{YEAR}-06-30"},
            follow=True,
        )
        assert at.said(answered) == ["This preview is too old. Choose the file again."]

    assert not Holiday.objects.exists()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"hello", "This is not a calendar file"),
        (b"", "The submitted file is empty."),
        (b"a" * (1024 * 1024 + 1), "The file is larger than 1 MB."),
        (b"\xff\xfe", "The file is not UTF-8"),
        (ics(f"DTSTART:{YEAR}0101\nRRULE:FREQ=DAILY"), "more than 900 days"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_the_form(client, office, data, said):
    answered = upload(client, office, data)

    assert answered.status_code == 200
    assert said in at.text(answered)


def test_a_form_without_a_file_asks_for_one(client, office):
    assert "This field is required." in at.text(client.post(step(office, "import")))


def test_as_many_days_as_a_file_may_have_are_previewed_and_kept(client, office):
    first = date(YEAR, 1, 1)
    events = [
        f"DTSTART:{first + timedelta(2 * n):%Y%m%d}\nSUMMARY:{n}{'x' * 190}"
        for n in range(900)
    ]
    answered = upload(client, office, ics(*events))
    assert answered.context["new"] == 900
    days = [line.entry.day.isoformat() for line in answered.context["lines"]]

    client.post(
        step(office, "import/keep"), {"signed": answered.context["signed"], "day": days}
    )

    assert office.holidays.count() == 900


@pytest.mark.parametrize("name", ["holidays", "import", "import/keep"])
def test_the_steps_need_the_permission_to_change_and_a_calendar(
    door, root, office, name
):
    reader = make.user("reader", "view_businesscalendar", is_staff=True)
    agent = make.user(
        "agent", "add_holiday", "change_holiday", "change_slapolicy", is_staff=True
    )

    for user in (reader, agent):
        assert door(user).post(step(office, name)).status_code == 403
    nobody = make.user("nobody")
    assert "/login/" in door(nobody).post(step(office, name))["Location"]
    for key in ("0", "x", "9" * 30):
        path = f"{at.rows('businesscalendar')}{key}/{name}/"
        assert door(root).post(path)["Location"] == "/admin/"


def test_who_may_change_calendars_may_change_their_holidays(door, planner, office):
    assert not Permission.objects.filter(
        user=planner, codename__endswith="holiday"
    ).exists()

    save(door(planner), office, holidays=[{"day": CHRISTMAS}])

    assert office.holidays.count() == 1


@pytest.mark.parametrize("name", ["holidays", "import/keep"])
def test_the_steps_need_the_token_of_a_form(root, office, name):
    client = Client(enforce_csrf_checks=True)
    client.force_login(root)

    assert client.post(step(office, name)).status_code == 403


@pytest.fixture
def phone(page, live_server, client):
    """The phone of somebody who may everything."""
    name = settings.SESSION_COOKIE_NAME
    value = client.cookies[name].value
    page.context.add_cookies([{"name": name, "value": value, "url": live_server.url}])
    page.set_viewport_size({"width": 360, "height": 740})
    return page


@pytest.mark.browser
def test_a_calendar_is_kept_on_a_phone(phone, office, tmp_path):
    BusinessCalendar.objects.update(country="DE")
    file = tmp_path / "days.ics"
    file.write_bytes(FILE)
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"

    phone.goto(at.page(office))
    assert phone.evaluate(wide) == 0
    phone.get_by_role("button", name="Add the public holidays of DE").click()
    phone.get_by_text("days were added").wait_for()
    assert phone.evaluate(wide) == 0
    phone.get_by_label("Saturday").fill("9:00 - 13:00")
    phone.get_by_role("button", name="Save and continue editing").click()
    phone.get_by_text("44 h open a week.").wait_for()
    phone.get_by_role("link", name="Import a calendar file").click()
    phone.get_by_label("Calendar file").set_input_files(file)
    phone.get_by_role("button", name="Show what it holds").click()
    phone.get_by_label("1 Jul").uncheck()
    assert phone.evaluate(wide) == 0
    phone.get_by_role("button", name="Keep").click()

    phone.get_by_text("1 day was added").wait_for()
    assert office.holidays.filter(source="ics").get().name == "Stocktaking"
    assert office.holidays.filter(source="country").exists()
