"""Due times in business hours, beside the package `businesstimedelta`, in one run.

    python -m benchmarks.business_time [--quick] [--rounds N]

One core, aware datetimes in and out: Monday to Friday, 9 to 17 in Berlin, less Germany's
holidays, from random starts in eleven years. The ways go in turns and change their order
every round. Each has laid out its openings and found its answers once before it is timed.
What is measured is time of the processor: nothing here waits for anything.

The peer is measured twice: with an object of the package `holidays`, as its README says,
and with the same dates in a set, which it does not mention and is faster with.
"""

from __future__ import annotations

import argparse
import json
import operator
import random
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from statistics import median
from time import process_time
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from benchmarks import table
from cem_cases.sla import Calendar, Opening, Pause, Target, Unit, due

ZONE = "Europe/Berlin"
YEARS = range(2018, 2029)
ONE_DAY = 8 * 3600
TWO_YEARS = 500 * ONE_DAY
TARGET = Target(ONE_DAY, Unit.BUSINESS_SECONDS)
CHECKED = 500
"""From so many starts, both packages must find the same before anything is timed."""
ADD, FAR = "add, 1 day", "add, 2 years"
PAUSED, DAYS = "due, 3 pauses", "10 business days"
PEER, PEER_SET = "businesstimedelta", "businesstimedelta, set"


class Way(NamedTuple):
    """Something to time: once with each of `items`."""

    name: str
    do: Callable[[Any], datetime]
    items: Sequence[Any]


def main() -> None:
    """Measure, and print a table and, as the last line, one JSON object."""
    options = _options()
    try:
        import businesstimedelta  # noqa: F401
        import holidays
    except ImportError:
        sys.exit("To measure against it, first: pip install businesstimedelta")
    # The peer looks for a holiday within five years of every start.
    closed = holidays.country_holidays("DE", years=range(YEARS[0] - 1, YEARS[-1] + 6))
    starts = list(_starts(options.starts))
    ways = [*_ours(starts, frozenset(closed)), *_peers(starts[: options.peers], closed)]
    _check(ways)
    _print(ways, measure(ways, options.rounds))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.business_time")
    parser.add_argument("--quick", action="store_true", help="fewer starts, 5 rounds")
    parser.add_argument("--rounds", type=int, help="default: 11")
    options = parser.parse_args()
    options.starts, options.peers = (30_000, 600) if options.quick else (100_000, 2_000)
    options.rounds = options.rounds or (5 if options.quick else 11)
    return options


def _starts(count: int) -> Iterator[datetime]:
    chance = random.Random(7)
    first = datetime(YEARS[0], 1, 1, tzinfo=UTC)
    years = datetime(YEARS[-1] + 1, 1, 1, tzinfo=UTC) - first
    for _ in range(count):
        yield first + timedelta(seconds=chance.randrange(years.days * 86_400))


def _ours(starts: Sequence[datetime], closed: frozenset[date]) -> Iterator[Way]:
    office = Calendar(
        ZoneInfo(ZONE), dict.fromkeys(range(5), (Opening(9 * 60, 17 * 60),)), closed
    )
    paused = [(start, _pauses(start)) for start in starts]
    yield Way(ADD, lambda start: office.add(start, ONE_DAY), starts)
    yield Way(FAR, lambda start: office.add(start, TWO_YEARS), starts)
    yield Way(PAUSED, lambda each: due(office, each[0], TARGET, each[1]), paused)
    yield Way(DAYS, lambda start: office.add_business_days(start, 10), starts)


def _pauses(start: datetime) -> list[Pause]:
    return [
        Pause(start + timedelta(hours=begins), start + timedelta(hours=ends))
        for begins, ends in ((1, 2), (4, 20), (30, 31))
    ]


def _peers(starts: Sequence[datetime], closed: Collection[date]) -> Iterator[Way]:
    from businesstimedelta import BusinessTimeDelta, HolidayRule, Rules, WorkDayRule
    from pytz import timezone

    zone = timezone(ZONE)
    days = WorkDayRule(time(9), time(17), range(5), tz=zone)
    for name, dates in ((PEER, closed), (PEER_SET, frozenset(closed))):
        rules = Rules([days, HolidayRule(dates, tz=zone)])
        day = BusinessTimeDelta(rules, seconds=ONE_DAY)
        yield Way(name, partial(operator.add, day), starts)


def _check(ways: Sequence[Way]) -> None:
    """Go each way once, and stop when the two packages do not agree."""
    found = {way.name: [way.do(item) for item in way.items] for way in ways}
    starts, ours = ways[0].items[:CHECKED], found[ADD]
    for peer in (PEER, PEER_SET):
        for start, one, other in zip(starts, ours, found[peer], strict=False):
            assert one == other, f"from {start}: {one} and {other} are not the same"


def measure(ways: Sequence[Way], rounds: int) -> Mapping[str, Sequence[float]]:
    """Return the processor's seconds for one answer, by way, round by round."""
    took: dict[str, list[float]] = {way.name: [] for way in ways}
    for number in range(1, rounds + 1):
        for way in ways if number % 2 else reversed(ways):
            do = way.do
            began = process_time()
            for item in way.items:
                do(item)
            took[way.name].append((process_time() - began) / len(way.items))
        print(f"round {number}/{rounds}", file=sys.stderr)
    return took


def _print(ways: Sequence[Way], took: Mapping[str, Sequence[float]]) -> None:
    lines = [
        [
            way.name,
            1 / median(took[way.name]),
            1e6 * median(took[way.name]),
            median(_ratios(took[PEER], took[way.name])),
        ]
        for way in ways
    ]
    print(table.table(["", "per second", "µs each", "times the peer"], lines))
    print(f"Both found the same {CHECKED} due times.")
    print(json.dumps(_figures(took)))


def _figures(took: Mapping[str, Sequence[float]]) -> Mapping[str, float]:
    ratios = _ratios(took[PEER], took[ADD])
    return {
        "rounds": len(ratios),
        "adds_per_s": round(1 / median(took[ADD])),
        "businesstimedelta_per_s": round(1 / median(took[PEER])),
        "ratio_to_businesstimedelta": round(median(ratios)),
        "ratio_lowest": round(min(ratios)),
        "ratio_highest": round(max(ratios)),
        "ratio_to_businesstimedelta_set": round(
            median(_ratios(took[PEER_SET], took[ADD]))
        ),
        "cost_2_years_to_1_day": round(median(_ratios(took[FAR], took[ADD])), 3),
        "dues_with_3_pauses_per_s": round(1 / median(took[PAUSED])),
        "business_days_per_s": round(1 / median(took[DAYS])),
    }


def _ratios(some: Sequence[float], others: Sequence[float]) -> list[float]:
    """Return how much longer some took than others, round by round."""
    return [one / other for one, other in zip(some, others, strict=True)]


if __name__ == "__main__":
    main()
