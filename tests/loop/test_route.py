import logging

import pytest

from cem_cases.loop import drain, ruleset
from cem_cases.models import Case, Rule
from cem_cases.rules import Rule as Value
from tests import make
from tests.make import MONDAY

pytestmark = pytest.mark.django_db


def active():
    return ruleset.active("response received").rules.rules


def test_rules_act_in_the_order_of_their_positions():
    low = make.rule("open case", position=20, name="later")
    high = make.rule("open case", position=10, name="first")

    assert [rule.key for rule in active()] == [high.pk, low.pk]


def test_a_rule_that_cannot_be_read_is_left_out_and_logged(caplog):
    good = make.rule()
    bad = make.rule()
    Rule.objects.filter(pk=bad.pk).update(conditions={"fact": "gone"})

    with caplog.at_level(logging.ERROR):
        (found,) = active()

    assert isinstance(found, Value)
    assert found.key == good.pk
    assert f"Rule {bad.pk} is left out" in caplog.text


def test_an_inactive_rule_does_nothing():
    make.rule(is_active=False)
    make.response()

    assert drain.drain(now=MONDAY).opened == 0


def test_the_rule_and_its_version_stay_with_the_case():
    rule = make.rule()
    make.response()
    drain.drain(now=MONDAY)

    case = Case.objects.get()
    assert (case.rule, case.rule_version) == (rule, 1)


def test_a_rule_can_ask_whether_a_case_is_open():
    make.rule(
        conditions={
            "all": [
                make.DETRACTOR,
                {"fact": "has_open_case", "operator": "is", "value": False},
            ]
        }
    )
    make.survey(slug="each", metric="nps", repeat="open another")
    for _ in range(2):
        make.response(survey="each", customer={"external_id": "c1"})
        drain.drain(now=MONDAY)

    assert Case.objects.count() == 1
