"""A file of answers comes in, a chunk at a time.

Each chunk is one transaction: its rows, its rejects and how far the job came. So the
totals are true whatever process dies when; whoever starts the same file again goes on
where it ended; and two who start it together share the work.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from textwrap import shorten
from typing import Any, BinaryIO, TextIO

from django.contrib.auth.models import AbstractBaseUser
from django.db import connections, router, transaction

from cem_cases.conf import conf
from cem_cases.exceptions import FieldErrors, InvalidInput, NotAllowedNow
from cem_cases.intake import mapping as mapping_of_file
from cem_cases.intake import rejects, source
from cem_cases.intake.mapping import ColumnMapping, RowRefused
from cem_cases.intake.records import BadRecord, Record
from cem_cases.intake.refusals import FileRefused, MappingRefused
from cem_cases.intake.source import Source
from cem_cases.loop import bulk, capture, moment
from cem_cases.models import ImportJob, ImportReject, Survey

Row = Record | BadRecord
Reject = tuple[int, str]
Progress = Callable[[int, int], object]

SQLITE_CHUNK = 200
"""SQLite has one writer at a time; the others should not wait for long."""

MAX_REASON = 500
COUNTED = ("rows_done", "created", "duplicates", "rejected", "finished_at")


@dataclass(frozen=True, kw_only=True)
class ImportResult:
    """What became of a file: `created + duplicates + rejected = rows`."""

    source: Source
    created: int
    duplicates: int
    rejected: int
    job: ImportJob | None = None
    """What is kept of it; None for a dry run."""
    resumed_at: int = 0
    """How many rows an earlier run, or one beside us, had done when we began."""
    found: Sequence[Reject] = ()
    """The rejects of a dry run, which are kept nowhere else."""

    @property
    def rows(self) -> int:
        return self.created + self.duplicates + self.rejected

    def rejects(self) -> Iterable[Reject]:
        """Return (line, reason) of each rejected row, in the order of the file."""
        if self.job is None:
            return self.found
        rows = self.job.rejects.order_by("line").values_list("line", "reason")
        return rows.iterator(chunk_size=2_000)


def load_mapping(text: str, *, is_json: bool = False) -> ColumnMapping:
    """Return the mapping of columns to fields that is written in this TOML, or JSON.

    Raises InvalidInput, naming the key that is wrong and what would be right.
    """
    try:
        return mapping_of_file.load(text, is_json=is_json)
    except MappingRefused as error:
        raise InvalidInput({"mapping": [str(error)]}) from None


def run(
    file: BinaryIO,
    *,
    survey: Survey,
    mapping: ColumnMapping,
    file_name: str = "",
    encoding: str | None = None,
    delimiter: str | None = None,
    dry_run: bool = False,
    max_bytes: int | None = None,
    max_rows: int | None = None,
    by: AbstractBaseUser | None = None,
    progress: Progress = lambda done, rows: None,
    now: datetime | None = None,
) -> ImportResult:
    """Take this seekable CSV file in as responses to `survey`; return what became of it.

    The same file again, read in the same way, goes on where an earlier run ended; once
    that is finished, all its rows are duplicates. A wrong row is rejected, the others
    are stored. A `dry_run` does the same and keeps nothing; it never makes anybody
    wait for longer than a chunk. `progress` is told (rows done, rows) after each chunk.

    Raises InvalidInput, and takes no row, where the file as a whole cannot be read,
    does not fit its mapping, or is too large; NotAllowedNow if somebody deletes the job
    meanwhile. Call it outside of transactions: inside of one, nothing can be resumed.
    """
    if not survey.is_active:
        raise InvalidInput({"survey": ["This survey is not active."]})
    examined = _examine(file, mapping, encoding, delimiter, max_bytes, max_rows)
    taker = _Taker(survey, mapping, now, tried=set() if dry_run else None)
    if dry_run:
        return _try(examined, taker, progress)
    job = _job(examined, survey, file_name, by, now or moment.now())
    resumed_at = job.rows_done
    job = _take_all(job, examined, taker, progress)
    return ImportResult(
        source=examined,
        created=job.created,
        duplicates=job.duplicates,
        rejected=job.rejected,
        job=job,
        resumed_at=resumed_at,
    )


def write_rejects(result: ImportResult, out: TextIO) -> None:
    """Write the rejected rows of this import to `out`, with all their columns.

    The file must still be open. `out` is text opened with `newline=""` and the encoding
    `result.source.encoding.name`.
    """
    rejects.write(result.source, result.rejects(), out)


def _examine(
    file: BinaryIO,
    mapping: ColumnMapping,
    encoding: str | None,
    delimiter: str | None,
    max_bytes: int | None,
    max_rows: int | None,
) -> Source:
    try:
        return source.examine(
            file,
            mapping,
            encoding=encoding,
            delimiter=delimiter,
            max_bytes=max_bytes or conf().IMPORT_MAX_BYTES,
            max_rows=max_rows or conf().IMPORT_MAX_ROWS,
        )
    except MappingRefused as error:
        raise InvalidInput({"mapping": [str(error)]}) from None
    except FileRefused as error:
        raise InvalidInput({"file": [str(error)]}) from None


def _job(
    examined: Source,
    survey: Survey,
    file_name: str,
    by: AbstractBaseUser | None,
    now: datetime,
) -> ImportJob:
    """Return the job of this file that did not come to its end, or a new one."""
    new: dict[str, Any] = {
        "file_name": _display(file_name),
        "by": by,
        "started_at": now,
    }
    job, _ = ImportJob.objects.get_or_create(
        survey=survey,
        file_hash=examined.file_hash,
        mapping_hash=examined.mapping_hash,
        finished_at=None,
        defaults=new,
    )
    return job


def _display(file_name: str) -> str:
    """Return the last part of a file name, such that it can stand on one line."""
    name = file_name.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(c if c.isprintable() else "?" for c in name)[-200:]


def _take_all(
    job: ImportJob, examined: Source, taker: _Taker, progress: Progress
) -> ImportJob:
    """Take chunk after chunk until the job is finished."""
    with examined.table() as table:
        rows, position = iter(table), 0
        while not job.finished_at:
            job = _take_chunk(job, rows, position, taker)
            position = job.rows_done
            progress(position, examined.rows)
    return job


def _take_chunk(
    job: ImportJob, rows: Iterator[Row], position: int, taker: _Taker
) -> ImportJob:
    """Take the next rows that nobody has taken; return the job as it then is."""
    size = _chunk_size()
    with transaction.atomic(using=router.db_for_write(ImportJob)):
        try:
            job = ImportJob.objects.select_for_update(no_key=True).get(pk=job.pk)
        except ImportJob.DoesNotExist:
            raise NotAllowedNow(
                "This import was deleted meanwhile. The rows it took so far are kept."
            ) from None
        if job.finished_at:
            return job
        deque(islice(rows, job.rows_done - position), maxlen=0)  # done by others
        chunk = list(islice(rows, size))
        taken = taker.take(chunk)
        bulk.insert(
            [ImportReject(job=job, line=n, reason=why) for n, why in taken.rejects]
        )
        job.count(
            created=taken.created,
            duplicates=taken.duplicates,
            rejected=len(taken.rejects),
        )
        if len(chunk) < size:
            job.finish(at=taker.now or moment.now())
        job.save(update_fields=COUNTED)
    return job


def _try(examined: Source, taker: _Taker, progress: Progress) -> ImportResult:
    """Take all rows, and keep none. Each chunk is rolled back before the next."""
    size, done = _chunk_size(), []
    with examined.table() as table:
        rows = iter(table)
        while chunk := list(islice(rows, size)):
            with transaction.atomic(using=router.db_for_write(ImportJob)):
                done.append(taker.take(chunk))
                transaction.set_rollback(True, using=router.db_for_write(ImportJob))
            progress(sum(taken.rows for taken in done), examined.rows)
    return ImportResult(
        source=examined,
        created=sum(taken.created for taken in done),
        duplicates=sum(taken.duplicates for taken in done),
        rejected=sum(len(taken.rejects) for taken in done),
        found=list(chain.from_iterable(taken.rejects for taken in done)),
    )


def _chunk_size() -> int:
    size = conf().BATCH_SIZE
    is_sqlite = connections[router.db_for_write(ImportJob)].vendor == "sqlite"
    return min(size, SQLITE_CHUNK) if is_sqlite else size


@dataclass(frozen=True)
class _Taken:
    """What became of one chunk."""

    created: int
    duplicates: int
    rejects: Sequence[Reject]

    @property
    def rows(self) -> int:
        return self.created + self.duplicates + len(self.rejects)


@dataclass(frozen=True)
class _Taker:
    """Stores the rows of a chunk, inside its caller's transaction."""

    survey: Survey
    mapping: ColumnMapping
    now: datetime | None
    tried: set[tuple[str, str]] | None
    """Of a dry run: the responses that earlier chunks would have created."""

    def take(self, chunk: Sequence[Row]) -> _Taken:
        rejected: dict[int, str] = {}
        responses: dict[int, dict[str, Any]] = {}
        for row in chunk:
            read = self._read(row)
            if isinstance(read, str):
                rejected[row.line] = read
            else:
                responses[row.line] = read
        outcomes = capture.record(responses.values(), now=self.now, partial=True)
        created = 0
        for line, outcome in zip(responses, outcomes, strict=True):
            if outcome.status == "rejected":
                rejected[line] = _reason(outcome.errors)
            else:
                created += outcome.status == "created" and self._is_first(outcome)
        duplicates = len(chunk) - created - len(rejected)
        return _Taken(created, duplicates, sorted(rejected.items()))

    def _read(self, row: Row) -> dict[str, Any] | str:
        """Return the response of this row, or the reason why there is none."""
        if isinstance(row, BadRecord):
            return row.reason
        try:
            return {**self.mapping.apply(row.values), "survey": self.survey.slug}
        except RowRefused as error:
            return _reason(error.errors)

    def _is_first(self, outcome: capture.Outcome) -> bool:
        if self.tried is None or outcome.response is None:
            return True
        key = outcome.response.source_system, outcome.response.external_id
        is_first = key not in self.tried
        self.tried.add(key)
        return is_first


def _reason(errors: FieldErrors) -> str:
    reason = "; ".join(f"{name}: {' '.join(texts)}" for name, texts in errors.items())
    return shorten(reason, MAX_REASON, placeholder=" ...")
