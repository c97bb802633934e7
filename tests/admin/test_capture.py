import pytest
from django.contrib.auth.models import Permission

from cem_cases.models import Response, Survey
from tests import make
from tests.admin import at

LIST = at.rows("response")


@pytest.fixture
def failed(db):
    response = make.response(comment="Broken")
    Response.objects.filter(pk=response.pk).update(
        failed_at=make.MONDAY, attempts=8, error="ValueError in route.py:7"
    )
    return response


def test_a_failed_response_says_why(door, root, failed):
    found = at.text(door(root).get(LIST))

    assert "failed 8 failed attempts: ValueError in route.py:7" in found


def test_responses_are_found_by_their_state(door, root, failed):
    done = make.case().opening_response
    waiting = make.response()
    client = door(root)

    for state, expected in (
        ("failed", failed),
        ("processed", done),
        ("waiting", waiting),
    ):
        shown = client.get(f"{LIST}?state={state}").context["cl"].result_list
        assert expected in shown
        assert len(shown) == 1


def test_a_failed_response_is_tried_again(door, root, failed):
    answered = door(root).post(
        LIST, {"action": "try_again", "_selected_action": [failed.pk]}, follow=True
    )

    assert at.said(answered) == ["1 response waits again."]
    failed.refresh_from_db()
    assert (failed.state, failed.attempts, failed.error) == ("waiting", 0, "")


def test_what_did_not_fail_is_left_alone(door, root, db):
    waiting = make.response()

    answered = door(root).post(
        LIST, {"action": "try_again", "_selected_action": [waiting.pk]}, follow=True
    )

    assert at.said(answered) == ["0 responses wait again."]


def test_to_try_again_takes_the_permission_to_change(door, failed, fingerprint):
    reader = make.manager()
    reader.user_permissions.add(Permission.objects.get(codename="view_response"))
    before, client = fingerprint(), door(reader)

    answered = client.get(LIST)
    client.post(LIST, {"action": "try_again", "_selected_action": [failed.pk]})

    assert "Try again" not in at.text(answered)
    assert fingerprint() == before


def test_a_response_is_read_with_its_case(door, root, db):
    case = make.case(comment="Two days late.", answers={"problem": "delivery"})

    answered = door(root).get(at.page(case.opening_response))

    assert "Two days late." in at.text(answered)
    assert "problem: delivery" in at.text(answered)
    assert at.page(case) in answered.content.decode()


def test_a_response_is_found_by_its_customer_and_its_id(door, root, db):
    made = make.response(
        external_id="order-7", customer={"name": "Maria", "external_id": "c"}
    )
    make.response()
    client = door(root)

    for query in ("order-7", "maria"):
        shown = client.get(f"{LIST}?q={query}").context["cl"].result_list
        assert list(shown) == [made]
    other = make.survey(name="Other")
    assert not client.get(f"{LIST}?survey={other.pk}").context["cl"].result_count


@pytest.mark.parametrize("number", [1, 20])
def test_the_list_costs_the_same_for_one_row_and_for_many(
    door, root, number, django_assert_num_queries
):
    for _ in range(number):
        make.response()
    client = door(root)

    # session, user, surveys of the filter, count, the rows
    with django_assert_num_queries(5):
        client.get(LIST)


def test_a_survey_is_made_with_its_questions(door, root):
    door(root).post(
        "/admin/cem_cases/survey/add/",
        {
            "name": "After delivery",
            "slug": "after-delivery",
            "metric": "nps",
            "scale_min": 0,
            "scale_max": 10,
            "kind": "transactional",
            "repeat": "join",
            "contact_every_days": 90,
            "is_active": "on",
            "questions-TOTAL_FORMS": 1,
            "questions-INITIAL_FORMS": 0,
            "questions-0-key": "problem",
            "questions-0-text": "What went wrong?",
            "questions-0-kind": "text",
            "questions-0-position": 0,
        },
    )

    assert Survey.objects.get().questions.get().key == "problem"
