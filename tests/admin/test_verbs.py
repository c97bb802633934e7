from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from cem_cases.admin.verbs import VERBS
from cem_cases.loop import cases
from cem_cases.models import AuditEvent, Case, Clock, Contact
from tests import make
from tests.admin import at


@pytest.fixture
def case(north):
    make.policy()
    return make.case(team=north)


def tomorrow():
    return timezone.now() + timedelta(days=1)


def fill(slug, ada, case):
    waits = {"reason": "A photo.", "until": f"{tomorrow():%Y-%m-%dT%H:%M}"}
    member = ada.cem_memberships.get()
    return {
        "claim": {},
        "contact": {"direction": "out", "channel": "phone", "attempt": "reached"},
        "note": {"text": "Called the depot."},
        "assign": {"to": f"member:{member.pk}", "reason": "Knows them."},
        "decline": {"reason": "I know them."},
        "set-priority": {"priority": "1"},
        "set-pending": waits,
        "put-on-hold": waits,
        "resume": {},
        "mark-complaint": {"is_complaint": "yes"},
        "resolve": {
            "root_cause": make.root_cause().pk,
            "outcome": "recovered",
            "note": "Refunded.",
        },
        "reopen": {"reason": "It never came."},
        "close": {},
    }[slug]


def prepare(slug, ada, case):
    """Bring the case to where this verb is allowed."""
    if slug in ("decline", "set-pending", "put-on-hold", "resume"):
        case = cases.claim(case, by=ada)
    if slug == "resume":
        case = cases.set_pending(case, by=ada, reason="A photo.", until=tomorrow())
    if slug in ("reopen", "close"):
        case = cases.resolve(
            case,
            by=ada,
            root_cause=make.root_cause(),
            outcome="recovered",
            note="Done.",
        )
    return case


@pytest.mark.parametrize("slug", VERBS)
def test_each_verb_happens_once_and_is_told(door, ada, case, slug):
    case = prepare(slug, ada, case)
    # not counting the clocks that are late today
    events = AuditEvent.objects.filter(kind__startswith="case.")
    before = events.count()
    data = fill(slug, ada, case) | {"version": case.version}

    answered = door(ada).post(at.verb(case, slug), data, follow=True)

    assert at.said(answered) == [str(VERBS[slug].done)]
    assert answered.request["PATH_INFO"] == at.page(case)
    assert events.count() == before + 1
    assert events.latest("pk").actor == ada
    assert Case.objects.get().version == case.version + 1


@pytest.mark.parametrize("slug", VERBS)
def test_a_verb_takes_its_permission(door, ada, case, slug, fingerprint):
    case = prepare(slug, ada, case)
    needed = VERBS[slug].permission.removeprefix("cem_cases.")
    ada.user_permissions.remove(Permission.objects.get(codename=needed))
    data = fill(slug, ada, case) | {"version": case.version}
    before = fingerprint()
    client = door(ada)

    answered = client.post(at.verb(case, slug), data)

    assert answered.status_code == 403
    assert client.get(at.verb(case, slug)).status_code == 403
    assert slug not in buttons(client.get(at.page(case)))
    assert fingerprint() == before


@pytest.mark.parametrize("slug", VERBS)
def test_a_foreign_case_is_like_a_missing_one(door, ada, slug, fingerprint):
    foreign = make.case()
    data = fill(slug, ada, foreign) | {"version": foreign.version}
    before, client = fingerprint(), door(ada)

    answers = [
        client.post(at.verb(case, slug), data)
        for case in (foreign, Case(pk=foreign.pk + 1))
    ]

    assert [(a.status_code, a["Location"]) for a in answers] == [(302, "/admin/")] * 2
    assert fingerprint() == before


@pytest.mark.parametrize("slug", VERBS)
def test_a_stale_version_is_refused_and_nothing_typed_is_lost(
    door, ada, north, case, slug, fingerprint
):
    case = prepare(slug, ada, case)
    data = fill(slug, ada, case) | {"version": case.version}
    cases.note(case, by=make.agent(north, "bob"), text="I am on it.")
    before, client = fingerprint(), door(ada)

    answered = client.post(at.verb(case, slug), data, follow=True)

    assert fingerprint() == before
    found = at.text(answered)
    assert "was changed meanwhile" in found
    if VERBS[slug].is_one_click:
        return
    assert "Last change: Wrote a note (bob)" in found
    form = answered.context["form"]
    assert form["version"].value() == str(case.version + 1)
    for name, value in data.items():
        if name != "version":
            assert form[name].value() == str(value)


