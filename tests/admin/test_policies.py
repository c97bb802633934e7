import json
import re
from datetime import UTC, date, datetime, timedelta

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from cem_cases.admin import policyexamples, policyversions
from cem_cases.admin.policyforms import starting_targets
from cem_cases.loop import config
from cem_cases.models import (
    AuditEvent,
    BusinessCalendar,
    Case,
    Clock,
    ClockMetric,
    PolicyVersion,
    SlaPolicy,
    Target,
)
from tests import make
from tests.admin import at
from tests.admin.policyforms import ADD, form, promise, row
from tests.threads import at_once

FIRST, UPDATE, RESOLUTION, STATUTORY = ClockMetric.values
NOW = datetime(2026, 11, 22, 8, 12, tzinfo=UTC)


def step(metric=FIRST, action="notify owner", **fields):
    return {"metric": metric, "action": action, "percent": 100} | fields


def tables(answered):
    """Return the table of targets and that of steps."""
    return [found.formset for found in answered.context["inline_admin_formsets"]]


def errors(answered):
    """Return all errors of the page: the fields', and each table's by row."""
    found = dict(answered.context["adminform"].form.errors)
    for name, table in zip(("targets", "steps"), tables(answered), strict=True):
        if table.non_form_errors():
            found[name] = table.non_form_errors()
        for n, each in enumerate(table.forms):
            found |= {f"{name}[{n}].{key}": text for key, text in each.errors.items()}
    return {key: " ".join(map(str, texts)) for key, texts in found.items()}


def typed(table):
    """Return the rows of a table as a browser sends them back."""
    return [
        {
            name: each[name].value() or ""
            for name in each.fields
            if name not in ("id", "policy", "DELETE")
        }
        for each in table.forms
    ]


def examples(policy):
    return f"{at.rows('slapolicy')}{policy.pk}/examples/"


def migrate(policy):
    return f"{at.rows('slapolicy')}{policy.pk}/migrate/"


@pytest.fixture
def berlin(db):
    """Nine to five in Berlin, with a holiday."""
    made = BusinessCalendar.objects.create(
        name="Berlin", zone="Europe/Berlin", hours=make.NINE_TO_FIVE
    )
    made.holidays.create(day=date(2026, 12, 25), name="Christmas Day")
    return made


def hopper():
    """An agent with a full name."""
    made = make.agent(make.team(), "grace")
    made.first_name, made.last_name = "Grace", "Hopper"
    made.save()
    return made


# The form


def test_a_new_policy_starts_with_a_table_that_can_be_saved(door, root):
    client = door(root)
    page = client.get(ADD)
    (targets, steps) = tables(page)
    shown = typed(targets)

    assert [each["amount"] for each in shown][:4] == ["1 h", "2 h", "4 h", "8 h"]
    assert {each["metric"] for each in shown} == {FIRST, RESOLUTION}
    assert not steps.forms
    saved = client.post(ADD, form(shown))
    assert saved.status_code == 302
    assert [
        (t.metric, t.priority, t.amount, t.warn_percents) for t in Target.objects.all()
    ] == [(t.metric, t.priority, t.amount, [75]) for t in starting_targets()]


def test_a_new_policy_goes_by_the_only_calendar_there_is(door, root, berlin):
    client = door(root)

    shown = client.get(ADD).context["adminform"].form
    assert shown["calendar"].value() == berlin.pk
    assert shown["position"].value() == 10
    make.office()
    assert client.get(ADD).context["adminform"].form["calendar"].value() is None


def test_a_policy_is_saved_once_with_all_its_parts(door, root):
    make.agent(make.team(), role="lead")
    steps = [step(), step(action="notify lead", percent="", minutes=-30)]

    answered = door(root).post(ADD, form(steps=steps))

    assert answered.status_code == 302
    policy, version = SlaPolicy.objects.get(), PolicyVersion.objects.get()
    assert (policy.version, version.number) == (1, 1)
    assert [t.amount for t in policy.targets.all()] == [3600, 7200, 14_400, 28_800]
    terms = json.loads(version.terms)
    assert [each["minutes"] for each in terms["steps"]] == [None, -30]
    event = AuditEvent.objects.get()
    assert (event.kind, event.actor) == ("slapolicy.created", root)


