import pytest
from django.contrib.auth.models import Permission

from cem_cases.loop import notices
from cem_cases.models import Delivery, Membership, Notification
from tests import make
from tests.admin import at
from tests.admin.test_holes import HOSTILE
from tests.notices import tell

LIST = at.rows("notification")
DELIVERIES = at.rows("delivery")


@pytest.fixture
def case(north):
    return make.case(team=north)


@pytest.fixture
def told(ada, case):
    return tell(ada, case, "The first contact is due soon.")


@pytest.fixture
def failed(ada, told):
    ada.email = "ada@example.org"
    ada.save()
    notices.gather(now=make.MONDAY)
    Delivery.objects.update(state="failed", attempts=8, error="SMTPDataError")
    return Delivery.objects.get()


@pytest.fixture
def manager(db):
    made = make.manager()
    codes = ["view_delivery", "change_delivery"]
    made.user_permissions.add(*Permission.objects.filter(codename__in=codes))
    return made


# One's own list


def test_an_agent_reads_what_they_were_told_with_the_way_to_the_case(
    door, ada, told, case
):
    answered = door(ada).get(LIST)

    assert "The first contact is due soon." in at.text(answered)
    assert "unread" in at.text(answered)
    assert f'href="{at.page(case)}"' in answered.content.decode()


def test_the_newest_comes_first(door, ada, told, case):
    newer = tell(ada, case)

    assert list(door(ada).get(LIST).context["cl"].result_list) == [newer, told]


def test_everybody_sees_their_own_only(door, ada, told, root, north):
    bob = make.agent(north, "bob")

    for person in (bob, root):
        client = door(person)
        assert not client.get(LIST).context["cl"].result_list
        assert client.get(at.page(told)).status_code == 302


def test_cases_that_one_may_not_see_any_more_are_gone_from_the_list(door, ada, told):
    Membership.objects.filter(user=ada).update(is_active=False)

    assert not door(ada).get(LIST).context["cl"].result_list


def test_who_may_not_view_cases_has_no_list(door, told):
    assert door(make.user(is_staff=True)).get(LIST).status_code == 403


def test_read_and_unread_are_told_apart(door, ada, told, case):
    read = tell(ada, case)
    notices.mark_read([read], by=ada, now=make.MONDAY)
    client = door(ada)

    for value, expected in (("no", told), ("yes", read)):
        shown = client.get(f"{LIST}?read={value}").context["cl"].result_list
        assert list(shown) == [expected]
    assert client.get(f"{LIST}?read=x")["Location"].endswith("?e=1")


def test_chosen_ones_are_marked_as_read(door, ada, told, case, north):
    other = tell(make.agent(north, "bob"), case)

    answered = door(ada).post(
        LIST,
        {"action": "mark_as_read", "_selected_action": [told.pk, other.pk]},
        follow=True,
    )

    assert at.said(answered) == ["1 marked as read."]
    assert list(Notification.objects.filter(read_at=None)) == [other]


def test_all_are_marked_as_read_at_once(door, ada, told, case):
    tell(ada, case)
    everything = {"action": "mark_as_read", "select_across": "1"}

    door(ada).post(LIST, {**everything, "_selected_action": [told.pk]})

    assert not Notification.objects.filter(read_at=None).exists()


def test_the_list_is_read_only_otherwise(door, ada, told, fingerprint):
    before, client = fingerprint(), door(ada)

    assert client.get(at.page(told)).status_code == 200
    assert client.post(at.page(told), {"text": "x"}).status_code == 403
    assert client.post(f"{LIST}{told.pk}/delete/", {"post": "y"}).status_code == 403
    assert fingerprint() == before


@pytest.mark.parametrize(
    "query", ["case__customer__name__startswith=A", "recipient=1", "delivery__isnull=1"]
)
def test_the_list_cannot_be_asked_by_guessing(door, ada, told, query):
    assert door(ada).get(f"{LIST}?{query}").status_code == 400


def test_hostile_words_are_inert(door, ada, told):
    Notification.objects.update(text=HOSTILE)
    client = door(ada)

    for path in (LIST, at.page(told)):
        found = client.get(path).content.decode()
        assert "<script>alert" not in found
        assert "<img src=x" not in found


@pytest.mark.parametrize("number", [1, 30])
def test_the_list_takes_as_many_queries_for_many_as_for_one(
    door, ada, case, number, django_assert_num_queries
):
    for _ in range(number):
        tell(ada, case)
    client = door(ada)
    client.get(LIST)

    # session, user, two for permissions, count, rows
    with django_assert_num_queries(6):
        client.get(LIST)


# E-mails


def test_managers_see_what_became_of_the_e_mails(door, manager, failed):
    found = at.text(door(manager).get(DELIVERIES))

    assert "failed SMTPDataError" in found
    assert "ada@example.org" not in found


def test_agents_do_not(door, ada, failed):
    ours = Permission.objects.filter(content_type__app_label="cem_cases")
    ada.user_permissions.set(ours.exclude(codename="view_all_cases"))

    assert door(ada).get(DELIVERIES).status_code == 403


def test_e_mails_are_found_by_their_state(door, manager, failed):
    client = door(manager)

    for state, count in (("failed", 1), ("sent", 0), ("waiting", 0), ("dropped", 0)):
        shown = client.get(f"{DELIVERIES}?state={state}").context["cl"].result_list
        assert len(shown) == count


def test_failed_ones_are_tried_again(door, manager, failed):
    chosen = {"action": "try_again", "_selected_action": [failed.pk]}
    client = door(manager)

    answered = client.post(DELIVERIES, chosen, follow=True)
    again = client.post(DELIVERIES, chosen, follow=True)

    assert at.said(answered) == ["1 e-mail waits again."]
    assert at.said(again) == ["0 e-mails wait again."]
    failed.refresh_from_db()
    assert (failed.state, failed.attempts, failed.error) == ("waiting", 0, "")
    assert "waiting" in at.text(answered)


def test_to_try_again_takes_the_permission_to_change(
    door, manager, failed, fingerprint
):
    manager.user_permissions.remove(Permission.objects.get(codename="change_delivery"))
    before, client = fingerprint(), door(manager)

    chosen = {"action": "try_again", "_selected_action": [failed.pk]}
    answered = client.post(DELIVERIES, chosen, follow=True)

    assert "Try again" not in at.text(answered)
    assert fingerprint() == before


@pytest.mark.parametrize("number", [1, 30])
def test_the_e_mails_take_as_many_queries_for_many_as_for_one(
    door, manager, north, number, django_assert_num_queries
):
    for n in range(number):
        Delivery.objects.create(
            recipient=make.agent(north),
            message_id=f"<{n}@example.org>",
            created_at=make.MONDAY,
            next_attempt_at=make.MONDAY,
            give_up_at=make.MONDAY,
        )
    client = door(manager)

    with django_assert_num_queries(6):
        client.get(DELIVERIES)
