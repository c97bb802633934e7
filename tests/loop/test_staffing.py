"""Waiting cases, and who takes them up; declining; reopening; who is told."""

from datetime import timedelta
from functools import partial

import pytest
from django.db import connection

from cem_cases.exceptions import InvalidInput, NotAllowedNow
from cem_cases.loop import audit, cases, drain, sla, staffing
from cem_cases.models import (
    Absence,
    AuditEvent,
    AuditHead,
    Case,
    Decline,
    Membership,
    Notification,
    Team,
)
from tests import make
from tests.make import DAY, HOUR, MONDAY
from tests.threads import at_once

pytestmark = pytest.mark.django_db

ROUND = {"do": "assign", "by": "round robin"}


@pytest.fixture
def north(db):
    return make.team("north")


def routed(team, assign=None, *more, count=1, now=MONDAY, **fields):
    """Let a rule open so many cases in this team, by default round robin."""
    actions = ["open case", {"do": "set team", "team": team.slug}, *more]
    name = f"{team.slug} {assign} {more}"
    if not make.Rule.objects.filter(name=name).exists():
        make.rule(
            *actions,
            *([ROUND] if assign is None else [assign] if assign else []),
            name=name,
            conditions={"fact": "channel", "operator": "is", "value": name},
        )
    keys = [make.response(channel=name, now=now, **fields).pk for _ in range(count)]
    drain.drain(now=now)
    found = list(Case.objects.filter(opening_response__in=keys).order_by("pk"))
    return found if count > 1 else found[0]


def away(user, substitute=None, **fields):
    return Absence.objects.create(
        **{"user": user, "from_at": MONDAY, "until_at": MONDAY + DAY}
        | {"substitute": substitute}
        | fields
    )


def kinds(case):
    return [event.kind for event in case.events.order_by("sequence")]


def held(user):
    return Membership.objects.get(user=user).open_cases


def owner(case):
    case.refresh_from_db()
    return case.owner


def resolve(case, by):
    return cases.resolve(
        case, by=by, root_cause=make.root_cause(), outcome="recovered", note="x"
    )


class TestByRule:
    def test_how_the_owner_is_found_stays_with_the_case(self, north):
        ada = make.agent(north, "ada", skills=["German"])
        by = ["account owner", "round robin"]
        assign = {"do": "assign", "by": by, "skills": ["german"]}

        case = routed(north, assign)

        assert case.owner == ada
        assert case.assignment == {"by": by, "skills": ["german"]}
        assert not case.owner_is_manual

    def test_a_case_of_which_no_rule_says_anything_keeps_nothing(self, north):
        case = routed(north, {})

        assert case.assignment is None
        assert not Case.objects.to_assign().exists()

    def test_a_rule_names_the_owner_and_the_substitute_takes_it(self, north):
        ada, bob = make.agent(north, "ada"), make.agent(north, "bob")
        away(ada, bob)

        case = routed(north, {}, {"do": "set owner", "user": "ada"})

        assert case.owner == bob
        assert case.assignment == {"by": [], "skills": [], "owner": "ada"}
        data = case.events.last().data
        assert (data["strategy"], data["substitute_for"]) == ("set owner", str(ada.pk))

    def test_the_same_agent_as_before_gets_the_customer_again(self, north):
        make.agent(north), make.agent(north)
        bob = make.agent(north, "bob")
        customer = {"external_id": "c1"}
        earlier = make.case(team=north, customer=customer, owner=bob)
        resolve(earlier, bob)
        by = ["same agent as before", "round robin"]

        case = routed(north, {"do": "assign", "by": by}, customer=customer)

        assert case.owner == bob
        assert case.events.last().data["strategy"] == "same agent as before"

    def test_the_account_owner_gets_it_or_else_the_next(self, north):
        ada = make.agent(north, "ada")
        bob = make.agent(north, "bob", capacity=1)
        first = routed(north, {}, customer={"external_id": "c1"})
        first.customer.account_owner = bob
        first.customer.save()
        resolve(first, make.manager())
        assign = {"do": "assign", "by": ["account owner", "round robin"]}

        one = routed(north, assign, customer={"external_id": "c1"})
        resolve(one, ada)
        Membership.objects.filter(user=bob).update(open_cases=1)
        two = routed(north, assign, customer={"external_id": "c1"})

        assert (one.owner, two.owner) == (bob, ada)
        (tried,) = two.events.last().data["tried"]
        assert tried == {
            "strategy": "account owner",
            "user": str(bob.pk),
            "verdict": "at capacity",
        }


