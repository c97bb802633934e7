"""`manage.py cem_replay`: what rules would have done with past answers. Keeps nothing."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentTypeError
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from cem_cases.exceptions import CemCasesError, InvalidInput
from cem_cases.loop import moment, replay
from cem_cases.loop.replayed import Difference, Example, Fate, Replay, TeamTally
from cem_cases.models import Rule, Survey

BAR = 30
KINDS = {
    "only_replay": "only in the replay",
    "only_reality": "only in reality",
    "other_team": "another team",
    "other_priority": "another priority",
    "other_owner": "another owner",
}


class Command(BaseCommand):
    help = (
        "Say what a rule (saved or in a file), or all active rules, would have done with "
        "the answers of the past. Only reads: workers are not held up, nothing is kept."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument(
            "rule", nargs="?", type=int, help="the id of a rule, active or not"
        )
        which.add_argument("--file", type=Path, help="a rule as JSON, not yet saved")
        which.add_argument("--all", action="store_true", help="the active rules")
        parser.add_argument(
            "--days",
            type=int,
            help=f"of so many days up to now (default {replay.DAYS})",
        )
        parser.add_argument(
            "--from", dest="since", type=_day, help="from this day on: 2026-03-01"
        )
        parser.add_argument(
            "--to", dest="until", type=_day, help="up to and with this day"
        )
        parser.add_argument("--survey", help="only answers to the survey of this slug")
        parser.add_argument(
            "--days-open",
            type=_days_open,
            default=replay.AS_USUAL,
            help="how long a case stays open: days, or never (default: as usual)",
        )
        parser.add_argument("--json", action="store_true", help="print it as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        since, until = _span(options)
        try:
            found = replay.replay(
                _rule(options),
                since=since,
                until=until,
                survey=_survey(options["survey"]),
                days_open=options["days_open"],
                progress=self._progress,
            )
        except CemCasesError as error:
            raise CommandError(str(error)) from None
        if options["json"]:
            self.stdout.write(json.dumps(found.as_data()))
            return
        for line in _report(found):
            self.stdout.write(line)

    def _progress(self, done: int, total: int) -> None:
        if not self.stderr.isatty():
            return
        filled = BAR * done // max(total, 1)
        bar = "█" * filled + "░" * (BAR - filled)
        text = f"\r{bar} {done:,} of {total:,} answers "
        # not `self.stderr.write`, which would colour and end every line
        sys.stderr.write(text + ("\n" if done >= total else ""))
        sys.stderr.flush()


def _span(options: dict[str, Any]) -> tuple[datetime, datetime]:
    since, until = options["since"], options["until"]
    if options["days"] is not None and (since or until):
        raise CommandError("Give --days, or --from and --to.")
    now = moment.now()
    end = now if until is None else min(_midnight(until + timedelta(days=1)), now)
    if since is not None:
        return _midnight(since), end
    days = replay.DAYS if options["days"] is None else options["days"]
    if not 1 <= days <= replay.MOST_DAYS:
        raise CommandError(f"--days must be from 1 to {replay.MOST_DAYS:,}.")
    return end - timedelta(days=days), end


def _midnight(day: date) -> datetime:
    naive = datetime.combine(day, time())
    return timezone.make_aware(naive).astimezone(UTC)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError("must be a date, such as 2026-03-01.") from None


def _days_open(text: str) -> float | str:
    if text in (replay.NEVER, replay.AS_USUAL):
        return text
    try:
        return float(text)
    except ValueError:
        raise ArgumentTypeError("must be a number of days, or never.") from None


def _rule(options: dict[str, Any]) -> Rule | None:
    if options["all"]:
        return None
    path = options["file"]
    if path is None:
        rule = Rule.objects.filter(pk=options["rule"]).first()
        if rule is None:
            raise CommandError(f"There is no rule {options['rule']}.")
        return rule
    try:
        return replay.draft(json.loads(path.read_text(encoding="utf-8-sig")))
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{path}: is not JSON ({error}).") from None
    except InvalidInput as error:
        raise CommandError(f"{path}: {error}") from None


def _survey(slug: str | None) -> Survey | None:
    if slug is None:
        return None
    survey = Survey.objects.filter(slug=slug).first()
    if survey is None:
        raise CommandError(f"There is no survey {slug!r}.")
    return survey


# The report


def _report(found: Replay) -> Iterable[str]:
    zone = timezone.get_current_timezone()
    since, until = found.since.astimezone(zone), found.until.astimezone(zone)
    yield f"{since:%d %b %Y %H:%M} to {until:%d %b %Y %H:%M}"
    yield found.headline
    if found.rule is not None:
        yield (
            f"All rules together would have opened {found.opened_by_all:,}; "
            f"{found.really_opened:,} were really opened."
        )
    else:
        yield f"Really {found.really_opened:,} cases were opened."
    yield f"{found.covered:,} of these customers really had a case open already."
    yield from _section("Rules", _rules(found))
    for team in found.teams:
        yield from _section(_heading(team), _people(team))
    yield from _section("Replay and reality", _differences(found))
    yield from _section("Examples", map(_example, found.examples))
    yield from _section("What this assumes", found.assumptions)


def _section(title: str, lines: Iterable[str]) -> Iterable[str]:
    told = list(lines)
    if told:
        yield ""
        yield title
        yield from (f"  {line}" for line in told)


def _rules(found: Replay) -> Iterable[str]:
    rows = [("looked at", "matched", "opened", "rule")]
    rows += [
        (f"{r.looked_at:,}", f"{r.matched:,}", f"{r.opened:,}", r.name)
        for r in found.rules
    ]
    return _columns(rows)


def _heading(team: TeamTally) -> str:
    limit = "no limit" if team.capacity is None else f"room for {team.capacity:,}"
    said = f"{team.name}: {team.opened:,} cases, {team.peak:,} open at most ({limit})"
    for reason, count in team.waited.items():
        said += f"; {count:,} waited ({reason})"
    if team.waiting:
        said += f"; {team.waiting:,} wait at the end"
    if team.unasked:
        said += f"; {team.unasked:,} without an owner asked for"
    return said


def _people(team: TeamTally) -> Iterable[str]:
    if not team.people:
        return []
    rows = [("given", "at first", "most", "capacity", "days full", "who")]
    rows += [
        (
            f"{p.given:,}",
            f"{p.began_with:,}",
            f"{p.peak:,}",
            "no limit" if p.capacity is None else f"{p.capacity:,}",
            "-" if p.capacity == 0 else f"{p.full_days:,}",
            p.username,
        )
        for p in team.people
    ]
    return _columns(rows)


def _differences(found: Replay) -> Iterable[str]:
    differ = found.differences
    yield f"{differ.both:,} opened in both"
    for kind, words in KINDS.items():
        count = getattr(differ, kind)
        if count:
            some = ", ".join(map(_short, differ.examples.get(kind, ())))
            yield f"{count:,} {words}: {some}" if some else f"{count:,} {words}"


def _short(each: Difference) -> str:
    return f"answer {each.response}" if each.number is None else f"#{each.number}"


def _example(example: Example) -> str:
    at = timezone.localtime(example.received_at)
    because = "; ".join(
        f"{look.name}: {look.because}" for look in example.looks if look.matched
    )
    does = example.does
    if example.joins:
        does = f"joins case #{example.joins}"
    fate = f" ({_fate(example.case)})" if example.case else ""
    return f"{at:%d %b %Y %H:%M}, answer {example.response}: {does}{fate}. {because}"


def _fate(fate: Fate) -> str:
    return ", ".join(filter(None, [fate.priority, fate.team, fate.owner]))


def _columns(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for *cells, last in rows:
        padded = [cell.rjust(width) for cell, width in zip(cells, widths, strict=False)]
        yield "  ".join([*padded, last])
