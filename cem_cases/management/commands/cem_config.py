"""`manage.py cem_config export|diff|apply`: the configuration under version control."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from cem_cases.exceptions import CemCasesError, InvalidInput
from cem_cases.intake.configfile import MAX_BYTES, SECTIONS, Document
from cem_cases.intake.configvalues import shown
from cem_cases.loop import configfile
from cem_cases.loop.configfile import Change, Report, What

FORMATS = ("toml", "json")
SHOWN = 100
"""Errors that are told at once."""

WOULD_CHANGE, REFUSED = 1, 2  # what diff(1) exits with
NAMES = {
    "calendars": "calendar",
    "teams": "team",
    "members": "member",
    "policies": "policy",
    "rules": "rule",
}
SIGNS = {
    What.CREATED: "+",
    What.CHANGED: "~",
    What.SWITCHED_OFF: "-",
    What.LEFT_ALONE: " ",
}


class Command(BaseCommand):
    help = (
        "Write calendars, teams, SLA policies and rules to a file, compare a file with "
        "what is saved, and make it what the file says: all of it, or nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        _export_arguments(actions.add_parser("export", help="write a file"))
        diff = actions.add_parser(
            "diff",
            help="say what apply would do: exit code 0 if nothing, 1 if something, 2 if "
            "it would refuse",
        )
        _file_arguments(diff)
        apply = actions.add_parser("apply", help="do what the file says, or nothing")
        _file_arguments(apply)
        apply.add_argument(
            "--dry-run", action="store_true", help="say what would be done, do nothing"
        )
        apply.add_argument(
            "--by", metavar="USERNAME", help="on whose behalf, for the audit"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, options["action"])(options)
        except InvalidInput as error:
            raise CommandError(_told(error, options), returncode=REFUSED) from None
        except CemCasesError as error:
            raise CommandError(str(error), returncode=REFUSED) from None
        except OSError as error:
            path = error.filename or options["file"] or "standard output"
            raise CommandError(
                f"{path}: {error.strerror}.", returncode=REFUSED
            ) from None
        except DatabaseError as error:
            raise CommandError(
                f"The database gave up ({type(error).__name__}); nothing was changed.",
                returncode=REFUSED,
            ) from error

    def export(self, options: dict[str, Any]) -> None:
        path: Path | None = options["file"]
        is_json = _is_json(path, options["format"])
        text = configfile.export(options["only"], is_json=is_json)
        if path is None:
            self.stdout.write(text, ending="")
        else:
            path.write_text(text, encoding="utf-8", newline="\n")

    def diff(self, options: dict[str, Any]) -> None:
        report = configfile.preview(_read(options["file"]), **_how(options))
        self._report(report, options, is_done=False)
        if report.changes_something:
            raise SystemExit(WOULD_CHANGE)

    def apply(self, options: dict[str, Any]) -> None:
        by = _user(options["by"])
        verb = configfile.preview if options["dry_run"] else configfile.apply
        report = verb(_read(options["file"]), by=by, **_how(options))
        self._report(report, options, is_done=not options["dry_run"])

    def _report(
        self, report: Report, options: dict[str, Any], *, is_done: bool
    ) -> None:
        if options["json"]:
            told = {"done": is_done, **_as_data(report)}
            self.stdout.write(json.dumps(told, default=str))
            return
        for line in _lines(report):
            self.stdout.write(line)
        if options["action"] == "apply":
            dry = "Nothing was kept: this was a dry run."
            self.stdout.write("Done: all of it is in force." if is_done else dry)


def _export_arguments(parser: CommandParser) -> None:
    parser.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help="else to the standard output"
    )
    parser.add_argument(
        "--format", choices=FORMATS, help="else by the end of FILE; toml without one"
    )
    parser.add_argument(
        "--only",
        type=_sections,
        default=list(SECTIONS),
        metavar="SECTIONS",
        help=f"some of {','.join(SECTIONS)}",
    )


def _file_arguments(parser: CommandParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="in TOML or JSON")
    parser.add_argument(
        "--prune",
        action="store_true",
        help="switch off rules, policies, teams and members that are not in the file",
    )
    parser.add_argument(
        "--skip-missing-users",
        action="store_true",
        help="leave out members and watchers who do not exist here",
    )
    parser.add_argument("--json", action="store_true", help="print it as JSON")


def _sections(text: str) -> list[str]:
    found = [name.strip() for name in text.split(",")]
    if unknown := [name for name in found if name not in SECTIONS]:
        raise ArgumentTypeError(
            f"{', '.join(unknown) or 'nothing'} is none of: {', '.join(SECTIONS)}."
        )
    return found


def _is_json(path: Path | None, chosen: str | None) -> bool:
    ending = path and path.suffix.lower().removeprefix(".")
    if path and ending not in FORMATS:
        raise CommandError(f"{path}: must end in .toml or .json.", returncode=REFUSED)
    if chosen and ending and chosen != ending:
        raise CommandError(
            f"{path}: ends in .{ending}, and --format is {chosen}.", returncode=REFUSED
        )
    return (chosen or ending) == "json"


def _read(path: Path) -> Document:
    is_json = _is_json(path, None)
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    return configfile.read(data, is_json=is_json)


def _how(options: dict[str, Any]) -> dict[str, Any]:
    return {name: options[name] for name in ("prune", "skip_missing_users")}


def _user(name: str | None) -> Any:
    if name is None:
        return None
    model = get_user_model()
    try:
        return model._default_manager.get_by_natural_key(name)
    except model.DoesNotExist:
        raise CommandError(f"There is no user {name!r}.", returncode=REFUSED) from None


def _told(error: InvalidInput, options: dict[str, Any]) -> str:
    found = [
        f"{path}: {text}" for path, texts in error.errors.items() for text in texts
    ]
    more = [f"… and {len(found) - SHOWN:,} more"] if len(found) > SHOWN else []
    source = options.get("file") or options["action"]
    nothing = [] if options["action"] == "export" else ["Nothing was changed."]
    return "\n".join([f"{source} is refused:", *found[:SHOWN], *more, *nothing])


def _lines(report: Report) -> Iterator[str]:
    for change in report.changes:
        yield f"{SIGNS[change.what]} {NAMES[change.section]} {_name(change)}: {_what(change)}"
        yield from (f"    {difference}" for difference in change.fields)
    for path, name in report.left_out:
        yield f"{path}: left out, there is no user {name!r}"
    for note in report.notes:
        yield f"Note: {note}"
    counts = ", ".join(f"{count:,} {name}" for name, count in report.unchanged.items())
    yield f"Unchanged: {counts or 'nothing'}"


def _name(change: Change) -> str:
    return change.key if change.key.isprintable() else shown(change.key)


def _what(change: Change) -> str:
    if change.what is What.LEFT_ALONE:
        return "not in the file, left alone"
    if change.what is What.SWITCHED_OFF:
        return "not in the file, switched off"
    return str(change.what)


def _as_data(report: Report) -> dict[str, Any]:
    return {
        "changes": [
            {
                "section": change.section,
                "name": change.key,
                "what": change.what,
                "fields": [each._asdict() for each in change.fields],
            }
            for change in report.changes
        ],
        "unchanged": report.unchanged,
        "left_out": [{"path": path, "user": name} for path, name in report.left_out],
        "notes": report.notes,
    }
