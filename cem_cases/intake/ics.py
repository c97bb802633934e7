"""The whole days that a calendar file names (.ics, RFC 5545).

Only events are read, and of these what says when they are and what they are called.
What cannot close a whole day is left out with its reason, never silently. The work is
bounded by the size of the file, by the number of its events and by the stretch of days
that is asked for.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice

from cem_cases.intake import recurrence
from cem_cases.intake.recurrence import Recurrence, as_date
from cem_cases.intake.refusals import FileRefused

MAX_BYTES = 1024 * 1024
MAX_EVENTS = 2_000
MAX_REPEATING = 300
MAX_DAYS = 900
MAX_NAME = 200
MAX_LENGTH = 366
"""Days that one event may last."""
COUNTED_FROM = 2010
"""A repetition that ends by COUNT is walked from its first day on; no earlier than this."""


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """A day with its name."""

    day: date
    name: str


@dataclass(frozen=True, slots=True)
class Refused:
    """An event that is left out, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What a file says: one entry a day, in their order, and what was left out."""

    entries: Sequence[Entry]
    refused: Sequence[Refused]


class EventRefused(ValueError):
    """An event that names no whole days; the message says why."""


def read(data: bytes, *, first: date, last: date) -> Preview:
    """Return the days that this file names from `first` to `last`.

    Repetitions are laid out, and several names of one day are joined. Raises
    FileRefused where this is no calendar file, or one that is too large.
    """
    events, refused, replaced = _read(data)
    names: dict[date, list[str]] = defaultdict(list)
    for event in events:
        days = event.days(first, last, without=replaced[event.uid])
        if not days:
            reason = f"It falls on no day from {first.year} to {last.year}."
            refused.append(Refused(event.name, reason))
        for day in days:
            names[day].append(event.name)
        if len(names) > MAX_DAYS:
            raise FileRefused(
                f"The file names more than {MAX_DAYS} days from {first.year} to "
                f"{last.year}. What is closed every week belongs to the weekly hours."
            )
    return Preview(
        [Entry(day, _joined(found)) for day, found in sorted(names.items())], refused
    )


def one_line(text: str) -> str:
    """Return a name as it can be kept: one line, not too long, nothing unseen.

    >>> one_line("New\\x00 Year\\n" + "!" * 300)[:11]
    'New Year !!'
    """
    seen = (" " if _is_unseen(char) else char for char in text[: 5 * MAX_NAME])
    return " ".join("".join(seen).split())[:MAX_NAME].rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    uid: str
    name: str
    start: date
    length: int
    """How many days it lasts."""
    rule: Recurrence | None
    also: frozenset[date]
    never: frozenset[date]

    def days(self, first: date, last: date, *, without: set[date]) -> list[date]:
        """Return each day of the stretch on which it, or a repetition of it, lies."""
        earliest = first - timedelta(days=self.length - 1)
        begins = {day for day in (self.start, *self.also) if earliest <= day <= last}
        if self.rule is not None:
            begins.update(self.rule.days(self.start, first=earliest, last=last))
        found: list[date] = []
        # however much repetitions overlap, no day is looked at twice
        day = first
        for begin in sorted(begins - self.never - without):
            day = max(day, begin)
            while day <= last and (day - begin).days < self.length:
                found.append(day)
                day += timedelta(days=1)
        return found


_Lines = Mapping[str, Sequence[str]]
_Replaced = Mapping[str, set[date]]


def _read(data: bytes) -> tuple[list[_Event], list[Refused], _Replaced]:
    """Return the events, what is left out, and by `uid` the days that other events of
    the same file stand for."""
    events: list[_Event] = []
    refused: list[Refused] = []
    replaced: _Replaced = defaultdict(set)
    for count, lines in enumerate(_of_events(_text(data)), start=1):
        if count > MAX_EVENTS:
            raise FileRefused(f"The file has more than {MAX_EVENTS:,} events.")
        name = _name(lines)
        try:
            if "RECURRENCE-ID" in lines and "UID" in lines:
                replaced[lines["UID"][0]].add(_replaced_day(lines))
            events.append(_event(name, lines))
        except EventRefused as error:
            refused.append(Refused(name, str(error)))
    if not events and not refused:
        raise FileRefused("The file has no events.")
    if sum(event.rule is not None for event in events) > MAX_REPEATING:
        raise FileRefused(f"The file has more than {MAX_REPEATING} repeating events.")
    return events, refused, replaced


def _text(data: bytes) -> str:
    """Return the file's text with its folded lines made whole."""
    if len(data) > MAX_BYTES:
        raise FileRefused(f"The file is larger than {MAX_BYTES:,} bytes.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FileRefused("The file is not UTF-8, as calendar files are.") from None
    text = text.replace("\r\n", "\n").replace("\r", "\n").lstrip()
    if not text[:15].upper() == "BEGIN:VCALENDAR":
        raise FileRefused(
            "This is not a calendar file: it does not begin with BEGIN:VCALENDAR."
        )
    return text.replace("\n ", "").replace("\n\t", "")


def _of_events(text: str) -> Iterator[_Lines]:
    """Yield what is written about each event, by the names of its properties.

    What stands within an event, such as an alarm, is passed over.
    """
    lines: dict[str, list[str]] | None = None
    within = 0
    for line in text.split("\n"):
        word = line[:40].rstrip().upper()
        if lines is None:
            lines = {} if word == "BEGIN:VEVENT" else None
        elif word.startswith("BEGIN:"):
            within += 1
        elif within:
            within -= word.startswith("END:")
        elif word == "END:VEVENT":
            yield lines
            lines = None
        elif found := _LINE.match(line):
            lines.setdefault(found[1].upper(), []).append(line[found.end(1) :])
    if lines is not None:
        raise FileRefused("The file breaks off within an event.")


_WANTED = (
    "UID",
    "SUMMARY",
    "STATUS",
    "DTSTART",
    "DTEND",
    "DURATION",
    "RRULE",
    "RDATE",
    "EXDATE",
    "EXRULE",
    "RECURRENCE-ID",
)
_LINE = re.compile(rf"({'|'.join(_WANTED)})(?=[;:])", re.IGNORECASE)
# Parameters may be quoted, and then hold colons.
_VALUE = re.compile(r'((?:;[^":]*(?:"[^"]*"[^":]*)*)?):(.*)', re.DOTALL)
_MOMENT = re.compile(r"([0-9]{8})(T[0-9]{6}Z?)?")
_DURATION = re.compile(r"\+?P([0-9]{1,4})([DW])")


def _event(name: str, lines: _Lines) -> _Event:
    if _value(lines, "STATUS").strip().upper() == "CANCELLED":
        raise EventRefused("It is cancelled.")
    if "EXRULE" in lines:
        raise EventRefused("Its repetition has EXRULE, which is not read.")
    start = _day(_value(lines, "DTSTART"), "DTSTART")
    return _Event(
        # one that stands for a day of a repeating event is itself not replaced
        uid="" if "RECURRENCE-ID" in lines else lines.get("UID", [""])[0],
        name=name,
        start=start,
        length=_length(start, lines),
        rule=_rule(start, lines),
        also=frozenset(_days(lines, "RDATE")),
        never=frozenset(_days(lines, "EXDATE", may_be_timed=True)),
    )


def _length(start: date, lines: _Lines) -> int:
    days = 1
    if end := _value(lines, "DTEND"):
        days = (_day(end, "DTEND") - start).days
        if days < 0:
            raise EventRefused("It ends before it begins.")
    elif duration := _value(lines, "DURATION"):
        found = _DURATION.fullmatch(duration.strip().upper())
        if not found:
            raise EventRefused("It does not last for whole days.")
        days = int(found[1]) * (7 if found[2] == "W" else 1)
    if days > MAX_LENGTH:
        raise EventRefused("It lasts for more than a year.")
    return max(days, 1)  # some programs write a day as one that ends when it begins


def _rule(start: date, lines: _Lines) -> Recurrence | None:
    text = _value(lines, "RRULE")
    if not text:
        return None
    try:
        rule = recurrence.parse(text)
    except recurrence.RecurrenceRefused as error:
        raise EventRefused(str(error)) from None
    if rule.count and start.year < COUNTED_FROM:
        raise EventRefused(f"Its repetition is counted from before {COUNTED_FROM}.")
    return rule


def _replaced_day(lines: _Lines) -> date:
    """Return which day of a repeating event this one stands for."""
    (whole, *_more) = lines["RECURRENCE-ID"]
    if "THISANDFUTURE" in whole.upper():
        raise EventRefused(
            "It changes a repetition from one day on, which is not read."
        )
    return _day(_value(lines, "RECURRENCE-ID"), "RECURRENCE-ID", may_be_timed=True)


def _value(lines: _Lines, name: str) -> str:
    """Return what stands behind the colon, or nothing."""
    found = lines.get(name, ())
    if len(found) > 1:
        raise EventRefused(f"It has {name} twice.")
    return _after_colon(found[0], name) if found else ""


def _after_colon(line: str, name: str) -> str:
    found = _VALUE.fullmatch(line)
    if not found:
        raise EventRefused(f"Its {name} cannot be read.")
    return found[2]


def _days(lines: _Lines, name: str, *, may_be_timed: bool = False) -> Iterator[date]:
    for line in lines.get(name, ()):
        for text in _after_colon(line, name).split(","):
            yield _day(text, name, may_be_timed=may_be_timed)


def _day(text: str, name: str, *, may_be_timed: bool = False) -> date:
    if not text and name == "DTSTART":
        raise EventRefused("It has no date.")
    found = _MOMENT.fullmatch(text.strip().upper())
    if found and found[2] and not may_be_timed:
        raise EventRefused("It has a time of day; only whole days are taken.")
    try:
        return as_date(found[1] if found else "")
    except ValueError:
        raise EventRefused(f"Its {name} is not a date.") from None


def _name(lines: _Lines) -> str:
    try:
        text = _after_colon(lines.get("SUMMARY", [":"])[0], "SUMMARY")
    except EventRefused:
        return ""
    return one_line(re.sub(r"\\(.)", _unescaped, text[: 10 * MAX_NAME]))


def _unescaped(found: re.Match[str]) -> str:
    return " " if found[1] in "nN" else found[1]


def _is_unseen(char: str) -> bool:
    """Whether this is a control character, half of one, or turns the text round."""
    turns = unicodedata.bidirectional(char) in _TURNS
    return turns or unicodedata.category(char) in ("Cc", "Cs")


_TURNS = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")


def _joined(names: Sequence[str]) -> str:
    different = dict.fromkeys(filter(None, names))
    return one_line("; ".join(islice(different, MAX_NAME)))
