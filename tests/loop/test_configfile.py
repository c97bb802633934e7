"""The configuration to a file and from one: the same again, all of it or nothing."""

import tomllib
from datetime import date

import pytest

from cem_cases.exceptions import InvalidInput
from cem_cases.intake.configfile import SECTIONS, place
from cem_cases.intake.configkinds import PRIORITIES
from cem_cases.loop import audit, config, configfile
from cem_cases.models import (
    AuditEvent,
    BusinessCalendar,
    Case,
    EscalationStep,
    Holiday,
    Membership,
    PolicyVersion,
    Rule,
    SlaPolicy,
    Target,
    Team,
)
from tests import make
from tests.make import MONDAY

pytestmark = pytest.mark.django_db
GOLD = {"fact": "customer.segment", "operator": "is", "value": "gold"}


@pytest.fixture
def boss(db):
    return make.user("boss", is_superuser=True)


def targets(amount=3600, **fields):
    return [
        Target(metric="resolution", priority=priority, amount=amount, **fields)
        for priority in (1, 2, 3, 4)
    ]


@pytest.fixture
def site(boss):
    """A site with something of everything, as the admin would have saved it."""
    office = BusinessCalendar(
        name="Office",
        zone="Europe/Berlin",
        country="DE",
        subdivision="BE",
        hours=make.NINE_TO_FIVE,
        special={"2026-12-24": [["09:00", "12:00"]], "2026-12-31": []},
    )
    days = [
        Holiday(day=date(2026, 12, 25), name="Weihnachten", source="country"),
        Holiday(day=date(2026, 5, 1), name="1. Mai", is_active=False),
    ]
    config.save_calendar(office, holidays=days, by=boss, now=MONDAY)
    care = Team(slug="care", name='Customer "care"', calendar=office)
    members = [
        Membership(user=make.user("ada"), role="lead", capacity=0),
        Membership(user=make.user("ben"), skills=["german", "billing"]),
        Membership(user=make.user("gone"), is_active=False),
    ]
    config.save_team(care, members=members, by=boss, now=MONDAY)
    off = Team(slug="old", name="Old", is_active=False)
    config.save_team(off, by=boss, now=MONDAY)
    for name, position, conditions in (("All", 20, {}), ("Gold", 10, GOLD)):
        config.save_policy(
            SlaPolicy(
                name=name, position=position, conditions=conditions, calendar=office
            ),
            targets=targets(warn_percents=[50, 75]),
            steps=[
                EscalationStep(metric="resolution", percent=150, action="notify lead"),
                EscalationStep(
                    metric="resolution", minutes=-30, action="add watcher", user=boss
                ),
            ],
            by=boss,
            now=MONDAY,
        )
    for position, actions in ((20, ["open case"]), (10, [{"to": "care"}])):
        actions = [
            {"do": "set team", "team": a["to"]} if isinstance(a, dict) else {"do": a}
            for a in actions
        ]
        rule = Rule(
            name=f"Rule {position}\n👩‍👩‍👧",
            position=position,
            conditions={"all": [make.DETRACTOR, {"not": GOLD}]},
            actions=actions,
            is_active=True,
        )
        config.save(rule, by=boss, now=MONDAY)
    config.save(Rule(name="Draft", actions=[{"do": "open case"}]), by=boss, now=MONDAY)


def emptied():
    """Take all configuration away, as if this were another site with the same users."""
    for model in (PolicyVersion, SlaPolicy, Rule, Membership, Team, BusinessCalendar):
        model.objects.all().delete()


def read(text, **options):
    return configfile.read(text.encode(), **options)


def apply(text, **options):
    return configfile.apply(read(text), **{"by": None, "now": MONDAY} | options)


def preview(text, **options):
    return configfile.preview(read(text), **{"now": MONDAY} | options)


def refusals(text, **options):
    with pytest.raises(InvalidInput) as refused:
        apply(text, **options)
    found = refused.value.errors
    return [f"{path}: {text}" for path, texts in found.items() for text in texts]


def whats(report):
    return [(c.section, c.key, str(c.what)) for c in report.changes]


# The same again


