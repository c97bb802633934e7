import pytest
from django.core.management import call_command

from cem_cases.models import RootCause

pytestmark = pytest.mark.django_db


def test_a_new_site_gets_causes_by_department(capsys):
    call_command("cem_starter_causes")

    late = RootCause.objects.get(code="late-delivery")
    assert (late.department, late.parent.name) == ("Logistics", "Logistics")
    assert all(
        cause.department == cause.parent.department
        for cause in RootCause.objects.exclude(parent=None)
    )
    many = RootCause.objects.count()
    assert (
        f"{many} root causes created, 0 were there already" in capsys.readouterr().out
    )


def test_a_second_time_nothing_changes(capsys):
    call_command("cem_starter_causes")
    RootCause.objects.filter(code="price").update(name="Too dear", is_active=False)
    before = list(RootCause.objects.order_by("pk").values())

    call_command("cem_starter_causes")

    assert list(RootCause.objects.order_by("pk").values()) == before
    assert "0 root causes created" in capsys.readouterr().out


def test_what_is_missing_is_put_on_the_branch_that_is_there():
    branch = RootCause.objects.create(code="logistics", name="Our lorries")

    call_command("cem_starter_causes")

    assert RootCause.objects.get(code="late-delivery").parent == branch
