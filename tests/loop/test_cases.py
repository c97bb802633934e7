from collections import Counter
from functools import partial

import pytest

from cem_cases.exceptions import (
    AlreadyClaimed,
    InvalidInput,
    NotAllowedNow,
    StaleVersion,
)
from cem_cases.loop import audit, cases, drain
from cem_cases.models import AuditEvent, Case, ClockMetric, Contact, Membership
from cem_cases.rules import allowed
from tests import make
from tests.make import DAY, HOUR, MONDAY
from tests.threads import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture
def north(db):
    return make.team("north")


@pytest.fixture
def ada(north):
    return make.agent(north, "ada")


@pytest.fixture
def bob(north):
    return make.agent(north, "bob")


@pytest.fixture
def case(north):
    make.policy()
    return make.case(team=north)


def kinds(case):
    return [event.kind for event in case.events.all()]


def held(user):
    return Membership.objects.get(user=user).open_cases


def resolve(case, by, **fields):
    given = {
        "root_cause": make.root_cause(),
        "outcome": "recovered",
        "note": "Refunded.",
        "now": MONDAY + HOUR,
    }
    return cases.resolve(case, by=by, **given | fields)


class TestClaim:
    def test_makes_a_new_case_open_and_owned(self, case, ada):
        claimed = cases.claim(case, by=ada, now=MONDAY)

        assert (claimed.owner, claimed.status) == (ada, "open")
        assert claimed.version == case.version + 1
        assert kinds(case) == ["case.opened", "case.claimed"]
        assert held(ada) == 1

    def test_is_refused_when_somebody_was_first_and_names_them(self, case, ada, bob):
        cases.claim(case, by=ada)

        with pytest.raises(AlreadyClaimed, match="ada"):
            cases.claim(case, by=bob)
        assert held(bob) == 0
        assert kinds(case).count("case.claimed") == 1

    def test_of_a_resolved_case_is_refused(self, case, ada, bob):
        resolve(case, ada)

        with pytest.raises(NotAllowedNow) as refusal:
            cases.claim(case, by=bob)
        assert not isinstance(refusal.value, AlreadyClaimed)

    def test_of_a_version_that_is_gone_is_refused(self, case, ada):
        cases.note(case, by=ada, text="Look at this.")

        with pytest.raises(StaleVersion):
            cases.claim(case, by=ada, version=case.version)


@pytest.mark.django_db(transaction=True)
def test_of_fifty_simultaneous_claims_exactly_one_wins(north):
    case = make.case(team=north)
    agents = [make.agent(north, f"agent-{n}") for n in range(50)]

    results = at_once([partial(cases.claim, case, by=agent) for agent in agents])

    case.refresh_from_db()
    assert Counter(str(result) for result in results) == {
        str(case): 1,
        f"Case {case} belongs to {case.owner} already.": 49,
    }
    assert kinds(case).count("case.claimed") == 1
    assert sum(Membership.objects.values_list("open_cases", flat=True)) == 1
    assert not list(audit.verify())


class TestAssign:
    def test_gives_the_case_to_a_member_of_its_team(self, case, ada, bob):
        cases.assign(case, by=ada, to=bob, reason="Knows the customer.")

        case.refresh_from_db()
        assert (case.owner, case.status) == (bob, "open")
        event = case.events.last()
        assert event.data["to"] == str(bob.pk)
        assert event.detail.text == "Knows the customer."

    def test_moves_the_load_along(self, case, ada, bob):
        cases.assign(case, by=ada, to=ada)
        cases.assign(case, by=ada, to=bob)

        assert (held(ada), held(bob)) == (0, 1)

    def test_to_nobody_puts_the_case_back_into_the_queue(self, case, ada):
        cases.claim(case, by=ada)

        returned = cases.assign(case, by=ada, to=None)

        assert (returned.owner, returned.status) == (None, "new")
        assert held(ada) == 0
        assert kinds(case)[-1] == "case.unassigned"

    def test_to_a_stranger_is_refused(self, case, ada):
        stranger = make.agent(make.team("south"))

        with pytest.raises(InvalidInput) as refusal:
            cases.assign(case, by=ada, to=stranger)
        assert list(refusal.value.errors) == ["to"]

    def test_to_somebody_deactivated_is_refused(self, case, ada, bob):
        bob.is_active = False
        bob.save()

        with pytest.raises(InvalidInput):
            cases.assign(case, by=ada, to=bob)

    def test_can_change_the_team(self, case, ada):
        south = make.team("south")
        eve = make.agent(south, "eve")
        cases.claim(case, by=ada)

        moved = cases.assign(case, by=ada, to=eve, team=south)

        assert (moved.team, moved.owner) == (south, eve)
        assert (held(ada), held(eve)) == (0, 1)


