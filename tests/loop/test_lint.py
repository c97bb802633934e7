"""What is wrong with rules: refused when saved, at every door, or warned of."""

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cem_cases.loop import audit, config, drain, lint
from cem_cases.models import (
    AuditEvent,
    Case,
    Membership,
    Question,
    Response,
    Rule,
    Tag,
    Team,
    Template,
)
from cem_cases.rules import read_looks
from tests import make
from tests.make import DETRACTOR, HOUR, MONDAY

pytestmark = pytest.mark.django_db
LATER = MONDAY + timedelta(days=1)


def low(**changes):
    return {"fact": "score", "operator": "at most", "value": 6} | changes


def unsaved(*actions, **fields):
    defaults = {
        "name": "Ours",
        "position": 50,
        "conditions": DETRACTOR,
        "actions": list(actions) or [{"do": "open case"}],
        "is_active": True,
    }
    return Rule(**defaults | fields)


def saved(*actions, now=MONDAY, **fields):
    rule = unsaved(*actions, **fields)
    config.save(rule, by=None, now=now)
    return rule


def refusal(*actions, **fields):
    """Why a rule is refused, when it is saved; nothing is left of it."""
    with pytest.raises(ValidationError) as refused:
        saved(*actions, **fields)
    assert not Rule.objects.exists()
    assert not AuditEvent.objects.filter(kind__startswith="rule.").exists()
    return refused.value.message_dict


@pytest.fixture
def care(db):
    """A team with an agent, a manager, and somebody who left."""
    team = make.team("care")
    make.agent(team, "ada", skills=["German", "claims"])
    make.agent(team, "max", skills=["french"])
    make.agent(team, "boss", role=Membership.Role.MANAGER)
    make.agent(team, "left", is_active=False)
    return team


# References


TO_CARE = {"do": "set team", "team": "care"}


@pytest.mark.parametrize(
    ("action", "said"),
    [
        (
            {"do": "set team", "team": "nowhere"},
            "actions[1].team: 'nowhere' is not the slug of an active team.",
        ),
        (
            {"do": "set team", "team": "closed"},
            "actions[1].team: 'closed' is not the slug of an active team.",
        ),
        (
            {"do": "set owner", "user": "nobody"},
            "actions[1].user: 'nobody' is not an active user who works in any active "
            "team.",
        ),
        (
            {"do": "set owner", "user": "gone"},
            "actions[1].user: 'gone' is not an active user who works in any active team.",
        ),
        (
            {"do": "set owner", "user": "left"},
            "actions[1].user: 'left' is not an active user who works in any active team.",
        ),
        (
            {"do": "set owner", "user": "boss"},
            "actions[1].user: 'boss' is a manager there: rules give managers no cases.",
        ),
        (
            {"do": "notify", "users": ["ada", "visitor"]},
            "actions[1].users[1]: 'visitor' is not an active user who sees cases of some "
            "team.",
        ),
        (
            {"do": "add tags", "tags": ["vip", "unknown"]},
            "actions[1].tags[1]: 'unknown' is not a tag.",
        ),
        (
            {"do": "set SLA policy", "policy": "Gold"},
            "actions[1].policy: 'Gold' is not the name of an active SLA policy.",
        ),
        (
            {"do": "send template", "template": "sorry"},
            "actions[1].template: 'sorry' is not the slug of a template.",
        ),
        (
            {"do": "call webhook", "webhook": "crm"},
            "actions[1].webhook: 'crm' is not the name of an active webhook.",
        ),
        (
            {"do": "invite to survey", "survey": "after"},
            "actions[1].survey: 'after' is not the slug of an active survey.",
        ),
        (
            {"do": "invite to survey", "survey": "nps"},
            'actions[1]: needs CEM_CASES["SURVEY_URL"]: where customers answer.',
        ),
    ],
)
def test_what_an_action_names_must_be_there(care, action, said):
    make.team("closed", is_active=False)
    gone = make.agent(make.team("other"), "gone")
    gone.is_active = False
    gone.save()
    make.user("visitor")
    make.survey(slug="after", is_active=False)
    make.nps()
    Tag.objects.create(name="vip")

    found = refusal({"do": "open case"}, action)

    assert said in found["actions"]
    assert all(text.startswith("actions[1]") for text in found["actions"])