def test_saving_again_makes_the_next_version_of_the_rows_that_are_sent(door, root):
    policy = make.policy(steps=[step()])
    sent = form(promise(FIRST, "30 min", "30 min", "1 h", "1 h"), seen_version=1)

    answered = door(root).post(at.page(policy), sent)

    assert answered.status_code == 302
    policy.refresh_from_db()
    assert policy.version == 2
    assert {t.metric for t in policy.targets.all()} == {FIRST}
    assert not policy.escalation_steps.exists()
    assert list(policy.versions.values_list("number", flat=True)) == [1, 2]
    history = door(root).get(f"{at.rows('slapolicy')}{policy.pk}/history/")
    assert "Version 2." in at.text(history)


def test_what_is_shown_is_saved_the_same(door, root, berlin):
    policy = make.policy(
        calendar=berlin,
        warn=(50, 90),
        also={UPDATE: (2, "business days"), STATUTORY: (90_061, "calendar seconds")},
        steps=[step(), step(RESOLUTION, percent=None, minutes=-30)],
    )
    client = door(root)
    page = client.get(at.page(policy))
    rows = map(typed, tables(page))

    answered = client.post(
        at.page(policy),
        form(*rows, seen_version=1, calendar=berlin.pk, pauses_pending="on", position=0)
        | {"name": policy.name},
    )

    assert answered.status_code == 302
    before, after = (
        json.loads(each.terms) for each in policy.versions.order_by("number")
    )
    for terms in (before, after):
        terms["targets"].sort(key=lambda t: (t["metric"], t["priority"]))
        terms["steps"].sort(key=lambda s: s["metric"])
    assert before == after


@pytest.mark.parametrize(
    ("typed", "unit", "amount"),
    [
        ("90 min", "business seconds", 5_400),
        ("1 h 30 min", "calendar seconds", 5_400),
        ("2 d", "calendar seconds", 172_800),
        ("3 d", "business days", 3),
    ],
)
def test_times_are_typed_as_people_say_them(door, root, berlin, typed, unit, amount):
    targets = promise(FIRST, *[typed] * 4, unit=unit, warn_percents="75 %, 50")

    door(root).post(ADD, form(targets, calendar=berlin.pk))

    saved = Target.objects.first()
    assert (saved.amount, saved.unit) == (amount, unit)
    assert saved.warn_percents == [50, 75]


def test_what_is_emptied_or_taken_away_is_not_promised(door, root):
    policy = make.policy()
    targets = [
        *promise(FIRST),
        *promise(RESOLUTION, "", " ", "", ""),
        *promise(UPDATE, *["1 h"] * 4, DELETE="on"),
        row("", "", ""),  # added, and left empty
    ]
    steps = [{"metric": "", "action": ""}, step() | {"DELETE": "on"}]

    answered = door(root).post(at.page(policy), form(targets, steps, seen_version=1))

    assert answered.status_code == 302
    assert {t.metric for t in policy.targets.all()} == {FIRST}
    assert not policy.escalation_steps.exists()


def test_pauses_and_conditions_are_saved(door, root):
    conditions = {"fact": "case.team", "operator": "is", "value": "care"}
    sent = form(conditions=json.dumps(conditions), pauses_on_hold="on")

    door(root).post(ADD, sent)

    policy = SlaPolicy.objects.get()
    assert (policy.pauses_pending, policy.pauses_on_hold) == (False, True)
    for path in (at.rows("slapolicy"), at.page(policy)):
        assert "If case.team is care" in at.text(door(root).get(path))


# What is refused, and where


def short(*changes, **fields):
    return form([*promise()[:3], *changes], **fields)


