import pytest
from django.contrib.auth.models import Permission

from cem_cases.loop import audit, cases, config
from cem_cases.models import AuditEvent
from tests import make
from tests.admin import at


@pytest.fixture
def reader(ada):
    for name in ("auditevent", "audithead", "seal"):
        ada.user_permissions.add(Permission.objects.get(codename=f"view_{name}"))
    return ada


def test_an_agent_reads_the_events_of_their_cases_only(door, reader, north, root):
    case = make.case(team=north)
    make.case()
    config.save(make.rule(), by=root)

    shown = door(reader).get(at.rows("auditevent")).context["cl"].result_list

    assert {event.case_id for event in shown} == {case.pk}


def test_who_sees_everything_reads_the_systems_events_too(door, root, north):
    config.save(make.rule(), by=root)

    found = at.text(door(root).get(f"{at.rows('auditevent')}?kind=rule.changed"))

    assert "rule.changed" in found


@pytest.mark.parametrize("name", ["audithead", "seal"])
def test_what_is_about_all_teams_is_for_managers(door, reader, root, north, name):
    make.case(team=north)
    audit.seal()

    assert door(reader).get(at.rows(name)).status_code == 403
    assert door(root).get(at.rows(name)).status_code == 200


def test_private_words_are_not_in_the_audits_pages(door, root, north, ada):
    case = make.case(team=north)
    cases.note(case, by=ada, text="secret-words")
    event = AuditEvent.objects.latest("pk")
    client = door(root)

    for path in (at.rows("auditevent"), at.page(event)):
        answered = client.get(path)
        assert answered.status_code == 200
        assert "secret-words" not in answered.content.decode()
