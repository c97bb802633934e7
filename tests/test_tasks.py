import pytest
from django.conf import settings as site

from cem_cases import tasks
from cem_cases.models import Case, Clock, Response, Seal
from cem_cases.schedule import BEAT_SCHEDULE
from demo_project.celery import app
from tests import make
from tests.make import MONDAY

pytestmark = pytest.mark.django_db


@pytest.fixture
def waiting(db):
    make.policy()
    make.rule()
    return make.response(now=MONDAY)


def test_the_drain_processes_what_waits(waiting):
    tasks.drain()

    assert Case.objects.get().opening_response == waiting


def test_the_sweep_does_so_too_and_marks_due_clocks(waiting):
    tasks.sweep()
    tasks.sweep()  # the case was opened after the clocks of the first sweep

    assert not Response.objects.unprocessed().exists()
    assert not Clock.objects.filter(breached_at=None).exists()


def test_the_seal_signs_the_audit(waiting):
    tasks.drain()
    tasks.seal()

    assert Seal.objects.count() == 1


def test_a_drain_that_did_not_finish_rings_for_the_next(settings, monkeypatch):
    settings.CEM_CASES = {**settings.CEM_CASES, "BATCH_SIZE": 1, "DRAIN_SECONDS": 0}
    rings = []
    monkeypatch.setattr(tasks.enqueue, "ring", lambda: rings.append(1))
    make.response()
    make.response()
    rings.clear()

    tasks.drain()

    assert rings == [1]


def test_every_scheduled_task_exists_and_takes_nothing():
    for entry in BEAT_SCHEDULE.values():
        assert entry["task"] in app.tasks
        assert "args" not in entry
    assert site.CELERY_BEAT_SCHEDULE.keys() >= BEAT_SCHEDULE.keys()
