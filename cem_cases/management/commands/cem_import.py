"""`manage.py cem_import FILE`: answers from a CSV file, through the same loop as all."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from itertools import islice
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from cem_cases.exceptions import CemCasesError, InvalidInput
from cem_cases.loop import imports
from cem_cases.loop.imports import ColumnMapping, ImportResult
from cem_cases.models import Survey

SHOWN = 5
"""Rejected rows that are told at once; all of them go to the file of --rejects."""

BAR = 30
INTERRUPTED = 130  # what a shell says of a command that was ended with Ctrl-C


class Command(BaseCommand):
    help = (
        "Import a CSV file of survey answers. Run it again to go on after an "
        "interruption; a row that is already there is a duplicate and changes nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="the CSV file")
        parser.add_argument("--survey", required=True, help="slug of the survey")
        parser.add_argument(
            "--map",
            required=True,
            type=Path,
            metavar="FILE",
            help="mapping of columns to fields, in TOML or JSON",
        )
        parser.add_argument("--encoding", help="instead of finding it out")
        parser.add_argument(
            "--delimiter",
            help="instead of finding it out: a character, or comma, semicolon, tab, pipe",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would happen, keep nothing"
        )
        parser.add_argument(
            "--rejects",
            type=Path,
            metavar="FILE",
            help="write the rejected rows here, with line and reason",
        )
        parser.add_argument("--json", action="store_true", help="print totals as JSON")
        parser.add_argument("--limit-bytes", type=_positive, help="largest file taken")
        parser.add_argument("--limit-rows", type=_positive, help="most rows taken")

    def handle(self, *args: Any, **options: Any) -> None:
        self.options = options
        survey = _survey(options["survey"])
        mapping = _mapping(options["map"])
        rejects = options["rejects"]
        if rejects and rejects.resolve() == options["file"].resolve():
            raise CommandError("--rejects must not be the file that is imported.")
        try:
            with options["file"].open("rb") as file:
                result = self._run(file, survey, mapping)
                if rejects:
                    _write_rejects(result, rejects)
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}.") from None
        except KeyboardInterrupt:
            raise CommandError(
                f"Interrupted. {self._resume_hint()}", returncode=INTERRUPTED
            ) from None
        self._report(result)

    def _run(self, file: Any, survey: Survey, mapping: ColumnMapping) -> ImportResult:
        options = self.options
        try:
            return imports.run(
                file,
                survey=survey,
                mapping=mapping,
                file_name=options["file"].name,
                encoding=options["encoding"],
                delimiter=options["delimiter"],
                dry_run=options["dry_run"],
                max_bytes=options["limit_bytes"],
                max_rows=options["limit_rows"],
                progress=self._progress,
            )
        except InvalidInput as error:
            raise CommandError(_sentences(error)) from None
        except CemCasesError as error:
            raise CommandError(str(error)) from None
        except DatabaseError as error:
            raise CommandError(
                f"The database gave up ({type(error).__name__}). {self._resume_hint()}"
            ) from error

    def _resume_hint(self) -> str:
        if self.options["dry_run"]:
            return "Nothing was kept."
        return (
            "What was taken so far is kept: run the same command again, and it goes on "
            "from there."
        )

    def _progress(self, done: int, rows: int) -> None:
        if self.options["json"] or not self.stdout.isatty():
            return
        filled = BAR * done // max(rows, 1)
        bar = "█" * filled + "░" * (BAR - filled)
        self.stdout.write(f"\r{bar} {done:,} of {rows:,} rows", ending="")
        if done == rows:
            self.stdout.write("")
        self.stdout.flush()

    def _report(self, result: ImportResult) -> None:
        if self.options["json"]:
            self.stdout.write(json.dumps(_totals(result, self.options)))
            return
        source = result.source
        self.stdout.write(f"Encoding: {source.encoding.name} ({source.encoding.how})")
        self.stdout.write(f"Delimiter: {source.delimiter!r}")
        if result.resumed_at:
            self.stdout.write(f"Resumed after {result.resumed_at:,} rows.")
        would = "would be " if self.options["dry_run"] else ""
        self.stdout.write(
            f"{result.rows:,} rows: {result.created:,} {would}created, "
            f"{result.duplicates:,} duplicates, {result.rejected:,} rejected"
        )
        if self.options["dry_run"]:
            self.stdout.write("Nothing was kept: this was a dry run.")
        self._report_rejects(result)

    def _report_rejects(self, result: ImportResult) -> None:
        if not result.rejected:
            return
        for line, reason in islice(result.rejects(), SHOWN):
            self.stdout.write(f"  line {line}: {reason}")
        if path := self.options["rejects"]:
            self.stdout.write(f"All rejected rows are in {path}")
        else:
            self.stdout.write(
                "Run it again with --rejects FILE to have them in a file."
            )


def _survey(slug: str) -> Survey:
    survey = Survey.objects.filter(slug=slug).first()
    if survey is None:
        slugs = Survey.objects.order_by("slug").values_list("slug", flat=True)[:20]
        known = (
            f"The surveys are: {', '.join(slugs)}." if slugs else "There is none yet."
        )
        raise CommandError(f"There is no survey {slug!r}. {known}")
    return survey


def _mapping(path: Path) -> ColumnMapping:
    if path.suffix not in (".toml", ".json"):
        raise CommandError(f"{path}: a mapping ends in .toml or .json.")
    try:
        text = path.read_text(encoding="utf-8-sig")
        return imports.load_mapping(text, is_json=path.suffix == ".json")
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise CommandError(f"{path}: {error}") from None
    except InvalidInput as error:
        raise CommandError(f"{path}: {_sentences(error)}") from None


def _sentences(error: InvalidInput) -> str:
    return " ".join(text for texts in error.errors.values() for text in texts)


def _write_rejects(result: ImportResult, path: Path) -> None:
    with path.open(
        "w",
        encoding=result.source.encoding.name,
        errors="backslashreplace",
        newline="",
    ) as out:
        imports.write_rejects(result, out)


def _totals(result: ImportResult, options: dict[str, Any]) -> dict[str, Any]:
    return {
        "rows": result.rows,
        "created": result.created,
        "duplicates": result.duplicates,
        "rejected": result.rejected,
        "resumed_at": result.resumed_at,
        "dry_run": options["dry_run"],
        "encoding": result.source.encoding.name,
        "delimiter": result.source.delimiter,
        "job": result.job and result.job.pk,
        "rejects": options["rejects"] and str(options["rejects"]),
    }


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text)):
        raise ArgumentTypeError("Must be a whole number above 0.")
    return int(text)