@pytest.mark.parametrize("is_json", [False, True])
@pytest.mark.usefixtures("site")
def test_another_site_becomes_the_same(is_json):
    text = configfile.export(is_json=is_json)
    emptied()

    document = read(text, is_json=is_json)
    report = configfile.apply(document, by=None, now=MONDAY)

    assert configfile.export(is_json=is_json) == text
    assert {change.what for change in report.changes} == {"created"}
    assert Membership.objects.get(user__username="ben").skills == ["german", "billing"]
    assert not Membership.objects.get(user__username="gone").is_active
    assert not Holiday.objects.get(name="1. Mai").is_active
    assert SlaPolicy.objects.get(name="Gold").versions.count() == 1
    assert not list(audit.verify())


@pytest.mark.usefixtures("site")
def test_what_is_applied_to_where_it_came_from_changes_nothing(fingerprint):
    text, before = configfile.export(), fingerprint()

    report = apply(text)

    assert not report.changes
    assert report.unchanged == {"calendars": 1, "teams": 2, "policies": 2, "rules": 3}
    assert fingerprint() == before
    assert configfile.export() == text


@pytest.mark.usefixtures("site")
def test_a_file_names_no_keys_no_counters_and_no_versions():
    Team.objects.update(assigned_count=7)
    Membership.objects.update(open_cases=3, last_assigned=7)
    Rule.objects.update(version=9)

    found = tomllib.loads(configfile.export())

    names = {key for section in SECTIONS for each in found[section] for key in each}
    assert names <= {name for table in SECTIONS.values() for name in table.fields}
    member = {"user": "ben", "skills": ["german", "billing"]}
    assert member in found["teams"][0]["members"]
    assert [rule["name"][:7] for rule in found["rules"]] == [
        "Draft",
        "Rule 10",
        "Rule 20",
    ]
    assert [policy["name"] for policy in found["policies"]] == ["Gold", "All"]


@pytest.mark.usefixtures("site")
def test_only_some_sections_are_written_and_the_others_left_alone():
    text = configfile.export(["teams", "rules"])

    assert set(tomllib.loads(text)) == {"format", "teams", "rules"}
    assert not apply(text, prune=True).changes


def test_a_site_without_anything_is_a_file_too():
    text = configfile.export()

    assert tomllib.loads(text) == {
        "format": 1,
        "calendars": [],
        "teams": [],
        "policies": [],
        "rules": [],
    }
    assert not apply(text).changes


def test_the_defaults_of_a_file_are_those_of_the_rows():
    holidays, members, targets = (
        SECTIONS[section].fields[name].kind.table
        for section, name in (
            ("calendars", "holidays"),
            ("teams", "members"),
            ("policies", "targets"),
        )
    )
    for table, row in (
        (SECTIONS["calendars"], BusinessCalendar()),
        (SECTIONS["teams"], Team()),
        (SECTIONS["policies"], SlaPolicy()),
        (SECTIONS["rules"], Rule(actions=[])),
        (holidays, Holiday()),
        (members, Membership()),
        (targets, Target()),
    ):
        for name, field in table.fields.items():
            if not (field.is_required or field.kind.table):
                kept = getattr(row, "is_active" if name == "active" else name)
                assert kept == field.blank, name
    assert list(PRIORITIES) == [str(priority.label) for priority in Case.Priority]


# What changes


@pytest.mark.usefixtures("site")
def test_what_changes_is_told_and_saved_once(boss):
    text = configfile.export().replace("position = 20\nactive", "position = 25\nactive")

    report = preview(text)
    applied = apply(text, by=boss)

    assert report == applied
    (change,) = applied.changes
    assert (change.section, change.what) == ("rules", "changed")
    assert [str(field) for field in change.fields] == ["position: 20 → 25"]
    rule = Rule.objects.get(name__startswith="Rule 20")
    assert (rule.version, rule.position) == (2, 25)
    event = AuditEvent.objects.latest("sequence")
    assert (event.kind, event.actor) == ("rule.changed", boss)
    assert not apply(text, by=boss).changes


@pytest.mark.usefixtures("site")
def test_a_preview_keeps_nothing(fingerprint):
    text = configfile.export().replace("German", "german").replace("25", "26")
    text += '[[rules]]\nname = "New"\nactions = [{ do = "open case" }]\n'
    before = fingerprint()

    assert preview(text, prune=True).changes_something
    assert fingerprint() == before