class TestNote:
    def test_keeps_its_words_beside_the_chain_not_in_it(self, case, ada):
        cases.note(case, by=ada, text="Frau Müller called twice.")

        event = case.events.last()
        assert event.detail.text == "Frau Müller called twice."
        assert event.detail.customer == case.customer
        assert "Müller" not in event.payload

    @pytest.mark.parametrize("text", ["", "  ", "x" * 10_001, "a\x00b"])
    def test_must_say_something_storable(self, case, ada, text):
        with pytest.raises(InvalidInput, match="text"):
            cases.note(case, by=ada, text=text)
        assert kinds(case) == ["case.opened"]


class TestContact:
    def contact(self, case, by, **fields):
        given = {"channel": "phone", "attempt": "reached", "now": MONDAY + HOUR}
        return cases.contact(case, by=by, **given | fields)

    def test_that_arrived_completes_the_first_contact_clock(self, case, ada):
        contacted = self.contact(case, ada)

        assert contacted.first_contact_at == MONDAY + HOUR
        clock = case.clocks.get(metric=ClockMetric.FIRST_CONTACT)
        assert clock.completed_at == MONDAY + HOUR
        assert (clock.business_elapsed, clock.calendar_elapsed) == (3600, 3600)
        assert clock.breached_at is None
        resolution = case.clocks.get(metric=ClockMetric.RESOLUTION)
        assert contacted.due_at == resolution.due_at

    @pytest.mark.parametrize(
        "fields",
        [
            {"attempt": "no answer"},
            {"attempt": "failed"},
            {"attempt": "", "direction": "in"},
        ],
    )
    def test_that_did_not_arrive_leaves_it_running(self, case, ada, fields):
        contacted = self.contact(case, ada, **fields)

        assert contacted.first_contact_at is None
        assert case.clocks.get(metric=ClockMetric.FIRST_CONTACT).is_running

    def test_that_comes_late_marks_the_clock_as_breached(self, case, ada):
        self.contact(case, ada, now=MONDAY + 5 * HOUR)

        clock = case.clocks.get(metric=ClockMetric.FIRST_CONTACT)
        assert clock.breached_at == clock.completed_at == MONDAY + 5 * HOUR

    def test_at_the_very_due_second_is_in_time(self, case, ada):
        clock = case.clocks.get(metric=ClockMetric.FIRST_CONTACT)
        self.contact(case, ada, now=clock.due_at)

        clock.refresh_from_db()
        assert clock.completed_at == clock.due_at
        assert clock.breached_at is None

    def test_a_second_time_changes_no_clock(self, case, ada):
        self.contact(case, ada)
        again = self.contact(case, ada, now=MONDAY + 9 * DAY)

        assert again.first_contact_at == MONDAY + HOUR
        assert case.contacts.count() == 2

    @pytest.mark.parametrize(
        ("fields", "wrong"),
        [
            ({"attempt": "magic"}, "attempt"),
            ({"attempt": ""}, "attempt"),
            ({"attempt": "received"}, "attempt"),
            ({"direction": "in"}, "attempt"),
            ({"direction": "sideways"}, "direction"),
            ({"channel": " "}, "channel"),
            ({"body": "x" * 10_001}, "body"),
        ],
    )
    def test_wrong_input_is_named(self, case, ada, fields, wrong):
        with pytest.raises(InvalidInput) as refusal:
            self.contact(case, ada, **fields)
        assert list(refusal.value.errors) == [wrong]
        assert not Contact.objects.exists()

    def test_a_subject_is_one_line(self, case, ada):
        self.contact(case, ada, subject="Hello\r\nBcc: all@example.org")

        assert case.contacts.get().subject == "Hello Bcc: all@example.org"


