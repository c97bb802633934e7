import json
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connection, transaction

from cem_cases.exceptions import InvalidInput, TooMuch
from cem_cases.loop import capture, cases, drain, replay
from cem_cases.models import Case, Response, Rule
from tests import make
from tests.make import DAY, HOUR, MONDAY

pytestmark = pytest.mark.django_db

SINCE, UNTIL = MONDAY - DAY, MONDAY + 30 * DAY
CUSTOMER = {"external_id": "c1"}


def run(rule=None, **options):
    return replay.replay(rule, **{"since": SINCE, "until": UNTIL} | options)


def draft(*actions, **fields):
    """A rule that was never saved."""
    return Rule(
        **{
            "name": "Draft",
            "conditions": make.DETRACTOR,
            "actions": list(actions) or [{"do": "open case"}],
        }
        | fields
    )


def to(team, by="least loaded"):
    """What opens a case in this team, with an owner."""
    return (
        {"do": "open case"},
        {"do": "set team", "team": team.slug},
        {"do": "assign", "by": by},
    )


@pytest.fixture
def north(db):
    return make.team("north")


@pytest.fixture
def each(db):
    return make.survey(slug="each", metric="nps", repeat="open another")


def test_a_draft_says_what_it_would_have_opened_and_joined():
    make.response(customer=CUSTOMER)
    make.response(customer=CUSTOMER, now=MONDAY + HOUR)
    make.response()
    make.response(score=9)

    found = run(draft())

    assert (found.answers, found.matched, found.opened, found.joined) == (4, 3, 2, 1)
    assert found.share == 0.75
    assert found.headline == (
        "3 of 4 answers would have matched; 2 cases would have been opened, "
        "1 would have joined one."
    )


def test_nothing_is_kept(fingerprint, north):
    make.agent(north)
    make.rule_for(north)
    make.policy()
    for _ in range(3):
        make.response()
    drain.drain(now=MONDAY)
    make.response(now=MONDAY + HOUR)
    before = fingerprint()

    run(draft(*to(north)))
    run()

    assert fingerprint() == before


@pytest.fixture
def read_only(db):
    """A connection that refuses to write, `with read_only():`."""

    @contextmanager
    def refusing():
        is_sqlite = connection.vendor == "sqlite"
        with transaction.atomic(), connection.cursor() as cursor:
            on = "PRAGMA query_only = ON" if is_sqlite else "SET TRANSACTION READ ONLY"
            cursor.execute(on)
            try:
                yield
            finally:
                if is_sqlite:
                    cursor.execute("PRAGMA query_only = OFF")

    return refusing


def test_it_only_reads(north, read_only):
    make.agent(north)
    make.response(customer=CUSTOMER)

    with read_only():
        assert run(draft(*to(north))).opened == 1


def test_a_rule_is_put_among_the_active_ones_at_its_position():
    make.rule(position=10, name="first", stop=True)
    make.rule(position=30, name="last")
    make.response()

    found = run(draft(position=20))

    assert [rule.name for rule in found.rules] == ["first", "Draft", "last"]
    assert [rule.looked_at for rule in found.rules] == [1, 0, 0]
    assert (found.matched, found.opened, found.opened_by_all) == (0, 0, 1)


def test_a_draft_stands_behind_those_of_the_same_position():
    make.rule(position=10, name="there")
    make.response()

    assert [rule.name for rule in run(draft(position=10)).rules] == ["there", "Draft"]


def test_a_saved_rule_counts_whether_it_is_active_or_not():
    off = make.rule(is_active=False, name="off", position=5)
    make.rule(name="on", position=10)
    make.response()

    found = run(off)
    alone = run()

    first, _ = found.rules
    assert (first.id, first.name, first.opened) == (off.pk, "off", 1)
    assert [rule.name for rule in alone.rules] == ["on"]


def test_an_edited_rule_takes_the_place_of_the_saved_one():
    rule = make.rule(name="mine")
    make.response(score=0)
    make.response(score=6)
    rule.conditions = {"fact": "score", "operator": "at most", "value": 2}

    found = run(rule)

    assert [r.name for r in found.rules] == ["mine"]
    assert found.matched == 1


def test_a_rule_counts_from_the_beginning_whenever_it_was_switched_on():
    rule = make.rule(active_since=MONDAY + 10 * DAY)
    make.response()

    assert run(rule).opened == run().opened == 1


def test_only_answers_of_the_span_and_the_survey_are_looked_at(each):
    make.response()
    make.response(survey="each")
    make.response(now=UNTIL)
    make.response(now=SINCE - HOUR)
    Response.objects.filter(pk=make.response().pk).update(failed_at=MONDAY)

    assert run().answers == 2
    found = run(survey=each)
    assert (found.answers, found.survey) == (1, "each")
    assert any("other surveys" in text for text in found.assumptions)