class TestNobody:
    def test_it_waits_and_the_leads_are_told_once_for_all(self, north):
        lead = make.agent(north, "lead", role="lead", capacity=0)
        away(make.agent(north))

        first, *_others = found = routed(north, count=5)

        assert {case.status for case in found} == {"new"}
        assert kinds(first) == ["case.opened", "case.not_assigned"]
        (note,) = Notification.objects.all()
        assert (note.recipient, note.case) == (lead, first)
        assert note.text == (
            f"Case {first} and 4 more in the queue of North: nobody can take it "
            "(1 at capacity, 1 absent)."
        )

    def test_who_has_not_read_it_is_not_told_again(self, north):
        lead = make.agent(north, role="lead", capacity=0)
        for _ in range(3):
            routed(north)
        assert Notification.objects.count() == 1

        Notification.objects.update(read_at=MONDAY)
        routed(north)

        assert Notification.objects.filter(recipient=lead).count() == 2

    def test_nobody_is_told_where_the_team_only_is_not_at_work(self):
        north = make.team("north", calendar=make.office())
        make.agent(north, role="lead")

        case = routed(north, now=MONDAY - 9 * HOUR)

        assert kinds(case)[-1] == "case.not_assigned"
        (said,) = case.events.last().data["candidates"]
        assert said["verdict"] == "outside working hours"
        assert not Notification.objects.exists()

    def test_a_team_without_anybody_alerts_its_managers(self, north):
        boss = make.agent(north, role="manager")

        case = routed(north)

        (note,) = Notification.objects.all()
        assert note.recipient == boss
        assert note.text == (
            f"Case {case} in the queue of North: nobody can take it (1 manager)."
        )


