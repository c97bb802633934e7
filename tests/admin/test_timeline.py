import pytest

from cem_cases import audit
from cem_cases.admin import timeline
from cem_cases.loop import cases, drain, sla
from cem_cases.models import Case, Survey, Team
from tests import make


def said(case):
    return [entry.what for entry in timeline.of(case, {})]


def test_every_event_of_a_case_has_its_sentence():
    kinds = {kind for kind in audit.KINDS if kind.startswith(("case.", "clock."))}

    assert set(timeline.SENTENCES) == kinds


def test_a_life_in_sentences(north, ada):
    bob = make.agent(north, "bob")
    case = make.case(team=north, owner=ada)
    cases.set_priority(case, by=ada, priority=1)
    cases.note(case, by=ada, text="Asked.")
    cases.contact(case, by=ada, channel="phone", attempt="no answer")
    cases.contact(case, by=ada, channel="chat", direction="in")
    cases.assign(case, by=ada, to=bob)
    cases.assign(case, by=ada, to=None, reason="Too much.")
    cause = make.root_cause()
    cases.resolve(case, by=ada, root_cause=cause, outcome="recovered", note="Paid.")
    cases.reopen(case, by=ada, reason="Not paid.")
    cases.resolve(case, by=ada, root_cause=cause, outcome="recovered", note="Now.")
    cases.close(case, by=ada)

    assert said(case) == [
        "Closed it for good",
        "Resolved, recovered. Cause: Logistics · late delivery. "
        "The customer was never contacted",
        "Reopened it, cycle 2 begins",
        "Resolved, recovered. Cause: Logistics · late delivery. "
        "The customer was never contacted",
        "Put back into the queue of North",
        "Given to bob in North",
        "Heard from the customer by chat",
        "Contacted the customer by phone: no answer",
        "Wrote a note",
        "Changed the priority from normal to urgent",
        "Claimed it",
        "Opened with priority normal for North",
    ]


def test_the_private_words_stand_at_their_event(north, ada):
    case = make.case(team=north)
    cases.note(case, by=ada, text="Asked the depot.")

    entry = timeline.of(case, {})[0]

    assert (entry.who, entry.text) == ("ada", "Asked the depot.")


def test_the_opening_says_which_rules_were_looked_at(north):
    case = make.case(team=north)

    opening = timeline.of(case, {})[-1]

    assert [(look["name"], look["matched"]) for look in opening.looks] == [
        ("to north", True)
    ]
    assert opening.looks[0]["because"] == "channel is north (was north)"
    assert not opening.is_ours


def test_why_this_owner(north, ada):
    make.agent(north, "full", capacity=0)
    make.rule_for(north)
    make.response(score=1)
    drain.drain(now=make.MONDAY)

    entry = timeline.of(Case.objects.get(), {})[0]

    assert entry.what == "Given to ada by the rules (least loaded)"
    assert [(c.name, c.verdict, c.rank) for c in entry.candidates] == [
        ("ada", "could take it", 1),
        ("full", "has no room for more", None),
    ]


def test_nobody_could_take_it(north):
    make.rule_for(north)
    make.response(score=1)
    drain.drain(now=make.MONDAY)

    assert said(Case.objects.get())[0] == "Nobody could take it: it waits"


def test_a_second_answer_joins_and_raises(north):
    Survey.objects.filter(pk=make.nps().pk).update(repeat="join and raise priority")
    case = make.case(team=north, customer={"external_id": "c1"})
    make.response(customer={"external_id": "c1"}, channel="north", score=2)
    drain.drain(now=make.MONDAY)

    assert said(case)[0] == "Another answer joined: 2; priority raised to high"


def test_clocks_warn_and_run_out(north):
    make.policy(hours=4)
    case = make.case(team=north)
    sla.sweep(now=make.MONDAY + 3.5 * make.HOUR)
    sla.sweep(now=make.MONDAY + 5 * make.HOUR)

    assert said(case)[:2] == [
        "Overdue: first contact was due on 3 Mar 2025, 13:00",
        "Warning: first contact is due on 3 Mar 2025, 13:00",
    ]


def test_a_user_who_is_gone_is_named_by_key(north, ada):
    case = make.case(team=north)
    bob = make.agent(north, "bob")
    cases.note(case, by=bob, text="Hello")
    key = bob.pk
    bob.delete()

    assert timeline.of(case, {})[0].who == f"user {key} (deleted)"


@pytest.mark.django_db
def test_keys_of_another_kind_of_user_are_passed_over():
    assert timeline._user_names({"not-a-number", None, "7"}) == {}


def test_a_case_of_no_team_says_so(db):
    make.rule("open case", {"do": "set team", "team": make.team("ghost").slug})
    Team.objects.filter(slug="ghost").update(is_active=False)
    make.response(score=1)
    drain.drain(now=make.MONDAY)

    assert said(Case.objects.get()) == [
        "Opened with priority normal, for no team; the team ghost is not there any more"
    ]