@pytest.mark.usefixtures("site")
def test_a_calendar_that_changes_gives_its_policies_a_version_as_in_the_admin(boss):
    text = configfile.export().replace(
        'mon = [["09:00", "17:00"]]', 'mon = [["10:00", "17:00"]]'
    )

    apply(text, by=boss)

    assert SlaPolicy.objects.get(name="Gold").version == 2
    assert [e.kind for e in AuditEvent.objects.order_by("-sequence")[:1]] == [
        "businesscalendar.changed"
    ]
    assert Holiday.objects.count() == 2


@pytest.mark.usefixtures("site")
def test_a_team_keeps_what_rules_count(boss):
    Team.objects.update(assigned_count=7)
    Membership.objects.update(open_cases=3, last_assigned=7)
    text = configfile.export().replace(
        'user = "ben",', 'user = "ben", capacity = 5, role = "manager",'
    )

    (change,) = apply(text, by=boss).changes

    assert [str(field) for field in change.fields] == [
        'members[ben].role: "agent" → "manager"',
        "members[ben].capacity: nothing → 5",
    ]
    ben = Membership.objects.get(user__username="ben")
    assert (ben.capacity, ben.open_cases, ben.last_assigned) == (5, 3, 7)
    assert Team.objects.get(slug="care").assigned_count == 7
    event = AuditEvent.objects.latest("sequence")
    assert (event.kind, event.actor) == ("team.changed", boss)
    assert '"capacity": 5' in event.data["members"]


@pytest.mark.usefixtures("site")
def test_holidays_and_steps_are_what_the_file_says_and_no_others(boss):
    text = configfile.export()
    text = text.replace(
        '  { day = 2026-05-01, name = "1. Mai", active = false },\n', ""
    )
    step = '  { metric = "resolution", percent = 150, action = "notify lead" },\n'

    apply(text.replace(step, "", 1), by=boss)

    assert [str(holiday.day) for holiday in Holiday.objects.all()] == ["2026-12-25"]
    assert SlaPolicy.objects.get(name="Gold").escalation_steps.count() == 1
    assert SlaPolicy.objects.get(name="All").escalation_steps.count() == 2


@pytest.mark.usefixtures("site")
def test_public_holidays_that_cem_holidays_added_here_stay():
    text = configfile.export()
    Holiday.objects.create(
        calendar=BusinessCalendar.objects.get(), day=date(2031, 1, 1), source="country"
    )

    report = apply(text, prune=True)

    assert not report.changes
    assert report.notes == [
        "calendars[0]: public holidays that it does not name are left alone: 1."
    ]


# What is not in the file


OTHERS = "format = 1\nrules = []\npolicies = []\ncalendars = []\nteams = []\n"


@pytest.mark.usefixtures("site")
def test_what_the_file_does_not_name_is_left_alone(fingerprint):
    before = fingerprint()

    report = apply(OTHERS)

    assert {what for _, _, what in whats(report)} == {"left alone"}
    assert len(report.changes) == 8
    assert not report.changes_something
    assert fingerprint() == before


@pytest.mark.usefixtures("site")
def test_what_the_file_does_not_name_is_switched_off_with_prune(boss):
    report = apply(OTHERS, prune=True, by=boss)

    assert whats(report) == [
        ("calendars", "Office", "left alone"),
        ("teams", "care", "switched off"),
        ("teams", "old", "left alone"),
        ("policies", "All", "switched off"),
        ("policies", "Gold", "switched off"),
        ("rules", "Rule 20\n👩‍👩‍👧", "switched off"),
        ("rules", "Rule 10\n👩‍👩‍👧", "switched off"),
        ("rules", "Draft", "left alone"),
    ]
    for model in (Rule, SlaPolicy, Team):
        assert not model.objects.filter(is_active=True).exists()
    assert Membership.objects.filter(is_active=True).count() == 2
    assert not apply(OTHERS, prune=True).changes_something


@pytest.mark.usefixtures("site")
def test_members_that_the_file_does_not_name_are_left_alone_or_switched_off():
    text = configfile.export()
    line = '  { user = "ben", skills = ["german", "billing"] },\n'
    text = text.replace(line, "")

    assert whats(apply(text)) == [("members", "care: ben", "left alone")]
    (change,) = apply(text, prune=True).changes

    assert [str(field) for field in change.fields] == [
        "members[ben].active: true → false"
    ]
    ben = Membership.objects.get(user__username="ben")
    assert (ben.is_active, ben.skills) == (False, ["german", "billing"])