@pytest.mark.parametrize(
    ("days_open", "opened"), [("never", 1), (1, 2), (1.5, 1), ("as usual", 1)]
)
def test_how_long_a_case_stays_open_decides_who_joins(days_open, opened):
    make.response(customer=CUSTOMER)
    make.response(customer=CUSTOMER, now=MONDAY + DAY)

    found = run(draft(), days_open=days_open)

    assert (found.opened, found.joined) == (opened, 2 - opened)


def test_cases_stay_open_as_long_as_they_usually_do(north):
    ada = make.agent(north)
    for hours in (10, 48, 100):
        case = make.case(team=north, owner=ada)
        cases.resolve(
            case,
            by=ada,
            root_cause=make.root_cause(),
            outcome="recovered",
            note="Done.",
            now=MONDAY + hours * HOUR,
        )

    found = run()

    assert found.days_open == 2
    assert any("2 days: the median of the 3 cases" in t for t in found.assumptions)


def test_a_case_from_before_the_span_is_joined_while_it_was_open(north):
    ada = make.agent(north)
    case = make.case(team=north, owner=ada, customer=CUSTOMER)
    cases.resolve(
        case,
        by=ada,
        root_cause=make.root_cause(),
        outcome="recovered",
        note="Done.",
        now=MONDAY + 2 * DAY,
    )
    make.response(customer=CUSTOMER, now=MONDAY + DAY)
    make.response(customer=CUSTOMER, now=MONDAY + 3 * DAY)

    found = run(draft(), since=MONDAY + HOUR)

    assert (found.opened, found.joined, found.covered) == (1, 1, 1)
    assert [example.joins for example in found.examples] == [case.pk, None]


def test_a_survey_can_open_another_case_or_raise_the_priority(each):
    make.survey(slug="raising", metric="nps", repeat="join and raise priority")
    for survey in ("raising", "raising", "each"):
        make.response(survey=survey, customer=CUSTOMER)

    found = run(draft())

    assert (found.opened, found.joined) == (2, 1)
    assert [example.case.priority for example in found.examples] == [
        "high",
        "high",
        "normal",
    ]


def test_rules_about_the_past_see_the_cases_of_the_replay(each):
    never_before = {
        "fact": "history.days_since_last_case",
        "operator": "is empty",
    }
    for day in range(3):
        make.response(survey="each", customer=CUSTOMER, now=MONDAY + day * DAY)

    assert run(draft(conditions=never_before), days_open="never").opened == 1
    assert run(draft(conditions=never_before), since=MONDAY + HOUR).opened == 1


@pytest.mark.parametrize(("days_open", "opened"), [("never", 1), (1, 3)])
def test_whether_a_case_is_open_is_as_of_the_answer(each, days_open, opened):
    free = {"fact": "has_open_case", "operator": "is", "value": False}
    for day in range(3):
        make.response(survey="each", customer=CUSTOMER, now=MONDAY + day * DAY)

    assert run(draft(conditions=free), days_open=days_open).opened == opened


def test_answers_that_arrive_together_do_not_see_each_others_cases(each, settings):
    """As in a worker, which looks at the cases there were before its batch."""
    normal = settings.CEM_CASES
    settings.CEM_CASES = {**normal, "BATCH_SIZE": 4}
    free = {"fact": "has_open_case", "operator": "is", "value": False}
    make.response(now=MONDAY - HOUR)
    make.response(now=MONDAY - HOUR)
    both = [make.answer(survey="each", customer=CUSTOMER) for _ in range(2)]
    both.insert(0, make.answer())
    capture.record(both, now=MONDAY)
    rule = draft(conditions=free)
    found = run(rule)

    settings.CEM_CASES = normal
    rule.is_active = True
    rule.save()
    assert found.opened == drain.drain(now=MONDAY).opened == 5


def test_work_is_shared_by_load_capacity_and_who_is_there(north):
    ada, bob = make.agent(north, "ada", capacity=2), make.agent(north, "bob")
    make.agent(north, "cyd", capacity=0)
    make.absence(bob, MONDAY, MONDAY + HOUR)
    for hour in (0, 2, 3, 4, 5):
        make.response(now=MONDAY + hour * HOUR)

    (team,) = run(draft(*to(north)), days_open="never").teams

    assert (team.slug, team.opened, team.by_rule, team.peak) == ("north", 5, 5, 5)
    assert {p.username: (p.given, p.peak, p.capacity) for p in team.people} == {
        "ada": (2, 2, 2),
        "bob": (3, 3, None),
        "cyd": (0, 0, 0),
    }
    ((full, rest)) = [
        next(p.full_days for p in team.people if p.username == name)
        for name in ("ada", "bob")
    ]
    assert (full, rest) == (31, 0)
    assert not team.waited
    assert ada.cem_memberships.get().open_cases == 0


