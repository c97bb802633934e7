import pytest

from cem_cases import audit
from cem_cases.admin import timeline
from cem_cases.loop import audit as chain
from cem_cases.loop import cases, drain, escalation, sla
from cem_cases.models import Case, Escalation, SlaPolicy, Survey, Team
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

    assert [(look.name, look.matched) for look in opening.looks] == [("to north", True)]
    assert opening.looks[0].because == "channel is north (was north)"
    assert not opening.is_ours


def test_why_this_owner(north, ada):
    make.agent(north, "full", capacity=0)
    make.rule_for(north)
    make.response(score=1)
    drain.drain(now=make.MONDAY)

    entry = timeline.of(Case.objects.get(), {})[0]

    assert entry.what == "Given to ada by the rules (least loaded)"
    assert [(c.name, c.verdict.text, c.rank) for c in entry.why.candidates] == [
        ("ada", "takes it", 1),
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
        "Warning: first contact has used 75 % of its time, due on 3 Mar 2025, 13:00",
    ]


def test_a_target_that_changed_is_why_a_clock_is_overdue(north, ada):
    make.policy(hours=4)
    case = make.case(team=north)
    cases.set_priority(case, by=ada, priority=1, now=make.MONDAY + 2 * make.HOUR)

    assert said(case)[1] == (
        "Overdue: first contact was due on 3 Mar 2025, 10:20, because its target "
        "changed"
    )


def test_waiting_in_sentences(north, ada):
    make.policy()
    case = make.case(team=north, owner=ada)
    until = make.MONDAY + make.DAY
    waits = {"by": ada, "reason": "A photo.", "until": until}
    cases.set_pending(case, **waits, now=make.MONDAY + make.HOUR)
    cases.put_on_hold(case, **waits, now=make.MONDAY + 2 * make.HOUR)
    cases.resume(case, by=ada, now=make.MONDAY + 3 * make.HOUR)
    cases.set_pending(case, **waits, now=make.MONDAY + 4 * make.HOUR)
    sla.sweep(now=until + make.HOUR)

    entries = [e for e in timeline.of(case, {}) if e.kind.startswith("case.")]
    assert [(entry.what, entry.who, entry.text) for entry in entries[:5]] == [
        ("Open again; paused clocks go on since 4 Mar 2025, 09:00", "", ""),
        ("Waits for the customer, until 4 Mar 2025, 09:00", "ada", "A photo."),
        ("Open again; paused clocks go on since 3 Mar 2025, 12:00", "ada", ""),
        ("Put on hold until 4 Mar 2025, 09:00", "ada", "A photo."),
        ("Waits for the customer, until 4 Mar 2025, 09:00", "ada", "A photo."),
    ]


def test_complaints_and_policies_in_sentences(north, ada):
    make.policy(name="Standard", position=2)
    make.policy(
        name="Complaints",
        position=1,
        conditions={"fact": "case.is_complaint", "operator": "is", "value": True},
    )
    case = make.case(team=north)
    cases.mark_complaint(case, by=ada)
    policy = SlaPolicy.objects.get(name="Complaints")
    make.publish(policy, list(policy.targets.all()))
    sla.migrate(policy, by=ada)
    cases.mark_complaint(case, by=ada, is_complaint=False)

    assert [what for what in said(case) if "verdue" not in what][:5] == [
        "Marked it as no complaint",
        "Another policy applies: Standard, version 1",
        "The clocks were moved to a newer version of their policy: Complaints, "
        "version 2",
        "Marked it as a complaint",
        "Another policy applies: Complaints, version 1",
    ]
    opening = timeline.of(case, {})[-1]
    assert [(look["name"], look["matched"]) for look in opening.policies] == [
        ("Complaints", False),
        ("Standard", True),
    ]


def test_escalations_in_sentences(north, ada):
    lia = make.agent(north, "lia", role="lead")
    steps = [
        {"metric": "first contact", "percent": 100, "action": action}
        for action in ("notify lead", "notify manager", "raise priority")
    ]
    steps += [
        {"metric": "first contact", "minutes": 30, "action": "reassign to lead"},
        {
            "metric": "first contact",
            "minutes": -30,
            "action": "add watcher",
            "user": ada,
        },
    ]
    make.policy(hours=4, warn=(), steps=steps)
    case = make.case(team=north)
    for hours in (4.1, 5, 29.1):
        sla.sweep(now=make.MONDAY + hours * make.HOUR)
    row = Escalation.objects.get(action="notify lead")
    escalation.acknowledge(row, by=lia, now=make.MONDAY + 2 * make.DAY)

    found = said(case)
    for sentence in (
        "Acknowledged the escalation of first contact (100 % of the target: notify "
        "lead)",
        "Nobody has acknowledged the escalation of first contact for 1 day: told again",
        "Given to lia by an escalation",
        "Escalated: first contact, 30 min after due: reassign to a lead (given to a "
        "lead; told lia)",
        "Escalated: first contact, 100 % of the target: notify the leads (told lia)",
        "Escalated: first contact, 100 % of the target: notify the managers (there is "
        "nobody to tell)",
        "Escalated: first contact, 30 min before due: add a watcher (watcher added; "
        "told ada)",
    ):
        assert sentence in found


def test_a_later_cycle_is_named(north, ada):
    make.policy(days=1, warn=())
    case = make.case(team=north, owner=ada)
    cause = make.root_cause()
    cases.resolve(
        case,
        by=ada,
        root_cause=cause,
        outcome="recovered",
        note="Paid.",
        now=make.MONDAY,
    )
    cases.reopen(case, by=ada, reason="Not paid.", now=make.MONDAY + make.HOUR)
    sla.sweep(now=make.MONDAY + 2 * make.DAY)

    assert said(case)[0] == (
        "Overdue: resolution (cycle 2) was due on 4 Mar 2025, 10:00"
    )


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


def test_rules_that_acted_on_a_case_are_named_with_their_reason(north):
    case = make.case(team=north)
    rule = make.rule("mark as complaint", name="Lawyers", trigger="case opened")
    looks = [
        {"rule": rule.pk, "version": 1, "because": "always", "actions": ["a", "b"]}
    ]
    chain.append(
        [
            chain.NewEvent(
                kind="case.rule_acted",
                case=case,
                payload={"rules": looks, "not_done": ["set team gone"]},
            )
        ],
        now=make.MONDAY,
    )

    entry = timeline.of(case, {})[0]

    assert entry.what == "Rules asked for it: a; b. Not done: set team gone"
    assert [(look.name, look.because) for look in entry.looks] == [
        ("Lawyers", "always")
    ]
