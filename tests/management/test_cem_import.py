import io
import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection

from cem_cases.loop import capture
from cem_cases.models import ImportJob, Response
from tests import make, processes, waiting
from tests.conftest import ROOT
from tests.processes import Tethered as Process

pytestmark = pytest.mark.django_db

MAPPING = """
source = "tool"
[response]
external_id = "id"
score = "score"
comment = "comment"
"""
MESSY = "id,score,comment\n1,9,good\n2,11,=1+1\n1,9,good\n3,3,bad\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with answers.csv and its mapping; the survey `nps` is there."""
    make.nps()
    (tmp_path / "map.toml").write_text(MAPPING)
    (tmp_path / "answers.csv").write_text(MESSY)
    return tmp_path


def cem_import(folder: Path, *arguments: str, out: io.StringIO | None = None) -> str:
    out = out or io.StringIO()
    defaults = {"--survey": "nps", "--map": str(folder / "map.toml")}
    for name, value in defaults.items():
        if name not in arguments:
            arguments = (*arguments, name, value)
    call_command("cem_import", str(folder / "answers.csv"), *arguments, stdout=out)
    return out.getvalue()


def refusal(folder: Path, *arguments: str) -> str:
    with pytest.raises(CommandError) as refused:
        cem_import(folder, *arguments)
    assert ImportJob.objects.count() == 0
    return str(refused.value)


def test_it_says_how_the_file_was_read_and_what_became_of_its_rows(folder):
    assert cem_import(folder) == (
        "Encoding: utf-8 (it is plain ASCII)\n"
        "Delimiter: ','\n"
        "4 rows: 2 created, 1 duplicates, 1 rejected\n"
        "  line 3: score: Must be from 0 to 10.\n"
        "Run it again with --rejects FILE to have them in a file.\n"
    )


def test_the_rejected_rows_are_written_where_they_are_wanted(folder):
    path = folder / "rejects.csv"

    said = cem_import(folder, "--rejects", str(path))

    assert f"All rejected rows are in {path}\n" in said
    assert path.read_bytes() == (
        b"line,reason,id,score,comment\r\n3,score: Must be from 0 to 10.,2,11,'=1+1\r\n"
    )


def test_rejects_have_the_encoding_of_the_file(folder):
    text = MESSY.replace("=1+1", "schön")
    (folder / "answers.csv").write_text(text, encoding="utf-16")

    cem_import(folder, "--rejects", str(folder / "rejects.csv"))

    assert "schön" in (folder / "rejects.csv").read_text(encoding="utf-16")


def test_a_dry_run_keeps_nothing_and_says_so(folder):
    said = cem_import(folder, "--dry-run", "--rejects", str(folder / "rejects.csv"))

    assert "4 rows: 2 would be created, 1 duplicates, 1 rejected\n" in said
    assert "Nothing was kept: this was a dry run." in said
    assert "3,score" in (folder / "rejects.csv").read_text()
    assert Response.objects.count() == 0


def test_the_totals_come_as_json(folder):
    totals = json.loads(cem_import(folder, "--json"))

    assert totals == {
        "rows": 4,
        "created": 2,
        "duplicates": 1,
        "rejected": 1,
        "resumed_at": 0,
        "dry_run": False,
        "encoding": "utf-8",
        "delimiter": ",",
        "job": ImportJob.objects.get().pk,
        "rejects": None,
    }


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_shown_on_a_terminal_only(folder):
    assert "4 of 4 rows" in cem_import(folder, out=Terminal())
    assert " of 4 rows" not in cem_import(folder)
    json.loads(cem_import(folder, "--json", out=Terminal()))


def test_encoding_and_delimiter_can_be_given(folder):
    (folder / "answers.csv").write_bytes(b"id^score^comment\n1^9^\xe9\n")

    said = cem_import(folder, "--encoding", "latin-1", "--delimiter", "^")

    assert "Encoding: iso8859-1 (it was named)\nDelimiter: '^'\n" in said
    assert Response.objects.get().comment == "é"


def test_a_mapping_may_be_json(folder):
    mapping = {"source": "tool", "response": {"external_id": "id", "score": "score"}}
    (folder / "map.json").write_text(json.dumps(mapping))

    assert "2 created" in cem_import(folder, "--map", str(folder / "map.json"))


