from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from cem_cases.loop import cases, drain
from cem_cases.models import Case
from tests import make
from tests.admin import at

LIST = at.rows("case")


@pytest.fixture
def case(north):
    return make.case(team=north, customer={"external_id": "c1", "name": "Maria Rossi"})


def due_in(case, **span):
    Case.objects.filter(pk=case.pk).update(due_at=timezone.now() + timedelta(**span))


def test_the_list_says_when_a_case_is_due_in_words(door, ada, case):
    client = door(ada)

    due_in(case, hours=2, minutes=5, seconds=30)
    assert "due in 2 h 5 min" in at.text(client.get(LIST))

    due_in(case, hours=-3)
    assert "overdue by 3 h" in at.text(client.get(LIST))


def test_the_list_shows_score_band_priority_status_owner_and_team(door, ada, case):
    found = at.text(door(ada).get(LIST))

    for words in ("Maria Rossi 3 detractor", "normal", "new", "nobody yet North"):
        assert words in found


def test_an_agent_sees_the_cases_of_their_teams_only(door, ada, case):
    foreign = make.case(customer={"external_id": "c2", "name": "Foreign Canary"})

    found = at.text(door(ada).get(LIST))

    assert f"#{case.pk}" in found
    assert "Foreign Canary" not in found
    assert foreign.team.name not in found


def test_a_manager_sees_all_cases_and_can_do_nothing_to_them(door, case):
    client = door(make.manager())

    assert "Maria Rossi" in at.text(client.get(LIST))
    page = client.get(at.page(case))
    assert page.status_code == 200
    assert page.context["buttons"] == []
    assert client.post(at.verb(case, "claim"), {"version": 1}).status_code == 403


def test_without_permission_there_is_no_list(door, case):
    stranger = make.user("", is_staff=True)
    north = case.team
    north.memberships.create(user=stranger)

    assert door(stranger).get(LIST).status_code == 403
    assert door(stranger).get(at.page(case)).status_code == 403


def test_a_membership_that_ends_closes_the_door_at_once(door, ada, case):
    client = door(ada)
    assert client.get(at.page(case)).status_code == 200

    ada.cem_memberships.update(is_active=False)

    assert client.get(at.page(case)).status_code == 302
    assert "Maria Rossi" not in at.text(client.get(LIST))


@pytest.mark.parametrize(
    ("query", "finds"),
    [
        ("status=active", True),
        ("status=new", True),
        ("status=closed", False),
        ("priority=3", True),
        ("priority=1", False),
        ("owner=nobody", True),
        ("owner=me", False),
        ("due=overdue", True),
        ("due=today", False),
        ("band=detractor", True),
        ("band=passive", False),
        ("q=rossi", True),
        ("q=c1", True),
        ("q=zzz", False),
        ("q=%25", False),  # a literal percent sign
        ("q=_", False),
        ("q=%5C", False),
        ("q=%27%3B--", False),
        ("q=%21a+%26+%28", False),
        ("q=" + "a+" * 5000, False),
    ],
)
def test_filters_and_search(door, ada, case, query, finds):
    due_in(case, hours=-1)

    answered = door(ada).get(f"{LIST}?{query}")

    assert answered.status_code == 200
    assert ("Maria Rossi" in at.text(answered)) is finds


def test_what_the_search_is_for_is_taken_literally(door, ada, north):
    make.case(team=north, customer={"external_id": "c7", "name": r"100% \o/ A_B"})
    client = door(ada)

    for query in ("100%25", "%5Co/", "A_B"):
        assert "100%" in at.text(client.get(f"{LIST}?q={query}"))
    assert "100%" not in at.text(client.get(f"{LIST}?q=AxB"))


def test_a_case_is_found_by_its_number(door, ada, case):
    client = door(ada)

    assert "Maria Rossi" in at.text(client.get(f"{LIST}?q=%23{case.pk}"))
    assert "Maria Rossi" in at.text(client.get(f"{LIST}?q={case.pk}"))
    assert "Maria Rossi" not in at.text(client.get(f"{LIST}?q={'9' * 30}"))


def test_a_null_character_in_the_search_is_refused_kindly(door, ada, case):
    assert door(ada).get(f"{LIST}?q=%00").status_code == 200


