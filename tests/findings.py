"""A site about which the doctor has nothing to say, and what it says of it later."""

from datetime import timedelta

from cem_cases.loop import config, doctor
from cem_cases.models import ClockMetric, Delivery, SlaPolicy, Target
from tests import make
from tests.make import MONDAY

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
FIRST = ClockMetric.FIRST_CONTACT
TO_LEAD = {"metric": FIRST, "percent": 100, "action": "notify lead"}


def site_that_is_well(settings):
    """Make a site about which there is nothing to say; return its only team.

    It has a rule and a policy besides.
    """
    settings.SILENCED_SYSTEM_CHECKS = ["cem_cases.W002"]  # of the server under test
    north = make.team("north")
    make.agent(north, "nora")
    make.rule("open case", {"do": "set team", "team": "north"}, name="Detractors")
    make.policy(name="Standard", position=10)
    return north


def standard():
    """The policy of this site."""
    return SlaPolicy.objects.get(name="Standard")


def examined(now=MONDAY):
    """What is found at an instant which both clocks agree on."""
    return doctor.examine(now=now, local_now=now)


def told(subject, now=MONDAY):
    """What there is to say about this subject, without what is well."""
    return [
        f"{finding.level}: {finding.says}"
        for finding in examined(now)
        if finding.subject == subject and finding.level != "ok"
    ]


def hint(subject, now=MONDAY):
    """What to do about the only thing that is not well there."""
    (found,) = (f for f in examined(now) if f.subject == subject and f.level != "ok")
    return found.hint


def saved_again(policy, **rows):
    """What a person does in the admin, now that it is told."""
    config.save_policy(policy, **rows, by=None, now=MONDAY)


def targets(metric=FIRST, priorities=(1, 2, 3, 4), amount=3600):
    """Unsaved targets, in seconds: one for each priority."""
    return [Target(metric=metric, priority=n, amount=amount) for n in priorities]


def sent():
    """Have every e-mail delivered."""
    Delivery.objects.update(state="sent", sent_at=MONDAY)
