"""A clock as a bar: open time to scale, closed time as a thin gap.

Drawn in per cent of its width, so that it fits any page. What would swallow the rest, a
long pause or a long delay, is cut short and shows that it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from cem_cases import sla
from cem_cases.admin import clocks, words
from cem_cases.admin.clocks import Line, Phase, Piece
from cem_cases.models import Clock, TimeUnit
from cem_cases.models.clocks import Explanation
from cem_cases.sla import Kind

MOST_PIECES = 40
"""Of more than these in a row, open and closed time become one block."""
MOST_CUT = 0.5
"""What pauses, and what a delay, may take of the width that the target has."""
SPARE = "spare"
"""How time is drawn that was left when the clock ended."""
NARROWEST: Mapping[str, float] = {Kind.CLOSED: 0.5, Kind.PAUSED: 3, Phase.LATE: 1.5}
"""What is seen of these, in per cent, however short they are."""
PAINTED = {Phase.AHEAD, Phase.LATE, Kind.PAUSED}
"""What is drawn with a pattern of `clockpatterns.html`: told apart without colour."""
ROOM_FOR_START = 45
ROOM_FOR_SIGN = 6.0
"""How far the signs above the bar stand apart, in per cent: also on a phone."""

LEGEND: Mapping[str, str | Promise] = {
    Phase.USED: gettext_lazy("open: counted"),
    Phase.AHEAD: gettext_lazy("open: still to come"),
    SPARE: gettext_lazy("open: was left"),
    Phase.LATE: gettext_lazy("open: late"),
    Kind.PAUSED: gettext_lazy("paused"),
    Kind.CLOSED: gettext_lazy("closed"),
}
"""Each look of a block, in words."""
MARKS: Mapping[str, str | Promise] = {
    "changed": gettext_lazy("target changed"),
    "warned": gettext_lazy("warned"),
    "breached": gettext_lazy("breached"),
}
"""Each mark above the bar, in words; those below it have theirs beside them."""


@dataclass(slots=True)
class Block:
    """One rectangle of the bar, in per cent."""

    look: str
    start: datetime
    end: datetime
    weight: float
    title: str
    x: float = 0
    width: float = 0
    is_cut: bool = False
    """Whether it is the one that shows that such time is not to scale."""

    @property
    def paint(self) -> str:
        return paint(self.look)

    @property
    def left(self) -> str:
        return percent(self.x)

    @property
    def wide(self) -> str:
        return percent(self.width)

    @property
    def middle(self) -> str:
        return percent(self.x + self.width / 2)


@dataclass(frozen=True, slots=True)
class Mark:
    """One moment on the bar."""

    look: str
    x: float
    text: str
    aside: float = 0
    """How far its sign stands from the moment, where another's is in the way."""

    @property
    def left(self) -> str:
        return percent(self.x)

    @property
    def sign(self) -> str:
        return percent(self.x + self.aside)

    @property
    def anchor(self) -> str:
        """Return on which side of the moment its words have room."""
        if self.x < 20:
            return "start"
        return "end" if self.x > 80 else "middle"


@dataclass(frozen=True, slots=True)
class Bar:
    label: str
    """What it shows, for those who hear it."""
    blocks: Sequence[Block]
    above: Sequence[Mark]
    below: Sequence[Mark]
    """When it started, where there is room, and when it is due."""
    last: Mark
    """Now, or when it ended."""


@dataclass(frozen=True, slots=True)
class Hand:
    """One clock, as it is shown; without a bar where its policy cannot be read."""

    row: Clock
    name: str
    stands: words.Said
    facts: Sequence[tuple[str, str]]
    policy: str
    because: str
    bar: Bar | None = None
    lines: Sequence[Line] = ()


def percent(number: float) -> str:
    """Return a length as SVG reads it, in whatever language the page is.

    >>> percent(33.33333), percent(100)
    ('33.33%', '100%')
    """
    return f"{number:.2f}".rstrip("0").rstrip(".") + "%"