WRONG = {
    # rows by themselves
    "an amount that is none": (
        short(row(FIRST, 4, "soon")),
        "targets[3].amount",
        "such as 4 h, 90 min",
    ),
    "an amount that is too long": (
        short(row(FIRST, 4, "1 " * 30)),
        "targets[3].amount",
        "at most 40 characters",
    ),
    "days of business hours": (
        short(row(FIRST, 4, "3 d")),
        "targets[3].amount",
        "choose business days",
    ),
    "a warning that is none": (
        short(row(FIRST, 4, "8 h", warn_percents="half")),
        "targets[3].warn_percents",
        "such as 50, 75",
    ),
    "a row without its priority": (
        short(row(FIRST, "", "8 h")),
        "targets[3].priority",
        "required",
    ),
    "an amount for nothing": (
        short(row("", 4, "8 h")),
        "targets[3].metric",
        "required",
    ),
    "a metric that is none": (
        short(row("patience", 4, "8 h")),
        "targets[3].metric",
        "not one of the available",
    ),
    "a unit that is none": (
        short(row(FIRST, 4, "8 h", unit="moons")),
        "targets[3].unit",
        "not one of the available",
    ),
    "a step without its action": (
        form(steps=[step(action="")]),
        "steps[0].action",
        "required",
    ),
    # the whole
    "nothing promised": (form([]), "targets", "there is no target"),
    "a priority left out": (short(), "targets", "no target for priority low"),
    "the same twice": (
        form([*promise(), row(FIRST, 4, "9 h")]),
        "targets[4].__all__",
        "two targets for priority low",
    ),
    "days without a calendar": (
        form(promise(FIRST, *["3"] * 4, unit="business days")),
        "targets[0].unit",
        "Business days need a calendar",
    ),
    "a law that keeps office hours": (
        form(promise(STATUTORY, *["24 h"] * 4)),
        "targets[0].unit",
        "always in calendar time",
    ),
    "a step at two points": (
        form(steps=[step(), step(minutes=-30)]),
        "steps[1].__all__",
        "ither percent or minutes",
    ),
    "a step at no point": (
        form(steps=[step(percent="")]),
        "steps[0].__all__",
        "ither percent or minutes",
    ),
    "the same step twice": (
        form(steps=[step(), step()]),
        "steps[1].__all__",
        "Is there twice",
    ),
    "a step far off": (
        form(steps=[step(percent=5000)]),
        "steps[0].percent",
        "from 1 to 1000",
    ),
    "a step for what is not promised": (
        form(steps=[step(RESOLUTION)]),
        "steps[0].metric",
        "the step never comes",
    ),
    "an escalation to nobody": (
        form(steps=[step(), step(action="notify lead")]),
        "steps[1].action",
        "No active team has a lead",
    ),
    "a watcher that is missing": (
        form(steps=[step(action="add watcher")]),
        "steps[0].user",
        "Goes with add watcher",
    ),
    "a watcher who is nobody": (
        form(steps=[step(action="add watcher", user=999_999)]),
        "steps[0].user",
        "not one of the available",
    ),
    # the policy
    "conditions that are none": (
        form(conditions='{"fact": "scor"}'),
        "conditions",
        "scor",
    ),
    "no name": (form(name=""), "name", "required"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_told_at_its_place_and_nothing_is_saved(
    door, root, case, fingerprint
):
    sent, place, message = WRONG[case]
    before = fingerprint()

    answered = door(root).post(ADD, sent)

    assert answered.status_code == 200
    found = errors(answered)
    assert set(found) == {place}
    assert message in found[place]
    assert "Please correct the error" in at.text(answered)
    assert fingerprint() == before


def test_a_new_row_that_is_unfinished_is_told_what_it_lacks(door, root):
    answered = door(root).post(ADD, form([*promise(), row(UPDATE, "", "")]))

    assert set(errors(answered)) == {"targets[4].amount", "targets[4].priority"}


def test_a_policy_that_is_never_chosen_is_refused_at_its_position(door, root):
    make.policy(name="All")

    answered = door(root).post(ADD, form())

    assert "'All' comes before it" in errors(answered)["position"]


def test_a_calendar_that_never_opens_is_refused_at_the_calendar(door, root):
    never = BusinessCalendar.objects.create(name="Never", zone="UTC", hours={})

    answered = door(root).post(ADD, form(calendar=never.pk))

    assert "No opening in the year" in errors(answered)["calendar"]


def test_a_watcher_who_sees_no_case_is_refused_on_their_row(door, root):
    nobody = make.user("nobody")

    answered = door(root).post(
        ADD, form(steps=[step(action="add watcher", user=nobody.pk)])
    )

    assert "sees cases" in errors(answered)["steps[0].user"]


def test_errors_are_told_and_what_was_typed_is_still_there(door, root):
    answered = door(root).post(ADD, short(row(FIRST, 4, "soon")))

    found = at.text(answered)
    assert "Write hours and minutes, such as 4 h, 90 min or 1 h 30 min." in found
    page = answered.content.decode()
    assert 'value="soon"' in page
    assert 'value="2 h"' in page


@pytest.mark.parametrize(
    "forged",
    [
        {"targets-TOTAL_FORMS": "x"},
        {"targets-TOTAL_FORMS": ""},
        {"targets-INITIAL_FORMS": 3},
        {"targets-INITIAL_FORMS": 3, "targets-0-id": 1, "targets-1-id": "x"},
        {"targets-TOTAL_FORMS": 100_000},
        {"escalation_steps-TOTAL_FORMS": "-1"},
        {"_saveasnew": "1"},
        {"calendar": "x"},
        {"position": "-1"},
        {"seen_version": "x"},
        {"examples-priority": "x"},
        {"targets-0-priority": "²"},
        {"targets-0-metric": "\0"},
        {"targets-0-amount": "\0"},
        {"escalation_steps-TOTAL_FORMS": 1, "escalation_steps-0-user": "9" * 40},
    ],
)
def test_a_form_that_was_tampered_with_is_answered(door, root, forged):
    policy, client = make.policy(), door(root)
    sent = form(seen_version=1) | forged

    for path in (at.page(policy), ADD, examples(policy)):
        assert client.post(path, sent).status_code in (200, 302)


def test_a_policy_is_not_saved_over_somebody_elses_change(door, root):
    policy = make.policy()
    config.save_policy(policy, by=root)

    answered = door(root).post(at.page(policy), form(seen_version=1))

    assert "Somebody else saved version 2" in errors(answered)["__all__"]
    policy.refresh_from_db()
    assert policy.version == 2


@pytest.mark.django_db(transaction=True)
def test_of_those_who_save_at_the_same_moment_one_is_first(door, root):
    policy = make.policy()
    clients = [door(root) for _ in range(4)]
    sent = form(seen_version=1)

    answers = at_once(
        [lambda c=client: c.post(at.page(policy), sent) for client in clients]
    )

    assert sorted(each.status_code for each in answers) == [200, 200, 200, 302]
    policy.refresh_from_db()
    assert (policy.version, policy.targets.count()) == (2, 4)


def test_who_was_a_moment_too_late_is_told_and_keeps_what_was_typed(
    door, root, monkeypatch
):
    def refuse(*args, **kwargs):
        raise ValidationError(["position: it is never chosen."])

    monkeypatch.setattr(config, "save_policy", refuse)

    answered = door(root).post(ADD, form(name="Late"))

    assert "position: it is never chosen." in at.text(answered)
    assert 'value="Late"' in answered.content.decode()
    assert not SlaPolicy.objects.exists()


# Who may


def test_who_may_change_policies_may_change_their_parts(door, db):
    policy = make.policy()
    editor = make.user("", "change_slapolicy", is_staff=True)

    door(editor).post(at.page(policy), form(seen_version=1))

    assert {t.metric for t in policy.targets.all()} == {FIRST}
    assert door(editor).get(ADD).status_code == 403


def test_who_may_add_policies_may_add_them_with_their_parts(door, db):
    adder = make.user("", "add_slapolicy", "view_slapolicy", is_staff=True)

    door(adder).post(ADD, form(steps=[step()]))

    policy = SlaPolicy.objects.get()
    assert policy.targets.count() == 4
    assert policy.escalation_steps.count() == 1
    assert door(adder).post(at.page(policy), form()).status_code == 403


def test_who_may_only_view_a_policy_reads_it_in_words(door, db):
    boss = hopper()
    policy = make.policy(
        hours=4,
        also={UPDATE: (2, "business days")},
        steps=[step(action="add watcher", user=boss)],
    )
    reader = make.user("", "view_slapolicy", is_staff=True)

    page = door(reader).get(at.page(policy))

    found = at.text(page)
    assert "first contact urgent 1 h 20 min 75" in found
    assert "next update low 2 business days —" in found
    assert "add a watcher Grace Hopper" in found
    assert "At % of the target Or minutes -30: before due Action" in found
    assert "For cases of normal priority. A case opened now (" in found
    shown = page.content.decode()
    assert (
        'name="targets'
        not in shown.replace("-FORMS", "").replace('name="targets-TOTAL', "")
        or 'type="text"' not in shown.split("targets-group")[1].split("</table>")[0]
    )
    assert "data-examples-url" not in shown
    assert "Move running clocks" not in found


def test_a_saved_watcher_is_named_and_one_that_is_typed_is_not(door, root):
    boss = hopper()
    policy = make.policy(steps=[step(action="add watcher", user=boss)])
    client = door(root)

    shown = at.text(client.get(at.page(policy)))
    typed = client.post(
        at.page(policy),
        form([], [step(action="add watcher", user=boss.pk)], seen_version=1),
    )

    assert "Grace Hopper" in shown
    assert "Grace Hopper" not in at.text(typed)


# The examples


def said(policy_form, priority=Case.Priority.NORMAL, now=NOW):
    found = policyexamples.of(policy_form, priority, now)
    return [
        f"{each.start}: " + ", ".join(" ".join(filter(None, due)) for due in each.dues)
        for each in found.sentences
    ]


def shown(client, policy):
    return client.get(at.page(policy)).context["adminform"].form


def test_the_examples_say_when_a_case_would_be_due(door, root, berlin):
    policy = make.policy(calendar=berlin, hours=2, days=1)

    assert said(shown(door(root), policy)) == [
        "A case opened now (Sun 22 Nov 2026 09:12): "
        "first contact Mon 23 Nov 11:00, resolution Mon 23 Nov 17:00",
        "A case opened on Friday evening (Fri 27 Nov 2026 18:30): "
        "first contact Mon 30 Nov 11:00, resolution Mon 30 Nov 17:00",
        "A case opened on the day before Christmas Day (Thu 24 Dec 2026 15:00): "
        "first contact Thu 24 Dec 17:00, resolution Mon 28 Dec 15:00",
        "A case opened on the day before the clocks go forward by 1 h "
        "(Sat 27 Mar 2027 12:00): "
        "first contact Mon 29 Mar 11:00, resolution Mon 29 Mar 17:00",
    ]


def test_the_examples_tell_on_what_the_others_depend(door, root, berlin):
    policy = make.policy(
        calendar=berlin,
        also={UPDATE: (40, "business days"), STATUTORY: (86_400, "calendar seconds")},
    )

    now, *_others = said(shown(door(root), policy), Case.Priority.URGENT)

    # over the turn of the year, the year is said
    assert "next update Tue 19 Jan 2027 09:00 if the customer is reached at once" in now
    assert "statutory response Mon 23 Nov 09:12 if it is a complaint" in now


def test_moments_that_do_not_exist_are_said_so(door, root):
    with_office, around = make.policy(name="office"), make.policy(calendar=None)
    client = door(root)

    for policy, holiday in (
        (with_office, "No holiday is ahead in the calendar that closes an open day."),
        (around, "Without a calendar no holiday counts."),
    ):
        *_others, eve, change = said(shown(client, policy))
        assert eve == f"{holiday}: "
        assert change.startswith("The clocks of UTC never change")


def test_the_clocks_go_back_too_and_a_holiday_may_have_no_name(door, root, berlin):
    berlin.holidays.update(name="", day=date(2027, 5, 28))
    policy = make.policy(calendar=berlin)

    found = said(shown(door(root), policy), now=NOW + timedelta(days=180))

    assert "the day before a holiday (Thu 27 May 2027 15:00)" in found[2]
    assert "the clocks go back by 1 h (Sat 30 Oct 2027 12:00)" in found[3]


def test_the_examples_stand_below_the_targets(door, root, berlin):
    policy = make.policy(calendar=berlin)

    found = at.text(door(root).get(at.page(policy)))

    assert re.search(
        r"A case opened now \(\w{3} \d+ \w{3} \d{4} \d\d:\d\d\) would be due: "
        r"first contact \w{3} \d+ \w{3} [\d: ]+, resolution \w{3} \d+ \w{3} [\d: ]+ "
        r"\(Europe/Berlin\)",
        found,
    )


def test_the_examples_follow_what_is_typed_and_nothing_is_saved(
    door, root, berlin, fingerprint
):
    policy = make.policy(calendar=berlin)
    before, client = fingerprint(), door(root)
    sent = form(promise(UPDATE), calendar=berlin.pk, seen_version=1)

    for path in (examples(policy), f"{at.rows('slapolicy')}add/examples/"):
        found = at.text(client.post(path, sent))
        assert "would be due: next update" in found
        assert "first contact" not in found
        # another one would be behind this one, which holds for every case
        assert ("Not right yet" in found) is ("add" in path)
    assert fingerprint() == before


def test_the_examples_are_of_the_priority_that_is_chosen(door, root):
    policy, client = make.policy(calendar=None), door(root)
    sent = form(promise(FIRST, "1 h", "2 h", "4 h", "24 h"), seen_version=1)

    dues = {
        priority: at.text(
            client.post(examples(policy), sent | {"examples-priority": priority})
        )
        for priority in (1, 3, 4)
    }

    assert len(set(dues.values())) == 3
    page = client.post(at.page(policy), sent | {"examples-priority": 4, "name": ""})
    assert '<option value="4" selected>low</option>' in page.content.decode()


def test_the_examples_say_which_entry_is_wrong_and_go_on_with_the_rest(door, root):
    policy = make.policy()
    sent = form(
        [*promise(FIRST, "1 h", "soon", "4 h", "8 h"), row(UPDATE, "", "1 h")],
        [step(percent="many")],
        name="",
        conditions="{",
        seen_version=0,
    )

    found = at.text(door(root).post(examples(policy), sent))

    assert "First contact, high: Within: Write hours and minutes" in found
    assert "First contact, notify the owner: At %: Enter a whole number." in found
    assert "Conditions: This is no JSON" in found
    assert "Somebody else saved version 1" in found
    assert "would be due: first contact" in found
    # what is only missing yet needs no word
    assert "required" not in found


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (promise()[:3], "First contact has no target for priority low"),
        ([], "Promise something: there is no target"),
        (
            promise(FIRST, *["3"] * 4, unit="business days"),
            "First contact, urgent: Unit: Business days need a calendar",
        ),
    ],
)
def test_the_examples_say_what_is_wrong_with_the_whole(door, root, targets, message):
    found = at.text(
        door(root).post(f"{at.rows('slapolicy')}add/examples/", form(targets))
    )

    assert message in found


