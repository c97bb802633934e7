"""Four years of a real help desk, replayed as cases with their real timestamps.

How its log is read as cases:

* The first event opens the case: `opened_at` is its time, to the second.
* *Take in charge* is a contact that reached the customer; who takes a new case owns it.
* *Wait* makes the case pending; whatever comes next but *Resolve* or another *Wait*
  takes it up again.
* *Resolve ticket* resolves. Of a case that is resolved already it is a note.
* Work (anything else) after *Resolve ticket* reopens. The outcomes of an anomaly
  (RESOLVED, VERIFIED, …) count as work: the 154 of the data's own description.
* *Closed* closes if the log of the case ends there. Closed cases of ours are final: where
  the log goes on, it was not closed yet. Who closes what was never resolved resolves it.
* The rest are notes. Another seriousness is another priority.

Every month somebody sweeps; a year after the last event is the last sweep. Then each
clock is compared with what `helpdesk.verdicts` finds by walking.
"""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from cem_cases.loop import audit, capture, cases, config, drain, sla
from cem_cases.models import (
    BusinessCalendar,
    Case,
    Clock,
    Holiday,
    Response,
    SlaPolicy,
    Target,
)
from cem_cases.rules import Priority
from tests import helpdesk, make
from tests.helpdesk import CLOSED, ENDS, OPENS, RESOLVE, TAKE, WAIT

BEFORE = datetime(2010, 1, 1, tzinfo=UTC)
AFTER = datetime(2014, 7, 1, tzinfo=UTC)


@pytest.fixture
def log(data_folder):
    path = data_folder / "helpdesk_italian/finale.csv"
    if not path.exists():
        pytest.skip(f"the log of the help desk is not here: {path}")
    return helpdesk.read(path)


class Desk:
    """The help desk at work: what its log tells, as verbs of the loop."""

    def __init__(self, events):
        self.log = helpdesk.by_case(events)
        self.team = make.team("desk")
        self.agents = {
            name: make.agent(self.team, name.replace(" ", "-"))
            for name in sorted({event.resource for event in events})
        }
        self.cause = make.root_cause("anomaly")
        self.cases = {}

    def open(self):
        """Open all cases, each when its first event came."""
        make.survey(slug="ticket", metric="csat", repeat="open another")
        for priority in Priority:
            make.rule(
                {"do": "open case", "priority": priority.word},
                {"do": "set team", "team": self.team.slug},
                conditions={
                    "fact": "answer.priority",
                    "operator": "is",
                    "value": priority.word,
                },
            )
        for number, (first, *_) in self.log.items():
            ticket = {
                "survey": "ticket",
                "external_id": number,
                "customer": {"external_id": first.customer},
                "answers": {"priority": Priority(first.priority).word},
            }
            capture.record(ticket, now=first.at)
        drain.drain(now=AFTER)
        found = Case.objects.select_related("opening_response")
        self.cases = {case.opening_response.external_id: case for case in found}

    def work(self, events):
        """Play all that came after, in its order, and sweep once a month."""
        month = None
        for event in events:
            if event.at.month != month:
                month = event.at.month
                sla.sweep(now=event.at.replace(day=1, hour=0, minute=0, second=0))
            if event is self.log[event.case][0] and event.activity in OPENS:
                continue
            self.cases[event.case] = self.play(event, self.cases[event.case])

    def play(self, event, case):
        """Call the verbs that this event stands for; return the case after them."""
        says = {"by": self.agents[event.resource], "now": event.at}
        if case.status == "resolved" and event.activity not in ENDS:
            case = cases.reopen(case, reason=event.activity, **says)
        if case.status == "pending" and event.activity not in (WAIT, *ENDS):
            case = cases.resume(case, **says)
        if case.is_active and case.priority != event.priority:
            case = cases.set_priority(case, priority=event.priority, **says)
        if case.status == "new" and event.activity in (TAKE, WAIT):
            case = cases.claim(case, **says)
        match event.activity:
            case helpdesk.TAKE:
                return cases.contact(case, channel="phone", attempt="reached", **says)
            case helpdesk.WAIT:
                until = event.at + helpdesk.LONGEST_WAIT
                return cases.set_pending(case, reason=WAIT, until=until, **says)
            case helpdesk.RESOLVE if case.is_active:
                return self._resolve(case, "recovered", event, says)
            case helpdesk.CLOSED:
                return self._close(case, event, says)
        return cases.note(case, text=event.activity, **says)

    def _resolve(self, case, outcome, event, says):
        return cases.resolve(
            case,
            root_cause=self.cause,
            outcome=outcome,
            note=event.activity,
            **says,
        )

    def _close(self, case, event, says):
        if case.is_active:
            case = self._resolve(case, "no action needed", event, says)
        if event is self.log[event.case][-1]:
            return cases.close(case, **says)
        return cases.note(case, text=event.activity, **says)


def promise():
    """Save the policy of `helpdesk.PROMISES`, as people do."""
    week = dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), helpdesk.HOURS)
    calendar = BusinessCalendar(name="Italy", zone="Europe/Rome", hours=week)
    holidays = [Holiday(day=day) for day in sorted(helpdesk.HOLIDAYS)]
    config.save_calendar(calendar, holidays=holidays, by=None, now=BEFORE)
    targets = [
        Target(metric=metric, unit=unit, priority=priority, amount=amount)
        for (metric, unit), amounts in helpdesk.PROMISES.items()
        for priority, amount in amounts.items()
    ]
    policy = SlaPolicy(name="Help desk", calendar=calendar, pauses_pending=True)
    config.save_policy(policy, targets=targets, by=None, now=BEFORE)


@pytest.mark.data
@pytest.mark.django_db
@pytest.mark.timeout(600)
def test_every_clock_is_what_the_watcher_finds(log):
    import time
    events, _ = log
    promise()
    desk = Desk(events)
    t = time.time()
    desk.open()
    print("opened", time.time() - t); t = time.time()
    desk.work(events)
    print("worked", time.time() - t); t = time.time()
    swept = sla.sweep(now=AFTER)
    print(swept, time.time() - t); t = time.time()
    expected = {
        (case, metric, cycle): verdict
        for case, story in desk.log.items()
        for metric, cycle, verdict in helpdesk.verdicts(story, AFTER)
    }
    print("walked", time.time() - t); t = time.time()
    rows = Clock.objects.values_list("case__opening_response__external_id", "metric", "cycle", *helpdesk.Verdict._fields)
    found = {row[:3]: helpdesk.Verdict(*row[3:]) for row in rows}
    wrong = {k: (found.get(k), expected.get(k)) for k in found.keys() | expected.keys() if found.get(k) != expected.get(k)}
    print(len(found), len(expected), len(wrong))
    for k in list(wrong)[:5]:
        print(k); print(wrong[k][0]); print(wrong[k][1])
    t = time.time()
    print(list(audit.verify())[:3], time.time() - t)
    print(Counter(Case.objects.values_list("status", flat=True)), Case.objects.filter(cycle__gt=1).count())
    assert not wrong
