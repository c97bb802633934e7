"""Four years of a real help desk, replayed as cases with their real timestamps.

How its log is read:

* The first event of a case opens it: `opened_at` is its time, to the second.
* *Take in charge* is a contact that reached the customer. Whoever takes a new case, or
  lets it wait, claims it.
* *Wait* makes the case pending, for 90 days at the most. It is taken up by whatever
  comes next, but *Resolve*, which ends a pending case, and another *Wait*.
* *Resolve ticket* resolves; of a case that is resolved already it is a note.
* Any other activity after that is work, and reopens. So are the outcomes of an anomaly
  (RESOLVED, VERIFIED, …): with them it is the 154 cases of the data's description.
* *Closed* closes where the log of the case ends. Closed cases of ours are final: where
  it goes on, the case was not closed yet, and this is a note. What was worked on since
  it was resolved, is resolved then, as needing no action.
* The rest are notes. Another seriousness is another priority.

All cases are opened first, each at its own time, and then all events come in the order
of their times. Every month somebody sweeps, and once more when all is over.
"""

from collections import Counter
from datetime import UTC, datetime
from itertools import islice

import pytest
from django.db import connection

from cem_cases.loop import audit, capture, cases, config, drain, sla
from cem_cases.models import (
    BusinessCalendar,
    Case,
    Clock,
    Holiday,
    Membership,
    SlaPolicy,
    Target,
)
from cem_cases.rules import Priority
from tests import helpdesk, make
from tests.helpdesk import ENDS, LONGEST_WAIT, OPENS, WAIT, Verdict

BEFORE = datetime(2010, 1, 1, tzinfo=UTC)
AFTER = datetime(2014, 7, 1, tzinfo=UTC)


@pytest.fixture
def log(data_folder):
    """The events in the order of their times, and how many rows came twice."""
    path = data_folder / "helpdesk_italian/finale.csv"
    if not path.exists():
        pytest.skip(f"the log of the help desk is not here: {path}")
    return helpdesk.read(path)


class Desk:
    """The help desk at work: what its log tells, as verbs of the loop."""

    def __init__(self, events):
        self.events, self.stories = events, helpdesk.by_case(events)
        self.team, self.cause = make.team("desk"), make.root_cause("software")
        self.agents = {
            name: make.agent(self.team, name.replace(" ", "-"))
            for name in sorted({event.resource for event in events})
        }
        self.cases = {}

    def open(self):
        make.survey(slug="ticket", metric="csat", repeat="open another")
        for priority in Priority:
            asked = {"fact": "answer.priority", "operator": "is"}
            make.rule(
                {"do": "open case", "priority": priority.word},
                {"do": "set team", "team": self.team.slug},
                conditions=asked | {"value": priority.word},
            )
        for number, (first, *_) in self.stories.items():
            ticket = {
                "survey": "ticket",
                "external_id": number,
                "customer": {"external_id": first.customer},
                "answers": {"priority": Priority(first.priority).word},
            }
            capture.record(ticket, now=first.at)
        drain.drain(now=BEFORE)  # the clocks go by when each was received
        found = Case.objects.select_related("opening_response")
        self.cases = {case.opening_response.external_id: case for case in found}
        _analyze()

    def work(self):
        month = BEFORE
        for event in self.events:
            if event.at.month != month.month:
                month = event.at.replace(day=1, hour=0, minute=0, second=0)
                sla.sweep(now=month)
                _analyze()
            if event.activity in OPENS and event is self.stories[event.case][0]:
                continue
            self.cases[event.case] = self._play(event, self.cases[event.case])

    def _play(self, event, case):
        """Call the verbs that this event stands for; return the case after them."""
        says = {"by": self.agents[event.resource], "now": event.at}
        if case.status == "resolved" and event.activity not in ENDS:
            case = cases.reopen(case, reason=event.activity, **says)
        if case.status == "pending" and event.activity not in (WAIT, *ENDS):
            case = cases.resume(case, **says)
        if case.is_active and case.priority != event.priority:
            case = cases.set_priority(case, priority=event.priority, **says)
        match event.activity:
            case helpdesk.TAKE:
                case = self._claimed(case, says)
                return cases.contact(case, channel="phone", attempt="reached", **says)
            case helpdesk.WAIT:
                case, until = self._claimed(case, says), event.at + LONGEST_WAIT
                return cases.set_pending(case, reason="customer", until=until, **says)
            case helpdesk.RESOLVE if case.is_active:
                return self._resolved(case, "recovered", says)
            case helpdesk.CLOSED if event is self.stories[event.case][-1]:
                case = self._resolved(case, "no action needed", says)
                return cases.close(case, **says)
            case helpdesk.CLOSED:
                case = self._resolved(case, "no action needed", says)
        return cases.note(case, text=event.activity, **says)

    def _claimed(self, case, says):
        return cases.claim(case, **says) if case.status == "new" else case

    def _resolved(self, case, outcome, says):
        if not case.is_active:
            return case
        return cases.resolve(
            case, root_cause=self.cause, outcome=outcome, note="Done.", **says
        )