def test_a_row_that_cannot_be_reckoned_is_named_even_beside_other_errors(door, root):
    sent = form(promise(FIRST, *["3"] * 4, unit="business days"), conditions="{")

    found = at.text(door(root).post(f"{at.rows('slapolicy')}add/examples/", sent))

    assert "This is no JSON" in found
    assert "First contact, urgent: business days need a calendar" in found
    assert "would be due" not in found


def test_a_priority_without_any_target_is_said_to_have_none(door, root):
    sent = form([row(FIRST, 1, "1 h")], **{"examples-priority": 4})

    found = at.text(door(root).post(f"{at.rows('slapolicy')}add/examples/", sent))

    assert "Nothing is promised for cases of low priority." in found


def test_without_a_script_a_button_shows_the_examples_and_saves_nothing(
    door, root, fingerprint
):
    before = fingerprint()

    page = door(root).post(ADD, form(promise(UPDATE), _examples="1"))

    assert page.status_code == 200
    assert "would be due: next update" in at.text(page)
    assert "Please correct" not in at.text(page)
    assert fingerprint() == before


def test_the_examples_are_for_who_may_save(door, db):
    policy = make.policy()
    reader = make.user("", "view_slapolicy", is_staff=True)
    editor = make.user("", "change_slapolicy", is_staff=True)
    add = f"{at.rows('slapolicy')}add/examples/"

    assert door(reader).post(examples(policy), form()).status_code == 403
    assert door(editor).post(examples(policy), form()).status_code == 200
    assert door(editor).post(add, form()).status_code == 403
    for path in ("0/examples/", "0/migrate/"):  # nor is it told whether there is one
        answered = door(reader).post(f"{at.rows('slapolicy')}{path}", form())
        assert answered.status_code == 403
    assert door(editor).get(examples(policy)).status_code == 405
    assert "login" in Client().post(examples(policy), form())["Location"]
    missing = door(editor).post(f"{at.rows('slapolicy')}0/examples/", form())
    assert missing["Location"] == "/admin/"