# Who comes first


@pytest.mark.usefixtures("site")
def test_a_policy_makes_room_for_another_in_whatever_order_they_stand():
    text = configfile.export().replace(
        'name = "All"\nposition = 20', 'name = "All"\nposition = 40'
    )
    text = text.replace('name = "Gold"\nposition = 10', 'name = "Gold"\nposition = 30')
    apply(text)
    assert SlaPolicy.objects.get(name="Gold").position == 30

    back = text.replace("position = 40", "position = 9").replace(
        "position = 30", "position = 8"
    )
    apply(back)

    assert list(SlaPolicy.objects.values_list("name", "position")) == [
        ("Gold", 8),
        ("All", 9),
    ]
    assert SlaPolicy.objects.get(name="All").versions.count() == 3


@pytest.mark.usefixtures("site")
def test_shorter_hours_come_with_smaller_promises():
    text = configfile.export(["calendars", "policies"])
    long = text.replace('amount = "1 h"', 'amount = "1440 h"')
    apply(long)
    assert "'All': targets[0].amount" in refusals(_open_a_minute_a_week(long))[0]

    apply(_open_a_minute_a_week(text))

    assert set(Target.objects.values_list("amount", flat=True)) == {3600}
    assert BusinessCalendar.objects.get().hours == {"mon": [["09:00", "09:01"]]}


def _open_a_minute_a_week(text):
    others = ("tue", "wed", "thu", "fri")
    lines = [line for line in text.splitlines() if not line.startswith(others)]
    return "\n".join(lines).replace('["09:00", "17:00"]', '["09:00", "09:01"]')


@pytest.mark.usefixtures("site")
def test_a_rule_is_switched_off_before_the_team_that_it_names():
    text = configfile.export()
    head, rules = text.split("[[rules]]", 1)
    rules = rules.replace("active = true", "active = false")
    head = head.replace('name = "Customer \\"care\\""', 'name = "C"\nactive = false')
    policies = head.replace("[[policies]]", "[[policies]]\nactive = false")

    apply(policies + "[[rules]]" + rules)

    assert not Team.objects.filter(is_active=True).exists()
    assert not Rule.objects.filter(is_active=True).exists()


# What is refused


def test_everything_that_is_wrong_is_said_and_nothing_is_written(fingerprint, boss):
    before = fingerprint()
    text = """
        format = 1
        [[calendars]]
        name = "Never"
        [[calendars]]
        name = "Office"
        zone = "Europe/Berln"
        hours = { mon = [["09:00", "17:00"]] }
        [[teams]]
        slug = "care"
        name = "Care"
        calendar = "Office"
        members = [{ user = "nobody" }]
        [[teams]]
        slug = "not a slug"
        name = "X"
        calendar = "Ofice"
        [[teams]]
        slug = "sound"
        name = "Sound"
        members = [{ user = "boss", role = "owner" }, { user = "boss2" }]
        [[policies]]
        name = "Gold"
        conditions = { fact = "scor", operator = "is", value = 1 }
        calendar = "Nowhere"
        [[policies]]
        name = "All"
        targets = [{ metric = "resolution", priority = "high", amount = "1 h" }]
        [[rules]]
        name = "First"
        conditions = { any = [{ fact = "scor", operator = "is", value = 1 }] }
        actions = [{ do = "open case" }]
        [[rules]]
        name = "Second"
        active = "yes"
        [[rules]]
        name = "Third"
        actions = [{ do = "set team", team = "north" }]
        [[rules]]
        name = "Fourth"
        trigger = "full moon"
        actions = [{ do = "set team", team = "care" }]
        [[rules]]
        name = "Fifth"
        trigger = "full moon"
        actions = [{ do = "open case" }]
        """

    found = "\n".join(refusals(text))

    for expected in (
        "calendars[0].hours: This field cannot be blank.",
        "calendars[1].zone: 'Europe/Berln' is not a time zone",
        "teams[0].members[0].user: there is no user 'nobody'",
        "teams[1].calendar: there is no 'Ofice' among the calendars",
        "teams[2].members[1].user: there is no user 'boss2'",
        "policies[0].calendar: there is no 'Nowhere' among the calendars",
        "policies[0].conditions.fact: 'scor' is not a fact",
        "policies[1].targets: resolution has no target for priority",
        "rules[0].conditions.any[0].fact: 'scor' is not a fact",
        "rules[1].active: must be true or false",
        "rules[2].actions[0].team: 'north' is not",
        "rules[4].trigger: must be one of: response received,",
    ):
        assert expected in found
    # what follows from something else that is wrong is not said besides
    assert "rules[3]" not in found
    assert "'Office'" not in found
    assert found.splitlines() == sorted(found.splitlines(), key=place)
    assert fingerprint() == before


