from cem_cases.loop import cases
from tests import make
from tests.admin import at


def test_a_cause_that_cases_name_is_switched_off_not_deleted(door, root, north, ada):
    cause = make.root_cause()
    case = make.case(team=north)
    cases.resolve(case, by=ada, root_cause=cause, outcome="recovered", note="Paid.")

    path = f"{at.rows('rootcause')}{cause.pk}/delete/"
    answered = door(root).post(path, {"post": "yes"}, follow=True)

    assert "Cannot delete root cause" in at.text(answered)
    cause.refresh_from_db()  # it is still there