def test_the_examples_want_a_token(root):
    client = Client(enforce_csrf_checks=True)
    client.force_login(root)

    assert client.post(examples(make.policy()), form()).status_code == 403


HOSTILE = "<img src=x onerror=alert(1)>{{ 770001|add:6 }}"


def test_what_is_typed_is_inert(door, root):
    make.office().holidays.create(day=date(2099, 1, 1), name=HOSTILE)
    policy = make.policy(name=HOSTILE)
    sent = form([row(FIRST, 1, HOSTILE[:40])], name=HOSTILE, conditions=HOSTILE)
    sent["calendar"] = make.office().pk
    client = door(root)

    for path in (at.page(policy), examples(policy)):
        found = client.post(path, sent).content.decode()
        assert "<img" not in found.replace('<img src="/static', "")
        assert "770007" not in found


# Versions


def tightened(policy, by=None, now=None):
    """Save the policy with half its times."""
    policy.refresh_from_db()
    targets = list(policy.targets.all())
    for target in targets:
        target.amount //= 2
    return config.save_policy(policy, targets=targets, by=by, now=now)


def test_versions_are_listed_with_who_saved_them_and_what_runs_by_them(door, root):
    policy = make.policy()
    make.case(now=make.MONDAY)
    ada = make.user("ada", first_name="Ada", last_name="Lovelace")
    tightened(policy, by=ada)
    config.save_calendar(make.office(), by=root)

    listed = policyversions.versions(SlaPolicy.objects.get(), counted=True)

    assert [(each.number, each.who, each.clocks) for each in listed] == [
        (3, "root, in the calendar", 0),
        (2, "Ada Lovelace", 0),
        (1, "", 2),
    ]
    found = at.text(door(root).get(at.page(policy)))
    assert "Version Saved By Running clocks 3" in found


