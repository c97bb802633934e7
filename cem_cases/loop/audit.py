"""Appending to the audit, sealing it, verifying it.

Every verb appends its event in its own transaction. Streams are locked in their
alphabetical order, so that two transactions that touch the same two never wait for
each other.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.db.models import F

from cem_cases import audit
from cem_cases.conf import audit_keys
from cem_cases.loop import bulk, happenings, moment
from cem_cases.loop.happenings import Appended
from cem_cases.models import (
    SYSTEM,
    AuditDetail,
    AuditEvent,
    AuditHead,
    Case,
    Seal,
)
from cem_cases.signals import case_changed


@dataclass(frozen=True, slots=True)
class NewEvent:
    """What is to be appended; `case` None: to the stream of the system."""

    kind: str
    payload: Mapping[str, Any]
    case: Case | None = None
    actor: AbstractBaseUser | None = None
    text: str = ""
    """Private words: kept beside the event, and erased with the case's customer; the
    event commits to them."""

    @property
    def stream(self) -> str:
        return SYSTEM if self.case is None else stream_of(self.case.pk)


def stream_of(case_id: int) -> str:
    """Return the name of a case's stream."""
    return f"case:{case_id}"


def append(
    events: Sequence[NewEvent], *, now: datetime, fresh: bool = False
) -> Sequence[Appended]:
    """Append these events, each to its stream, in the order given; return them.

    `fresh`: all streams are new, nobody else can know of them, so none is locked.
    Call it inside the transaction of the change. Statements: nine at most.
    """
    if not events:
        return []
    streams = sorted({event.stream for event in events})
    ends = {end.stream: end for end in (_begin if fresh else _lock)(streams)}
    key_id, secret = list(audit_keys().items())[-1]
    rows, texts = [], []
    for event in events:
        row, salt = _linked(event, ends[event.stream], now, key_id, secret)
        rows.append(row)
        if salt:
            texts.append((row, event, salt))
    if fresh:
        written = [(end.stream, end.sequence, end.hash) for end in ends.values()]
        bulk.add(AuditHead, ["stream", "sequence", "hash"], written, keys=False)
    else:
        moved = [(end.pk, end.sequence, end.hash) for end in ends.values()]
        bulk.change(AuditHead, ["sequence", "hash"], moved)
    keys = bulk.add(AuditEvent, COLUMNS, list(map(_columns, rows)))
    for row, key in zip(rows, keys, strict=True):
        row.pk = key
    bulk.insert([_detail(*text) for text in texts])
    happenings.note(rows)
    _tell(rows)
    return rows


COLUMNS = (
    *("stream", "sequence", "case_id", "at", "actor", "kind", "payload"),
    *("previous_hash", "key_id", "hash"),
)
_columns = attrgetter(*(n if n != "actor" else "actor_id" for n in COLUMNS))


@dataclass(slots=True)
class _End:
    """Where a stream ends."""

    pk: int
    stream: str
    sequence: int = 0
    hash: str = audit.GENESIS


def _begin(streams: Iterable[str]) -> list[_End]:
    """Return the ends of streams without events."""
    return [_End(0, stream) for stream in streams]


def _lock(streams: Sequence[str]) -> list[_End]:
    """Return the ends of these streams, locked, begun where they are new."""
    found = _locked(streams)
    if len(found) < len(streams):
        new = sorted(set(streams) - {end.stream for end in found})
        # somebody else may begin the same now: then theirs is the one to lock
        bulk.add_missing(
            AuditHead,
            ["stream", "sequence", "hash", "sealed_sequence"],
            [(stream, 0, audit.GENESIS, 0) for stream in new],
        )
        found = _locked(streams)
    return found


def _locked(streams: Sequence[str]) -> list[_End]:
    rows = AuditHead.objects.select_for_update(no_key=True).order_by("stream")
    rows = rows.filter(stream__in=bulk.among(streams, "text"))
    return [_End(*row) for row in rows.values_list("pk", "stream", "sequence", "hash")]


def _linked(
    event: NewEvent, end: _End, now: datetime, key_id: str, secret: str
) -> tuple[Appended, str]:
    """Return the event that continues this stream, with the salt of its text.

    Moves the end; without a text the salt is empty.
    """
    payload: Mapping[str, Any] = event.payload
    salt = ""
    if event.text:
        salt = secrets.token_hex(16)
        payload = {**payload, "text": audit.commitment(salt, event.text)}
    actor = event.actor.pk if event.actor is not None else None
    row = Appended(
        stream=end.stream,
        sequence=end.sequence + 1,
        case_id=None if event.case is None else event.case.pk,
        at=now,
        actor_id=actor,
        kind=event.kind,
        payload=audit.canonical(payload),
        previous_hash=end.hash,
        key_id=key_id,
    )
    row.hash = audit.link(
        stream=row.stream,
        sequence=row.sequence,
        at=now,
        actor="" if actor is None else str(actor),
        kind=row.kind,
        payload=row.payload,
        previous_hash=row.previous_hash,
        key_id=key_id,
        secret=secret,
    )
    end.sequence, end.hash = row.sequence, row.hash
    return row, salt


def _detail(row: Appended, event: NewEvent, salt: str) -> AuditDetail:
    about = None if event.case is None else event.case.customer_id
    return AuditDetail(event_id=row.pk, customer_id=about, salt=salt, text=event.text)


