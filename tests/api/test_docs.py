"""The reference page says what the code does; what it does not name is not there."""

from pathlib import Path

import pytest
from rest_framework.serializers import Serializer

from cem_cases.api import serializers
from cem_cases.api.filters import CaseFilters
from cem_cases.api.permissions import VERBS
from cem_cases.intake.values import CUSTOMER_FIELDS, RESPONSE_FIELDS

PAGE = (Path(__file__).parents[2] / "docs/reference/api.md").read_text()

NAMES = {
    *RESPONSE_FIELDS,
    *CUSTOMER_FIELDS,
    *CaseFilters.base_filters,
    *VERBS,
    *(
        name
        for serializer in vars(serializers).values()
        if isinstance(serializer, type) and issubclass(serializer, Serializer)
        for name in serializer().fields
    ),
}


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_name_of_the_api_is_on_its_page(name):
    assert f"`{name}`" in PAGE or f'"{name}"' in PAGE or f"/{name}/" in PAGE