class TestTakeUp:
    def test_a_case_is_taken_up_when_somebody_comes(self, north):
        case = routed(north)
        ada = make.agent(north, "ada")

        swept = sla.sweep(now=MONDAY + HOUR)

        assert swept.taken_up == 1
        assert owner(case) == ada
        assert (case.status, case.opened_at, held(ada)) == ("open", MONDAY, 1)
        event = case.events.last()
        assert event.data["has_waited"]
        assert event.data["candidates"][0]["rank"] == 1
        assert sla.sweep(now=MONDAY + HOUR).taken_up == 0

    def test_the_urgent_comes_first_and_then_the_oldest(self, north):
        late, early, urgent = (
            routed(north, None, *more, now=MONDAY + hours * HOUR)
            for hours, more in (
                (2, ()),
                (1, ()),
                (3, ({"do": "set priority", "priority": "urgent"},)),
            )
        )
        ada = make.agent(north, "ada", capacity=1)
        order = []

        for hour in range(4, 7):
            sla.sweep(now=MONDAY + hour * HOUR)
            (case,) = Case.objects.active().filter(owner=ada)
            order.append(case)
            resolve(case, ada)

        assert order == [urgent, early, late]

    def test_a_case_that_nobody_can_take_holds_up_none_behind_it(self, north, settings):
        settings.CEM_CASES = {**settings.CEM_CASES, "BATCH_SIZE": 2}
        finnish = {**ROUND, "skills": ["finnish"]}
        stuck = routed(north, finnish, count=5)
        behind = routed(north, count=3, now=MONDAY + HOUR)
        ada = make.agent(north, "ada")

        assert sla.sweep(now=MONDAY + 2 * HOUR).taken_up == 3

        assert {owner(case) for case in behind} == {ada}
        assert {owner(case) for case in stuck} == {None}

    @pytest.mark.parametrize("spoiled", [7, "by", [7], {"by": 7}, {"by": [{}]}])
    def test_a_wish_that_somebody_spoiled_holds_up_none_behind_it(self, north, spoiled):
        first, behind = routed(north), routed(north, now=MONDAY + HOUR)
        Case.objects.filter(pk=first.pk).update(assignment=spoiled)
        ada = make.agent(north, "ada")

        assert sla.sweep(now=MONDAY + 2 * HOUR).taken_up == 1

        assert owner(behind) == ada
        assert owner(first) is None

    def test_that_it_waits_is_said_once(self, north):
        make.agent(north, capacity=0)
        case = routed(north)
        before = case.version

        for hour in range(1, 4):
            sla.sweep(now=MONDAY + hour * HOUR)

        case.refresh_from_db()
        assert kinds(case) == ["case.opened", "case.not_assigned"]
        assert case.version == before

    def test_what_a_team_cannot_take_waits_until_it_opens(self):
        north = make.team("north", calendar=make.office())
        ada = make.agent(north, "ada")
        case = routed(north, now=MONDAY - 9 * HOUR)

        assert sla.sweep(now=MONDAY - timedelta(seconds=1)).taken_up == 0
        assert sla.sweep(now=MONDAY).taken_up == 1
        assert owner(case) == ada

    def test_who_gave_a_case_back_does_not_get_it_again(self, north):
        ada = make.agent(north, "ada")
        case = routed(north)
        cases.decline(case, by=ada, reason="I know them.")

        sla.sweep(now=MONDAY + HOUR)

        assert owner(case) is None
        bob = make.agent(north, "bob")
        sla.sweep(now=MONDAY + HOUR)
        assert owner(case) == bob

    def test_cases_of_a_team_that_is_switched_off_stay(self, north):
        case = routed(north)
        make.agent(north)
        Team.objects.update(is_active=False)

        sla.sweep(now=MONDAY + HOUR)

        assert owner(case) is None

    def test_a_broken_audit_stream_holds_up_no_other_case(self, north, caplog):
        broken, whole = routed(north, count=2)
        head = AuditHead.objects.get(stream=audit.stream_of(broken.pk))
        head.sequence = 0  # the next event takes a number that is taken
        head.save()
        ada = make.agent(north, "ada")

        assert sla.sweep(now=MONDAY + HOUR).taken_up == 1

        assert (owner(broken), owner(whole)) == (None, ada)
        assert held(ada) == 1
        assert f"Case {broken.pk} cannot be acted upon" in caplog.text

    def test_costs_one_statement_where_nothing_waits(
        self, north, django_assert_num_queries
    ):
        routed(north, {})

        with django_assert_num_queries(1):
            sla.sweep(now=MONDAY)

    @pytest.mark.skipif(
        "connection.vendor != 'postgresql'", reason="bulk statements are PostgreSQL's"
    )
    @pytest.mark.parametrize("count", [2, 60])
    def test_costs_the_same_for_few_cases_and_for_many(
        self, north, count, django_assert_num_queries
    ):
        routed(north, count=count)
        make.agent(north), make.agent(north)

        with django_assert_num_queries(20):
            assert sla.sweep(now=MONDAY).taken_up == count

    @pytest.mark.skipif(
        "connection.vendor != 'postgresql'", reason="plans are read on PostgreSQL"
    )
    def test_what_waits_is_found_by_its_index(self, north):
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            plan = Case.objects.to_assign().filter(team=north).explain()

        assert "cem_case_to_assign" in plan


@pytest.mark.django_db(transaction=True)
def test_many_sweeps_at_once_give_each_case_once(north):
    found = routed(north, count=60)
    agents = [make.agent(north, f"agent-{n}", capacity=9) for n in range(5)]

    results = at_once([partial(staffing.take_up, now=MONDAY + HOUR)] * 4)

    assert sum(results) == 45
    assert [held(agent) for agent in agents] == [9] * 5
    for agent in agents:
        assert Case.objects.filter(owner=agent).count() == 9
    given = AuditEvent.objects.filter(kind="case.assigned")
    assert given.count() == given.values("case_id").distinct().count() == 45
    assert sum(owner(case) is None for case in found) == 15
    assert not list(audit.verify())


