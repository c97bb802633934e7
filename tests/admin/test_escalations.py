"""Escalations, watchers and pauses in the admin: shown, and acknowledged by a person."""

import pytest
from django.contrib.auth.models import Permission

from cem_cases.loop import cases, escalation, sla
from cem_cases.models import AuditEvent, Case, Escalation
from tests import make
from tests.admin import at
from tests.make import DAY, HOUR, MONDAY

LIST = at.rows("escalation")
OVERDUE = {"metric": "first contact", "percent": 100, "action": "notify lead"}


@pytest.fixture
def case(north):
    """A case with two escalations that nobody has acknowledged."""
    steps = [OVERDUE, {**OVERDUE, "metric": "resolution"}]
    make.policy(hours=4, days=1, warn=(), steps=steps)
    case = make.case(team=north)
    sla.sweep(now=MONDAY + 2 * DAY)
    return case


def row(case, metric="first contact"):
    return Escalation.objects.get(clock__case=case, clock__metric=metric)


def acknowledge(case, key):
    return f"{at.rows('case')}{case.pk}/acknowledge/{key}/"


def test_an_escalation_stands_on_top_until_somebody_acknowledges_it(door, ada, case):
    client, found = door(ada), row(case)
    page = client.get(at.page(case))
    assert "Escalated, and nobody has acknowledged it" in at.text(page)
    assert acknowledge(case, found.pk) in page.content.decode()

    answered = client.post(acknowledge(case, found.pk), follow=True)

    assert at.said(answered) == [
        "You acknowledged the escalation: nobody is told again."
    ]
    found.refresh_from_db()
    assert found.acknowledged_by == ada
    assert AuditEvent.objects.get(kind="case.acknowledged").actor == ada
    text = at.text(answered)
    assert "1 acknowledged escalation" in text
    assert "acknowledged by ada" in text
    assert acknowledge(case, found.pk) not in answered.content.decode()


def test_looking_acknowledges_nothing(door, ada, case, fingerprint):
    before = fingerprint()

    answered = door(ada).get(acknowledge(case, row(case).pk))

    assert answered["Location"] == at.page(case)
    assert fingerprint() == before


def test_a_second_time_is_refused_kindly(door, ada, north, case):
    found = row(case)
    escalation.acknowledge(found, by=make.agent(north, "bob"))

    answered = door(ada).post(acknowledge(case, found.pk), follow=True)

    assert at.said(answered) == ["This escalation was acknowledged already."]


def test_to_acknowledge_takes_the_permission_to_work(door, ada, case, fingerprint):
    ada.user_permissions.remove(Permission.objects.get(codename="work_case"))
    before, client = fingerprint(), door(ada)

    page = client.get(at.page(case))
    assert "Escalated, and nobody has acknowledged it" in at.text(page)
    assert "/acknowledge/" not in page.content.decode()
    assert client.post(acknowledge(case, row(case).pk)).status_code == 403
    assert fingerprint() == before


def test_an_escalation_of_another_case_is_like_a_missing_one(
    door, ada, case, fingerprint
):
    foreign = make.case(team=make.team("south"))
    mine = make.case(team=case.team)
    sla.sweep(now=MONDAY + 2 * DAY)
    before, client = fingerprint(), door(ada)

    for key in (row(foreign).pk, row(case).pk, 999_999, "9" * 30, "x", "0"):
        assert client.post(acknowledge(mine, key)).status_code == 404
    answers = [
        client.post(acknowledge(of, row(foreign).pk))
        for of in (foreign, Case(pk=foreign.pk + 999))
    ]

    assert [(a.status_code, a["Location"]) for a in answers] == [(302, "/admin/")] * 2
    assert fingerprint() == before


def test_an_escalation_of_a_later_cycle_says_so(door, ada, case):
    case = cases.resolve(
        case,
        by=ada,
        root_cause=make.root_cause(),
        outcome="recovered",
        note="Paid.",
        now=MONDAY + 2 * DAY,
    )
    cases.reopen(case, by=ada, reason="Not paid.", now=MONDAY + 2 * DAY + HOUR)
    sla.sweep(now=MONDAY + 9 * DAY)

    found = at.text(door(ada).get(at.page(case)))

    assert "Resolution: 100 % of the target (cycle 2)" in found


def test_watchers_and_complaints_are_shown(door, ada, case, north):
    case.watchers.add(make.agent(north, "lia"), make.agent(north, "bob"))
    cases.mark_complaint(case, by=ada)

    found = at.text(door(ada).get(at.page(case)))

    assert "Watchers lia, bob" in found
    assert "Complaint yes" in found