def promise():
    """Save the policy of `helpdesk.PROMISES`, as people do."""
    week = dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), helpdesk.HOURS)
    calendar = BusinessCalendar(name="Italy", zone="Europe/Rome", hours=week)
    holidays = [Holiday(day=day) for day in sorted(helpdesk.HOLIDAYS)]
    config.save_calendar(calendar, holidays=holidays, by=None, now=BEFORE)
    targets = [
        Target(metric=metric, unit=unit, priority=priority, amount=amount)
        for metric, (unit, amounts) in helpdesk.PROMISES.items()
        for priority, amount in amounts.items()
    ]
    policy = SlaPolicy(name="Help desk", calendar=calendar, pauses_pending=True)
    config.save_policy(policy, targets=targets, by=None, now=BEFORE)


def found_clocks():
    rows = Clock.objects.values_list(
        "case__opening_response__external_id", "metric", "cycle", *Verdict._fields
    )
    return {row[:3]: Verdict(*row[3:]) for row in rows}


def earliest_due(verdicts):
    """Return the first due time of the clocks that run, by case."""
    running = [
        (case, verdict.due_at)
        for (case, _, _), verdict in verdicts.items()
        if not (verdict.completed_at or verdict.cancelled_at)
    ]
    return {case: min(at for c, at in running if c == case) for case, _ in running}


def _analyze():
    """Tell PostgreSQL how large its tables are: in one transaction nobody else can."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")


@pytest.mark.data
@pytest.mark.django_db
@pytest.mark.timeout(900)  # 22,000 verbs, one by one
def test_every_clock_is_what_somebody_finds_who_walks(log):
    events, _ = log
    desk = Desk(events)
    promise()

    desk.open()
    desk.work()
    sla.sweep(now=AFTER)

    expected = {
        (case, metric, cycle): verdict
        for case, story in desk.stories.items()
        for metric, cycle, verdict in helpdesk.verdicts(story, AFTER)
    }
    found = found_clocks()
    assert found.keys() == expected.keys()
    wrong = ((key, found[key], expected[key]) for key in expected)
    assert not list(islice((w for w in wrong if w[1] != w[2]), 3))
    assert Counter(metric for _, metric, _ in found) == {
        "first contact": 4580,
        "resolution": 4580 + 164,  # some were reopened twice
        "next update": 5222,
    }

    opened = Case.objects.values_list("opening_response__external_id", "opened_at")
    assert dict(opened) == {case: story[0].at for case, story in desk.stories.items()}
    assert Case.objects.filter(cycle__gt=1).count() == 154
    by_status = Counter(Case.objects.values_list("status", flat=True))
    assert by_status == {"closed": 4557, "resolved": 10, "open": 13}
    due = Case.objects.active().values_list("opening_response__external_id", "due_at")
    assert dict(due) == earliest_due(expected)

    # everything that still runs is late by now, was marked so, and once
    running = Clock.objects.running()
    assert running.count() == running.filter(breach_cause="late").count() == 26
    assert sla.sweep(now=AFTER) == sla.Swept()

    assert sum(Membership.objects.values_list("open_cases", flat=True)) == 13
    assert not list(audit.verify())


@pytest.mark.data
def test_the_log_is_as_it_is_described(log):
    events, again = log
    stories = helpdesk.by_case(events)

    reopened = [story for story in stories.values() if len(helpdesk.rounds(story)) > 1]

    assert (len(events), again) == (21_221, 127)
    assert (len(stories), len(reopened)) == (4_580, 154)
    assert Counter(story[-1].activity for story in stories.values())["Closed"] == 4_557


@pytest.mark.parametrize(
    ("metric", "priority", "start", "due"),
    [
        # two hours: through lunch, to closing time, a second more
        ("first contact", 1, "2013-06-10 11:00:00", "2013-06-10 14:00:00"),
        ("first contact", 1, "2013-06-10 16:00:00", "2013-06-10 18:00:00"),
        ("first contact", 1, "2013-06-10 16:00:01", "2013-06-11 08:00:01"),
        # over Easter, and the clocks go forward
        ("first contact", 1, "2013-03-29 17:00:00", "2013-04-02 09:00:00"),
        # a day has nine hours, and forty hours are four of them and four hours
        ("resolution", 3, "2013-10-25 08:00:00", "2013-10-31 12:00:00"),
        # All Saints' Day is no business day; what begins at lunch begins after it
        ("next update", 3, "2013-10-30 17:30:00", "2013-11-05 17:30:00"),
        ("next update", 1, "2013-10-30 12:45:00", "2013-10-31 13:30:00"),
        ("next update", 1, "2013-11-01 09:00:00", "2013-11-05 08:00:00"),
    ],
)
def test_who_walks_knows_the_way(metric, priority, start, due):
    found = helpdesk.due(metric, priority, helpdesk.second(start))

    assert found == helpdesk.second(due)


@pytest.mark.parametrize(
    ("metric", "due"),
    [
        # half an hour is used up by then; ten hours, less that, are left
        ("resolution", "2013-06-12 09:30:00"),
        # nine open hours in it: half past eight on Tuesday, and so much later
        ("next update", "2013-06-12 08:30:00"),
    ],
)
def test_who_walks_leaves_out_the_open_part_of_a_pause(metric, due):
    pause = (
        helpdesk.second("2013-06-10 09:00:00"),
        helpdesk.second("2013-06-11 09:00:00"),
    )

    found = helpdesk.due(metric, 1, helpdesk.second("2013-06-10 08:30:00"), [pause])

    assert found == helpdesk.second(due)
