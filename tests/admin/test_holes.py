"""Ways around that were found in other admins, each tried here."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from cem_cases.loop import cases
from cem_cases.models import Case, Clock, Contact, Customer, Response
from tests import make
from tests.admin import at

CANARY = "canary-7f3a"


@pytest.fixture
def foreign(db):
    """A case of another team, full of words that must not be seen."""
    make.policy()
    south = make.team(f"{CANARY}-team")
    eve = make.agent(south, f"{CANARY}-user")
    case = make.case(
        team=south,
        owner=eve,
        comment=f"{CANARY} comment",
        customer={
            "external_id": f"{CANARY}-id",
            "name": f"{CANARY} name",
            "email": f"{CANARY}@example.com",
        },
    )
    cases.note(case, by=eve, text=f"{CANARY} note")
    return cases.contact(
        case, by=eve, channel="phone", attempt="reached", body=f"{CANARY} body"
    )


@pytest.fixture
def nosy(ada):
    """An agent who may view, add, change and delete every model of ours."""
    ours = Permission.objects.filter(content_type__app_label="cem_cases")
    ada.user_permissions.set(ours.exclude(codename="view_all_cases"))
    return ada


PAGES = [Case, Customer, Response, Contact, Clock]


@pytest.mark.parametrize("model", PAGES, ids=lambda model: model.__name__)
@pytest.mark.parametrize("page", ["change", "history", "delete"])
def test_a_foreign_row_is_like_a_missing_one(door, nosy, foreign, model, page):
    row, client = model.objects.latest("pk"), door(nosy)

    answers = [
        client.get(f"{at.rows(model._meta.model_name)}{key}/{page}/")
        for key in (row.pk, 999_999)
    ]

    ways = {(a.status_code, a.get("Location")) for a in answers}
    assert len(ways) == 1
    assert ways <= {(302, "/admin/"), (403, None)}
    assert not any(CANARY in a.content.decode() for a in answers)


LISTS = ["case", "customer", "response", "contact", "clock", "invitation"]
LISTS += ["auditevent", "pause", "escalation"]


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("query", ["", "?q=canary", "?q=7f3a", "?o=-1", "?_popup=1"])
def test_lists_and_searches_show_no_foreign_row(door, nosy, foreign, name, query):
    answered = door(nosy).get(at.rows(name) + query)

    assert answered.status_code == 200
    # a search box repeats what was typed into it
    shown = answered.content.decode().replace('value="canary"', "")
    assert CANARY not in shown
    assert not list(answered.context["cl"].result_list)


@pytest.mark.parametrize(
    "query",
    [
        "team__members__password__startswith=p",
        "team__memberships__user__password__startswith=p",
        "owner__password__startswith=p",
        "customer__name__startswith=c",
        "opening_response__comment__contains=c",
        "pk__gte=1",
        "id__exact=1",
        "status__exact=new",
        "nothing=1",
    ],
)
def test_a_list_cannot_be_asked_by_guessing(door, nosy, foreign, query):
    assert door(nosy).get(f"{at.rows('case')}?{query}").status_code == 400


@pytest.mark.parametrize(
    "query",
    ["status=canary", "team=0", "team=x", "owner=1", "due=x", "band=1", "p=1e9"],
)
def test_values_that_no_filter_offers_lead_back(door, nosy, foreign, query):
    answered = door(nosy).get(f"{at.rows('case')}?{query}")

    assert answered.status_code in (200, 302)
    if answered.status_code == 302:
        assert answered["Location"] == f"{at.rows('case')}?e=1"


@pytest.mark.parametrize("query", ["o=owner__password", "o=-99", "o=created;drop"])
def test_an_order_that_is_none_is_passed_over(door, nosy, foreign, query):
    assert door(nosy).get(f"{at.rows('case')}?{query}").status_code == 200


@pytest.mark.parametrize("page", ["", "add/"])
def test_cases_and_what_the_loop_writes_cannot_be_posted(
    door, root, foreign, page, fingerprint
):
    before, client = fingerprint(), door(root)
    data = {"customer": 1, "status": "closed", "owner": 1, "_save": "1"}

    for name in ("case", "response", "contact", "clock", "auditevent", "importjob"):
        client.post(at.rows(name) + page, data)

    assert fingerprint() == before


def test_a_cases_page_takes_no_post(door, root, foreign, fingerprint):
    before = fingerprint()
    data = {"status": "closed", "priority": 1, "owner": "", "_save": "1"}

    assert door(root).post(at.page(foreign), data).status_code == 403
    assert fingerprint() == before


def test_related_choices_offer_and_name_nobody_foreign(door, nosy, foreign):
    client = door(nosy)
    mine = make.case(team=nosy.cem_memberships.get().team)

    page = client.get(at.page(mine.customer)).content.decode()

    assert CANARY not in page


def test_a_raw_key_is_not_answered_with_a_name(door, nosy, foreign):
    mine = make.case(team=nosy.cem_memberships.get().team)

    answered = door(nosy).post(
        at.page(mine.customer),
        {"name": "", "annual_value": "x", "account_owner": foreign.owner_id},
    )

    assert answered.status_code == 200
    assert CANARY not in answered.content.decode()


def test_a_raw_key_is_named_to_who_may_view_such_rows(door, root, foreign):
    customer = foreign.customer
    Customer.objects.filter(pk=customer.pk).update(account_owner=foreign.owner)

    found = door(root).get(at.page(customer)).content.decode()

    assert f"{CANARY}-user</a>" in found


@pytest.mark.parametrize("name", ["case", "customer", "response", "clock"])
def test_autocomplete_tells_nothing(door, nosy, foreign, name):
    nosy.user_permissions.remove(Permission.objects.get(codename="view_team"))
    nosy.user_permissions.remove(Permission.objects.get(codename="change_team"))
    for field in ("customer", "team", "owner", "case"):
        answered = door(nosy).get(
            "/admin/autocomplete/",
            {
                "app_label": "cem_cases",
                "model_name": name,
                "field_name": field,
                "term": "canary",
            },
        )
        assert CANARY not in answered.content.decode()


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("_to_field=team", 400),
        ("_to_field=owner__password", 400),
        ("_popup=1", 200),
        ("next=//evil.example", 400),
        ("_changelist_filters=next%3D//evil.example", 400),
    ],
)
def test_parameters_of_popups_and_ways_back_are_harmless(door, ada, query, status):
    case = make.case(team=ada.cem_memberships.get().team)
    client = door(ada)

    assert client.get(f"{at.rows('case')}?{query}").status_code == status
    page = client.get(f"{at.page(case)}?{query}")
    assert page.status_code == 200
    assert "evil" not in page.content.decode()


def test_an_action_leaves_foreign_cases_alone(door, ada, foreign, fingerprint):
    mine = make.case(team=ada.cem_memberships.get().team)
    waiting = cases.assign(foreign, by=foreign.owner, to=None)

    door(ada).post(
        at.rows("case"),
        {"action": "claim_selected", "_selected_action": [mine.pk, waiting.pk]},
    )
    door(ada).post(at.rows("case"), {"action": "claim_selected", "select_across": "1"})

    assert list(Case.objects.filter(owner=ada)) == [mine]


def test_an_action_without_its_permission_does_nothing(door, north, fingerprint):
    reader = make.user("", "view_case", is_staff=True)
    north.memberships.create(user=reader)
    case = make.case(team=north)
    before = fingerprint()

    for action in ("claim_selected", "close_selected", "delete_selected"):
        door(reader).post(
            at.rows("case"), {"action": action, "_selected_action": [case.pk]}
        )

    assert fingerprint() == before


def test_what_the_audit_is_about_is_not_deleted(door, root, foreign, fingerprint):
    before, client = fingerprint(), door(root)

    for row in (foreign, foreign.customer, foreign.opening_response):
        path = f"{at.rows(row._meta.model_name)}{row.pk}/delete/"
        assert client.post(path, {"post": "yes"}).status_code == 403
    for row, path in (
        (foreign.team, at.rows("team")),
        (foreign.owner, "/admin/auth/user/"),
    ):
        answered = client.post(f"{path}{row.pk}/delete/", {"post": "yes"}, follow=True)
        assert "Cannot delete" in answered.content.decode()

    assert fingerprint() == before


@pytest.mark.parametrize("key", ["0", "x", "9" * 30, "9" * 5000, "1_2f", "²"])
def test_a_key_that_is_none_is_like_a_missing_one(door, ada, key):
    for path in ("change", "history", "do/note"):
        answered = door(ada).get(f"{at.rows('case')}{key}/{path}/")
        assert answered["Location"] == "/admin/"


HOSTILE = '<script>alert("x")</script><img src=x onerror=alert(1)>{{ 770001|add:6 }}'


def test_what_customers_write_is_inert(door, root, north):
    agent = make.agent(north, "bob", capacity=0)
    north.name = HOSTILE
    north.save()
    survey = make.nps()
    survey.questions.create(key="q", text=HOSTILE)
    make.rule_for(north, name=HOSTILE)
    make.policy(name=HOSTILE)
    case = make.case(
        team=north,
        owner=agent,
        comment=HOSTILE,
        answers={"q": HOSTILE, "other": [HOSTILE]},
        customer={
            "external_id": HOSTILE,
            "name": HOSTILE,
            "segment": HOSTILE,
            "attributes": {HOSTILE[:50]: HOSTILE},
        },
    )
    Response.objects.update(error=HOSTILE[:200])
    cases.note(case, by=agent, text=HOSTILE)
    cases.contact(
        case, by=agent, channel=HOSTILE, attempt="sent", subject=HOSTILE, body=HOSTILE
    )
    until = timezone.now() + timedelta(days=1)
    cases.set_pending(case, by=agent, reason=HOSTILE, until=until)
    client = door(root)

    pages = [at.page(case), at.page(case.customer), at.page(case.opening_response)]
    pages += [
        at.rows(name) for name in ("case", "customer", "response", "rule", "team")
    ]
    pages += [at.rows(name) for name in ("contact", "clock", "slapolicy", "survey")]
    pages += [at.verb(case, slug) for slug in ("assign", "resolve", "contact")]
    pages += [at.verb(case, "put-on-hold"), at.rows("pause")]
    pages += [at.page(clock) for clock in case.clocks.all()]
    for path in pages:
        found = client.get(path).content.decode()
        assert "<script>alert" not in found, path
        assert "<img src=x" not in found, path
        assert "770007" not in found, path
