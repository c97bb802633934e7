from datetime import timedelta

import pytest

from cem_cases import rules
from cem_cases.loop import owners
from cem_cases.models import Absence, Membership
from cem_cases.rules import Chooser, Strategy, Verdict, Wanted
from tests import make
from tests.make import DAY, MONDAY

pytestmark = pytest.mark.django_db

ACCOUNT = Wanted((Strategy.ACCOUNT_OWNER,))
BEFORE = Wanted((Strategy.SAME_AGENT,))
ROUND = Wanted((Strategy.ROUND_ROBIN,))


@pytest.fixture
def north(db):
    return make.team("north")


def away(user, substitute=None, **fields):
    return Absence.objects.create(
        **{"user": user, "from_at": MONDAY, "until_at": MONDAY + DAY}
        | {"substitute": substitute}
        | fields
    )


def test_members_are_those_who_work_there(north):
    agent, _stranger = make.agent(north), make.agent(make.team("south"))
    make.agent(north, is_active=False)

    assert list(owners.members(north.pk)) == [agent]


@pytest.mark.parametrize("by", [Chooser.PERSON, Chooser.REOPENING, Chooser.STEP])
def test_nobody_gives_a_case_to_somebody_who_is_not_there(north, by):
    present, absent = make.agent(north), make.agent(north)
    left, gone = make.agent(north, is_active=False), make.agent(north)
    gone.is_active = False
    gone.save()
    stranger = make.agent(make.team("south"))
    away(absent)

    def said(user, team=north.pk):
        return owners.standing(user, team, by, now=MONDAY).verdict

    assert said(present) is Verdict.ELIGIBLE
    assert said(absent) is Verdict.ABSENT
    assert said(gone) is Verdict.INACTIVE
    assert said(left) is said(stranger) is Verdict.NO_MEMBER
    assert said(present, None) is Verdict.NO_MEMBER


def test_one_may_give_a_case_to_oneself_while_absent(north):
    ada = make.agent(north)
    away(ada)

    assert owners.standing(ada, north.pk, Chooser.ONESELF, now=MONDAY).is_eligible


def test_an_absent_ones_substitute_is_named_if_there(north):
    ada, bob, eve = make.agent(north), make.agent(north), make.user()
    away(ada, substitute=eve, until_at=MONDAY + timedelta(hours=1))
    away(ada, substitute=bob)

    found = owners.standing(ada, north.pk, Chooser.PERSON, now=MONDAY)

    assert (found.until, found.substitute) == (MONDAY + DAY, None), "eve is no member"
    Absence.objects.filter(substitute=eve).delete()
    found = owners.standing(ada, north.pk, Chooser.PERSON, now=MONDAY)
    assert found.substitute == bob
    away(bob)
    found = owners.standing(ada, north.pk, Chooser.PERSON, now=MONDAY)
    assert found.substitute is None


def test_hints_name_the_account_owner_and_who_had_the_customer_last(north):
    ada, bob, eve = (make.agent(north) for _ in range(3))
    case = make.case(team=north, owner=ada, customer={"external_id": "c"})
    newer = make.case(team=north, owner=bob, customer={"external_id": "d"})
    case.customer.account_owner = eve
    case.customer.save()

    found = owners.hints([(case.customer_id, BEFORE), (newer.customer_id, BEFORE)])

    assert found.of(case.customer_id) == rules.Hint(str(eve.pk), str(ada.pk))
    assert found.of(newer.customer_id) == rules.Hint(None, str(bob.pk))
    found.remember(case.customer_id, bob.pk)
    assert found.of(case.customer_id).before == str(bob.pk)


@pytest.mark.parametrize(
    ("wanted", "statements"), [(None, 0), (ROUND, 0), (ACCOUNT, 1), (BEFORE, 1)]
)
def test_hints_cost_one_statement_and_none_where_nobody_asks(
    north, django_assert_num_queries, wanted, statements
):
    customers = [make.response().customer_id for _ in range(30)]

    with django_assert_num_queries(statements):
        owners.hints([(customer, wanted) for customer in customers])


def test_the_load_moves_along_and_is_never_below_nothing(north):
    ada, bob = make.agent(north), make.agent(north)

    owners.move_loads(
        [
            ((None, None), (north.pk, ada.pk)),
            ((north.pk, bob.pk), (north.pk, ada.pk)),
            ((None, None), (None, ada.pk)),
        ]
    )

    counters = dict(Membership.objects.values_list("user", "open_cases"))
    assert counters == {ada.pk: 2, bob.pk: 0}
