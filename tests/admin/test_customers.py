import pytest
from django.contrib.auth.models import Permission

from cem_cases.models import Customer
from tests import make
from tests.admin import at


@pytest.fixture
def maria(north):
    case = make.case(
        team=north,
        customer={
            "external_id": "c1",
            "name": "Maria",
            "email": "maria@example.com",
            "annual_value": "1200.50",
            "currency": "EUR",
            "attributes": {"plan": "gold"},
        },
    )
    return case.customer


def test_a_customer_is_listed_with_their_value(door, root, maria):
    found = at.text(door(root).get(at.rows("customer")))

    assert "Maria maria@example.com c1" in found
    assert "1,200.50 EUR" in found


def test_an_agent_sees_the_customers_of_their_cases_only(door, ada, maria):
    make.response(customer={"external_id": "c2", "name": "Canary"})
    ada.user_permissions.add(Permission.objects.get(codename="view_customer"))
    client = door(ada)

    shown = client.get(at.rows("customer")).context["cl"].result_list

    assert list(shown) == [maria]
    assert not client.get(f"{at.rows('customer')}?q=canary").context["cl"].result_count


def test_that_by_which_a_customer_is_recognised_is_not_edited(door, root, maria):
    door(root).post(
        at.page(maria),
        {
            "name": "Maria Rossi",
            "email": "other@example.com",
            "external_id": "c9",
            "annual_value": "",
            "currency": "",
            "identities-TOTAL_FORMS": 0,
            "identities-INITIAL_FORMS": 0,
        },
    )

    maria.refresh_from_db()
    assert (maria.name, maria.email, maria.external_id) == (
        "Maria Rossi",
        "maria@example.com",
        "c1",
    )


def test_the_page_shows_attributes_and_identities(door, root, maria):
    found = at.text(door(root).get(at.page(maria)))

    assert "plan: gold" in found
    assert "email: maria@example.com" in found


@pytest.mark.parametrize("query", ["maria", "example.com", "c1"])
def test_a_customer_is_found(door, root, maria, query):
    make.response()

    shown = door(root).get(f"{at.rows('customer')}?q={query}").context["cl"]

    assert maria in shown.result_list
    assert Customer.objects.count() == 2
