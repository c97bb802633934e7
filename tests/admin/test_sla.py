from cem_cases.models import AuditEvent, Clock, ClockMetric, SlaPolicy
from tests import make
from tests.admin import at

ADD = "/admin/cem_cases/slapolicy/add/"


def form(*seconds, **fields):
    data = {"name": "Standard", "position": 0, "conditions": "", "is_active": "on"}
    data |= {"targets-TOTAL_FORMS": 8, "targets-INITIAL_FORMS": 0}
    for n in range(8):
        data[f"targets-{n}-metric"] = ClockMetric.values[n // 4]
        data[f"targets-{n}-priority"] = n % 4 + 1
        data[f"targets-{n}-warn_percent"] = 75
        data[f"targets-{n}-seconds"] = seconds[n] if n < len(seconds) else ""
    return data | fields


def test_a_new_policy_asks_for_every_metric_and_priority(door, root):
    answered = door(root).get(ADD)

    (targets,) = answered.context["inline_admin_formsets"]
    shown = [
        (f["metric"].value(), f["priority"].value()) for f in targets.formset.forms
    ]
    assert len(set(shown)) == 8


def test_a_policy_is_saved_as_a_version_with_its_event(door, root):
    answered = door(root).post(ADD, form(3600, 7200))

    assert answered.status_code == 302
    policy = SlaPolicy.objects.get()
    assert [target.seconds for target in policy.targets.all()] == [3600, 7200]
    event = AuditEvent.objects.get()
    assert (event.kind, event.actor) == ("slapolicy.created", root)


def test_targets_are_said_in_words(door, root):
    found = at.text(door(root).get(at.page(make.policy(hours=4))))

    assert "1 h 20 min" in found
    assert "24 h" in found


def test_a_policy_is_not_saved_over_somebody_elses_change(door, root):
    policy = make.policy()
    SlaPolicy.objects.update(version=2)

    answered = door(root).post(at.page(policy), form(seen_version=1))

    assert answered.status_code == 200
    assert "Somebody else saved version 2" in at.text(answered)


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
