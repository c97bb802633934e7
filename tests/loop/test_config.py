import pytest
from django.core.exceptions import ValidationError

from cem_cases.loop import audit, config
from cem_cases.models import AuditEvent, Rule, SlaPolicy
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss(db):
    return make.user("boss")


def test_each_save_is_a_new_version_and_an_event(boss):
    rule = Rule(name="Detractors", actions=[{"do": "open case"}])
    config.save(rule, by=boss)
    rule.conditions = make.DETRACTOR
    config.save(rule, by=boss)

    assert Rule.objects.get().version == 2
    events = AuditEvent.objects.order_by("sequence")
    assert [(e.kind, e.stream, e.actor) for e in events] == [
        ("rule.created", "system", boss),
        ("rule.changed", "system", boss),
    ]
    assert '"detractor"' in events[1].data["conditions"]
    assert not list(audit.verify())


def test_a_version_is_counted_from_the_row_not_from_what_the_caller_holds(boss):
    rule = Rule(name="Detractors", actions=[{"do": "open case"}])
    config.save(rule, by=boss)
    mine, yours = Rule.objects.get(), Rule.objects.get()

    config.save(mine, by=boss)
    config.save(yours, by=boss)

    assert Rule.objects.get().version == 3


def test_what_is_wrong_is_refused_and_leaves_no_trace(boss):
    with pytest.raises(ValidationError, match="actions"):
        config.save(Rule(name="Nothing", actions=[]), by=boss)

    assert not Rule.objects.exists()
    assert not AuditEvent.objects.exists()


def test_policies_are_kept_the_same_way(boss):
    policy = SlaPolicy(name="Gold")
    config.save(policy, by=boss)

    assert AuditEvent.objects.get().kind == "slapolicy.created"
