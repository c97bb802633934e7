from cem_cases.models import Clock
from tests import make
from tests.admin import at


def test_clocks_are_listed_by_how_they_stand(door, ada, north):
    make.policy()
    make.case(team=north)
    ada.user_permissions.add(*_view_clock())
    client = door(ada)

    found = at.text(client.get(f"{at.rows('clock')}?state=overdue&metric=resolution"))

    assert "resolution" in found
    assert "overdue by" in found
    assert "1 clock" in found
    running = client.get(f"{at.rows('clock')}?state=running").context["cl"]
    assert running.result_count == Clock.objects.count() == 2


def _view_clock():
    from django.contrib.auth.models import Permission

    return Permission.objects.filter(codename="view_clock")
