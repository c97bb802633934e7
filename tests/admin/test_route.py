import json

import pytest
from django.contrib.auth.models import Permission

from cem_cases.loop import config
from cem_cases.models import Absence, AuditEvent, Membership, Rule, Team
from tests import make
from tests.admin import at

ADD = "/admin/cem_cases/rule/add/"
LOW = {"fact": "score", "operator": "at most", "value": 6}


def form(**fields):
    defaults = {
        "name": "Detractors",
        "position": 1,
        "trigger": "response received",
        "conditions": LOW,
        "actions": [{"do": "open case", "priority": "high"}],
        "is_active": "on",
    }
    return {
        name: json.dumps(value) if isinstance(value, dict | list) else value
        for name, value in (defaults | fields).items()
    }


def errors(answered):
    return answered.context["adminform"].form.errors


def test_a_rule_is_saved_as_a_version_with_its_event(door, root):
    client = door(root)

    client.post(ADD, form())
    rule = Rule.objects.get()
    client.post(at.page(rule), form(name="Low scores", seen_version=1))

    rule.refresh_from_db()
    assert (rule.name, rule.version) == ("Low scores", 2)
    kinds = AuditEvent.objects.order_by("pk").values_list("kind", "actor")
    assert list(kinds) == [("rule.created", root.pk), ("rule.changed", root.pk)]


@pytest.mark.parametrize(
    ("field", "given", "place"),
    [
        ("conditions", {"any": [LOW, {"fact": "scor"}]}, "conditions.any[1].fact"),
        ("conditions", LOW | {"value": "six"}, "conditions.value"),
        ("actions", [{"do": "dance"}], "actions[0]"),
        ("actions", [{"do": "set team", "team": "nowhere"}], "actions[0].team"),
    ],
)
def test_a_wrong_rule_is_refused_at_the_wrong_place(door, root, field, given, place):
    answered = door(root).post(ADD, form(**{field: given}))

    assert errors(answered)[field][0].startswith(place)
    assert not Rule.objects.exists()


@pytest.mark.parametrize("text", ["{", '"\\u0000"', '{"fact": "\\ud800"}', "[" * 9000])
def test_conditions_that_are_no_json_are_refused(door, root, text):
    answered = door(root).post(ADD, form(conditions=text))

    assert "conditions" in errors(answered)


def test_conditions_left_empty_hold_always(door, root):
    door(root).post(ADD, form(conditions=""))

    assert Rule.objects.get().conditions == {}


def test_a_rule_is_not_saved_over_somebody_elses_change(door, root):
    rule = make.rule()
    config.save(rule, by=root)

    answered = door(root).post(at.page(rule), form(seen_version=1))

    assert "Somebody else saved version 2" in str(errors(answered)["__all__"])
    rule.refresh_from_db()
    assert rule.version == 2


def test_a_rule_is_said_in_words(door, root):
    rule = make.rule({"do": "open case", "priority": "high"}, conditions=LOW)
    client = door(root)

    for path in (at.rows("rule"), at.page(rule)):
        assert "If score at most 6: open case, priority high." in at.text(
            client.get(path)
        )


def test_every_fact_is_listed_beside_the_form(door, root):
    from cem_cases import rules

    found = at.text(door(root).get(ADD))

    for fact in (*rules.CATALOGUE.values(), *rules.FAMILIES.values()):
        assert f"{fact.name} {fact.help}" in found


def test_a_rule_is_read_by_who_may_only_view_it(door, db):
    rule = make.rule()
    reader = make.user("", "view_rule", is_staff=True)
    client = door(reader)

    assert client.get(at.page(rule)).status_code == 200
    assert client.post(at.page(rule), form(seen_version=1)).status_code == 403


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


def test_broken_json_is_told_by_line_and_column(door, root):
    answered = door(root).post(
        "/admin/cem_cases/rule/add/",
        {
            "name": "R",
            "position": 1,
            "trigger": "response received",
            "conditions": "{\n}",
        }
        | {"actions": '[\n{"do": open}]'},
    )

    assert "This is no JSON: line 2, column 8" in at.text(answered)