def test_nobody_eligible_waits_and_is_taken_up_when_somebody_becomes_free(north):
    make.agent(north, "ada", capacity=1)
    for hour in range(3):
        make.response(now=MONDAY + hour * HOUR)

    (never,) = run(draft(*to(north)), days_open="never").teams
    (soon,) = run(draft(*to(north)), days_open=2).teams

    assert (never.waited, never.waiting) == ({"at capacity": 2}, 2)
    assert (soon.waited, soon.waiting) == ({"at capacity": 2}, 0)
    assert [p.given for p in never.people] == [1]
    assert [p.given for p in soon.people] == [3]  # each as the one before ends


def test_outside_working_hours_cases_wait_until_the_morning():
    office = make.team("office", calendar=make.office())
    make.agent(office, "ada")
    make.response(now=MONDAY - 2 * HOUR)

    (team,) = run(draft(*to(office))).teams

    assert team.waited == {"outside working hours": 1}
    assert (team.waiting, team.people[0].given) == (0, 1)


def test_everybody_begins_with_the_cases_they_really_had(north):
    ada = make.agent(north, "ada", capacity=2)
    make.case(team=north, owner=ada)
    make.response(now=MONDAY + 2 * HOUR)
    make.response(now=MONDAY + 3 * HOUR)

    (team,) = run(draft(*to(north)), since=MONDAY + HOUR).teams

    (person,) = team.people
    assert (person.began_with, person.given, person.peak) == (1, 1, 2)
    assert team.waited == {"at capacity": 1}


def test_a_team_that_is_not_there_leaves_the_case_without_one(north):
    north.is_active = False
    north.save()
    make.response()

    (team,) = run(draft(*to(north))).teams

    assert (team.slug, team.opened, team.waited) == (None, 1, {"no team": 1})


def test_the_same_agent_is_found_in_reality_and_in_the_replay(north, each):
    make.agent(north, "ada")
    bob = make.agent(north, "bob")
    make.case(team=north, owner=bob, customer=CUSTOMER)
    rule = draft(
        *to(north)[:2],
        {"do": "assign", "by": ["same agent as before", "least loaded"]},
    )
    make.response(survey="each", customer=CUSTOMER, now=MONDAY + DAY)
    for day in (1, 3):
        make.response(customer={"external_id": "c2"}, now=MONDAY + day * DAY)

    found = run(rule, since=MONDAY + 2 * HOUR, days_open=1)

    assert [example.case.owner for example in found.examples] == ["bob", "ada", "ada"]


def test_an_account_owner_gets_the_case_even_from_the_queue(north):
    ada = make.agent(north, "ada", capacity=1)
    rule = draft(*to(north, "account owner"))
    for hour in range(2):
        made = make.response(now=MONDAY + hour * HOUR)
        made.customer.account_owner = ada
        made.customer.save()

    (team,) = run(rule, days_open=2).teams

    assert (team.people[0].given, team.waited) == (2, {"at capacity": 1})


def test_a_rule_can_name_the_policy(north):
    make.policy(name="First")
    make.policy(name="Named", position=9)
    make.response()

    named = draft({"do": "open case"}, {"do": "set SLA policy", "policy": "Named"})

    assert run(named).policies == {"Named": 1}


def test_the_policy_of_a_case_is_chosen(north):
    make.policy(name="North", conditions=_in("north"))
    make.policy(name="All")
    make.response()

    assert run(draft(*to(north))).policies == {"North": 1}
    assert run(draft()).policies == {"All": 1}


def _in(team):
    return {"fact": "case.team", "operator": "is", "value": team}


def test_replay_and_reality_are_set_beside_each_other(north):
    make.agent(north, "ada")
    bob = make.user("bob")
    rule = make.rule(
        *to(north), conditions={"fact": "score", "operator": "at most", "value": 4}
    )
    same = make.response(score=1)
    other = make.response(score=2)
    gone = make.response(score=4)
    new = make.response(score=0, channel="later")
    Response.objects.filter(pk=new.pk).update(score=5)
    drain.drain(now=MONDAY)
    Case.objects.filter(opening_response=other).update(priority=1, owner=bob)
    rule.conditions = {"fact": "score", "operator": "in", "value": [1, 2, 5]}

    found = run(rule, days_open="never")

    differ = found.differences
    assert (differ.both, differ.only_replay, differ.only_reality) == (2, 1, 1)
    assert (differ.other_team, differ.other_priority, differ.other_owner) == (0, 1, 1)
    assert (found.opened, found.really_opened) == (3, 3)
    ((priority,)) = differ.examples["other_priority"]
    assert (priority.number, priority.response) == (
        Case.objects.get(opening_response=other).pk,
        other.pk,
    )
    assert (priority.real.priority, priority.replayed.priority) == ("urgent", "normal")
    assert (priority.real.owner, priority.replayed.owner) == ("bob", "ada")
    assert [each.response for each in differ.examples["only_reality"]] == [gone.pk]
    assert [each.response for each in differ.examples["only_replay"]] == [new.pk]
    assert same.pk not in {each.response for each in differ.examples["other_owner"]}


