"""Each event carries an HMAC over itself and over the hash of the event before it.

Whoever changes, removes, inserts or reorders a row without the key breaks a link
(HMAC: RFC 2104; linked time-stamping: Haber & Stornetta 1991). Cutting off the end
leaves every link whole: that is what the head row and the daily seal are for.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

GENESIS = "0" * 64
"""The `previous_hash` of the first event of a stream."""


@dataclass(frozen=True, slots=True)
class Link:
    """One event as it is hashed: what the row says, as text."""

    stream: str
    sequence: int
    at: datetime
    actor: str
    kind: str
    payload: str
    previous_hash: str
    key_id: str
    hash: str


@dataclass(frozen=True, slots=True)
class Fault:
    """Where a chain is broken, and how."""

    stream: str
    sequence: int
    problem: str

    def __str__(self) -> str:
        return f"{self.stream} #{self.sequence}: {self.problem}"


def canonical(payload: Mapping[str, Any]) -> str:
    """Return the one text for this payload: sorted keys, no spaces, no floats.

    >>> canonical({"b": Decimal("1.50"), "a": datetime(2025, 3, 3, tzinfo=UTC)})
    '{"a":"2025-03-03T00:00:00.000000Z","b":"1.50"}'

    Raises TypeError for values without one text, floats above all.
    """
    return _ENCODER.encode(payload)


def commitment(salt: str, text: str) -> str:
    """Return what the chain keeps of a private text: it binds, but reveals nothing.

    The salt is erased together with the text; then nobody can test a guess.
    """
    return hashlib.sha256(f"{salt}\x00{text}".encode()).hexdigest()


def link(
    *,
    stream: str,
    sequence: int,
    at: datetime,
    actor: str,
    kind: str,
    payload: str,
    previous_hash: str,
    key_id: str,
    secret: str,
) -> str:
    """Return the hash (64 hex digits) of the event with these fields.

    Every field is length-prefixed, so no two different events share their bytes.
    """
    parts = (
        key_id,
        previous_hash,
        stream,
        str(sequence),
        moment(at),
        actor,
        kind,
        payload,
    )
    message = "".join(f"{len(part)}:{part}" for part in parts)
    return hmac.digest(secret.encode(), message.encode(), "sha256").hex()


def seal_hash(
    entries: Sequence[Sequence[Any]], *, at: datetime, previous_hash: str, secret: str
) -> str:
    """Return the hash of a seal over (stream, sequence, hash) entries."""
    message = canonical({"at": at, "entries": entries, "previous_hash": previous_hash})
    return hmac.digest(secret.encode(), message.encode(), "sha256").hex()


def moment(at: datetime) -> str:
    """Return an instant as it is hashed: UTC, with all six digits of the second."""
    utc = at.astimezone(UTC).replace(tzinfo=None)
    return utc.isoformat(timespec="microseconds") + "Z"


def verify(links: Iterable[Link], keys: Mapping[str, str]) -> Iterator[Fault]:
    """Yield what is wrong with the events of one stream, given in their order."""
    previous, expected = GENESIS, 1
    for event in links:
        problem = _problem(event, previous, expected, keys)
        if problem:
            yield Fault(event.stream, event.sequence, problem)
        previous, expected = event.hash, event.sequence + 1


def _problem(
    event: Link, previous: str, expected: int, keys: Mapping[str, str]
) -> str | None:
    if event.sequence != expected:
        return f"expected #{expected} here: an event is missing or out of order"
    if event.previous_hash != previous:
        return "does not continue the event before it"
    if event.key_id not in keys:
        return f"is signed with a key that is not configured ({event.key_id!r})"
    rebuilt = link(
        stream=event.stream,
        sequence=event.sequence,
        at=event.at,
        actor=event.actor,
        kind=event.kind,
        payload=event.payload,
        previous_hash=event.previous_hash,
        key_id=event.key_id,
        secret=keys[event.key_id],
    )
    return None if hmac.compare_digest(rebuilt, event.hash) else "was changed"


def _plain(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return moment(value)
    raise TypeError(f"{type(value).__name__} has no canonical text.")


class _Encoder(json.JSONEncoder):
    def encode(self, o: Any) -> str:
        _refuse_floats(o)
        return super().encode(o)


def _refuse_floats(value: Any) -> None:
    if isinstance(value, float):
        raise TypeError("float has no canonical text; use Decimal.")
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list | tuple):
        return
    for item in value:
        if type(item) not in _EXACT:  # a call for each would take as long as all else
            _refuse_floats(item)


_EXACT = (str, int, bool, type(None))


_ENCODER = _Encoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_plain
)