@pytest.mark.parametrize(
    ("action", "said"),
    [
        (
            {"do": "set owner", "user": "far"},
            "actions[1].user: 'far' is not an active user who works in team 'care'.",
        ),
        (
            {"do": "assign", "by": "round robin", "skills": ["german", "french"]},
            "actions[1].skills: no active member of team 'care' has 'german' and "
            "'french'.",
        ),
    ],
)
def test_an_owner_is_somebody_of_the_team_that_the_rule_sets(care, action, said):
    make.agent(make.team("elsewhere"), "far")

    assert refusal(TO_CARE, action) == {"actions": [said]}


def test_nobody_is_assigned_in_a_team_without_members_who_may_get_cases(care):
    Membership.objects.exclude(role="manager").delete()

    assert refusal(TO_CARE, {"do": "assign", "by": "least loaded"}) == {
        "actions": [
            "actions[1]: team 'care' has no active member to whom a rule may give a case."
        ]
    }


def test_a_rule_that_names_what_is_there_is_saved(care, settings):
    settings.CEM_CASES = settings.CEM_CASES | {
        "SURVEY_URL": "https://x.example/{token}"
    }
    make.manager("chief")
    make.policy(name="Gold")
    make.nps()
    Tag.objects.create(name="vip")
    Template.objects.create(slug="sorry", name="Sorry", body="Sorry!")

    saved(
        {"do": "open case"},
        TO_CARE,
        {"do": "set owner", "user": "max"},
        {"do": "assign", "by": "round robin", "skills": [" GERMAN ", "Claims"]},
        {"do": "notify", "users": ["ada", "boss", "chief"], "who": ["leads"]},
        {"do": "add tags", "tags": ["vip"]},
        {"do": "set SLA policy", "policy": "Gold"},
        {"do": "send template", "template": "sorry"},
        {"do": "invite to survey", "survey": "nps"},
    )

    assert Rule.objects.count() == 1


def test_everything_that_is_wrong_is_said_at_once(care):
    found = refusal(
        {"do": "set team", "team": "x"},
        {"do": "add tags", "tags": ["y"]},
        conditions={"all": [low(value=3), low(operator="at least", value=7)]},
    )

    assert {field: len(texts) for field, texts in found.items()} == {
        "conditions": 1,
        "actions": 2,
    }


def test_a_rule_whose_team_is_gone_can_be_moved_and_switched_off_but_not_on(care):
    rule = saved({"do": "open case"}, TO_CARE)
    Team.objects.update(is_active=False)

    rule.position = 3
    config.save(rule, by=None, now=MONDAY)
    rule.is_active = False
    config.save(rule, by=None, now=MONDAY)
    rule.is_active = True
    with pytest.raises(ValidationError, match="'care' is not the slug"):
        config.save(rule, by=None, now=MONDAY)


# Contradictions, and hostile input: R1, R4, R8 of the guarantees


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        (
            {"all": [low(value=3), low(operator="at least", value=7)]},
            "conditions.all[1]: 'score at least 7' and 'score at most 3' never hold "
            "together.",
        ),
        (
            {"all": [DETRACTOR, {"not": DETRACTOR}]},
            "conditions.all[1]: 'not band is detractor' and 'band is detractor' never "
            "hold together.",
        ),
        (
            {"any": [{"all": [DETRACTOR, DETRACTOR | {"value": "promoter"}]}]},
            "conditions.any[0].all[1]: 'band is promoter' and 'band is detractor' never "
            "hold together.",
        ),
    ],
)
def test_conditions_that_never_hold_are_refused(conditions, said):
    assert refusal(conditions=conditions) == {"conditions": [said]}


@pytest.mark.parametrize(
    "value", [[6], {"$gt": 0}, "6", True, None, float("inf"), 10**400, [[]], {}]
)
def test_a_value_of_the_wrong_type_is_refused(value):
    found = refusal(conditions={"any": [DETRACTOR, low(value=value)]})

    assert found == {
        "conditions": ["conditions.any[1].value: must be a number, such as 6."]
    }


@pytest.mark.parametrize("value", [["x" * 1_000] * 10_000, list(range(10_000)), []])
def test_a_list_that_is_too_long_or_empty_is_refused(value):
    found = refusal(conditions=low(operator="in", value=value))

    assert found == {
        "conditions": ["conditions.value: must be a list of 1 to 1,000 values."]
    }


def test_a_pattern_that_explodes_elsewhere_is_saved_or_refused_for_its_own_sake():
    pytest.importorskip("re2")
    pattern = {"fact": "comment", "operator": "matches"}

    saved(conditions=pattern | {"value": "(a+)+$"})
    with pytest.raises(ValidationError, match=r"conditions\.value: is not a pattern"):
        saved(conditions=pattern | {"value": "(secret"}, name="Other")


