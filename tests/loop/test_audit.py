import json
from functools import partial

import pytest
from django.db import DatabaseError, connection, transaction

from cem_cases.audit import commitment
from cem_cases.loop import audit, cases, config
from cem_cases.models import AuditDetail, AuditEvent, AuditHead, Rule, Seal
from cem_cases.signals import case_changed
from tests import make
from tests.make import MONDAY
from tests.threads import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture
def case(db):
    team = make.team("north")
    case = make.case(team=team, owner=make.agent(team, "ada"))
    cases.note(case, by=case.owner, text="Called.", now=MONDAY)
    return case


def test_an_untouched_audit_verifies(case):
    assert list(audit.verify()) == []


def test_events_are_neither_changed_nor_deleted_through_the_orm(case):
    with pytest.raises(TypeError):
        AuditEvent.objects.update(kind="x")
    with pytest.raises(TypeError):
        AuditEvent.objects.all().delete()


def test_the_database_refuses_to_change_an_event(case):
    with (
        pytest.raises(DatabaseError, match="never changed"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("UPDATE cem_cases_auditevent SET kind = 'x'")


@pytest.mark.skipif(
    connection.vendor != "postgresql", reason="SQLite lets a site's tests be emptied"
)
def test_postgresql_refuses_to_delete_an_event(case):
    with (
        pytest.raises(DatabaseError, match="never changed"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("DELETE FROM cem_cases_auditevent")


def test_a_note_that_was_changed_is_found(case):
    AuditDetail.objects.update(text="Never called.")

    (fault,) = audit.verify()
    assert "text was changed" in str(fault)


def test_a_note_can_be_erased_and_the_chain_still_verifies(case):
    said = case.events.last().data["text"]
    detail = AuditDetail.objects.get()
    assert said == commitment(detail.salt, "Called.")

    detail.delete()

    assert not list(audit.verify())


def test_a_seal_signs_what_grew_and_nothing_twice(case):
    first = audit.seal(now=MONDAY)
    assert first.previous_hash == "0" * 64
    assert audit.seal(now=MONDAY) is None

    cases.note(case, by=case.owner, text="Again.")
    second = audit.seal(now=MONDAY)

    assert second.previous_hash == first.hash
    assert f'"case:{case.pk}"' in second.entries
    assert not list(audit.verify())


def test_a_seal_that_was_changed_is_found(case):
    audit.seal(now=MONDAY)
    Seal.objects.update(entries="[]")

    assert any(fault.stream == "seal" for fault in audit.verify())


def test_a_head_that_was_moved_is_found(case):
    AuditHead.objects.filter(stream=f"case:{case.pk}").update(sequence=1)

    (fault,) = audit.verify()
    assert fault.stream == f"case:{case.pk}"


def test_the_key_may_change_and_old_events_still_verify(case, settings):
    old = settings.CEM_CASES["AUDIT_KEYS"]
    settings.CEM_CASES = {
        "AUDIT_KEYS": {**old, "next": "another secret of some length"}
    }
    cases.note(case, by=case.owner, text="Signed anew.")

    assert case.events.last().key_id == "next"
    assert not list(audit.verify())


def test_the_host_hears_of_a_change_once_it_is_true(
    case, django_capture_on_commit_callbacks
):
    heard = []

    def listen(sender, **what):
        heard.append((what["case_id"], what["kind"], what["actor_id"]))

    case_changed.connect(listen)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            cases.note(case, by=case.owner, text="Listen.")
            assert heard == []
    finally:
        case_changed.disconnect(listen)

    assert heard == [(case.pk, "case.noted", case.owner.pk)]


def test_a_seal_with_a_key_that_nobody_has_is_found(case):
    audit.seal(now=MONDAY)
    Seal.objects.update(key_id="nobody")

    assert any("not configured" in str(fault) for fault in audit.verify())


@pytest.mark.django_db(transaction=True)
def test_eight_that_begin_the_stream_of_the_system_at_once_all_get_in():
    boss = make.user()
    results = at_once(
        [
            partial(
                config.save,
                Rule(name=f"Rule {n}", actions=[{"do": "open case"}]),
                by=boss,
            )
            for n in range(8)
        ]
    )

    assert results == [None] * 8
    assert AuditEvent.objects.filter(stream="system").count() == 8
    assert not list(audit.verify())


@pytest.mark.django_db(transaction=True)
def test_two_seals_at_once_do_not_fork_their_chain():
    team = make.team()
    make.case(team=team, owner=make.agent(team))

    at_once([lambda: audit.seal(now=MONDAY)] * 4)

    assert Seal.objects.count() == 1
    assert not list(audit.verify())


@pytest.mark.django_db(transaction=True)
def test_a_seal_waits_for_nobody_who_appends():
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    team = make.team()
    stream = audit.stream_of(make.case(team=team).pk)
    make.case(team=team)

    with transaction.atomic():
        AuditHead.objects.select_for_update().get(stream=stream)
        (first,) = at_once([lambda: audit.seal(now=MONDAY)])
    second = audit.seal(now=MONDAY)

    sealed = [[entry[0] for entry in json.loads(s.entries)] for s in (first, second)]
    assert stream not in sealed[0]
    assert sealed[1] == [stream]
    assert not list(audit.verify())
