"""What rules have not looked at, in the admin: who sees it, and who lets them try again."""

import pytest
from django.contrib.auth.models import Permission

from cem_cases.loop import cases
from cem_cases.models import Happening, Membership
from tests import make
from tests.admin import at

LIST = at.rows("happening")


@pytest.fixture
def reader(ada):
    ada.user_permissions.add(Permission.objects.get(codename="view_happening"))
    return ada


@pytest.fixture
def case(north):
    make.rule({"do": "mark as complaint"}, trigger="case changed", conditions={})
    return make.case(team=north)


def noted(case, by, count=1):
    for _ in range(count):
        cases.note(case, by=by, text="Called.")


def failed(case, by):
    noted(case, by)
    error = "ValueError in revise.py:1"
    Happening.objects.update(attempts=8, failed_at=make.MONDAY, error=error)


def test_an_agent_sees_what_failed_in_cases_of_their_teams(door, reader, case):
    failed(case, reader)

    assert "ValueError in revise.py:1" in at.text(door(reader).get(LIST))


def test_of_other_cases_they_see_nothing(door, reader, case):
    failed(case, reader)
    Membership.objects.filter(user=reader).update(is_active=False)

    assert not door(reader).get(LIST).context["cl"].result_count


@pytest.mark.parametrize(("may", "waits"), [(False, False), (True, True)])
def test_to_let_the_rules_try_again_takes_a_permission(door, reader, case, may, waits):
    failed(case, reader)
    if may:
        may = Permission.objects.get(codename="change_happening")
        reader.user_permissions.add(may)

    row = Happening.objects.get()
    door(reader).post(LIST, {"action": "try_again", "_selected_action": row.pk})

    row.refresh_from_db()
    assert (row.failed_at is None, row.attempts == 0) == (waits, waits)


@pytest.mark.parametrize("number", [1, 20])
def test_the_list_costs_the_same_for_one_row_and_for_many(
    door, root, case, number, django_assert_num_queries
):
    noted(case, root, number)
    client = door(root)

    with django_assert_num_queries(4):  # session, user, count, the rows
        shown = client.get(LIST).context["cl"].result_list

    assert len(shown) == number
