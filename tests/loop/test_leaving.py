"""Absences that begin, and people who leave: what becomes of their cases."""

from functools import partial

import pytest
from django.core.exceptions import ValidationError

from cem_cases.loop import audit, cases, leaving, sla
from cem_cases.models import Absence, AuditHead, Case, Membership, Notification, Team
from tests import make
from tests.loop.test_staffing import held, kinds, owner, resolve, routed
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
def bob(north, ada):
    return make.agent(north, "bob")


def away(user, open_cases="queue", **fields):
    made = Absence(
        **{"user": user, "from_at": MONDAY, "until_at": MONDAY + DAY}
        | {"open_cases": open_cases}
        | fields
    )
    made.full_clean()
    made.save()
    return made


def sweep(at=MONDAY):
    return sla.sweep(now=at)


class TestAbsence:
    def test_hands_the_open_cases_to_the_substitute_when_it_begins(
        self, north, ada, bob
    ):
        mine = [make.case(team=north, owner=ada) for _ in range(3)]
        done = resolve(make.case(team=north, owner=ada), ada)
        away(ada, "substitute", substitute=bob, from_at=MONDAY + HOUR)

        assert sweep().handed_over == 0
        assert sweep(MONDAY + HOUR).handed_over == 3

        assert {owner(case) for case in mine} == {bob}
        assert owner(done) == ada
        assert (held(ada), held(bob)) == (0, 3)
        assert not mine[0].owner_is_manual
        event = mine[0].events.last()
        assert event.kind == "case.assigned"
        assert event.data["by_absence"] == Absence.objects.get().pk
        assert (event.data["from"], event.data["to"]) == (str(ada.pk), str(bob.pk))
        (note,) = Notification.objects.all()
        assert note.recipient == bob
        assert note.text == f"Case {mine[0]} and 2 more are yours now: ada is absent."

    def test_that_began_in_the_past_hands_over_too_but_only_once(self, north, ada, bob):
        case = make.case(team=north, owner=ada)
        absence = away(ada, "substitute", substitute=bob, from_at=MONDAY - 5 * DAY)
        assert sweep().handed_over == 1

        cases.assign(case, by=ada, to=ada, now=MONDAY)
        absence.refresh_from_db()
        absence.until_at += DAY
        absence.save()

        assert sweep().handed_over == 0
        assert owner(case) == ada
        assert absence.handed_over_at == MONDAY

    def test_that_is_over_or_lets_them_stay_moves_nothing(self, north, ada, bob):
        make.case(team=north, owner=ada)
        away(ada, from_at=MONDAY - 2 * DAY, until_at=MONDAY)
        away(ada, "stay")

        assert sweep().handed_over == 0

    def test_puts_them_into_the_queue_and_who_can_takes_them_up(self, north, ada):
        case = routed(north)
        claimed = make.case(team=north, owner=ada)
        bob = make.agent(north, "bob", role="lead")
        away(ada)

        swept = sweep()

        assert (swept.handed_over, swept.taken_up) == (2, 1)
        assert kinds(case)[-2:] == ["case.unassigned", "case.assigned"]
        assert (owner(case), owner(claimed)) == (bob, None), "no rule speaks of it"
        assert (held(ada), held(bob)) == (0, 1)
        (note,) = Notification.objects.all()
        assert note.text == (
            f"Case {case} and 1 more in the queue of North: ada is absent."
        )

    def test_of_a_pending_case_ends_the_waiting_in_the_queue_only(
        self, north, ada, bob
    ):
        make.policy(pauses_pending=True)
        case = make.case(team=north, owner=ada)
        until = MONDAY + DAY
        cases.set_pending(case, by=ada, reason="A photo.", until=until, now=MONDAY)
        away(ada, "substitute", substitute=bob)
        sweep()
        case.refresh_from_db()
        assert (case.owner, case.status) == (bob, "pending")

        away(bob)
        sweep()

        case.refresh_from_db()
        assert (case.owner, case.status, case.waiting_until) == (None, "new", None)
        assert not case.clocks.filter(paused_at__isnull=False).exists()

    @pytest.mark.parametrize("why", ["no member", "full", "absent", "declined", "none"])
    def test_whose_substitute_cannot_take_them_puts_them_into_the_queue(
        self, north, ada, bob, why
    ):
        case = make.case(team=north, owner=ada)
        substitute = make.user() if why == "no member" else bob
        if why == "full":
            Membership.objects.filter(user=bob).update(capacity=0)
        elif why == "absent":
            away(bob, "stay")
        elif why == "declined":
            cases.assign(case, by=ada, to=bob)
            cases.decline(case, by=bob, reason="x")
            cases.assign(case, by=ada, to=ada)
        away(ada, "substitute", substitute=substitute)
        if why == "none":
            Absence.objects.update(substitute=None)  # the user was deleted

        sweep()

        assert owner(case) is None
        assert case.status == "new"
        assert not Absence.objects.to_hand_over(MONDAY).exists()

    def test_goes_along_the_chain_of_substitutes(self, north, ada, bob):
        eve = make.agent(north, "eve")
        case = make.case(team=north, owner=ada)
        away(bob, "stay", substitute=eve)
        away(ada, "substitute", substitute=bob)

        sweep()

        assert owner(case) == eve

    def test_outside_working_hours_and_of_other_skills_the_substitute_takes_them(
        self, north, ada, bob
    ):
        Team.objects.update(calendar=make.office())
        case = make.case(team=north, owner=ada)
        away(ada, "substitute", substitute=bob, from_at=MONDAY - 9 * HOUR)

        sweep(MONDAY - 9 * HOUR)

        assert owner(case) == bob

    def test_leaves_cases_of_a_team_that_is_switched_off(self, north, ada, bob):
        case = make.case(team=north, owner=ada)
        away(ada)
        Team.objects.update(is_active=False)

        sweep()

        assert owner(case) == ada

    def test_with_a_broken_audit_stream_hands_over_the_others(
        self, north, ada, bob, caplog
    ):
        broken, whole = (make.case(team=north, owner=ada) for _ in range(2))
        AuditHead.objects.filter(stream=audit.stream_of(broken.pk)).update(sequence=0)
        away(ada, "substitute", substitute=bob)

        sweep()

        assert (owner(broken), owner(whole)) == (ada, bob)
        assert (held(ada), held(bob)) == (1, 1)
        assert f"Case {broken.pk} cannot be acted upon" in caplog.text
        assert Absence.objects.to_hand_over(MONDAY).exists(), "the next sweep tries"

    def test_goes_in_batches(self, north, ada, bob, settings):
        settings.CEM_CASES = {**settings.CEM_CASES, "BATCH_SIZE": 2}
        for _ in range(5):
            make.case(team=north, owner=ada)
        away(ada, "substitute", substitute=bob)

        assert sweep().handed_over == 5
        assert (held(ada), held(bob)) == (0, 5)

    @pytest.mark.parametrize(
        ("fields", "wrong"),
        [
            ({"open_cases": "substitute"}, "substitute"),
            ({"until_at": MONDAY}, "__all__"),
            ({"substitute": "ada"}, "__all__"),
        ],
    )
    def test_is_refused_where_it_says_nothing_that_can_be(self, ada, fields, wrong):
        if "substitute" in fields:
            fields = {"substitute": ada}

        with pytest.raises(ValidationError) as refusal:
            away(ada, **fields)

        assert list(refusal.value.message_dict) == [wrong]