def test_after_a_look_the_same_text_goes_through(door, ada, case):
    cases.note(case, by=ada, text="First.")
    data = {"text": "Second.", "version": case.version}
    client = door(ada)

    form = client.post(at.verb(case, "note"), data).context["form"]
    client.post(at.verb(case, "note"), form.data)

    assert "Second." in at.text(client.get(at.page(case)))


def test_a_form_with_a_gap_keeps_the_version_its_user_saw(door, ada, case):
    cases.note(case, by=ada, text="Changed meanwhile.")

    answered = door(ada).post(
        at.verb(case, "note"), {"text": "", "version": case.version}
    )

    assert answered.context["form"]["version"].value() == str(case.version)
    assert "This field is required." in at.text(answered)


@pytest.mark.parametrize("version", ["", "x", "0", "-1", "9" * 40])
def test_a_version_that_is_none_is_refused(door, ada, case, version, fingerprint):
    before = fingerprint()

    answered = door(ada).post(
        at.verb(case, "note"), {"text": "Hello", "version": version}
    )

    assert answered.status_code == 200
    assert fingerprint() == before


def buttons(answered):
    return [verb.slug for verb, _, _ in answered.context["buttons"]]


def test_the_buttons_are_what_the_case_allows_now(door, ada, case):
    client, page = door(ada), at.page(case)
    shown = [buttons(client.get(page))]

    case = prepare("resume", ada, case)
    shown.append(buttons(client.get(page)))
    cases.resume(case, by=ada)
    shown.append(buttons(client.get(page)))
    case = prepare("close", ada, case)
    shown.append(buttons(client.get(page)))
    cases.close(case, by=ada)
    shown.append(buttons(client.get(page)))

    noting, working = ["contact", "note", "assign"], ["decline", "set-priority"]
    waiting, ending = ["set-pending", "put-on-hold"], ["mark-complaint", "resolve"]
    assert shown == [
        ["claim", *noting, "set-priority", *ending],
        ["resume", *noting, *working, *waiting, *ending],
        [*noting, *working, *waiting, *ending],
        ["contact", "note", "reopen", "close"],
        ["note"],
    ]


@pytest.mark.parametrize(
    "slug", ["contact", "note", "assign", "mark-complaint", "resolve"]
)
def test_a_form_opens_on_the_cases_page(door, ada, case, slug):
    answered = door(ada).get(at.verb(case, slug))

    assert answered.status_code == 200
    assert answered.context["form"].case == case
    assert "What happened" in at.text(answered)


@pytest.mark.parametrize("slug", ["claim", "resume", "reopen"])
def test_looking_never_acts(door, ada, case, slug, fingerprint):
    before = fingerprint()

    answered = door(ada).get(at.verb(case, slug))

    assert answered["Location"] == at.page(case)
    assert fingerprint() == before


def test_a_verb_that_is_none_is_not_found(door, ada, case):
    assert door(ada).post(at.verb(case, "delete")).status_code == 404


def test_a_verb_needs_the_token_of_its_form(ada, case):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(ada)

    answered = strict.post(at.verb(case, "claim"), {"version": case.version})

    assert answered.status_code == 403


def test_nobody_acts_without_login(client, case, fingerprint):
    before = fingerprint()

    answered = client.post(at.verb(case, "claim"), {"version": case.version})

    assert answered["Location"].startswith("/admin/login/")
    assert fingerprint() == before


def test_a_claim_that_lost_names_the_winner(door, ada, north, case):
    cases.claim(case, by=make.agent(north, "bob"))

    answered = door(ada).post(
        at.verb(case, "claim"), {"version": case.version}, follow=True
    )

    assert at.said(answered) == [f"Case #{case.pk} belongs to bob already."]


def test_a_refusal_of_the_loop_stands_at_its_field(door, ada, case):
    data = fill("resolve", ada, case) | {"outcome": "not reached"}

    answered = door(ada).post(
        at.verb(case, "resolve"), data | {"version": case.version}
    )

    form = answered.context["form"]
    assert form.errors["outcome"] == [
        "Not reached needs 3 contact attempts; there are 0."
    ]
    assert form["note"].value() == "Refunded."


def test_what_is_not_possible_any_more_is_said_beside_what_was_typed(door, ada, case):
    cases.claim(case, by=ada)
    done = prepare("close", ada, case)
    data = fill("set-priority", ada, done) | {"version": done.version}

    answered = door(ada).post(at.verb(done, "set-priority"), data)

    assert "is resolved: set priority is not possible" in at.text(answered)