def test_rows_inside_an_entry_that_are_wrong_are_named(boss):
    text = f"""
        format = 1
        [[calendars]]
        name = "Office"
        hours = {{ mon = [["09:00", "17:00"]] }}
        holidays = [{{ day = 2026-01-01 }}, {{ day = 2026-01-02, name = "{"x" * 201}" }}]
        [[teams]]
        slug = "care"
        name = "Care"
        members = [{{ user = "boss", role = "owner" }}]
        """

    found = refusals(text)

    assert found[0].startswith(
        "calendars[0].holidays[1].name: Ensure this value has at"
    )
    assert found[1:] == [
        "teams[0].members[0].role: must be one of: agent, lead, manager"
    ]


@pytest.mark.usefixtures("site")
def test_an_escalation_to_nobody_is_refused_as_in_the_admin():
    text = configfile.export().replace('role = "lead"', 'role = "agent"')

    text = text.replace("percent = 150", "percent = 160")
    assert refusals(text)[0] == (
        "policies[0].steps[0].action: no active team has a lead"
    )


@pytest.mark.usefixtures("site")
def test_users_who_do_not_exist_are_left_out_when_that_is_asked_for(boss):
    text = configfile.export().replace('"boss"', '"chief"').replace('"gone"', '"eve"')
    emptied()

    assert refusals(text) == [
        "teams[0].members[2].user: there is no user 'eve'",
        "policies[0].steps[1].user: there is no user 'chief'",
        "policies[1].steps[1].user: there is no user 'chief'",
    ]
    report = apply(text, skip_missing_users=True)

    assert report.left_out == [
        ("teams[0].members[2].user", "eve"),
        ("policies[0].steps[1].user", "chief"),
        ("policies[1].steps[1].user", "chief"),
    ]
    assert Membership.objects.count() == 2
    assert EscalationStep.objects.count() == 2
    again = apply(text, skip_missing_users=True)
    assert not again.changes
    assert again.left_out == report.left_out


def test_rules_at_one_position_are_noted():
    rule = '[[rules]]\nname = "{}"\nactive = true\nactions = [{{ do = "open case" }}]\n'

    report = preview("format = 1\n" + rule.format("A") + rule.format("B"))

    assert [note[:37] for note in report.notes] == [
        "rules[1] has the position of rules[0]"
    ]


@pytest.mark.usefixtures("site")
def test_what_no_file_can_hold_is_refused_when_it_is_exported():
    Rule.objects.filter(name="Draft").update(actions=[None])

    with pytest.raises(
        InvalidInput, match=r"rules\[Draft\].actions\[0\]: must not be n"
    ):
        configfile.export()


@pytest.mark.usefixtures("site")
def test_a_file_mends_what_no_file_could_hold():
    text = configfile.export()
    Rule.objects.filter(name="Draft").update(actions=[None])

    assert whats(apply(text)) == [("rules", "Draft", "changed")]
    assert configfile.export() == text


@pytest.mark.usefixtures("site")
def test_what_is_switched_off_is_otherwise_left_as_it_is():
    odd = {"fact": "comment", "operator": "is empty", "value": None}
    Rule.objects.filter(position=10).update(conditions=odd)
    Team.objects.filter(slug="care").update(is_active=False)

    apply("format = 1\nrules = []", prune=True)

    rule = Rule.objects.get(position=10)
    assert (rule.is_active, rule.conditions) == (False, odd)


@pytest.mark.usefixtures("site")
def test_the_order_of_the_keys_in_the_database_does_not_matter():
    text = configfile.export()
    turned = {"value": "gold", "operator": "is", "fact": "customer.segment"}
    SlaPolicy.objects.filter(name="Gold").update(conditions=turned)

    assert configfile.export() == text


def test_reading_what_is_no_file_is_refused():
    with pytest.raises(InvalidInput, match="format: is missing"):
        read("")