@pytest.mark.django_db(transaction=True)
def test_of_claims_and_sweeps_at_once_each_case_has_one_owner(north):
    found = routed(north, count=20)
    ada = make.agent(north, "ada")
    make.agent(north, "bob")

    claims = [partial(cases.claim, case, by=ada) for case in found[:10]]
    at_once([*claims, *[partial(staffing.take_up, now=MONDAY + HOUR)] * 2])
    staffing.take_up(now=MONDAY + HOUR)  # what was locked then

    for case in found:
        case.refresh_from_db()
        given = set(kinds(case)) & {"case.claimed", "case.assigned"}
        assert len(given) == 1
        assert case.owner_is_manual == (given == {"case.claimed"})
    for member in Membership.objects.all():
        assert member.open_cases == Case.objects.filter(owner=member.user).count()


class TestDecline:
    def test_gives_the_case_to_the_next_and_keeps_its_age(self, north):
        make.policy(hours=4)
        ada, bob = make.agent(north, "ada"), make.agent(north, "bob")
        case = routed(north)
        due = case.due_at

        declined = cases.decline(case, by=ada, reason="Ada knows them.")

        assert (declined.owner, declined.status) == (bob, "open")
        assert (declined.opened_at, declined.due_at) == (MONDAY, due)
        assert declined.version == case.version + 1
        assert kinds(case)[-2:] == ["case.declined", "case.assigned"]
        said, given = list(case.events.order_by("sequence"))[-2:]
        assert said.detail.text == "Ada knows them."
        assert "Ada" not in said.payload
        assert [c["verdict"] for c in given.data["candidates"]] == [
            "eligible",
            "declined",
        ]
        assert (held(ada), held(bob)) == (0, 1)
        assert Decline.objects.get().user == ada

    def test_where_nobody_else_can_take_it_it_waits_and_leads_are_told(self, north):
        ada = make.agent(north, "ada")
        lead = make.agent(north, role="lead", capacity=0)
        case = routed(north)

        declined = cases.decline(case, by=ada, reason="x")

        assert (declined.owner, declined.status) == (None, "new")
        assert kinds(case)[-2:] == ["case.declined", "case.not_assigned"]
        assert Notification.objects.get().recipient == lead

    def test_of_a_case_that_no_rule_gave_it_waits(self, north):
        ada = make.agent(north, "ada")
        make.agent(north, "bob")
        case = make.case(team=north, owner=ada)

        declined = cases.decline(case, by=ada, reason="x")

        assert (declined.owner, declined.owner_is_manual) == (None, False)
        assert kinds(case)[-1] == "case.declined"

    def test_ends_waiting_and_paused_clocks_go_on(self, north):
        make.policy(pauses_pending=True)
        ada = make.agent(north, "ada")
        case = make.case(team=north, owner=ada)
        until = MONDAY + DAY
        cases.set_pending(case, by=ada, reason="A photo.", until=until, now=MONDAY)

        declined = cases.decline(case, by=ada, reason="x", now=MONDAY + HOUR)

        assert (declined.status, declined.waiting_reason) == ("new", "")
        assert not declined.clocks.filter(paused_at__isnull=False).exists()

    def test_is_for_the_owner_only_and_needs_a_reason(self, north, fingerprint):
        ada, bob = make.agent(north, "ada"), make.agent(north, "bob")
        case = make.case(team=north, owner=ada)
        before = fingerprint()

        with pytest.raises(NotAllowedNow, match="only its owner"):
            cases.decline(case, by=bob, reason="x")
        with pytest.raises(InvalidInput) as refusal:
            cases.decline(case, by=ada, reason=" ")

        assert list(refusal.value.errors) == ["reason"]
        assert fingerprint() == before

    def test_a_second_time_is_the_same_decline(self, north):
        ada = make.agent(north, "ada")
        case = make.case(team=north, owner=ada)
        cases.decline(case, by=ada, reason="x")
        cases.assign(case, by=make.manager(), to=ada)

        cases.decline(case, by=ada, reason="x")

        assert Decline.objects.count() == 1

    def test_verbs_are_offered_to_whom_they_are_for(self, north):
        ada = make.agent(north, "ada")
        case = make.case(team=north, owner=ada)

        assert "decline" in case.verbs_for(ada)
        assert "decline" not in case.verbs_for(make.agent(north))
        assert "resolve" in case.verbs_for(make.agent(north))