def test_the_filter_by_team_offers_the_users_own_teams_only(door, ada, case):
    other = make.team("south-canary")

    found = at.text(door(ada).get(LIST))

    assert "By team All North" in found
    assert other.name not in found


def test_a_foreign_team_in_the_filter_is_like_a_missing_one(door, ada, case):
    client, other = door(ada), make.team()

    foreign, missing = (client.get(f"{LIST}?team={key}") for key in (other.pk, 999_999))

    assert (foreign.status_code, foreign["Location"]) == (302, f"{LIST}?e=1")
    assert (missing.status_code, missing["Location"]) == (302, f"{LIST}?e=1")


@pytest.mark.parametrize("number", [1, 100])
def test_the_list_costs_the_same_queries_for_one_row_and_for_many(
    door, ada, north, number, django_assert_num_queries
):
    first = make.case(team=north, customer={"external_id": "x"})
    Case.objects.bulk_create(
        Case(
            customer=first.customer,
            team=north,
            opened_at=make.MONDAY,
            last_activity_at=make.MONDAY,
        )
        for _ in range(number - 1)
    )
    client = door(ada)

    # session, user, permissions (2), teams of the filter, count, the rows
    with django_assert_num_queries(7):
        answered = client.get(f"{LIST}?all=")

    assert len(answered.context["cl"].result_list) == number


def test_the_page_costs_the_same_queries_however_much_has_happened(
    door, ada, north, django_assert_max_num_queries, django_assert_num_queries
):
    make.policy()
    case = make.case(team=north, customer={"external_id": "x"}, owner=ada)
    cases.contact(case, by=ada, channel="phone", attempt="reached")
    client = door(ada)
    with django_assert_max_num_queries(21) as first:
        client.get(at.page(case))

    for number in range(20):
        cases.note(case, by=ada, text=f"Note {number}")
        cases.contact(case, by=ada, channel="phone", attempt="reached")
        make.response(customer={"external_id": "x"}, channel="north", score=2)
    drain.drain()
    assert case.responses.count() == 21

    with django_assert_num_queries(len(first)):
        client.get(at.page(case))


def test_a_count_stops_where_nobody_pages_any_more(door, ada, case, monkeypatch):
    monkeypatch.setattr("cem_cases.admin.base.MOST_COUNTED", 3)
    Case.objects.bulk_create(
        Case(
            customer=case.customer,
            team=case.team,
            opened_at=make.MONDAY,
            last_activity_at=make.MONDAY,
        )
        for _ in range(5)
    )

    assert door(ada).get(LIST).context["cl"].result_count == 3


def test_selected_cases_are_claimed_one_by_one(door, ada, north):
    waiting, taken = make.case(team=north), make.case(team=north)
    cases.claim(taken, by=make.agent(north, "bob"))

    answered = door(ada).post(
        LIST,
        {"action": "claim_selected", "_selected_action": [waiting.pk, taken.pk]},
        follow=True,
    )

    assert at.said(answered) == [
        f"Case #{taken.pk} belongs to bob already.",
        "1 case is yours now.",
    ]
    waiting.refresh_from_db()
    assert waiting.owner == ada


def test_selected_cases_are_closed_where_they_are_resolved(door, ada, north):
    done, going = make.case(team=north), make.case(team=north)
    cases.resolve(
        done, by=ada, root_cause=make.root_cause(), outcome="recovered", note="Paid."
    )

    answered = door(ada).post(
        LIST,
        {"action": "close_selected", "_selected_action": [done.pk, going.pk]},
        follow=True,
    )

    assert "1 case closed." in at.said(answered)
    done.refresh_from_db()
    going.refresh_from_db()
    assert (done.status, going.status) == ("closed", "new")


def test_many_refusals_are_told_in_few_lines(door, ada, north):
    first = make.case(team=north)
    Case.objects.bulk_create(
        Case(
            customer=first.customer,
            team=north,
            opened_at=make.MONDAY,
            last_activity_at=make.MONDAY,
        )
        for _ in range(14)
    )

    answered = door(ada).post(
        LIST,
        {"action": "close_selected", "_selected_action": list(_keys())},
        follow=True,
    )

    assert len(at.said(answered)) == 11
    assert at.said(answered)[-1] == "5 more were refused."


