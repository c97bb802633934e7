import pytest

from cem_cases.rules import BINDING, Candidate, Chooser, Verdict, folded, verdict


def member(**fields):
    return Candidate(1, "ada", **fields)


CLOSED_TO = {
    # what is the matter: who may not give them a case
    Verdict.NO_MEMBER: set(Chooser),
    Verdict.INACTIVE: set(Chooser),
    Verdict.MANAGER: {Chooser.RULE},
    Verdict.ABSENT: set(Chooser) - {Chooser.ONESELF},
    Verdict.DECLINED: {Chooser.RULE, Chooser.HAND_OVER},
    Verdict.LACKS_SKILLS: {Chooser.RULE},
    Verdict.AT_CAPACITY: {Chooser.RULE, Chooser.HAND_OVER},
    Verdict.CLOSED: {Chooser.RULE},
}
MEMBERS = {
    Verdict.NO_MEMBER: None,
    Verdict.INACTIVE: member(is_inactive=True),
    Verdict.MANAGER: member(is_manager=True),
    Verdict.ABSENT: member(is_absent=True),
    Verdict.DECLINED: member(),
    Verdict.LACKS_SKILLS: member(skills=frozenset({"german"})),
    Verdict.AT_CAPACITY: member(load=2, capacity=2),
    Verdict.CLOSED: member(is_closed=True),
}


@pytest.mark.parametrize("by", Chooser)
@pytest.mark.parametrize("matter", CLOSED_TO)
def test_whom_a_verdict_binds(matter, by):
    said = verdict(
        MEMBERS[matter],
        by,
        skills=frozenset({"german", "billing"})
        if matter is Verdict.LACKS_SKILLS
        else frozenset(),
        declined={"ada"} if matter is Verdict.DECLINED else (),
    )

    assert said is (matter if by in CLOSED_TO[matter] else Verdict.ELIGIBLE)


def test_every_verdict_binds_rules():
    assert BINDING[Chooser.RULE] == set(Verdict) - {Verdict.ELIGIBLE}
    assert set(CLOSED_TO) == set(Verdict) - {Verdict.ELIGIBLE, Verdict.NOBODY}


def test_working_hours_are_said_only_where_nothing_else_is_the_matter():
    assert verdict(member(is_closed=True, load=1, capacity=1)) is Verdict.AT_CAPACITY
    assert verdict(member(is_closed=True, is_absent=True)) is Verdict.ABSENT


def test_all_skills_are_needed_whatever_their_case():
    ada = member(skills=folded([" German ", "STRAßE"]))

    assert verdict(ada, skills=folded(["german", "strasse"])) is Verdict.ELIGIBLE
    assert verdict(ada, skills=folded(["german", "dutch"])) is Verdict.LACKS_SKILLS


def test_nobody_is_eligible_with_a_capacity_of_none_at_all():
    assert verdict(member(capacity=0)) is Verdict.AT_CAPACITY
    assert verdict(member(capacity=0), Chooser.PERSON) is Verdict.ELIGIBLE
