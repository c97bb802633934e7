"""The doorbell rings once per transaction, after commit, and never gets in the way."""

import socket
import threading
import time

import pytest
from celery import Celery
from django.db import transaction

from cem_cases import enqueue, tasks
from cem_cases.loop import capture
from cem_cases.models import Response
from tests import make


@pytest.fixture
def rings(monkeypatch):
    """What is published, instead of publishing it."""
    published = []

    def take(*args, **options):
        published.append(options)

    monkeypatch.setattr(tasks.drain, "apply_async", take)
    enqueue._bell.wait(10)
    yield published
    enqueue._bell.wait(10)


def heard(rings):
    assert enqueue._bell.wait(10)
    return len(rings)


@pytest.mark.django_db(transaction=True)
def test_it_rings_once_after_commit_however_much_was_stored(rings):
    make.nps()

    with transaction.atomic():
        for _ in range(3):
            capture.record([make.answer(), make.answer()])
        assert heard(rings) == 0

    assert heard(rings) == 1


@pytest.mark.django_db(transaction=True)
def test_it_does_not_ring_for_what_was_rolled_back(rings):
    make.nps()

    with transaction.atomic():
        capture.record(make.answer())
        transaction.set_rollback(True)

    assert heard(rings) == 0
    assert not Response.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_message_carries_nothing(rings):
    make.nps()
    capture.record(make.answer())

    assert heard(rings) == 1
    assert rings == [{"expires": 60, "retry": False, "ignore_result": True}]


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_is_down_loses_nothing_and_raises_nothing(monkeypatch, caplog):
    def refuse(**options):
        raise ConnectionError("amqp://user:password@broker")

    make.nps()
    with monkeypatch.context() as broken:
        broken.setattr(tasks.drain, "apply_async", refuse)
        capture.record(make.answer())
        assert enqueue._bell.wait(10)

    assert Response.objects.unprocessed().count() == 1
    assert "ConnectionError" in caplog.text
    assert "password" not in caplog.text


def test_a_broker_that_hangs_holds_nobody_up(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as mute:  # accepts, never answers
        port = mute.getsockname()[1]
        app = Celery(broker=f"redis://127.0.0.1:{port}/0", set_as_current=False)
        stuck = app.task(name="cem_cases.drain")(_nothing)
        monkeypatch.setattr(tasks.drain, "apply_async", stuck.apply_async)
        bell = enqueue.Bell()

        began = time.monotonic()
        for _ in range(100):
            bell.ring()
        took = time.monotonic() - began

        assert not bell.wait(0.1), (
            "the broker answered, which it must not for this test"
        )
        assert took < 1


def _nothing():
    pass


def test_rings_that_come_while_one_is_sent_become_one_more(monkeypatch):
    sending, go_on, sent = threading.Event(), threading.Event(), []

    def slow(**options):
        sent.append(1)
        sending.set()
        assert go_on.wait(10)

    monkeypatch.setattr(tasks.drain, "apply_async", slow)
    bell = enqueue.Bell()
    bell.ring()
    assert sending.wait(10)

    for _ in range(50):
        bell.ring()
    go_on.set()

    assert bell.wait(10)
    assert len(sent) == 2