class TestResolve:
    def test_says_why_and_completes_all_clocks(self, case, ada):
        cases.claim(case, by=ada, now=MONDAY)
        resolved = resolve(case, ada)

        assert (resolved.status, resolved.outcome) == ("resolved", "recovered")
        assert resolved.root_cause.code == "late-delivery"
        assert resolved.due_at is None
        assert not case.clocks.running().exists()
        assert held(ada) == 0
        assert case.events.last().detail.text == "Refunded."

    def test_without_an_owner_makes_it_the_resolvers(self, case, ada):
        assert resolve(case, ada).owner == ada
        assert held(ada) == 0

    def test_twice_is_refused(self, case, ada):
        resolve(case, ada)

        with pytest.raises(NotAllowedNow, match="resolved"):
            resolve(case, ada)
        assert kinds(case).count("case.resolved") == 1

    def test_needs_a_note_an_outcome_and_a_cause_in_use(self, case, ada):
        for wrong, field in (
            ({"note": " "}, "note"),
            ({"outcome": "fine"}, "outcome"),
            ({"root_cause": make.root_cause("old", is_active=False)}, "root_cause"),
        ):
            with pytest.raises(InvalidInput) as refusal:
                resolve(case, ada, **wrong)
            assert list(refusal.value.errors) == [field]
        case.refresh_from_db()
        assert case.status == "new"

    def test_as_not_reached_needs_three_attempts_on_two_days_over_two_channels(
        self, case, ada
    ):
        for channel, at in (
            ("phone", MONDAY),
            ("phone", MONDAY + HOUR),
            ("email", MONDAY + DAY),
        ):
            with pytest.raises(InvalidInput, match="Not reached needs"):
                resolve(case, ada, outcome="not reached")
            cases.contact(case, by=ada, channel=channel, attempt="no answer", now=at)

        assert resolve(case, ada, outcome="not reached").outcome == "not reached"


class TestReopen:
    def test_begins_the_second_cycle_of_the_resolution_clock_only(self, case, ada):
        cases.claim(case, by=ada)
        resolve(case, ada)

        again = cases.reopen(case, by=ada, reason="Called again.", now=MONDAY + DAY)

        assert (again.status, again.owner, again.cycle) == ("open", ada, 2)
        assert (again.resolved_at, again.outcome) == (None, "")
        clock = case.clocks.running().get()
        assert (clock.metric, clock.cycle) == (ClockMetric.RESOLUTION, 2)
        assert clock.started_at == MONDAY + DAY
        assert again.due_at == clock.due_at
        assert held(ada) == 1

    def test_returns_to_the_queue_when_the_owner_is_gone(self, case, ada):
        cases.claim(case, by=ada)
        resolve(case, ada)
        Membership.objects.filter(user=ada).update(is_active=False)

        again = cases.reopen(case, by=make.manager(), reason="Called again.")

        assert (again.status, again.owner) == ("new", None)

    def test_of_a_closed_case_is_refused(self, case, ada):
        resolve(case, ada)
        cases.close(case, by=ada)

        with pytest.raises(NotAllowedNow):
            cases.reopen(case, by=ada, reason="Once more.")

    def test_can_be_resolved_again(self, case, ada):
        resolve(case, ada)
        cases.reopen(case, by=ada, reason="Called again.")

        assert resolve(case, ada).status == "resolved"


def test_close_ends_a_resolved_case_for_good(case, ada):
    with pytest.raises(NotAllowedNow):
        cases.close(case, by=ada)
    resolve(case, ada)

    closed = cases.close(case, by=ada, now=MONDAY + DAY)

    assert (closed.status, closed.closed_at) == ("closed", MONDAY + DAY)
    assert closed.allowed_verbs == ("note",) == allowed("closed")


def test_a_new_priority_keeps_the_start_and_swaps_the_target(case, ada):
    before = case.clocks.get(metric=ClockMetric.FIRST_CONTACT)

    changed = cases.set_priority(case, by=ada, priority=1, now=MONDAY)

    after = case.clocks.get(metric=ClockMetric.FIRST_CONTACT)
    assert after.started_at == before.started_at
    assert after.target_amount * 3 == before.target_amount
    assert changed.due_at == after.due_at < before.due_at


def test_every_verb_refuses_a_version_that_is_gone(case, ada):
    cases.note(case, by=ada, text="Meanwhile.")
    stale = {"by": ada, "version": case.version}

    for verb in (
        lambda: cases.assign(case, to=ada, **stale),
        lambda: cases.note(case, text="x", **stale),
        lambda: cases.contact(case, channel="phone", attempt="sent", **stale),
        lambda: cases.set_priority(case, priority=1, **stale),
        lambda: resolve(case, version=case.version, by=ada),
    ):
        with pytest.raises(StaleVersion, match="changed meanwhile"):
            verb()
    assert kinds(case) == ["case.opened", "case.noted"]


