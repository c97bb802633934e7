"""Whoever changes the audit around the loop is found out, whatever they do.

The database is written to with raw SQL, its trigger switched off, as somebody with the
password of the database would: they have every row, but not the key.
"""

# ruff: noqa: S608  (the names of tables are put in, values never)

import json

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from cem_cases import audit as chain
from cem_cases.loop import audit, cases
from cem_cases.models import AuditDetail, AuditEvent, AuditHead, Seal
from tests import make
from tests.make import DAY, HOUR, MONDAY

pytestmark = pytest.mark.django_db
EVENTS, HEADS = "cem_cases_auditevent", "cem_cases_audithead"
DETAILS, SEALS = "cem_cases_auditdetail", "cem_cases_seal"


@pytest.fixture
def case(db):
    """A case with five events, two of them with private words."""
    team = make.team()
    ada = make.agent(team)
    case = make.case(team=team)
    cases.claim(case, by=ada, now=MONDAY + HOUR)
    cases.note(case, by=ada, text="They were furious.", now=MONDAY + 2 * HOUR)
    cases.contact(case, by=ada, channel="phone", attempt="reached", now=MONDAY + DAY)
    cases.resolve(
        case,
        by=ada,
        root_cause=make.root_cause(),
        outcome="recovered",
        note="Sent a new one.",
        now=MONDAY + 2 * DAY,
    )
    make.case()  # somebody else's, left alone
    return case


def tamper(*statements):
    """Run these on the database, as its owner could."""
    unlock = {
        "postgresql": f"ALTER TABLE {EVENTS} DISABLE TRIGGER cem_cases_append_only",
        "sqlite": "DROP TRIGGER IF EXISTS cem_cases_append_only",
    }[connection.vendor]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(unlock)
        for sql, *parameters in statements:
            cursor.execute(sql, parameters)


def stream(case):
    return f"case:{case.pk}"


def delete_events(case, condition, *parameters):
    """Return the statements that take away these events, with their private words."""
    which = f"stream = %s AND {condition}"
    given = (stream(case), *parameters)
    return (
        (
            f"DELETE FROM {DETAILS} WHERE event_id IN "
            f"(SELECT id FROM {EVENTS} WHERE {which})",
            *given,
        ),
        (f"DELETE FROM {EVENTS} WHERE {which}", *given),
    )


def edit_a_payload(case):
    sql = f"UPDATE {EVENTS} SET payload = %s WHERE stream = %s AND sequence = 4"
    tamper((sql, '{"attempt":"sent"}', stream(case)))


def edit_a_time(case):
    sql = f"UPDATE {EVENTS} SET at = %s WHERE stream = %s AND sequence = 4"
    tamper((sql, MONDAY, stream(case)))


def edit_an_actor(case):
    sql = f"UPDATE {EVENTS} SET actor_id = NULL WHERE stream = %s AND sequence = 2"
    tamper((sql, stream(case)))


def delete_one_in_the_middle(case):
    tamper(*delete_events(case, "sequence = 3"))


def close_the_gap_after_deleting(case):
    close = f"UPDATE {EVENTS} SET sequence = %s WHERE stream = %s AND sequence = %s"
    renumbered = [(close, n - 1, stream(case), n) for n in (4, 5)]
    head = f"UPDATE {HEADS} SET sequence = 4 WHERE stream = %s"
    tamper(*delete_events(case, "sequence = 3"), *renumbered, (head, stream(case)))


def swap_two(case):
    swap = f"UPDATE {EVENTS} SET sequence = %s WHERE stream = %s AND sequence = %s"
    moves = [(99, 3), (3, 4), (4, 99)]
    tamper(*((swap, new, stream(case), old) for new, old in moves))


def move_one_to_another_case(case):
    other = AuditHead.objects.exclude(stream=stream(case)).get(
        stream__startswith="case"
    )
    sql = f"UPDATE {EVENTS} SET stream = %s, sequence = 99 WHERE stream = %s AND sequence = 4"
    tamper((sql, other.stream, stream(case)))


def insert_one_at_the_end(case):
    columns = "case_id, at, actor_id, kind, payload, key_id"
    last = AuditEvent.objects.get(stream=stream(case), sequence=5)
    sql = (
        f"INSERT INTO {EVENTS} (stream, sequence, previous_hash, hash, {columns}) "
        f"SELECT stream, 6, %s, %s, {columns} FROM {EVENTS} "
        "WHERE stream = %s AND sequence = 4"
    )
    head = f"UPDATE {HEADS} SET sequence = 6, hash = %s WHERE stream = %s"
    tamper((sql, last.hash, "f" * 64, stream(case)), (head, "f" * 64, stream(case)))


def cut_off_the_end(case):
    tamper(*delete_events(case, "sequence >= %s", 4))


def delete_all_of_a_case(case):
    tamper(*delete_events(case, "sequence > 0"))


def delete_all_there_is(case):
    tamper((f"DELETE FROM {DETAILS}",), (f"DELETE FROM {EVENTS}",))