def _keys():
    return Case.objects.values_list("pk", flat=True)


def test_an_action_takes_so_many_cases_at_a_time(door, ada, north, monkeypatch):
    monkeypatch.setattr("cem_cases.admin.several.MOST_AT_ONCE", 1)
    make.case(team=north), make.case(team=north)

    answered = door(ada).post(
        LIST,
        {"action": "claim_selected", "_selected_action": list(_keys())},
        follow=True,
    )

    assert "At most 1 at a time were taken." in at.said(answered)
    assert Case.objects.filter(owner=ada).count() == 1


def test_the_page_shows_the_customer_and_the_answer(door, ada, north):
    survey = make.nps()
    survey.questions.create(key="problem", text="What went wrong?")
    case = make.case(
        team=north,
        customer={
            "external_id": "c1",
            "name": "Maria Rossi",
            "email": "maria@example.com",
            "segment": "gold",
            "annual_value": 12500,
            "currency": "EUR",
        },
        comment="Two days late.",
        answers={"problem": ["delivery", "price"], "solved": False},
    )

    found = at.text(door(ada).get(at.page(case)))

    for words in (
        "3 detractor",
        "Two days late.",
        "What went wrong? delivery, price",
        "solved no",
        "maria@example.com",
        "Segment gold",
        "12,500 EUR a year",
    ):
        assert words in found


def test_the_page_shows_the_clocks_in_words(door, ada, north):
    make.policy(hours=4)
    case = make.case(team=north, owner=ada)
    cases.contact(
        case,
        by=ada,
        channel="phone",
        attempt="reached",
        now=make.MONDAY + make.HOUR,
    )

    found = at.text(door(ada).get(at.page(case)))

    assert "First contact done in time" in found
    assert "Target 4 h of open time" in found
    assert "Took 1 h of open time" in found
    assert "Resolution overdue by" in found


def test_the_page_shows_the_path_of_the_scores(door, ada, north):
    customer = {"external_id": "c1", "name": "Maria Rossi"}
    case = make.case(team=north, customer=customer)
    for score, days in ((2, 1), (8, 2)):
        make.response(customer=customer, score=score, now=make.MONDAY + days * make.DAY)

    found = at.text(door(ada).get(at.page(case)))

    assert "Scores: 3 → then 2 → then 8" in found


def test_scores_and_cases_of_other_teams_are_left_out(door, ada, north):
    customer = {"external_id": "c1", "name": "Maria Rossi"}
    survey = make.survey(slug="again", metric="nps", repeat="open another")
    foreign = make.case(customer=customer, survey=survey.slug, score=0)
    mine = make.case(team=north, customer=customer, survey=survey.slug, score=6)
    own = make.case(team=north, customer=customer, survey=survey.slug, score=5)

    answered = door(ada).get(at.page(mine))

    profile = answered.context["profile"]
    assert [response.score for response in profile.path] == [6, 5]
    assert [other for other, _, _ in profile.cases] == [own]
    assert f"#{foreign.pk}" not in at.text(answered).split()


def test_the_customers_page_is_linked_for_those_who_may_view_it(door, ada, case):
    assert at.page(case.customer) not in _html(door(ada), case)

    ada.user_permissions.add(Permission.objects.get(codename="view_customer"))

    assert at.page(case.customer) in _html(door(ada), case)


def _html(client, case):
    return client.get(at.page(case)).content.decode()


def test_the_history_is_the_pages_own_timeline(door, ada, case):
    answered = door(ada).get(f"{LIST}{case.pk}/history/")

    assert answered["Location"] == f"{at.page(case)}#timeline"


@pytest.mark.urls("tests.admin.desk_urls")
def test_an_admin_site_of_another_name_can_show_cases_alone(door, root, case):
    client, page = door(root), f"/desk/cem_cases/case/{case.pk}/"

    listed = client.get("/desk/cem_cases/case/")
    assert f"{page}change/" in listed.content.decode()
    data = {"text": "At the desk.", "version": case.version}
    answered = client.post(f"{page}do/note/", data, follow=True)

    assert answered.request["PATH_INFO"] == f"{page}change/"
    assert "At the desk." in at.text(answered)
    assert "Maria Rossi" in at.text(answered)  # her page is not on this site