class TestLeaving:
    @pytest.mark.parametrize("what", ["user", "membership"])
    def test_puts_the_open_cases_into_the_queue(self, north, ada, bob, what):
        case, mine = routed(north), make.case(team=north, owner=ada)
        other = make.case(team=make.team("south"), owner=ada)
        if what == "user":
            ada.is_active = False
            ada.save()
        else:
            Membership.objects.filter(user=ada).update(is_active=False)

        swept = sweep()

        assert (swept.handed_over, swept.taken_up) == (2, 1)
        assert (owner(case), owner(mine)) == (bob, None)
        assert kinds(mine)[-1] == "case.unassigned"
        assert mine.events.last().data["by_leaving"]
        assert owner(other) == ada, "they never were a member there"
        assert (held(ada), held(bob)) == (0, 1)
        assert sweep().handed_over == 0

    def test_a_counter_without_cases_is_set_right(self, north, ada):
        Membership.objects.update(is_active=False, open_cases=4)

        assert sweep().handed_over == 0

        assert held(ada) == 0
        assert not Membership.objects.with_cases_left().exists()

    def test_cases_of_a_team_that_is_switched_off_stay(self, north, ada):
        case = make.case(team=north, owner=ada)
        Membership.objects.update(is_active=False)
        Team.objects.update(is_active=False)

        sweep()

        assert owner(case) == ada


@pytest.mark.django_db(transaction=True)
def test_many_sweeps_at_once_hand_each_case_over_once(north, ada, bob):
    for _ in range(20):
        make.case(team=north, owner=ada)
    away(ada, "substitute", substitute=bob)

    results = at_once([partial(leaving.hand_over, now=MONDAY)] * 4)
    results.append(leaving.hand_over(now=MONDAY))  # what was locked then

    assert sum(results) == 20
    assert (held(ada), held(bob)) == (0, 20)
    for case in Case.objects.all():
        assert kinds(case).count("case.assigned") == 1
    assert not Absence.objects.to_hand_over(MONDAY).exists()