def test_every_change_writes_exactly_one_event(case, ada, bob):
    steps = [
        lambda: cases.claim(case, by=ada),
        lambda: cases.assign(case, by=ada, to=bob),
        lambda: cases.note(case, by=bob, text="x"),
        lambda: cases.contact(
            case, by=bob, channel="phone", attempt="sent", now=MONDAY
        ),
        lambda: cases.set_priority(case, by=bob, priority=2, now=MONDAY),
        lambda: cases.mark_complaint(case, by=bob, now=MONDAY),
        lambda: cases.set_pending(
            case, by=bob, reason="x", until=MONDAY + DAY, now=MONDAY
        ),
        lambda: cases.put_on_hold(
            case, by=bob, reason="x", until=MONDAY + DAY, now=MONDAY
        ),
        lambda: cases.resume(case, by=bob, now=MONDAY),
        lambda: resolve(case, bob),
        lambda: cases.reopen(case, by=bob, reason="x", now=MONDAY + HOUR),
        lambda: resolve(case, bob),
        lambda: cases.close(case, by=bob),
    ]
    for number, step in enumerate(steps, start=2):
        step()
        assert AuditEvent.objects.filter(case=case).count() == number
    assert not list(audit.verify())


def test_the_priority_that_a_case_has_already_changes_nothing(case, ada):
    same = cases.set_priority(case, by=ada, priority=case.priority)

    assert same.version == case.version
    assert kinds(case) == ["case.opened"]


@pytest.mark.parametrize("priority", [0, 5, None])
def test_a_priority_that_is_none_is_refused(case, ada, priority):
    with pytest.raises(InvalidInput, match="priority"):
        cases.set_priority(case, by=ada, priority=priority)


def test_assigning_to_the_owner_changes_nothing(case, ada):
    claimed = cases.claim(case, by=ada)

    same = cases.assign(case, by=ada, to=ada)

    assert same.version == claimed.version
    assert held(ada) == 1


def test_a_case_that_moved_to_another_team_is_not_claimed_by_who_saw_it_before(
    case, ada
):
    south = make.team("south")
    cases.assign(case, by=ada, to=None, team=south)

    with pytest.raises(StaleVersion):
        cases.claim(case, by=ada)


def test_an_owned_case_without_a_team_counts_nowhere_and_then_in_its_team(north, ada):
    case = make.case(team=north)
    Case.objects.filter(pk=case.pk).update(team=None, owner=ada, status="open")
    bob = make.agent(north, "bob", open_cases=1)

    cases.assign(case, by=ada, to=bob, team=north)

    assert (held(ada), held(bob)) == (0, 2)


@pytest.mark.django_db(transaction=True)
def test_cases_that_change_hands_in_opposite_directions_never_wait_in_a_circle(north):
    ada, bob = make.agent(north, "ada"), make.agent(north, "bob")
    there, back = make.case(team=north, owner=ada), make.case(team=north, owner=bob)

    for _ in range(10):
        results = at_once(
            [
                partial(cases.assign, there, by=ada, to=bob),
                partial(cases.assign, back, by=bob, to=ada),
            ]
        )
        assert not [result for result in results if isinstance(result, Exception)]
        ada, bob = bob, ada

    assert held(ada) == held(bob) == 1


def test_a_contact_that_comes_late_is_a_breach_with_its_event(case, ada):
    cases.contact(case, by=ada, channel="phone", attempt="sent", now=MONDAY + 5 * HOUR)

    assert kinds(case)[1:] == ["clock.breached", "case.contacted"]


def test_not_reached_is_not_believed_of_somebody_who_was_reached(case, ada):
    for channel, day in (("phone", 0), ("email", 1), ("chat", 2)):
        cases.contact(
            case, by=ada, channel=channel, attempt="reached", now=MONDAY + day * DAY
        )

    with pytest.raises(InvalidInput, match="there are 0"):
        resolve(case, ada, outcome="not reached")


def test_a_case_is_not_reopened_beside_another_active_one(north, ada):
    make.rule_for(north)
    make.response(customer={"external_id": "c1"})
    drain.drain(now=MONDAY)
    first = Case.objects.get()
    resolve(first, ada)
    make.response(customer={"external_id": "c1"})
    drain.drain(now=MONDAY)

    with pytest.raises(NotAllowedNow, match="has an active case already"):
        cases.reopen(first, by=ada, reason="Called again.")


def test_attempts_of_the_cycle_before_do_not_make_a_case_not_reached(case, ada):
    for day, channel in enumerate(["phone", "email", "phone"]):
        at = MONDAY + day * DAY
        cases.contact(case, by=ada, channel=channel, attempt="no answer", now=at)
    resolve(case, ada, now=MONDAY + 3 * DAY)
    cases.reopen(case, by=ada, reason="again", now=MONDAY + 4 * DAY)

    with pytest.raises(InvalidInput, match="3 contact attempts; there are 0"):
        resolve(case, ada, outcome="not reached", now=MONDAY + 4 * DAY)