def hand(clock: Clock, now: datetime, why: Mapping[int, str] | None = None) -> Hand:
    """Return a clock of `clocks.rows` with its explanation; no queries.

    `why` says of policies, by key, what decided for them.
    """
    version = clock.version
    policy = {"policy": version.policy, "number": version.number}
    found = Hand(
        row=clock,
        name=_name(clock),
        stands=words.clock(clock, now),
        facts=_facts(clock, clock.due_at),
        policy=_("%(policy)s, version %(number)s") % policy,
        because=_because((why or {}).get(version.policy_id, "")),
    )
    try:
        explained = clock.explain(now)
    except ValueError:  # somebody changed its version with SQL
        return found
    parts = clocks.pieces(clock, explained, now)
    used = [(_("Used"), clocks.used(clock, parts))] if clock.is_running else []
    return replace(
        found,
        facts=[*_facts(clock, explained.due_at), *used],
        bar=_bar(clock, explained, parts, now, f"{found.name}: {found.stands.text}"),
        lines=clocks.lines(clock, explained, parts, now),
    )


def _name(clock: Clock) -> str:
    name = capfirst(clock.get_metric_display())
    return f"{name} ({_('cycle %d') % clock.cycle})" if clock.cycle > 1 else name


def _because(because: str) -> str:
    return _("it holds for every case") if because == "always" else because


def _facts(clock: Clock, due_at: datetime) -> list[tuple[str, str]]:
    due = words.moment(due_at)
    if clock.is_running and clock.paused_at is not None:
        due = _("%s, if it went on now") % due
    facts = [
        (_("Target"), words.promise(clock.target_amount, clock.target_unit)),
        (_("Due"), due),
    ]
    if clock.business_elapsed is not None:
        facts.append((_("Took"), _took(clock, clock.business_elapsed)))
    return facts


def _took(clock: Clock, seconds: int) -> str:
    whole = clock.calendar_elapsed or 0
    if clock.target_unit == TimeUnit.CALENDAR_SECONDS:
        return words.span(whole)
    text = _("%s of open time") % words.span(seconds, days=False)
    if whole - seconds >= 60:
        text += _(" (%s altogether)") % words.span(whole)
    return text


def paint(look: str) -> str:
    """Return the fill of a block, as SVG reads it."""
    return f"url(#cem-paint-{look})" if look in PAINTED else "none"


def legend(hands: Sequence[Hand]) -> tuple[Sequence[tuple[str, ...]], ...]:
    """Return the looks that these bars have, and their marks, each with its words."""
    bars = [hand.bar for hand in hands if hand.bar]
    looks = {block.look for bar in bars for block in bar.blocks}
    marks = {mark.look for bar in bars for mark in bar.above}
    return (
        [
            (look, paint(look), str(text))
            for look, text in LEGEND.items()
            if look in looks
        ],
        [(look, str(text)) for look, text in MARKS.items() if look in marks],
    )


# Drawing


def _bar(
    clock: Clock,
    explained: Explanation,
    parts: Sequence[Piece],
    now: datetime,
    label: str,
) -> Bar:
    _conditions, terms = clock.version.value()
    calendar = terms.calendar
    if clock.target_unit == TimeUnit.CALENDAR_SECONDS:
        calendar = None
    blocks = list(_blocks(parts, calendar, now))
    blocks += _spare(clock, explained.due_at, calendar)
    _measure(blocks)
    due = _("due %s") % _short(explained.due_at)
    started = _("started %s") % _short(clock.started_at)
    *above, last = _apart(
        [*_above(clock, explained, blocks, now), _last(clock, blocks, now)]
    )
    below = [Mark("due", _place(blocks, explained.due_at), due)]
    if below[0].x > ROOM_FOR_START:
        below.insert(0, Mark("start", 0, _short(clock.started_at)))
    return Bar(
        label="; ".join((label, started, due, clocks.used(clock, parts))),
        blocks=blocks,
        above=above,
        below=below,
        last=last,
    )