def test_a_survey_that_is_not_there_is_named_with_those_that_are(folder):
    assert refusal(folder, "--survey", "nsp") == (
        "There is no survey 'nsp'. The surveys are: nps."
    )


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("missing.toml", None, "missing.toml: No such file or directory."),
        ("map.yaml", "a: 1", "map.yaml: a mapping ends in .toml or .json."),
        ("bad.toml", "source =", "bad.toml: The mapping is not valid TOML: "),
        ("bad.json", "{", "bad.json: The mapping is not valid JSON: "),
        ("bad.toml", "[respons]", "respons: unknown key; allowed are "),
        ("bad.toml", b"source = '\xff'", "bad.toml: 'utf-8' codec can't decode"),
    ],
)
def test_a_mapping_that_cannot_be_read_is_refused(folder, name, text, said):
    if text is not None:
        data = text if isinstance(text, bytes) else text.encode()
        (folder / name).write_bytes(data)

    assert said in refusal(folder, "--map", str(folder / name))


def test_columns_that_are_missing_are_named(folder):
    (folder / "answers.csv").write_text("id,skore,comment\n1,2,\n")

    assert refusal(folder) == (
        "The file has no column 'score', which response.score needs; "
        "did you mean skore?"
    )


def test_a_file_that_is_not_there_is_named(folder):
    (folder / "answers.csv").unlink()

    assert refusal(folder).endswith("answers.csv: No such file or directory.")


def test_the_file_is_not_overwritten_with_its_rejects(folder):
    said = refusal(folder, "--rejects", str(folder / "answers.csv"))

    assert said == "--rejects must not be the file that is imported."


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--limit-rows", "3", "more than 3 rows"),
        ("--limit-bytes", "10", "larger than 10 bytes"),
        ("--limit-rows", "0", "Must be a whole number above 0."),
        ("--limit-rows", "١", "Must be a whole number above 0."),
        ("--delimiter", "ab", "A delimiter is one character"),
        ("--encoding", "klingon", "There is no such encoding"),
    ],
)
def test_what_cannot_be_is_refused(folder, option, value, said):
    assert said in refusal(folder, option, value)


@pytest.mark.parametrize(
    ("error", "said", "code"),
    [
        (KeyboardInterrupt(), "Interrupted. What was taken so far is kept", 130),
        (OperationalError(), "The database gave up (OperationalError). What was", 1),
    ],
)
def test_an_interrupted_import_says_how_to_go_on(
    folder, monkeypatch, error, said, code
):
    def interrupt(*args, **options):
        raise error

    with monkeypatch.context() as broken:
        broken.setattr(capture, "record", interrupt)
        with pytest.raises(CommandError) as stopped:
            cem_import(folder)

    assert said in str(stopped.value)
    assert "run the same command again" in str(stopped.value)
    assert stopped.value.returncode == code
    assert "2 created" in cem_import(folder)


def interrupt_second_chunk(monkeypatch, act: Callable[[], object]) -> None:
    record, calls = capture.record, []

    def record_once(*args, **options):
        if calls:
            act()
        calls.append(1)
        return record(*args, **options)

    monkeypatch.setattr(capture, "record", record_once)


def stop() -> None:
    raise KeyboardInterrupt


def test_an_import_that_goes_on_says_from_where(folder, monkeypatch, settings):
    settings.CEM_CASES = {"BATCH_SIZE": 2}
    with monkeypatch.context() as broken:
        interrupt_second_chunk(broken, stop)
        with pytest.raises(CommandError, match="Interrupted"):
            cem_import(folder)
    assert ImportJob.objects.get().state == "running"

    said = cem_import(folder)

    assert "Resumed after 2 rows.\n4 rows: 2 created, 1 duplicates" in said


def test_a_dry_run_that_is_interrupted_has_nothing_to_go_on_with(
    folder, monkeypatch, settings
):
    settings.CEM_CASES = {"BATCH_SIZE": 2}
    interrupt_second_chunk(monkeypatch, stop)

    assert refusal(folder, "--dry-run") == "Interrupted. Nothing was kept."


def test_a_job_that_is_deleted_meanwhile_is_told(folder, monkeypatch, settings):
    settings.CEM_CASES = {"BATCH_SIZE": 2}
    monkeypatch.setattr(
        "cem_cases.management.commands.cem_import.Command._progress",
        lambda *args: ImportJob.objects.all().delete(),
    )

    assert "was deleted meanwhile" in refusal(folder)