def test_old_versions_are_listed_as_long_as_clocks_run_by_them(db, monkeypatch):
    monkeypatch.setattr(policyversions, "MOST_VERSIONS", 2)
    policy = make.policy()
    make.case(now=make.MONDAY)
    for _ in range(3):
        config.save_policy(policy, by=None)

    numbers = [each.number for each in policyversions.versions(policy, counted=True)]

    assert numbers == [4, 3, 1]


def test_how_much_runs_is_only_told_to_who_sees_all_cases(door, db):
    policy = make.policy()
    make.case(now=make.MONDAY)
    tightened(policy)
    editor = make.user("", "change_slapolicy", is_staff=True)

    found = at.text(door(editor).get(at.page(policy)))

    assert "Versions" in found
    assert "Running clocks 2" not in found
    assert "Move running clocks" not in found
    assert door(editor).get(migrate(policy)).status_code == 403
    assert door(editor).post(migrate(policy)).status_code == 403


@pytest.fixture
def moved(db):
    """A policy with two clocks on its first version, and a second one."""
    policy = make.policy()
    make.case(now=make.MONDAY)
    tightened(policy)
    policy.refresh_from_db()
    return policy


@pytest.fixture
def boss(db):
    permissions = ("change_slapolicy", "view_all_cases", "view_case")
    return make.user("boss", *permissions, is_staff=True)