def _blocks(
    parts: Sequence[Piece], calendar: sla.Calendar | None, now: datetime
) -> Iterator[Block]:
    """Yield what is drawn: each piece, or many days at once."""
    for _key, group in groupby(parts, key=lambda p: (p.kind is Kind.PAUSED, p.phase)):
        run = list(group)
        if len(run) > MOST_PIECES and run[0].kind is not Kind.PAUSED:
            seconds = sum(map(_seconds, run))
            title = words.stretch(run[0].start, run[-1].end, now)
            yield Block(run[0].phase, run[0].start, run[-1].end, seconds, title)
            continue
        for part in run:
            seconds = _seconds(part)
            text = part.text
            if part.pause is not None:
                seconds = sla.elapsed(calendar, part.start, part.end).business_seconds
                text = f"{text}: {part.pause.reason}"
            yield Block(clocks.look(part), part.start, part.end, seconds, text)


def _seconds(part: Piece) -> float:
    return (part.end - part.start).total_seconds() if part.kind is Kind.OPEN else 0


def _spare(
    clock: Clock, due_at: datetime, calendar: sla.Calendar | None
) -> Iterator[Block]:
    """Yield what was left when it ended before its due time."""
    if clock.ended_at and clock.ended_at < due_at:
        left = sla.elapsed(calendar, clock.ended_at, due_at).business_seconds
        text = _("%s was left") % clocks.spent(round(left / 60), clock)
        yield Block(SPARE, clock.ended_at, due_at, left, text)


def _measure(blocks: Sequence[Block]) -> None:
    """Set where each block begins, and how wide it is."""
    within = {Phase.USED, Phase.AHEAD, SPARE}
    limit = MOST_CUT * sum(block.weight for block in blocks if block.look in within)
    for look in (Kind.PAUSED, Phase.LATE):
        _cut([block for block in blocks if block.look == look], limit)
    whole = sum(block.weight for block in blocks) or 1
    for block in blocks:
        least = NARROWEST.get(block.look, 0)
        block.width = max(100 * block.weight / whole, least)
    scale, x = 100 / sum(block.width for block in blocks), 0.0
    for block in blocks:
        block.width *= scale
        block.x, x = x, x + block.width


def _cut(blocks: Sequence[Block], limit: float) -> None:
    """If these take more than the limit together, make them smaller, and say so once."""
    whole = sum(block.weight for block in blocks)
    if whole <= limit:
        return
    max(blocks, key=lambda block: block.weight).is_cut = True
    for block in blocks:
        block.weight *= limit / whole


def _place(blocks: Sequence[Block], at: datetime) -> float:
    """Return where this moment lies."""
    for block in blocks:
        if at <= block.end:
            part = max((at - block.start) / (block.end - block.start), 0)
            return block.x + part * block.width
    return 100


def _above(
    clock: Clock, explained: Explanation, blocks: Sequence[Block], now: datetime
) -> Iterator[Mark]:
    moments = [("changed", change.at) for change in explained.changes]
    moments += [
        (look, at)
        for look, at in (("warned", clock.warned_at), ("breached", clock.breached_at))
        if at is not None
    ]
    for look, at in moments:
        text = f"{MARKS[look]} {words.when(at, now)}"
        yield Mark(look, _place(blocks, at), text)


def _apart(marks: Sequence[Mark]) -> list[Mark]:
    """Return these marks with their signs apart, in the order of their moments."""
    room = min(ROOM_FOR_SIGN, 100 / len(marks))
    order = sorted(range(len(marks)), key=lambda n: marks[n].x)
    signs, most = [mark.x for mark in marks], 100.0
    for n in reversed(order):
        signs[n] = min(signs[n], most)
        most = signs[n] - room
    least = 0.0
    for n in order:
        signs[n] = max(signs[n], least)
        least = signs[n] + room
    return [
        replace(mark, aside=sign - mark.x)
        for mark, sign in zip(marks, signs, strict=True)
    ]


def _last(clock: Clock, blocks: Sequence[Block], now: datetime) -> Mark:
    ended_at = clock.ended_at
    if ended_at is None:
        return Mark("now", _place(blocks, now), _("now"))
    text = _("cancelled %s") if clock.cancelled_at else _("done %s")
    return Mark("ended", _place(blocks, ended_at), text % _short(ended_at))


def _short(at: datetime) -> str:
    return date_format(timezone.localtime(at), "j M, H:i")
