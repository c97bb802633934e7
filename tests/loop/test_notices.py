"""Whom a digest tells what, and when."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from cem_cases.loop import notices
from cem_cases.models import Delivery, LastDigest, Membership, Notification, Team
from tests import make
from tests.make import HOUR, MONDAY
from tests.notices import agent, event, tell
from tests.threads import at_once

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def case(db):
    return make.case()


@pytest.fixture
def ada(case):
    return agent(case.team)


def sent(delivery, *, at):
    """What the channel does with it."""
    Delivery.objects.filter(pk=delivery.pk).update(state="sent", sent_at=at)
    LastDigest.objects.filter(recipient=delivery.recipient_id).update(at=at)


# The list


def test_each_recipient_is_told_once_of_an_event(case, ada):
    bob, of_both = agent(case.team, "bob"), event(case)

    count = notices.tell(
        [
            notices.Note(of_both, [ada.pk, bob.pk, ada.pk], "Due soon."),
            notices.Note(of_both, {bob.pk}, "Said again."),
        ],
        now=MONDAY,
    )

    assert count == 2
    told = Notification.objects.order_by("recipient__username")
    assert [(n.recipient, n.case, n.event, n.text) for n in told] == [
        (ada, case, of_both, "Due soon."),
        (bob, case, of_both, "Due soon."),
    ]


def test_an_event_is_told_once(case, ada):
    note = notices.Note(event(case), [ada.pk], "Due soon.")
    notices.tell([note], now=MONDAY)

    with pytest.raises(IntegrityError):
        notices.tell([note], now=MONDAY)


def test_nobody_and_nothing_to_tell_is_fine(case):
    assert notices.tell([], now=MONDAY) == 0
    assert notices.tell([notices.Note(event(case), [], "Due.")], now=MONDAY) == 0


def test_a_note_is_one_line_and_not_too_long(case, ada):
    told = tell(ada, case, "Due\r\nBcc: all@example.org\x0b\u2028" + "x" * 400)

    assert told.text.startswith("Due Bcc: all@example.org xxx")
    assert len(told.text) == 300


@pytest.mark.skipif(
    "connection.vendor != 'postgresql'", reason="statements are counted on PostgreSQL"
)
def test_telling_costs_the_same_for_many(case, ada):
    notes = [notices.Note(event(case), [ada.pk], "Due soon.") for _ in range(40)]

    with CaptureQueriesContext(connection) as captured:
        assert notices.tell(notes, now=MONDAY) == 40

    assert len(captured) <= 2


def test_only_ones_own_unread_ones_are_marked_as_read(case, ada):
    bob = agent(case.team, "bob")
    mine, read, foreign = tell(ada, case), tell(ada, case), tell(bob, case)
    notices.mark_read([read], by=ada, now=MONDAY)

    count = notices.mark_read([mine, read, foreign], by=ada, now=MONDAY + HOUR)

    assert count == 1
    times = Notification.objects.order_by("pk").values_list("read_at", flat=True)
    assert list(times) == [MONDAY + HOUR, MONDAY, None]


# Digests


def test_a_digest_tells_all_that_is_new(case, ada):
    told = [tell(ada, case), tell(ada, make.case(team=case.team)), tell(ada, case)]

    assert notices.gather(now=MONDAY + HOUR) == 1

    delivery = Delivery.objects.get()
    assert (delivery.recipient, delivery.state, delivery.attempts) == (
        ada,
        "waiting",
        0,
    )
    assert delivery.created_at == delivery.next_attempt_at == MONDAY + HOUR
    assert list(delivery.notifications.order_by("pk")) == told


def test_each_person_gets_their_own(case, ada):
    bob = agent(case.team, "bob")
    for person in (ada, bob, ada):
        tell(person, case)

    assert notices.gather(now=MONDAY) == 2

    of_bob = Delivery.objects.get(recipient=bob)
    assert [n.recipient for n in of_bob.notifications.all()] == [bob]


def test_nothing_is_gathered_twice(case, ada):
    tell(ada, case)
    notices.gather(now=MONDAY)
    sent(Delivery.objects.get(), at=MONDAY)

    assert notices.gather(now=MONDAY + HOUR) == 0


@pytest.mark.parametrize(
    ("later", "made"),
    [(timedelta(0), 0), (10 * MINUTE - SECOND, 0), (10 * MINUTE, 1), (HOUR, 1)],
)
def test_the_next_digest_is_made_ten_minutes_later_and_no_second_earlier(
    case, ada, later, made
):
    tell(ada, case)
    notices.gather(now=MONDAY)
    sent(Delivery.objects.get(), at=MONDAY)
    tell(ada, case)

    assert notices.gather(now=MONDAY + later) == made


def test_a_site_chooses_how_many_minutes(case, ada, settings):
    settings.CEM_CASES = {**settings.CEM_CASES, "DIGEST_MINUTES": 3}
    tell(ada, case)
    notices.gather(now=MONDAY)
    sent(Delivery.objects.get(), at=MONDAY)
    tell(ada, case)

    assert notices.gather(now=MONDAY + 3 * MINUTE - SECOND) == 0
    assert notices.gather(now=MONDAY + 3 * MINUTE) == 1


def test_the_minutes_count_from_when_a_late_one_was_sent(case, ada):
    tell(ada, case)
    notices.gather(now=MONDAY)
    tell(ada, case)
    assert notices.gather(now=MONDAY + HOUR) == 0  # the first one is on its way

    sent(Delivery.objects.get(), at=MONDAY + HOUR)

    assert notices.gather(now=MONDAY + HOUR + 9 * MINUTE) == 0
    assert notices.gather(now=MONDAY + HOUR + 10 * MINUTE) == 1


def test_a_digest_that_failed_does_not_stand_in_the_way(case, ada):
    tell(ada, case)
    notices.gather(now=MONDAY)
    Delivery.objects.update(state="failed")
    tell(ada, case)

    assert notices.gather(now=MONDAY + HOUR) == 1


@pytest.mark.parametrize(("later", "made"), [(72 * HOUR, 1), (72 * HOUR + SECOND, 0)])
def test_what_is_older_than_three_days_is_not_mailed(case, ada, later, made):
    tell(ada, case)

    assert notices.gather(now=MONDAY + later) == made


def test_what_was_read_in_the_list_is_not_mailed(case, ada):
    read, unread = tell(ada, case), tell(ada, case)
    notices.mark_read([read], by=ada, now=MONDAY)

    notices.gather(now=MONDAY)

    assert list(Delivery.objects.get().notifications.all()) == [unread]


@pytest.mark.parametrize("fields", [{"email": ""}, {"is_active": False}])
def test_who_has_no_address_has_the_list_only(case, ada, fields):
    tell(ada, case)
    type(ada).objects.update(**fields)

    assert notices.gather(now=MONDAY) == 0
    assert Notification.objects.get().delivery is None


def test_who_may_not_see_the_case_any_more_is_not_mailed(case, ada):
    other = make.case()
    Membership.objects.create(team=other.team, user=ada)
    tell(ada, case)
    seen = tell(ada, other)
    Membership.objects.filter(team=case.team, user=ada).update(is_active=False)

    assert notices.gather(now=MONDAY) == 1
    assert list(Delivery.objects.get().notifications.all()) == [seen]


@pytest.fixture
def everybody(case, ada):
    """One person for each way to see a case, or not to; all have an address."""
    left, manager, root = agent(case.team, "left"), make.manager(), make.user("root")
    left.cem_memberships.update(is_active=False)
    root.is_superuser = True
    root.save()
    type(root).objects.update(email="somebody@example.org")
    return [ada, left, manager, root, make.user(email="stranger@example.org")]


def test_a_digest_tells_exactly_what_the_list_shows(case, everybody):
    closed = make.case()
    closed.team.memberships.create(user=everybody[0])
    for person in everybody:
        tell(person, case)
        tell(person, closed)
    Team.objects.filter(pk=closed.team_id).update(is_active=False)

    notices.gather(now=MONDAY)

    for person, count in zip(everybody, [1, 0, 2, 2, 0], strict=True):
        shown = Notification.objects.visible_to(person)
        mailed = Notification.objects.filter(recipient=person).exclude(delivery=None)
        assert set(mailed) == set(shown)
        assert len(mailed) == count


def test_message_ids_are_unique_and_of_the_site(case, ada, settings):
    settings.CEM_CASES = {**settings.CEM_CASES, "SITE_URL": "https://desk.example.org/"}
    tell(ada, case)
    tell(agent(case.team, "bob"), case)

    notices.gather(now=MONDAY)

    ids = list(Delivery.objects.values_list("message_id", flat=True))
    assert len(set(ids)) == 2
    assert all(
        found.startswith("<") and found.endswith("@desk.example.org>") for found in ids
    )


def test_without_a_site_they_are_of_this_machine(case, ada):
    tell(ada, case)

    notices.gather(now=MONDAY)

    assert Delivery.objects.get().message_id.count("@") == 1


def test_many_people_are_taken_in_batches(case):
    team = case.team
    crowd = [agent(team, f"agent-{n}") for n in range(notices.PEOPLE_AT_ONCE + 3)]
    of_all = event(case)
    notices.tell(
        [notices.Note(of_all, [person.pk for person in crowd], "Due.")], now=MONDAY
    )
    type(crowd[0]).objects.filter(pk=crowd[0].pk).update(email="")

    assert notices.gather(now=MONDAY) == len(crowd) - 1
    assert notices.gather(now=MONDAY + HOUR) == 0


def test_gathering_costs_the_same_for_many_people(case, ada):
    def statements():
        with CaptureQueriesContext(connection) as captured:
            notices.gather(now=MONDAY)
        return len(captured)

    agents = [agent(case.team, f"agent-{n}") for n in range(30)]
    tell(ada, case)
    tell(agents[0], case)
    few = statements()
    for person in agents[1:]:
        tell(person, case)

    assert statements() <= few


@pytest.mark.django_db(transaction=True)
def test_one_digest_a_person_however_many_gather_at_once(case):
    crowd = [agent(case.team, f"agent-{n}") for n in range(5)]
    for _ in range(3):
        for person in crowd:
            tell(person, case)

    made = at_once([lambda: notices.gather(now=MONDAY)] * 8)

    assert sum(made) == 5
    assert Delivery.objects.count() == 5
    assert not Notification.objects.filter(delivery=None).exists()


@pytest.mark.skipif(
    "connection.vendor != 'postgresql'", reason="SQLite lets them wait for each other"
)
@pytest.mark.django_db(transaction=True)
def test_whose_digest_is_being_made_is_left_to_who_makes_it(case, ada):
    tell(ada, case)
    notices.gather(now=MONDAY)
    sent(Delivery.objects.get(), at=MONDAY)
    tell(ada, case)

    with transaction.atomic():
        assert notices.gather(now=MONDAY + HOUR) == 1
        # another process, to which more was told before we commit
        told_more, made = at_once(
            [lambda: tell(ada, case), lambda: notices.gather(now=MONDAY + HOUR)]
        )
        (made_again,) = at_once([lambda: notices.gather(now=MONDAY + HOUR)])

    assert told_more.delivery is None
    assert (made, made_again) == (0, 0)


@pytest.mark.django_db(transaction=True)
def test_reading_while_gathering_harms_neither(case, ada):
    told = [tell(ada, case) for _ in range(50)]

    results = at_once(
        [
            lambda: notices.gather(now=MONDAY),
            lambda: notices.mark_read(reversed(told), by=ada, now=MONDAY),
            lambda: notices.gather(now=MONDAY),
            lambda: notices.mark_read(told, by=ada, now=MONDAY),
        ]
    )

    assert results[0] + results[2] <= 1
    assert results[1] + results[3] == 50


def test_a_failed_one_is_tried_again_as_if_it_were_new(case, ada):
    tell(ada, case)
    notices.gather(now=MONDAY)
    Delivery.objects.update(state="failed", attempts=8, error="SMTPDataError")

    assert notices.retry_failed(Delivery.objects.all(), now=MONDAY + 99 * HOUR) == 1
    assert notices.retry_failed(Delivery.objects.all(), now=MONDAY + 99 * HOUR) == 0

    delivery = Delivery.objects.due(MONDAY + 99 * HOUR).get()
    assert (delivery.attempts, delivery.error) == (0, "")
    assert delivery.give_up_at == MONDAY + 171 * HOUR