def test_the_page_leads_to_moving_clocks_where_there_are_some(door, boss, moved):
    client = door(boss)

    assert "Move running clocks to version 2" in at.text(client.get(at.page(moved)))
    client.post(migrate(moved), {"version": 2})
    assert "Move running clocks" not in at.text(client.get(at.page(moved)))


def test_a_preview_shows_before_and_after_and_changes_nothing(
    door, boss, moved, fingerprint
):
    before = fingerprint()

    found = at.text(door(boss).get(migrate(moved)))

    case = Case.objects.get()
    assert "Running clocks that move 2 Of cases 1" in found
    assert f"#{case.pk} first contact 1 → 2 Mon 3 Mar 2025, 13:00" in found
    assert "Mon 3 Mar 2025, 11:00" in found
    assert "Move 2 clocks" in found
    assert fingerprint() == before


def test_what_would_breach_is_told_first(door, boss, monkeypatch):
    monkeypatch.setattr(policyversions, "MOST_MOVES", 1)
    policy = make.policy(calendar=None, hours=24 * 365 * 5, days=100)
    make.case()  # opened long ago: half of it is over by now
    Clock.objects.update(started_at=datetime(2010, 1, 1, tzinfo=UTC))
    targets = [
        Target(metric=metric, priority=priority, amount=amount)
        for metric, amount in ((FIRST, 3600 * 24 * 3600), (RESOLUTION, 3600))
        for priority in Case.Priority.values
    ]
    config.save_policy(policy, targets=targets, by=None)

    found = at.text(door(boss).get(migrate(policy)))

    assert "breaches now" in found
    assert "1 more is not listed." in found