def delete_the_head(case):
    tamper((f"DELETE FROM {HEADS} WHERE stream = %s", stream(case)))


def change_private_words(case):
    tamper((f"UPDATE {DETAILS} SET text = 'They were delighted.'",))


def recompute_without_the_key(case):
    """Forge an event and make all that follows consistent, signed with a guess."""
    previous, statements = chain.GENESIS, []
    for event in AuditEvent.objects.filter(stream=stream(case)).order_by("sequence"):
        payload = '{"forged":true}' if event.sequence == 4 else event.payload
        forged = chain.link(
            stream=event.stream,
            sequence=event.sequence,
            at=event.at,
            actor=event.link().actor,
            kind=event.kind,
            payload=payload,
            previous_hash=previous,
            key_id=event.key_id,
            secret="a guess",
        )
        sql = f"UPDATE {EVENTS} SET payload = %s, previous_hash = %s, hash = %s WHERE id = %s"
        statements.append((sql, payload, previous, forged, event.pk))
        previous = forged
    head = f"UPDATE {HEADS} SET hash = %s WHERE stream = %s"
    tamper(*statements, (head, previous, stream(case)))


CLASSES = [
    edit_a_payload,
    edit_a_time,
    edit_an_actor,
    delete_one_in_the_middle,
    close_the_gap_after_deleting,
    swap_two,
    move_one_to_another_case,
    insert_one_at_the_end,
    cut_off_the_end,
    delete_all_of_a_case,
    delete_all_there_is,
    delete_the_head,
    change_private_words,
    recompute_without_the_key,
]


def verify(*arguments):
    call_command("cem_verify_audit", *arguments)


def test_an_audit_that_nobody_touched_has_no_faults(case, capsys):
    audit.seal(now=MONDAY + 3 * DAY)

    verify()

    counts = (
        f"{AuditEvent.objects.count()} events in {AuditHead.objects.count()} streams"
    )
    assert capsys.readouterr().out.strip() == f"{counts}, 1 seals: no faults"


@pytest.mark.parametrize("done", CLASSES, ids=lambda done: done.__name__)
def test_tampering_is_found(case, capsys, done):
    done(case)

    with pytest.raises(CommandError, match=r"has \d+ fault") as refused:
        verify()

    assert refused.value.returncode == 1
    assert stream(case) in capsys.readouterr().out


def set_back(case):
    """Cut off the end of a stream and move its head back, so that all links hold."""
    third = AuditEvent.objects.get(stream=stream(case), sequence=3)
    head = (
        f"UPDATE {HEADS} SET sequence = 3, sealed_sequence = 0, hash = %s "
        "WHERE stream = %s"
    )
    return *delete_events(case, "sequence > %s", 3), (head, third.hash, stream(case))


def test_a_stream_that_was_set_back_together_with_its_head_is_found_by_the_seal(
    case, capsys
):
    audit.seal(now=MONDAY + 3 * DAY)
    tamper(*set_back(case))

    with pytest.raises(CommandError, match="has 1 fault"):
        verify()

    assert capsys.readouterr().out.startswith(f"{stream(case)} #5: is sealed, but gone")


def test_a_stream_that_is_gone_with_its_head_is_found_by_the_seal(case, capsys):
    audit.seal(now=MONDAY + 3 * DAY)
    gone = (f"DELETE FROM {HEADS} WHERE stream = %s", stream(case))
    tamper(*delete_events(case, "sequence > 0"), gone)

    with pytest.raises(CommandError, match="has 1 fault"):
        verify()


def test_a_seal_that_was_changed_is_found(case, capsys):
    audit.seal(now=MONDAY + 3 * DAY)
    tamper(*set_back(case), (f"UPDATE {SEALS} SET entries = '[]'",))

    with pytest.raises(CommandError, match="has 1 fault"):
        verify()

    assert capsys.readouterr().out.startswith("seal #")


def test_seals_that_were_cut_off_too_are_found_by_a_hash_kept_elsewhere(case, capsys):
    call_command("cem_seal")
    kept = capsys.readouterr().out.strip()
    verify("--seal", kept)
    tamper(*set_back(case), (f"DELETE FROM {SEALS}",))

    with pytest.raises(CommandError, match="has 1 fault"):
        verify("--seal", kept)

    assert kept in capsys.readouterr().out.splitlines()[-1]


def test_a_second_seal_has_nothing_to_sign(case, capsys):
    call_command("cem_seal")
    call_command("cem_seal")

    assert capsys.readouterr().out.splitlines()[-1] == "Nothing new to seal."
    assert Seal.objects.count() == 1


def test_faults_are_told_as_json_too(case, capsys):
    edit_a_payload(case)

    with pytest.raises(CommandError):
        verify("--json")

    told = json.loads(capsys.readouterr().out)
    assert told["events"] == AuditEvent.objects.count()
    assert told["faults"] == [
        {"stream": stream(case), "sequence": 4, "problem": "was changed"}
    ]


def test_private_words_that_were_erased_are_no_fault(case):
    AuditDetail.objects.all().delete()

    verify()