# Killed at random -----------------------------------------------------------------------


KILLS = 8


def write_large_file(path: Path, rows: int = 5_000) -> None:
    chance = random.Random(20170513)
    faults = [
        "{n},99,off the scale\n",
        ",5,nobody\n",
        '{n},"5,unclosed\n',
        "{n},5,nul \0\n",
        "{n},5\n",
        "7,1,the same again\n",
        '{n},5,"two\nlines, =1+1"\n',
    ]
    with path.open("w", newline="") as out:
        out.write("id,score,comment\n")
        for n in range(rows):
            fault = chance.choice(faults) if chance.random() < 0.1 else ""
            out.write((fault or "{n},{score},fine\n").format(n=n, score=n % 11))


SMALL_CHUNKS = """
from demo_project.settings import *
CEM_CASES = {**CEM_CASES, "BATCH_SIZE": 100}
"""


@pytest.fixture
def database_url(test_database_url: str) -> str:
    name = connection.settings_dict["NAME"]
    return f"sqlite:///{name}" if connection.vendor == "sqlite" else test_database_url


@pytest.fixture
def start(folder: Path, database_url: str) -> Iterator[Callable[..., Process]]:
    """Start a real `manage.py cem_import` of answers.csv; its rejects: <name>.csv."""
    started = []

    def start_one(name: str, mapping: str = "map.toml", **env: str) -> Process:
        paths = [folder / "answers.csv", "--map", folder / mapping]
        command = ["manage.py", "cem_import", *paths, "--survey", "nps", "--json"]
        process = processes.start(
            name,
            [sys.executable, *command, "--rejects", folder / f"{name}.csv"],
            log=folder / f"{name}.log",
            env={"DATABASE_URL": database_url, "BROKER_URL": "memory://", **env},
            cwd=ROOT,
        )
        started.append(process)
        return process

    yield start_one
    for process in started:
        process.kill()


def finished(process: Process) -> dict:
    waiting.until(lambda: not process.is_running, within=90)
    return json.loads(process.text().splitlines()[-1])


def kill_at_random(process: Process, chance: random.Random) -> None:
    """Let it take some more rows, then kill it somewhere in the next chunks."""
    before = rows_done()
    waiting.until(lambda: rows_done() > before or not process.is_running)
    time.sleep(chance.random() * 0.1)
    assert process.is_running, process.text()
    process.kill()


def rows_done() -> int:
    return sum(ImportJob.objects.values_list("rows_done", flat=True))


@pytest.mark.django_db(transaction=True)
def test_an_import_that_is_killed_again_and_again_ends_as_if_it_never_was(
    folder, start
):
    write_large_file(folder / "answers.csv")
    (folder / "other.toml").write_text(MAPPING.replace("tool", "other"))
    (folder / "small_chunks.py").write_text(SMALL_CHUNKS)
    small = {"DJANGO_SETTINGS_MODULE": "small_chunks", "PYTHONPATH": str(folder)}
    chance = random.Random(1)

    for _ in range(KILLS):
        kill_at_random(start("killed", **small), chance)
    killed = finished(start("killed"))
    whole = finished(start("whole", "other.toml"))

    assert killed["resumed_at"] > 0
    assert whole["resumed_at"] == 0
    counted = ("rows", "created", "duplicates", "rejected")
    assert {n: killed[n] for n in counted} == {n: whole[n] for n in counted}
    assert killed["rejected"] > 100
    assert killed["duplicates"] > 10
    assert Response.objects.filter(source_system="tool").count() == killed["created"]
    reports = [(folder / f"{name}.csv").read_bytes() for name in ("killed", "whole")]
    assert reports[0] == reports[1]


@pytest.mark.django_db(transaction=True)
def test_two_processes_with_one_file_create_each_row_once(folder, start):
    write_large_file(folder / "answers.csv", rows=2_000)

    both = [start("one"), start("two")]
    ended = [finished(process) for process in both]

    jobs = ImportJob.objects.all()
    assert Response.objects.count() == sum(job.created for job in jobs)
    assert all(job.rows_done == totals["rows"] for job in jobs for totals in ended)
    assert (folder / "one.csv").read_bytes() == (folder / "two.csv").read_bytes()