@pytest.mark.django_db(transaction=True)
def test_declines_in_opposite_directions_wait_for_nobody_forever(north):
    ada, bob = make.agent(north, "ada"), make.agent(north, "bob")
    found = routed(north, count=10)

    results = at_once(
        [partial(cases.decline, case, by=owner(case), reason="x") for case in found]
    )

    assert not [result for result in results if isinstance(result, Exception)]
    assert held(ada) + held(bob) == 10


class TestByHand:
    def test_an_absent_one_is_refused_and_the_substitute_named(self, north):
        ada, bob = make.agent(north, "ada"), make.agent(north, "bob")
        away(ada, bob)
        case = make.case(team=north)

        with pytest.raises(InvalidInput) as refusal:
            cases.assign(case, by=bob, to=ada, now=MONDAY)

        assert refusal.value.errors == {
            "to": [
                "ada is absent until 04 Mar 2025 09:00. The substitute is bob.",
            ]
        }
        away(bob)
        with pytest.raises(InvalidInput) as refusal:
            cases.assign(case, by=bob, to=ada, now=MONDAY)
        assert refusal.value.errors == {
            "to": ["ada is absent until 04 Mar 2025 09:00."]
        }

    def test_room_hours_and_declines_do_not_bind(self):
        north = make.team("north", calendar=make.office())
        ada, bob = make.agent(north, "ada", capacity=0), make.agent(north, "bob")
        case = make.case(team=north, owner=ada)
        cases.decline(case, by=ada, reason="x")

        given = cases.assign(case, by=bob, to=ada, now=MONDAY - 9 * HOUR)

        assert (given.owner, given.owner_is_manual) == (ada, True)

    def test_one_may_take_a_case_while_absent(self, north):
        ada = make.agent(north, "ada", capacity=0)
        away(ada)
        one, two = make.case(team=north), make.case(team=north)

        assert cases.claim(one, by=ada, now=MONDAY).owner == ada
        assert cases.assign(two, by=ada, to=ada, now=MONDAY).owner == ada

    def test_what_is_put_into_the_queue_by_hand_stays_there(self, north):
        ada = make.agent(north, "ada")
        case = routed(north)

        cases.assign(case, by=ada, to=None)
        sla.sweep(now=MONDAY + HOUR)

        assert owner(case) is None
        assert kinds(case)[-1] == "case.unassigned"


class TestReopen:
    def reopened(self, case, by):
        return cases.reopen(case, by=by, reason="Called again.", now=MONDAY + HOUR)

    def test_returns_to_its_owner_room_or_not(self, north):
        ada = make.agent(north, "ada", capacity=0)
        case = resolve(make.case(team=north, owner=ada), ada)

        assert self.reopened(case, ada).owner == ada
        assert case.events.last().data["to"] == str(ada.pk)
        assert held(ada) == 1

    def test_goes_to_the_substitute_of_an_absent_owner(self, north):
        ada, bob = make.agent(north, "ada"), make.agent(north, "bob")
        case = resolve(make.case(team=north, owner=ada), ada)
        away(ada, bob)

        again = self.reopened(case, ada)

        assert (again.owner, again.status, again.owner_is_manual) == (
            bob,
            "open",
            False,
        )
        assert (held(ada), held(bob)) == (0, 1)

    def test_goes_to_the_next_where_a_rule_gave_it(self, north):
        ada, bob = make.agent(north, "ada"), make.agent(north, "bob")
        case = resolve(routed(north), ada)
        Membership.objects.filter(user=ada).update(is_active=False)

        again = self.reopened(case, bob)

        assert (again.owner, again.status) == (bob, "open")
        assert kinds(case)[-2:] == ["case.reopened", "case.assigned"]
        assert (held(ada), held(bob)) == (0, 1)

    def test_waits_where_nobody_can_take_it(self, north):
        ada = make.agent(north, "ada")
        case = resolve(routed(north), ada)
        away(ada)

        again = self.reopened(case, ada)

        assert (again.owner, again.status) == (None, "new")
        assert kinds(case)[-2:] == ["case.reopened", "case.not_assigned"]
        sla.sweep(now=MONDAY + 2 * DAY)
        assert owner(case) == ada