@pytest.mark.parametrize("change", ["inactive user", "left the team", "no team"])
def test_at_run_time_a_case_goes_to_the_queue_and_says_why(care, change):
    saved({"do": "open case"}, TO_CARE, {"do": "set owner", "user": "ada"})
    if change == "inactive user":
        user = Membership.objects.get(user__username="ada").user
        user.is_active = False
        user.save()
    elif change == "left the team":
        Membership.objects.filter(user__username="ada").delete()
    else:
        Team.objects.update(is_active=False)
    make.response(now=LATER)

    drain.drain(now=LATER)

    case = Case.objects.get()
    assert case.owner is None
    said = {event.kind: event.data for event in AuditEvent.objects.filter(case=case)}
    if change == "no team":
        assert said["case.opened"]["team_not_found"] == "care"
    else:
        assert case.team == care
        assert "case.not_assigned" in said
    assert not list(audit.verify())


# Warnings


def said_of(rule):
    return lint.warnings(rule)


def test_a_rule_like_others_is_not_warned_of(care):
    make.nps()
    saved({"do": "open case"}, TO_CARE, name="First", position=1, conditions=low())
    rule = saved({"do": "set priority", "priority": "high"}, conditions=low(value=2))

    assert said_of(rule) == []


def test_a_team_in_which_nobody_works_is_warned_of(care):
    rule = saved({"do": "open case"}, TO_CARE)
    Membership.objects.update(is_active=False)

    text = "actions[1].team: nobody works in team 'care': who takes these cases?"
    assert said_of(rule) == [text]


STOPPED = (
    "Rule 'Behind' never acts: 'Ours' comes before it, holds wherever it does, and says "
    "stop."
)


def test_a_rule_behind_one_that_stops_is_told_whichever_of_both_is_saved(care):
    make.nps()
    first = saved({"do": "open case"}, TO_CARE, conditions=low(), stop=True)
    second = saved(name="Behind", position=60, conditions=low(value=2))

    assert said_of(first) == [STOPPED]
    assert said_of(second) == [STOPPED]


def test_rules_of_other_triggers_stop_nobody(care):
    saved(
        {"do": "set priority", "priority": "low"}, conditions={}, trigger="case opened",
        stop=True, name="Other", position=1,
    )  # fmt: skip
    rule = saved({"do": "open case"}, TO_CARE)

    assert said_of(rule) == []


def test_of_two_rules_that_open_the_first_decides(care):
    make.nps()
    urgent = {"do": "open case", "priority": "urgent"}
    first = saved({"do": "open case"}, TO_CARE, conditions=low())
    saved(urgent, TO_CARE, name="Never", position=60, conditions=low(value=3))
    place = {"fact": "channel", "operator": "is empty"}
    saved(urgent, TO_CARE, name="Overlaps", position=70, conditions=place)

    assert said_of(first) == [
        "The case that rule 'Never' opens never counts: 'Ours' comes before it, and "
        "opens one wherever it holds.",
        "Rules 'Ours' and 'Overlaps' can both hold: 'Ours' comes first, so it decides "
        "(open case, priority normal).",
    ]


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ([], ["Rule 'Ours' opens cases without a team: nobody's queue shows them."]),
        ([low()], []),
        (
            [low(value=2)],
            ["Rule 'Ours' may open cases without a team: nobody's queue shows them."],
        ),
        ([low(value=2), low(operator="more than", value=2)], []),
    ],
)
def test_a_case_without_a_team_is_warned_of(care, others, said):
    make.nps()
    for n, conditions in enumerate(others):
        saved(TO_CARE, name=f"Team {n}", position=n, conditions=conditions)
    rule = saved(conditions=low())

    assert said_of(rule) == said


def test_assigning_without_a_team_is_warned_of(care):
    saved(name="Opens", position=1)
    rule = saved({"do": "assign", "by": "round robin"})

    assert "Rule 'Ours' assigns cases without a team: they get no owner." in said_of(
        rule
    )