def offered(client, case):
    form = client.get(at.verb(case, "assign")).context["form"]
    return {
        name: [label for _, label in options]
        for name, options in form.fields["to"].choices
        if name
    }


def test_a_case_is_given_to_members_of_ones_own_teams_only(door, ada, north, case):
    make.agent(north, "bob", capacity=5)
    make.agent(north, "gone", is_active=False)
    make.agent(make.team("south"), "canary")
    cases.claim(case, by=ada)

    assert offered(door(ada), case) == {
        "North": ["Queue of North: nobody yet", "bob (open cases: 0 of 5)"]
    }


def test_who_sees_all_teams_gives_a_case_to_any(door, root, north, case):
    make.agent(south := make.team("south"), "eve")

    client = door(root)

    assert list(offered(client, case)) == ["North", "South"]
    member = south.memberships.get()
    data = {"to": f"member:{member.pk}", "version": case.version}
    client.post(at.verb(case, "assign"), data)
    case.refresh_from_db()
    assert (case.team, case.owner) == (south, member.user)


def test_a_case_goes_back_to_the_queue(door, ada, north, case):
    case = cases.claim(case, by=ada)

    data = {"to": f"queue:{north.pk}", "version": case.version}
    door(ada).post(at.verb(case, "assign"), data)

    case.refresh_from_db()
    assert (case.owner, case.status) == (None, "new")


@pytest.mark.parametrize("to", ["member:999", "queue:999", "canary", "member:{}"])
def test_a_case_goes_to_nobody_who_was_not_offered(door, ada, case, to, fingerprint):
    foreign = make.agent(make.team("south"), "kilimanjaro").cem_memberships.get()
    before = fingerprint()

    answered = door(ada).post(
        at.verb(case, "assign"),
        {"to": to.format(foreign.pk), "version": case.version},
    )

    assert "to" in answered.context["form"].errors
    assert "kilimanjaro" not in at.text(answered)
    assert fingerprint() == before


def test_a_contact_is_kept_with_its_words(door, ada, case):
    data = fill("contact", ada, case) | {
        "subject": "Your\r\nBcc: order",
        "body": "We are sorry.",
        "version": case.version,
    }

    page = door(ada).post(at.verb(case, "contact"), data, follow=True)

    contact = Contact.objects.get()
    assert (contact.subject, contact.body) == ("Your Bcc: order", "We are sorry.")
    assert "Contacted the customer by phone: reached" in at.text(page)
    assert "We are sorry." in at.text(page)


def test_a_branch_of_the_tree_of_causes_is_no_cause_while_some_are_below_it(
    door, ada, case
):
    branch = make.root_cause("logistics", name="Logistics")
    make.root_cause("late-delivery", name="Delivered late", parent=branch)

    page = at.text(door(ada).get(at.verb(case, "resolve")))

    assert "Logistics · Delivered late" in page
    assert "Logistics · Logistics" not in page


# Waiting


def test_waiting_begins_tomorrow_at_nine_by_the_users_clock(door, ada, case):
    case = cases.claim(case, by=ada)

    with timezone.override("Asia/Kathmandu"):
        form = door(ada).get(at.verb(case, "set-pending")).context["form"]
        shown = form["until"].value()
        local = timezone.localtime() + timedelta(days=1)

    assert (shown.date(), shown.hour, shown.minute) == (local.date(), 9, 0)
    assert "Asia/Kathmandu" in form.fields["until"].help_text


def test_the_end_of_waiting_is_read_in_the_users_zone(door, ada, case):
    case = cases.claim(case, by=ada)
    day = tomorrow().date()
    data = {"reason": "A photo.", "until": f"{day}T09:00", "version": case.version}

    with timezone.override("Asia/Kathmandu"):
        door(ada).post(at.verb(case, "put-on-hold"), data)

    case.refresh_from_db()
    assert case.status == "on hold"
    assert case.waiting_until == datetime(
        day.year, day.month, day.day, 3, 15, tzinfo=UTC
    )


@pytest.mark.parametrize(
    "until",
    [
        "",
        "x",
        "2020-01-01T09:00",
        "0001-01-01T00:00",
        "9999-12-31T23:59",
        "9999-12-31T23:59-14:00",
        "2026-02-30T09:00",
        "1e9",
        "\x00",
        "9" * 5000,
    ],
)
def test_an_end_that_cannot_be_is_said_at_its_field(
    door, ada, case, until, fingerprint
):
    case = cases.claim(case, by=ada)
    data = fill("set-pending", ada, case) | {"until": until, "version": case.version}
    before = fingerprint()

    answered = door(ada).post(at.verb(case, "set-pending"), data)

    assert answered.context["form"].errors.keys() == {"until"}
    assert fingerprint() == before