def test_clocks_are_moved_by_who_looked_at_this_very_version(door, boss, moved):
    client = door(boss)

    stale = client.post(migrate(moved), {"version": 1}, follow=True)
    assert "Version 2 was saved meanwhile" in at.said(stale)[0]
    assert set(Clock.objects.values_list("version__number", flat=True)) == {1}

    done = client.post(migrate(moved), {"version": 2}, follow=True)
    said = at.said(done)[0]
    assert said.startswith("2 running clocks go by version 2 now.")
    assert set(Clock.objects.values_list("version__number", flat=True)) == {2}
    event = AuditEvent.objects.get(kind="case.policy_migrated")
    assert event.actor == boss


def test_moving_twice_moves_nothing_more(door, boss, moved):
    client = door(boss)
    client.post(migrate(moved), {"version": 2}, follow=True)

    again = client.post(migrate(moved), {"version": 2}, follow=True)

    assert at.said(again)[0].startswith("0 running clocks")
    assert "No running clock would change." in at.text(client.get(migrate(moved)))


def test_a_policy_that_is_not_there_cannot_be_moved(door, boss):
    for key in ("0", "x"):
        answered = door(boss).get(f"{at.rows('slapolicy')}{key}/migrate/")
        assert answered["Location"] == "/admin/"


# What it costs


def grow(policy, number):
    """More versions, steps, cases and watchers."""
    watchers = [make.agent(make.team()) for _ in range(number)]
    steps = [
        {"metric": FIRST, "action": "add watcher", "percent": 100, "user": each}
        for each in watchers
    ]
    policy.refresh_from_db()
    for _ in range(number):
        made = [type(policy.escalation_steps.model())(**each) for each in steps]
        config.save_policy(policy, steps=made, by=watchers[0])
        make.case(now=make.MONDAY)


@pytest.mark.parametrize("page", ["list", "form", "examples", "preview"])
def test_pages_cost_the_same_for_little_and_for_much(
    door, root, page, django_assert_max_num_queries
):
    policy, client = make.policy(), door(root)
    most = {"list": 6, "form": 14, "examples": 11, "preview": 34}[page]

    def ask():
        policy.refresh_from_db()
        if page == "examples":
            sent = form(
                [*promise(), *promise(RESOLUTION)],
                calendar=policy.calendar_id,
                seen_version=policy.version,
            )
            return client.post(examples(policy), sent)
        path = {"form": at.page, "preview": migrate}.get(page)
        return client.get(path(policy) if path else at.rows("slapolicy"))

    ask()  # content types are looked up once
    counts = []
    for number in (3, 5):
        grow(policy, number)
        with django_assert_max_num_queries(most) as queries:
            assert ask().status_code == 200
        counts.append(len(queries))

    print(page, counts)
    assert counts[0] == counts[1]