def test_actions_for_cases_that_nobody_opens_are_warned_of(care):
    saved({"do": "open case"}, TO_CARE, name="Opens", conditions=DETRACTOR)
    happy = DETRACTOR | {"value": "promoter"}
    rule = saved({"do": "set priority", "priority": "high"}, conditions=happy)
    tells = saved({"do": "notify", "who": "leads"}, conditions=happy, name="Tells")

    assert said_of(rule) == [
        "Rule 'Ours': actions[0] (set priority high) never counts, because no active "
        "rule opens a case where this one holds."
    ]
    assert said_of(tells) == []


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ({"fact": "survey", "value": "nsp"}, "conditions: there is no survey 'nsp'."),
        (
            {"fact": "touchpoint", "operator": "in", "value": ["shop", "moon"]},
            "conditions: there is no touchpoint 'moon'.",
        ),
        ({"fact": "channel", "value": "fax"}, "conditions: there is no channel 'fax'."),
        ({"fact": "channel", "value": "SMS"}, None),
        ({"fact": "channel", "value": "web"}, None),
        ({"fact": "answer.why", "value": "x"}, None),
        ({"fact": "answer.seen", "value": "x"}, None),
        (
            {"fact": "answer.what", "value": "x"},
            "conditions: no question has the key 'what'.",
        ),
        (
            {"fact": "score", "operator": "at most", "value": 11},
            "conditions: 11 is beyond the scale of every active survey (0 to 10).",
        ),
        (
            {"fact": "band", "value": "easy"},
            "conditions: no active survey's metric has the band 'easy'.",
        ),
        (
            {"fact": "customer.annual_value", "operator": "at least", "value": 5},
            "conditions: say in which currency: customers have values in EUR, USD.",
        ),
        (
            {
                "fact": "customer.annual_value",
                "operator": "at least",
                "value": 5,
                "currency": "EUR",
            },
            None,
        ),
    ],
)
def test_what_does_not_occur_here_is_warned_of(care, condition, said):
    Question.objects.create(survey=make.nps(), key="why")
    make.touchpoint(slug="shop", channel="web")
    for number, currency in enumerate(["EUR", "USD"]):
        customer = {"external_id": number, "annual_value": 5, "currency": currency}
        make.response(channel="sms", answers={"seen": "yes"}, customer=customer)

    rule = saved(
        {"do": "open case"}, TO_CARE, conditions={"operator": "is"} | condition
    )

    assert said_of(rule) == ([said] if said else [])


def test_an_alternative_that_never_holds_is_warned_of(care):
    make.nps()
    never = {"all": [low(value=3), low(operator="at least", value=7)]}
    rule = saved({"do": "open case"}, TO_CARE, conditions={"any": [DETRACTOR, never]})

    assert said_of(rule) == [
        "conditions.any[1].all[1]: 'score at least 7' and 'score at most 3' never hold "
        "together."
    ]


def test_the_number_of_statements_does_not_depend_on_the_number_of_rules(care):
    make.nps()

    def statements():
        with CaptureQueriesContext(connection) as captured:
            lint.warnings(rule)
            lint.errors(rule)
            list(lint.of_active([(r, r.value()) for r in Rule.objects.all()]))
        return len(captured)

    rule = saved({"do": "open case"}, TO_CARE, {"do": "set owner", "user": "ada"})
    before = statements()
    for n in range(30):
        saved(
            {"do": "open case"}, TO_CARE, name=f"More {n}", conditions=low(value=n % 9)
        )

    assert statements() == before


# Since when a rule acts


def test_an_edit_keeps_since_when_a_rule_acts_and_switching_it_sets_it():
    rule = saved(is_active=False)
    assert rule.active_since is None

    history = []
    for hours, is_active in [(1, True), (2, True), (3, False), (4, True)]:
        rule.is_active = is_active
        config.save(rule, by=None, now=MONDAY + hours * HOUR)
        rule = Rule.objects.get()
        history.append(rule.active_since and (rule.active_since - MONDAY) // HOUR)

    assert history == [1, 1, None, 4]
    assert rule.version == 5


def test_a_rule_saved_active_acts_from_then_on():
    assert saved(now=LATER).active_since == LATER


def test_a_rule_does_not_touch_what_came_in_before_it_was_switched_on(care):
    old = saved({"do": "set priority", "priority": "low"}, now=MONDAY - HOUR)
    before = make.response(now=MONDAY)
    new = saved({"do": "open case"}, TO_CARE, name="New", now=MONDAY + HOUR)
    after = make.response(now=MONDAY + 2 * HOUR)

    drain.drain(now=MONDAY + 3 * HOUR)

    assert Case.objects.get().opening_response == after
    assert looked_at(before) == [old.pk]
    assert looked_at(after) == [old.pk, new.pk]


def looked_at(response):
    kept = (
        Response.objects.select_related("explanation").get(pk=response.pk).explanation
    )
    return [look.rule for look in read_looks(kept.looks)]