def test_examples_are_explained_and_spread_over_the_span():
    answers = [make.response(score=n % 7) for n in range(30)]

    found = run(draft(name="Low"))

    assert len(found.examples) == 10
    keys = [example.response for example in found.examples]
    assert keys == sorted(set(keys))
    assert (keys[0], keys[-1]) == (answers[0].pk, answers[29].pk)
    assert run(draft(name="Low")).examples == found.examples
    first = found.examples[0]
    assert (first.does, first.case.priority) == ("opens a case", "normal")
    (look,) = first.looks
    assert (look.name, look.matched) == ("Low", True)
    assert look.because == "band is detractor (was detractor)"


def test_examples_are_of_what_one_may_see(north):
    south = make.team("south")
    ada, boss = make.agent(north), make.manager()
    mine = make.case(team=north)
    make.case(team=south)
    make.response()

    assert len(run(draft()).examples) == 3
    assert len(run(draft(), by=boss).examples) == 3
    found = run(draft(), by=ada)
    assert found.matched == 3
    assert [example.really for example in found.examples] == [mine.pk]


def test_the_result_is_json(north):
    make.agent(north)
    make.response()
    found = run(draft(*to(north)))

    data = json.loads(json.dumps(found.as_data()))

    assert data["headline"] == found.headline
    assert data["teams"][0]["people"][0]["given"] == 1
    assert data["examples"][0]["received_at"] == MONDAY.isoformat()


def test_progress_is_told(settings):
    settings.CEM_CASES = {**settings.CEM_CASES, "BATCH_SIZE": 2}
    for hour in range(5):
        make.response(now=MONDAY + hour * HOUR)
    told = []

    run(progress=lambda done, total: told.append((done, total)))

    assert told[-1] == (5, 5)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert len(told) > 2


def test_no_answers_are_a_result_too():
    found = run(draft())

    assert found.headline == "No answers reached us in this time."
    assert found.share is None


def test_what_cannot_be_replayed_is_refused():
    with pytest.raises(InvalidInput, match=r"conditions.fact.*Did you mean 'score'"):
        run(draft(conditions={"fact": "scor", "operator": "is", "value": 1}))
    with pytest.raises(InvalidInput, match="trigger: Only rules with the trigger"):
        run(draft(trigger="case opened"))
    with pytest.raises(InvalidInput, match="days: Must be"):
        run(until=SINCE)
    for days_open in (0, -1, "soon", float("nan")):
        with pytest.raises(InvalidInput, match="days_open: Must be"):
            run(days_open=days_open)


def test_too_many_answers_are_refused_before_any_is_looked_at():
    for _ in range(3):
        make.response()

    assert run(most=3).answers == 3
    with pytest.raises(TooMuch, match="cem_replay"):
        run(most=2)


def test_the_number_of_queries_depends_on_the_batches(
    north, settings, django_assert_num_queries
):
    make.agent(north)
    rule = draft(*to(north))
    for hour in range(4):
        make.response(now=MONDAY + hour * HOUR)
    with connection.execute_wrapper(_count := _Counter()):
        run(rule)
    few = _count.statements
    for hour in range(40):
        make.response(now=MONDAY + hour * HOUR)
    with django_assert_num_queries(few):
        run(rule)


class _Counter:
    statements = 0

    def __call__(self, execute, *args):
        self.statements += 1
        return execute(*args)


def test_time_in_between_is_the_same_for_the_same_answers(north):
    make.agent(north, "ada", capacity=1)
    make.agent(north, "bob", capacity=1)
    for hour in range(0, 100, 7):
        make.response(now=MONDAY + timedelta(hours=hour))

    rule = draft(*to(north, "round robin"))

    assert run(rule, days_open=0.5) == run(rule, days_open=0.5)


def test_a_raised_priority_is_taken_sooner(north):
    make.survey(slug="raising", metric="nps", repeat="join and raise priority")
    make.agent(north, "ada", capacity=1)
    for number, hour in ((1, 0), (2, 1), (3, 2), (3, 3)):
        make.response(
            survey="raising",
            customer={"external_id": f"c{number}"},
            now=MONDAY + hour * HOUR,
        )
    make.response(now=MONDAY + 2 * DAY)  # so that time passes

    found = run(draft(*to(north)), days_open=1, until=MONDAY + DAY + HOUR / 2)

    owners = [example.case.owner for example in found.examples]
    assert owners == ["ada", None, "ada", "ada"]
    assert found.teams[0].waiting == 1
