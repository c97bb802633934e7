import json

import pytest
from django.contrib.auth.models import Permission

from cem_cases.models import Absence, AuditEvent, Membership, Team
from tests import make
from tests.admin import at


def test_the_counters_of_a_member_are_not_edited(door, root):
    north = make.team("north")
    make.agent(north, "ada")
    member = Membership.objects.get()

    answered = door(root).post(
        at.page(north),
        {
            "name": "North",
            "slug": "north",
            "is_active": "on",
            "assigned_count": 9,
            "memberships-TOTAL_FORMS": 1,
            "memberships-INITIAL_FORMS": 1,
            "memberships-0-id": member.pk,
            "memberships-0-team": north.pk,
            "memberships-0-user": member.user_id,
            "memberships-0-role": "lead",
            "memberships-0-is_active": "on",
            "memberships-0-open_cases": 9,
            "memberships-0-last_assigned": 9,
            "memberships-0-DELETE": "on",
        },
    )

    assert answered.status_code == 302
    member.refresh_from_db()
    assert (member.role, member.open_cases, member.last_assigned) == ("lead", 0, 0)
    assert Team.objects.get().assigned_count == 0


def test_the_list_of_teams_counts_who_works_there(door, root):
    north = make.team("north")
    make.agent(north)
    make.agent(north, is_active=False)

    assert "North north 1" in at.text(door(root).get(at.rows("team")))


def test_the_page_of_a_team_costs_the_same_for_few_members_and_for_many(
    door, root, django_assert_max_num_queries
):
    north, client = make.team("north"), door(root)
    client.get(at.page(north))  # content types are looked up once
    counts = []
    for members in (2, 10):
        for _ in range(members):
            make.agent(north)
        with django_assert_max_num_queries(15) as queries:
            client.get(at.page(north))
        counts.append(len(queries))

    assert counts[0] == counts[1]


def test_the_slug_of_a_team_stays_because_rules_name_it(door, root):
    north = make.team("north")

    page = door(root).get(at.page(north))

    assert 'name="slug"' not in page.content.decode()


def test_absences_are_those_of_ones_own_teams(door, north, ada):
    for permission in ("view_absence", "change_absence"):
        ada.user_permissions.add(Permission.objects.get(codename=permission))
    stranger = make.agent(make.team("south"), "eve")
    theirs, ours = (
        Absence.objects.create(
            user=user, from_at=make.MONDAY, until_at=make.MONDAY + make.DAY, reason=why
        )
        for user, why in ((stranger, "surgery"), (ada, "holiday"))
    )

    listed = at.text(door(ada).get(at.rows("absence")))

    assert "holiday" in listed
    assert "surgery" not in listed
    assert door(ada).get(at.page(ours)).status_code == 200
    assert door(ada).get(at.page(theirs)).status_code == 302


def team_form(team, **fields):
    """What the browser sends for a team with one member."""
    member = team.memberships.get()
    prefix = "memberships-0-"
    member_fields = {
        "id": member.pk,
        "team": team.pk,
        "user": member.user_id,
        "role": "agent",
        "is_active": "on",
        "skills": "",
    } | fields
    return {
        "name": team.name,
        "is_active": "on",
        "memberships-TOTAL_FORMS": 1,
        "memberships-INITIAL_FORMS": 1,
        **{prefix + name: value for name, value in member_fields.items()},
    }


def test_skills_are_words_with_commas_each_once(door, root):
    north = make.team("north")
    make.agent(north, "ada")
    client = door(root)

    client.post(
        at.page(north), team_form(north, skills=" German,  key  account,GERMAN,")
    )

    assert Membership.objects.get().skills == ["GERMAN", "key account"]
    assert 'value="GERMAN, key account"' in client.get(at.page(north)).content.decode()


@pytest.mark.parametrize(
    ("skills", "said"),
    [
        ("x" * 51, "A skill has at most 50 letters"),
        (",".join(f"s{n}" for n in range(51)), "At most 50 skills"),
        ("y," * 2_000, "at most 2500 characters"),
        ("german\x00", "Null characters are not allowed"),
    ],
)
def test_skills_that_are_none_are_refused(door, root, skills, said):
    north = make.team("north")
    make.agent(north, "ada")

    answered = door(root).post(at.page(north), team_form(north, skills=skills))

    assert said in at.text(answered)
    assert Membership.objects.get().skills == []


def test_an_absence_says_what_becomes_of_the_open_cases(door, root, ada):
    bob = make.user("bob")
    day = {"from_at_1": "09:00", "until_at_1": "09:00"}
    form = {
        "user": ada.pk,
        "from_at_0": "2025-03-03",
        "until_at_0": "2025-03-04",
        **day,
    }
    client = door(root)

    def post(**fields):
        path = "/admin/cem_cases/absence/add/"
        return at.text(client.post(path, form | fields, follow=True))

    assert "Say who takes the open cases" in post(open_cases="substitute")
    assert "Nobody is their own substitute" in post(
        open_cases="stay", substitute=ada.pk
    )
    late = {"open_cases": "stay", "until_at_0": "2025-03-01"}
    assert "An absence must end after it begins" in post(**late)
    assert not Absence.objects.exists()
    assert "was added" in post(open_cases="substitute", substitute=bob.pk)
    found = Absence.objects.get()
    assert (found.substitute, found.open_cases) == (bob, "substitute")


def test_saving_a_team_with_its_members_is_in_the_audit_and_leaves_the_counters(
    door, root
):
    team = make.team("care")
    agent = make.agent(team)
    member = team.memberships.get()
    client = door(root)
    Membership.objects.update(open_cases=7, last_assigned=3)

    answer = client.post(
        at.page(team),
        {
            "name": "Care",
            "slug": "care",
            "is_active": "on",
            "memberships-TOTAL_FORMS": 1,
            "memberships-INITIAL_FORMS": 1,
            "memberships-0-id": member.pk,
            "memberships-0-team": team.pk,
            "memberships-0-user": member.user_id,
            "memberships-0-role": "agent",
            "memberships-0-is_active": "on",
            "memberships-0-skills": "german",
        },
    )

    assert answer.status_code == 302
    member.refresh_from_db()
    assert (member.skills, member.open_cases, member.last_assigned) == (
        ["german"],
        7,
        3,
    )
    event = AuditEvent.objects.get(kind="team.changed")
    assert event.actor == root
    assert json.loads(event.data["members"]) == [
        {
            "user": agent.pk,
            "role": "agent",
            "capacity": None,
            "skills": ["german"],
            "is_active": True,
        }
    ]