def test_a_reason_that_is_none_is_said_at_its_field(door, ada, case):
    case = cases.claim(case, by=ada)
    data = fill("set-pending", ada, case) | {"version": case.version}

    for reason in ("", " ", "x" * 201):
        answered = door(ada).post(
            at.verb(case, "set-pending"), data | {"reason": reason}
        )
        assert answered.context["form"].errors.keys() == {"reason"}


def test_the_form_says_what_happens_to_the_clocks(door, ada, case):
    case, client = cases.claim(case, by=ada), door(ada)

    pending = at.text(client.get(at.verb(case, "set-pending")))
    held = at.text(client.get(at.verb(case, "put-on-hold")))

    assert "stand still until the case is open again: resolution." in pending
    assert "Clocks that run on: first contact." in pending
    assert "Clocks that run on: first contact, resolution." in held


def test_of_a_policy_that_cannot_be_read_no_clock_stands_still(
    door, ada, case, monkeypatch
):
    case = cases.claim(case, by=ada)
    unreadable(monkeypatch)

    found = at.text(door(ada).get(at.verb(case, "set-pending")))

    assert "Clocks that run on: first contact, resolution." in found


def unreadable(monkeypatch):
    def value(version):
        raise ValueError

    monkeypatch.setattr("cem_cases.models.sla.PolicyVersion.value", value)


def test_a_case_that_waits_is_asked_with_what_it_waits_for(door, ada, case):
    case = prepare("resume", ada, case)

    answered = door(ada).get(at.verb(case, "put-on-hold"))

    form = answered.context["form"]
    assert form["reason"].value() == "A photo."
    until = timezone.make_naive(case.waiting_until).replace(microsecond=0)
    assert form["until"].value() == until
    assert "Pending until" in at.text(answered)
    assert "A photo. It is open again by itself then." in at.text(answered)


def test_resuming_takes_one_click(door, ada, case):
    case = prepare("resume", ada, case)

    answered = door(ada).post(
        at.verb(case, "resume"), {"version": case.version}, follow=True
    )

    case.refresh_from_db()
    assert (case.status, case.waiting_reason) == ("open", "")
    assert "It is open again by itself then." not in at.text(answered)


# Complaints


def test_a_complaint_is_marked_and_unmarked_with_one_verb(door, ada, case):
    client, page = door(ada), at.verb(case, "mark-complaint")
    assert "Mark as complaint" in at.text(client.get(page))

    client.post(page, client.get(page).context["form"].initial)
    case.refresh_from_db()
    assert case.is_complaint
    assert "Not a complaint" in at.text(client.get(page))

    client.post(page, client.get(page).context["form"].initial)
    case.refresh_from_db()
    assert not case.is_complaint


def test_a_stale_form_still_says_what_its_user_meant(door, ada, north, case):
    cases.mark_complaint(case, by=make.agent(north, "bob"))

    answered = door(ada).post(
        at.verb(case, "mark-complaint"),
        {"is_complaint": "yes", "version": case.version},
    )

    assert str(answered.context["verb_label"]) == "Mark as complaint"
    assert answered.context["form"]["is_complaint"].value() == "yes"


@pytest.mark.parametrize("word", ["", "maybe", "True"])
def test_a_complaint_is_yes_or_no(door, ada, case, word, fingerprint):
    before = fingerprint()

    door(ada).post(
        at.verb(case, "mark-complaint"), {"is_complaint": word, "version": case.version}
    )

    assert fingerprint() == before


def test_the_form_says_how_long_the_law_gives(door, ada, north, monkeypatch):
    make.policy(also={"statutory": (56 * 86_400, "calendar seconds")})
    case, client = make.case(team=north), door(ada)
    page = at.verb(case, "mark-complaint")

    assert "as of when the case was opened: 56 d around the clock" in at.text(
        client.get(page)
    )
    case = cases.mark_complaint(case, by=ada)
    assert "Its statutory clock is cancelled" in at.text(client.get(page))
    case = cases.mark_complaint(case, by=ada, is_complaint=False)
    unreadable(monkeypatch)
    assert "no statutory target" in at.text(client.get(page))


def test_without_a_policy_there_is_no_statutory_clock(door, ada, north):
    case = make.case(team=north)

    found = at.text(door(ada).get(at.verb(case, "mark-complaint")))

    assert "no statutory target" in found
    assert not Clock.objects.exists()
