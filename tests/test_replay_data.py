"""A replay gives the same cases as switching the rules on: compared one by one.

Twice the same answers come in, at the same times. The first time no rule is active, and
what the rules would do is replayed; that is rolled back. The second time they are.
"""

import pytest
from django.core.management import call_command
from django.db import transaction
from django.db.models import F

from cem_cases.loop import capture, drain, moment, policies, replay, staffing
from cem_cases.loop.rehearsal import By, Rehearsal, Span
from cem_cases.models import Case, Membership, Response, Rule
from demo_project import company, story
from tests import make
from tests.test_real_data import EXAMPLES

pytestmark = pytest.mark.django_db

SEED, ANSWERS = 7, 3_000


def really():
    """What became of each answer: its case, by the answer that opened it."""
    fates = {
        pk: (opener, team, priority, kind, owner, is_complaint, policy)
        for pk, opener, team, priority, kind, owner, is_complaint, policy in (
            Case.objects.values_list(
                *("pk", "opening_response__external_id", "team__slug", "priority"),
                *("kind", "owner__username", "is_complaint"),
                "policy_version__policy__name",
            )
        )
    }
    rows = Response.objects.exclude(case=None).values_list("external_id", "case")
    return {answer: fates[case] for answer, case in rows}


def replayed(rule=None):
    """What would become of each answer, in the same form."""
    found = replay._rules(rule)
    began = Response.objects.earliest("received_at").received_at
    by = By(found, policies.current(), days_open=None)
    rehearsal = Rehearsal(Span(began, moment.now()), by)
    steps = [step for batch in rehearsal.batches() for step in batch]
    rehearsal.floor.end(moment.now())
    names = dict(Response.objects.values_list("pk", "external_id"))
    people = dict(Membership.objects.values_list("user", F("user__username")))
    return {
        names[step.answer.pk]: (
            names[step.case.response],
            step.case.team and step.case.team.slug,
            step.case.priority,
            step.case.kind,
            people.get(step.case.owner),
            step.case.is_complaint,
            step.case.policy or None,
        )
        for step in steps
        if step.case
    }


@pytest.fixture
def undone(db):
    """Runs a function, and returns what it returns; all that it wrote is rolled back."""

    def run(do):
        with transaction.atomic():
            found = do()
            transaction.set_rollback(True)
        return found

    return run


def compare(would_be, is_now, *, least):
    assert would_be.keys() == is_now.keys()
    different = {
        answer: (would_be[answer], is_now[answer])
        for answer in would_be
        if would_be[answer] != is_now[answer]
    }
    assert not different
    assert len(would_be) > least


@pytest.mark.data
class TestSfo:
    """The guest survey of San Francisco airport, May 2017: 2,831 rows."""

    FILE = "sfo_survey_2017/2017_SFO_Customer_Survey_20250817.csv"

    @pytest.fixture(autouse=True)
    def desk(self, db):
        make.survey(slug="sfo-2017", name="SFO 2017", metric="nps", kind="relational")
        guests = make.team("guests")
        for name, capacity in (("ada", 30), ("bob", None), ("cyd", 100)):
            make.agent(guests, name, capacity=capacity)
        make.policy()

    @pytest.fixture
    def load(self, data_folder):
        def load():
            call_command(
                "cem_import",
                str(data_folder / self.FILE),
                "--survey=sfo-2017",
                f"--map={EXAMPLES / 'sfo_survey_2017.toml'}",
                "--json",
            )
            drain.drain()

        return load

    @pytest.fixture
    def rule(self):
        return make.rule(
            {"do": "open case", "priority": "high"},
            {"do": "set team", "team": "guests"},
            {"do": "assign", "by": "least loaded"},
            conditions={
                "any": [
                    {"fact": "score", "operator": "at most", "value": 6},
                    {"fact": "answer.problem", "operator": "is", "value": "yes"},
                ]
            },
            is_active=False,
        )

    def test_the_same_cases_as_switching_the_rule_on(self, load, rule, undone, capsys):
        def first():
            load()
            assert not Case.objects.exists()
            return replayed(rule)

        would_be = undone(first)
        Rule.objects.update(is_active=True)
        load()

        compare(would_be, really(), least=300)
        owners = {fate[4] for fate in would_be.values()}
        assert owners == {"ada", "bob", "cyd"}


@pytest.fixture
def told():
    ends = moment.now().replace(microsecond=0)
    return story.tell(seed=SEED, size=ANSWERS, days=730, ends=ends)


@pytest.fixture
def play(told):
    """Lets the two years pass, without people: nobody resolves anything."""

    def play():
        for delivery in told.deliveries:
            raw = [answer.as_raw() for answer in delivery.answers]
            capture.record(raw, now=delivery.at)
            staffing.take_up(now=delivery.at)
            drain.drain(now=delivery.at)

    return play


@pytest.mark.parametrize("capacity", [40, None])
def test_two_years_of_the_demo_give_the_same_cases(told, play, undone, capacity):
    company.create(begins=told.begins, ends=told.ends)
    Membership.objects.filter(role="agent").update(capacity=capacity)
    again = {"fact": "history.detractors_in_days.90", "operator": "at least"}
    config_rule(conditions=again | {"value": 2}, name="Twice unhappy: urgent")
    config_rule(
        {"do": "assign", "by": ["same agent as before", "round robin"]},
        conditions={"fact": "history.cases_in_days.365", "operator": "at least"}
        | {"value": 1},
        name="Who had a case goes to the same agent",
    )
    active = list(Rule.objects.filter(is_active=True).values_list("pk", flat=True))

    def first():
        Rule.objects.update(is_active=False)
        play()
        assert not Case.objects.exists()
        Rule.objects.filter(pk__in=active).update(is_active=True)
        return replayed()

    would_be = undone(first)
    play()

    compare(would_be, really(), least=300)


def config_rule(*actions, **fields):
    make.rule(
        *(actions or [{"do": "set priority", "priority": "urgent"}]),
        position=1_000,
        **fields,
    )
