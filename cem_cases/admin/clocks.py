"""The life of a clock in words: how its due time came about, piece by piece.

`Clock.explain` says what was open, closed and paused. Here that is parted further, where
a reader would: at the present, and where the target changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import chain, groupby, pairwise

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from cem_cases.admin import words
from cem_cases.admin.timeline import name_of
from cem_cases.models import Case, Clock, Pause, TargetChange, TimeUnit
from cem_cases.models.clocks import Explanation, Segment
from cem_cases.sla import Kind

MOST_LINES = 12
"""Lines that are told one by one; of more, the days in between become one line."""
KEPT = 2
"""Lines that stay before and after such a line."""
MINUTE = timedelta(minutes=1)

CAUSES: Mapping[str, str | Promise] = {
    TargetChange.Cause.PRIORITY: gettext_lazy("because the priority changed"),
    TargetChange.Cause.POLICY: gettext_lazy("because another policy applies"),
    TargetChange.Cause.MIGRATION: gettext_lazy(
        "because the clock was moved to version %(version)s of its policy"
    ),
}


class Phase(StrEnum):
    """Which part of a clock's life a piece belongs to."""

    USED = "used"
    """Gone by, before the due time."""
    AHEAD = "ahead"
    """Still to come, before the due time."""
    LATE = "late"
    """After the due time."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a clock's life, and what is to be said of it."""

    start: datetime
    end: datetime
    kind: Kind
    phase: Phase
    pause: Pause | None = None
    minutes: int = 0
    """What it counted, rounded in such a way that the sums are right."""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the explanation; `reason` is what somebody typed."""

    at: datetime
    look: str
    text: str
    phase: str = ""
    reason: str = ""
    minutes: int = 0


def pieces(clock: Clock, explained: Explanation, now: datetime) -> Sequence[Piece]:
    """Return the life of this clock in pieces, without gaps."""
    present = now if clock.is_running else None
    cuts = [change.at for change in explained.changes]
    cuts += [present] if present else []
    parts = chain.from_iterable(_parted(s, sorted(cuts)) for s in explained.segments)
    totals = dict.fromkeys((True, False), timedelta(0))
    found = []
    for part in parts:
        is_late = part.start >= explained.due_at
        before = totals[is_late]
        totals[is_late] += part.counted
        is_ahead = present is not None and part.start >= present
        piece = Piece(
            start=part.start,
            end=part.end,
            kind=part.kind,
            phase=Phase.LATE if is_late else (Phase.AHEAD if is_ahead else Phase.USED),
            pause=part.pause,
            minutes=_minutes(totals[is_late]) - _minutes(before),
        )
        found.append(replace(piece, text=_said(piece, clock, now)))
    return found


def _parted(segment: Segment, cuts: Sequence[datetime]) -> Iterator[Segment]:
    inside = [cut for cut in cuts if segment.start < cut < segment.end]
    for start, end in pairwise([segment.start, *inside, segment.end]):
        counted = end - start if segment.kind is Kind.OPEN else timedelta(0)
        yield segment._replace(start=start, end=end, counted=counted)


def _minutes(span: timedelta) -> int:
    return round(span / MINUTE)


def spent(minutes: int, clock: Clock) -> str:
    """Return so much time of this clock, to the minute, so that it adds up.

    Open time has no days: a day of it may be eight hours.
    """
    if clock.target_unit != TimeUnit.CALENDAR_SECONDS:
        return words.span(minutes * 60, days=False)
    days, rest = divmod(minutes, 24 * 60)
    parts = [_("%d d") % days] if days else []
    parts += [words.span(rest * 60)] if rest or not days else []
    return " ".join(parts)


def total(parts: Iterable[Piece], *phases: Phase) -> int:
    """Return the minutes that these phases counted."""
    return sum(part.minutes for part in parts if part.phase in phases)


def _said(piece: Piece, clock: Clock, now: datetime) -> str:
    if piece.kind is Kind.CLOSED:
        return _("closed until %s") % words.when(piece.end, now)
    if piece.pause is not None:
        return _paused(piece, piece.pause, now)
    text = {
        Phase.USED: _("%(when)s open, %(span)s counted"),
        Phase.AHEAD: _("%(when)s open, %(span)s will count"),
        Phase.LATE: _("%(when)s open, %(span)s late"),
    }[piece.phase]
    return text % {
        "when": words.stretch(piece.start, piece.end, now),
        "span": spent(piece.minutes, clock),
    }


def _paused(piece: Piece, pause: Pause, now: datetime) -> str:
    """Return by whom, from when to when, and until when it was expected."""
    expected = words.when(pause.expected_end_at, now)
    said = {
        "by": _(" by %s") % name_of(pause.by) if pause.by else "",
        "when": words.stretch(piece.start, piece.end, now),
        "since": words.when(piece.start, now),
        "expected": expected,
        "status": Case(status=pause.status).get_status_display(),
    }
    if pause.until_at is None:
        text = _(
            "paused%(by)s since %(since)s, until %(expected)s at the latest (%(status)s)"
        )
    elif abs(pause.until_at - pause.expected_end_at) < MINUTE:
        text = _("paused%(by)s, %(when)s (%(status)s)")
    else:
        text = _("paused%(by)s, %(when)s, expected until %(expected)s (%(status)s)")
    return text % said


def lines(
    clock: Clock, explained: Explanation, parts: Sequence[Piece], now: datetime
) -> Sequence[Line]:
    """Return the explanation: every piece, and what happened, in the order of time."""
    told = [
        Line(
            at=part.start,
            look=look(part),
            text=part.text,
            phase=part.phase,
            reason=part.pause.reason if part.pause else "",
            minutes=part.minutes,
        )
        for part in parts
    ]
    # the sort is stable: what happened stands before the piece which begins then
    found = sorted([*_events(clock, explained, parts, now), *told], key=_moment)
    return _folded(found, clock) if len(found) > MOST_LINES else found


def _moment(line: Line) -> datetime:
    return line.at


def look(piece: Piece) -> str:
    """Return how this piece is drawn; the words beside it say the same."""
    return piece.phase if piece.kind is Kind.OPEN else piece.kind


def _events(
    clock: Clock, explained: Explanation, parts: Sequence[Piece], now: datetime
) -> Iterator[Line]:
    yield from _changes(clock, explained.changes, now)
    if clock.warned_at is not None:
        text = _("warned %s") % words.when(clock.warned_at, now)
        yield Line(clock.warned_at, "warned", text)
    if not clock.ended_at or clock.ended_at >= explained.due_at:
        yield _due(clock, explained.due_at, parts, now)
    if clock.breached_at is not None:
        text = _("breached %(when)s (%(cause)s)") % {
            "when": words.when(clock.breached_at, now),
            "cause": clock.get_breach_cause_display(),
        }
        yield Line(clock.breached_at, "breached", text)
    if clock.is_running:
        yield Line(now, "now", _("now: %s") % used(clock, parts))
    else:
        yield _ended(clock, parts, now)


def _changes(
    clock: Clock, changes: Sequence[TargetChange], now: datetime
) -> Iterator[Line]:
    if not changes:
        return
    # what a change led to is what the next one changed, and in the end what is now
    after = [(c.before_amount, c.before_unit, c.before_version) for c in changes[1:]]
    after.append((*clock.target, clock.version))
    for change, (amount, unit, version) in zip(changes, after, strict=True):
        before = words.target(change.before_amount, change.before_unit)
        said = {
            "before": before,
            "after": words.target(amount, unit),
            "why": CAUSES.get(change.cause, change.cause) % {"version": version.number},
            "due": words.when(change.due_after_at, now),
        }
        if before == said["after"]:
            text = _("due %(due)s %(why)s") % said
        else:
            text = _("target changed from %(before)s to %(after)s %(why)s: due %(due)s")
            text %= said
        yield Line(change.at, "changed", text)


def _due(clock: Clock, due_at: datetime, parts: Sequence[Piece], now: datetime) -> Line:
    text = _("%(span)s counted by %(when)s = due")
    if clock.target_unit == TimeUnit.BUSINESS_DAYS:
        text = _("%(span)s counted by %(when)s = %(target)s = due")
    text %= {
        "span": spent(total(parts, Phase.USED, Phase.AHEAD), clock),
        "when": words.when(due_at, now),
        "target": words.target(*clock.target),
    }
    if clock.is_running and clock.paused_at is not None:
        text += _(", if it went on now")
    return Line(due_at, "due", text)


def _ended(clock: Clock, parts: Sequence[Piece], now: datetime) -> Line:
    assert clock.ended_at is not None  # noqa: S101  (it does not run)
    text = _("completed %(when)s: %(used)s")
    if clock.cancelled_at is not None:
        text = _("cancelled %(when)s: %(used)s")
    text %= {"when": words.when(clock.ended_at, now), "used": used(clock, parts)}
    return Line(clock.ended_at, "ended", text)


def used(clock: Clock, parts: Sequence[Piece]) -> str:
    """Return what this clock has used up, and what is left or too much."""
    counted, left = total(parts, Phase.USED), total(parts, Phase.AHEAD)
    late = total(parts, Phase.LATE)
    text = _("%s counted") % spent(counted, clock)
    if late:
        text += _(", %s late") % spent(late, clock)
    if left:
        text += _(", %s left") % spent(left, clock)
    return text


def _folded(found: Sequence[Line], clock: Clock) -> list[Line]:
    """Return these lines with the days in between in one."""
    kept: list[Line] = []
    for (is_plain, _phase), group in groupby(found, key=_sort):
        run = list(group)
        if is_plain and len(run) > 2 * KEPT + 1:
            between = run[KEPT:-KEPT]
            days = _open_days(between) - _open_days(run[:KEPT] + run[-KEPT:])
            if len(days) > 1:
                run[KEPT:-KEPT] = [_more(between, len(days), clock)]
        kept += run
    return kept


def _open_days(run: Sequence[Line]) -> set[date]:
    return {timezone.localdate(x.at) for x in run if x.look != Kind.CLOSED}


def _sort(line: Line) -> tuple[bool, str]:
    return bool(line.phase) and line.look != Kind.PAUSED, line.phase


def _more(run: Sequence[Line], days: int, clock: Clock) -> Line:
    """Return these lines as one; `days` are those of which no other line tells."""
    text = {
        Phase.USED: _("… %(days)s, %(span)s counted"),
        Phase.AHEAD: _("… %(days)s, %(span)s will count"),
        Phase.LATE: _("… %(days)s, %(span)s late"),
    }[Phase(run[0].phase)]
    text %= {
        "days": ngettext("%d more day", "%d more days", days) % days,
        "span": spent(sum(line.minutes for line in run), clock),
    }
    return Line(run[0].at, "more", text, phase=run[0].phase)