# The list of cases


def test_cases_are_found_by_what_nobody_acknowledged(door, ada, north, case):
    client, calm = (
        door(ada),
        Case.objects.create(
            customer=make.case(team=north).customer,
            team=north,
            opened_at=MONDAY,
            last_activity_at=MONDAY,
        ),
    )

    def found():
        cl = client.get(f"{at.rows('case')}?escalated=open").context["cl"]
        return {row.pk for row in cl.result_list}

    assert case.pk in found()
    assert calm.pk not in found()
    for open_ in Escalation.objects.filter(clock__case=case):
        escalation.acknowledge(open_, by=ada)
    assert case.pk not in found()


# The list of escalations


@pytest.fixture
def reader(ada):
    ada.user_permissions.add(*Permission.objects.filter(codename="view_escalation"))
    return ada


def listed(client, query=""):
    answered = client.get(LIST + query)
    assert answered.status_code == 200
    return [row.clock.metric for row in answered.context["cl"].result_list]


def test_escalations_are_listed_by_whether_they_wait(door, reader, case):
    escalation.acknowledge(row(case), by=reader, now=MONDAY + 3 * DAY)
    make.case(team=make.team("south"))
    sla.sweep(now=MONDAY + 3 * DAY)
    client = door(reader)

    assert sorted(listed(client)) == ["first contact", "resolution"]
    assert listed(client, "?state=open") == ["resolution"]
    assert listed(client, "?state=seen") == ["first contact"]
    found = at.text(client.get(LIST))
    assert "not acknowledged" in found
    assert "acknowledged 6 Mar 2025, 09:00 ada" in found
    assert "a.m." not in found
    assert "p.m." not in found


def test_several_are_acknowledged_each_by_itself(door, reader, case):
    escalation.acknowledge(row(case), by=reader)
    keys = list(Escalation.objects.values_list("pk", flat=True))

    answered = door(reader).post(
        LIST, {"action": "acknowledge", "_selected_action": keys}, follow=True
    )

    assert at.said(answered) == [
        "This escalation was acknowledged already.",
        "1 escalation acknowledged.",
    ]
    assert not Escalation.objects.open().exists()


def test_several_are_acknowledged_by_who_may_work(door, reader, case, fingerprint):
    reader.user_permissions.remove(Permission.objects.get(codename="work_case"))
    foreign = make.case(team=make.team("south"))
    sla.sweep(now=MONDAY + 2 * DAY)
    before, client = fingerprint(), door(reader)

    client.post(LIST, {"action": "acknowledge", "_selected_action": [row(case).pk]})

    assert fingerprint() == before
    reader.user_permissions.add(Permission.objects.get(codename="work_case"))
    client.post(LIST, {"action": "acknowledge", "_selected_action": [row(foreign).pk]})
    assert fingerprint() == before


def test_the_list_costs_the_same_queries_for_one_and_for_many(
    door, reader, case, django_assert_num_queries
):
    for _ in range(5):
        make.case(team=case.team)
    sla.sweep(now=MONDAY + 2 * DAY)
    client = door(reader)

    # session, user, permissions (2), count, the rows
    with django_assert_num_queries(6):
        client.get(f"{LIST}?all=")


# Pauses and clocks


def test_pauses_are_listed_with_their_case(door, root, north, ada):
    ada.first_name, ada.last_name = "Ada", "Ito"
    ada.save()
    make.policy()
    case = make.case(team=north, owner=ada)
    cases.set_pending(
        case, by=ada, reason="A photo.", until=MONDAY + DAY, now=MONDAY + HOUR
    )

    found = at.text(door(root).get(at.rows("pause")))

    assert (
        f"A photo. #{case.pk} resolution (1) pending Ada Ito 3 Mar 2025, 10:00 "
        "4 Mar 2025, 09:00 —"
    ) in found


def test_a_paused_clock_is_overdue_only_if_it_was_when_the_pause_began(
    door, root, north, ada
):
    make.policy(hours=4, days=1)
    case = make.case(team=north, owner=ada)
    cases.set_pending(
        case, by=ada, reason="A photo.", until=MONDAY + DAY, now=MONDAY + HOUR
    )
    client = door(root)

    def found(state):
        cl = client.get(f"{at.rows('clock')}?state={state}").context["cl"]
        return [clock.metric for clock in cl.result_list]

    assert found("overdue") == ["first contact"]
    assert found("paused") == ["resolution"]
    assert sorted(found("running")) == ["first contact", "resolution"]
