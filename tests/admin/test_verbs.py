import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from cem_cases.admin.verbs import VERBS
from cem_cases.loop import cases
from cem_cases.models import AuditEvent, Case, Contact
from tests import make
from tests.admin import at


@pytest.fixture
def case(north):
    make.policy()
    return make.case(team=north)


def fill(slug, ada, case):
    member = ada.cem_memberships.get()
    return {
        "claim": {},
        "contact": {"direction": "out", "channel": "phone", "attempt": "reached"},
        "note": {"text": "Called the depot."},
        "assign": {"to": f"member:{member.pk}", "reason": "Knows them."},
        "set-priority": {"priority": "1"},
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
    if slug == "claim":
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
    return [verb.slug for verb, _ in answered.context["buttons"]]


def test_the_buttons_are_what_the_case_allows_now(door, ada, case):
    client, page = door(ada), at.page(case)
    shown = [buttons(client.get(page))]

    cases.claim(case, by=ada)
    shown.append(buttons(client.get(page)))
    case = prepare("close", ada, case)
    shown.append(buttons(client.get(page)))
    cases.close(case, by=ada)
    shown.append(buttons(client.get(page)))

    working = ["contact", "note", "assign", "set-priority", "resolve"]
    assert shown == [
        ["claim", *working],
        working,
        ["contact", "note", "reopen", "close"],
        ["note"],
    ]


@pytest.mark.parametrize("slug", ["contact", "note", "assign", "resolve"])
def test_a_form_opens_on_the_cases_page(door, ada, case, slug):
    answered = door(ada).get(at.verb(case, slug))

    assert answered.status_code == 200
    assert answered.context["form"].case == case
    assert "What happened" in at.text(answered)


@pytest.mark.parametrize("slug", ["claim", "reopen"])
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
    foreign = make.agent(make.team("south"), "eve").cem_memberships.get()
    before = fingerprint()

    answered = door(ada).post(
        at.verb(case, "assign"),
        {"to": to.format(foreign.pk), "version": case.version},
    )

    assert "to" in answered.context["form"].errors
    assert "eve" not in at.text(answered)
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