def _tell(rows: Sequence[Appended]) -> None:
    """Send the host's signal for each event, once they are true."""
    if not case_changed.has_listeners(AuditEvent):
        return

    def send() -> None:
        for row in rows:
            if row.case_id is not None:
                case_changed.send_robust(
                    AuditEvent,
                    case_id=row.case_id,
                    kind=row.kind,
                    actor_id=row.actor_id,
                    event_id=row.pk,
                )

    transaction.on_commit(send, robust=True)


def verify() -> Iterator[audit.Fault]:
    """Yield every fault in every stream and seal; nothing, if all is well.

    Streams the rows, and may run while others append: what came after its start is
    checked, but not missed.
    """
    keys = audit_keys()
    heads = {head.stream: head for head in AuditHead.objects.iterator(chunk_size=5_000)}
    events = AuditEvent.objects.order_by("stream", "sequence").iterator(5_000)
    for stream, rows in groupby(events, key=lambda event: event.stream):
        head = (
            heads.pop(stream, None) or AuditHead.objects.filter(stream=stream).first()
        )
        yield from _verify_stream(stream, rows, head, keys)
    for stream, head in heads.items():
        yield audit.Fault(stream, head.sequence, "the events of this stream are gone")
    yield from _verify_details()
    yield from _verify_seals(keys)


def _verify_stream(
    stream: str,
    rows: Iterable[AuditEvent],
    head: AuditHead | None,
    keys: Mapping[str, str],
) -> Iterator[audit.Fault]:
    """Yield the faults of one stream; `head` None: it began after the start."""
    last, met_head = 0, False

    def links() -> Iterator[audit.Link]:
        nonlocal last, met_head
        for row in rows:
            last = row.sequence
            if head is not None and (row.sequence, row.hash) == _end(head):
                met_head = True
            yield row.link()

    yield from audit.verify(links(), keys)
    if head is None:
        later = AuditHead.objects.filter(stream=stream, sequence__gte=last)
        if not later.exists():
            yield audit.Fault(stream, last, "this stream has lost its head")
    elif not met_head:
        yield audit.Fault(stream, head.sequence, "the end of this stream is gone")


def _end(head: AuditHead) -> tuple[int, str]:
    return head.sequence, head.hash


def _verify_details() -> Iterator[audit.Fault]:
    details = AuditDetail.objects.select_related("event").order_by("pk")
    for detail in details.iterator(5_000):
        said = detail.event.data.get("text")
        if said != audit.commitment(detail.salt, detail.text):
            yield audit.Fault(
                detail.event.stream, detail.event.sequence, "its text was changed"
            )


def _verify_seals(keys: Mapping[str, str]) -> Iterator[audit.Fault]:
    previous = audit.GENESIS
    for seal in Seal.objects.order_by("pk").iterator(100):
        entries = json.loads(seal.entries)
        rebuilt = audit.seal_hash(
            entries,
            at=seal.at,
            previous_hash=previous,
            secret=keys.get(seal.key_id, ""),
        )
        if seal.key_id not in keys:
            yield audit.Fault("seal", seal.pk, "is signed with a key not configured")
        elif seal.previous_hash != previous or seal.hash != rebuilt:
            yield audit.Fault("seal", seal.pk, "was changed, or one before it is gone")
        yield from _verify_entries(entries)
        previous = seal.hash


def _verify_entries(entries: Sequence[Sequence[Any]]) -> Iterator[audit.Fault]:
    streams = [stream for stream, _, _ in entries]
    for start in range(0, len(streams), 500):
        some = entries[start : start + 500]
        rows = AuditEvent.objects.filter(stream__in=[entry[0] for entry in some])
        found = {
            (s, n): h for s, n, h in rows.values_list("stream", "sequence", "hash")
        }
        for stream, sequence, hash_ in some:
            if found.get((stream, sequence)) != hash_:
                yield audit.Fault(stream, sequence, "is sealed, but gone or changed")


def seal(*, now: datetime | None = None) -> Seal | None:
    """Sign where every stream stands that grew since the last seal; None if none did.

    Of two seals at a time one is made, and the other returns None, too. What somebody
    is appending to at this moment is left for the next one: nobody waits for a seal.

    Keep a copy of the returned hash outside the database: with it, cutting off the
    end of the audit is found out even if the seals are cut off, too.
    """
    try:
        return _seal(now or moment.now())
    except IntegrityError:  # another seal continued the chain first
        return None


@transaction.atomic
def _seal(now: datetime) -> Seal | None:
    last = Seal.objects.select_for_update(no_key=True).order_by("pk").last()
    heads = list(
        AuditHead.objects.select_for_update(no_key=True, skip_locked=True)
        .filter(sequence__gt=F("sealed_sequence"))
        .order_by("stream")
    )
    if not heads:
        return None
    for head in heads:
        head.sealed_sequence = head.sequence
    bulk.update(heads, ["sealed_sequence"])
    entries = [[head.stream, head.sequence, head.hash] for head in heads]
    key_id, secret = list(audit_keys().items())[-1]
    previous = last.hash if last else audit.GENESIS
    return Seal.objects.create(
        at=now,
        entries=json.dumps(entries, separators=(",", ":")),
        previous_hash=previous,
        key_id=key_id,
        hash=audit.seal_hash(entries, at=now, previous_hash=previous, secret=secret),
    )
