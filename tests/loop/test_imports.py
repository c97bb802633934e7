import io
import threading
from dataclasses import replace

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from cem_cases.exceptions import InvalidInput, NotAllowedNow
from cem_cases.intake.mapping import ColumnMapping, load, parse_mapping
from cem_cases.loop import capture, imports
from cem_cases.models import Customer, ImportJob, Response
from tests import make
from tests.conftest import ROOT

pytestmark = pytest.mark.django_db

MAPPING = parse_mapping(
    {
        "source": "tool",
        "response": {"external_id": "id", "score": "score", "comment": "comment"},
    }
)
HEADER = "id,score,comment\n"
MESSY = HEADER + (
    "1,9,good\n"
    "2,11,too high\n"  # line 3
    "3,3,=1+1\n"
    "1,9,good\n"  # the first again
    '4,"5,unclosed\n'  # line 6
    ",5,nobody\n"  # line 7
    "5,five,words\n"  # line 8
    "6,,no score is an answer\n"
)
TOTALS = {"created": 3, "duplicates": 1, "rejected": 4}
REJECTED = {
    3: "score: Must be from 0 to 10.",
    6: "A quote is opened and not closed.",
    7: "external_id: Column 'id' is blank.",
    8: "score: Column 'score' is not a number.",
}


def run(text: str | bytes, *, mapping=MAPPING, **options) -> imports.ImportResult:
    data = text.encode() if isinstance(text, str) else text
    options.setdefault("survey", make.nps())
    return imports.run(io.BytesIO(data), mapping=mapping, now=make.MONDAY, **options)


def totals_of(result) -> dict[str, int]:
    return {name: getattr(result, name) for name in TOTALS}


def rows(count: int) -> str:
    return HEADER + "".join(f"{n},{n % 11},fine\n" for n in range(count))


@pytest.fixture
def small_chunks(settings):
    """Two rows a transaction."""
    settings.CEM_CASES = {"BATCH_SIZE": 2}


def test_every_row_is_created_a_duplicate_or_rejected():
    result = run(MESSY)

    assert totals_of(result) == totals_of(result.job) == TOTALS
    assert result.rows == result.job.rows_done == 8
    assert dict(result.rejects()) == REJECTED
    assert result.job.state == "finished"


def test_what_came_in_waits_for_the_loop():
    run(MESSY)

    stored = Response.objects.waiting(make.MONDAY).order_by("external_id")
    assert list(stored.values_list("source_system", "external_id", "score")) == [
        ("tool", "1", 9),
        ("tool", "3", 3),
        ("tool", "6", None),
    ]


def test_the_same_file_again_changes_nothing():
    run(MESSY)

    again = run(MESSY)

    assert totals_of(again) == {"created": 0, "duplicates": 4, "rejected": 4}
    assert dict(again.rejects()) == REJECTED
    assert again.resumed_at == 0
    assert Response.objects.count() == 3
    assert ImportJob.objects.count() == 2


def test_ids_are_the_same_in_every_spelling_but_not_in_another_case():  # C10
    file = HEADER + "caf\u00e9,1,\n cafe\u0301 ,2,\nCAF\u00c9,3,\n"

    assert totals_of(run(file)) == {"created": 2, "duplicates": 1, "rejected": 0}


def test_what_is_kept_of_a_reject_holds_nothing_of_its_row():
    job = run(HEADER + '1,secret,secret\n2,"secret,secret\n3,secret\n').job

    assert job.rejected == 3
    assert not job.rejects.filter(reason__icontains="secret").exists()


@pytest.mark.usefixtures("small_chunks")
def test_a_dry_run_says_what_a_run_would_do_and_keeps_nothing():
    tried = run(MESSY, dry_run=True)

    assert tried.job is None
    assert ImportJob.objects.count() == Response.objects.count() == 0
    assert Customer.objects.count() == 0
    done = run(MESSY)
    assert totals_of(tried) == totals_of(done) == TOTALS
    assert list(tried.rejects()) == list(done.rejects())


@pytest.mark.usefixtures("small_chunks")
def test_a_dry_run_after_the_run_finds_duplicates():
    run(MESSY)

    assert totals_of(run(MESSY, dry_run=True)) == {
        "created": 0,
        "duplicates": 4,
        "rejected": 4,
    }


class Stopped(Exception):
    """Stands for Ctrl-C."""


def stop_at(done: int):
    def progress(now_done: int, rows: int) -> None:
        if now_done >= done:
            raise Stopped

    return progress


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("done", [2, 4, 6, 8])
def test_an_interrupted_import_goes_on_where_it_ended(done):
    with pytest.raises(Stopped):
        run(MESSY, progress=stop_at(done))

    result = run(MESSY)

    assert result.resumed_at == done
    assert totals_of(result) == TOTALS
    assert dict(result.rejects()) == REJECTED
    assert ImportJob.objects.get() == result.job


@pytest.mark.usefixtures("small_chunks")
def test_an_import_in_another_way_is_another_import():
    with pytest.raises(Stopped):
        run(MESSY, progress=stop_at(2))

    result = run(MESSY, encoding="cp1252")

    assert result.resumed_at == 0
    assert totals_of(result) == {"created": 2, "duplicates": 2, "rejected": 4}


@pytest.mark.usefixtures("small_chunks")
def test_a_chunk_that_fails_leaves_nothing_and_is_taken_the_next_time(monkeypatch):
    record, calls = capture.record, []

    def fail_late(responses, **options):
        outcomes = record(responses, **options)
        calls.append(outcomes)
        if len(calls) == 2:
            raise RuntimeError
        return outcomes

    with monkeypatch.context() as broken:
        broken.setattr(capture, "record", fail_late)
        with pytest.raises(RuntimeError):
            run(rows(7))
    assert ImportJob.objects.get().rows_done == Response.objects.count() == 2

    assert totals_of(run(rows(7))) == {"created": 7, "duplicates": 0, "rejected": 0}


@pytest.mark.usefixtures("small_chunks")
def test_two_who_begin_together_share_one_job():
    results = []

    def beside(done: int, rows: int) -> None:
        if not results:
            results.append(run(MESSY))  # overtakes the first and finishes

    results.append(run(MESSY, progress=beside))

    assert [totals_of(result) for result in results] == [TOTALS, TOTALS]
    assert ImportJob.objects.count() == 1
    assert Response.objects.count() == 3


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("small_chunks")
def test_several_processes_create_each_row_once():
    survey, text, results = make.nps(), rows(60), []

    def work() -> None:
        try:
            results.append(run(text, survey=survey))
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(results) == 4
    assert Response.objects.count() == 60
    for job in ImportJob.objects.all():
        assert job.rows_done == 60
    assert sum(job.created for job in ImportJob.objects.all()) == 60


@pytest.mark.usefixtures("small_chunks")
def test_a_job_that_is_deleted_ends_the_import_at_the_next_chunk():
    def delete(done: int, rows: int) -> None:
        ImportJob.objects.all().delete()

    with pytest.raises(NotAllowedNow, match="was deleted meanwhile"):
        run(rows(5), progress=delete)

    assert Response.objects.count() == 2


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("dry_run", [False, True])
def test_progress_is_told_after_each_chunk(dry_run):
    told = []

    run(rows(5), dry_run=dry_run, progress=lambda *numbers: told.append(numbers))

    assert told == [(2, 5), (4, 5), (5, 5)]


def test_a_file_without_rows_is_an_import_of_none():
    result = run(HEADER)

    assert result.rows == 0
    assert result.job.state == "finished"


@pytest.mark.parametrize(
    ("text", "options", "field", "said"),
    [
        ("", {}, "file", "The file is empty"),
        (rows(9), {"max_rows": 8}, "file", "more than 8 rows"),
        (rows(9), {"max_bytes": 9}, "file", "larger than 9 bytes"),
        ("id,score\n1,2\n", {}, "mapping", "no column 'comment'"),
        (rows(1), {"encoding": "utf-16"}, "file", "utf-16"),
        (
            HEADER.encode() + "1,1,é\n".encode() * 9 + b"2,2,\xe9\n",  # C2
            {},
            "file",
            "The encoding is mixed: line 11",
        ),
    ],
)
def test_a_file_that_cannot_be_read_as_a_whole_takes_no_row(text, options, field, said):
    with pytest.raises(InvalidInput) as refused:
        run(text, **options)

    assert refused.value.errors.keys() == {field}
    assert said in str(refused.value)
    assert ImportJob.objects.count() == Response.objects.count() == 0


def test_limits_are_those_of_the_site_unless_they_are_given(settings):
    settings.CEM_CASES = {"IMPORT_MAX_ROWS": 2, "IMPORT_MAX_BYTES": 100}

    with pytest.raises(InvalidInput, match="more than 2 rows"):
        run(rows(3))
    assert run(rows(3), max_rows=3).rows == 3


def test_nothing_comes_in_for_a_survey_that_is_not_active():
    with pytest.raises(InvalidInput, match="not active"):
        run(MESSY, survey=make.survey(is_active=False))


@pytest.mark.parametrize(  # C13
    ("given", "kept"),
    [
        ("answers.csv", "answers.csv"),
        ("../../etc/x.csv", "x.csv"),
        ("C:\\answers\\x.csv", "x.csv"),
        ("a\nb\x1b[31m\u202e.csv", "a?b?[31m?.csv"),
        ("😀.csv", "😀.csv"),
        ("x" * 300 + ".csv", "x" * 196 + ".csv"),
        ("", ""),
    ],
)
def test_a_file_name_is_for_people_to_read(given, kept):
    assert run(HEADER, file_name=given).job.file_name == kept


def test_the_job_says_who_imported():
    agent = make.user()

    assert run(HEADER, by=agent).job.by == agent


def test_rejects_are_written_with_all_their_columns():
    data = io.BytesIO(MESSY.encode())
    result = imports.run(data, survey=make.nps(), mapping=MAPPING)

    out = io.StringIO(newline="")
    imports.write_rejects(result, out)

    assert out.getvalue() == (
        "line,reason,id,score,comment\r\n"
        "3,score: Must be from 0 to 10.,2,11,too high\r\n"
        '6,A quote is opened and not closed.,"4,""5,unclosed"\r\n'
        "7,external_id: Column 'id' is blank.,,5,nobody\r\n"
        "8,score: Column 'score' is not a number.,5,five,words\r\n"
    )


def test_a_reason_is_cut_where_it_is_very_long():
    wide = {f"question_{n}": {"column": "score", "number": True} for n in range(40)}
    mapping = parse_mapping(
        {"source": "x", "response": {"external_id": "id"}, "answers": wide}
    )

    ((_, reason),) = run(HEADER + "1,x,\n", mapping=mapping).rejects()

    assert len(reason) <= 500
    assert reason.endswith(" ...")


def test_the_totals_of_a_job_must_add_up():
    job = run(HEADER).job

    with pytest.raises(IntegrityError), transaction.atomic():
        ImportJob.objects.filter(pk=job.pk).update(created=1)


def test_the_number_of_queries_does_not_depend_on_the_number_of_rows():
    if connection.vendor == "sqlite":
        pytest.skip("SQLite takes only so many values in a statement")
    survey, counts = make.nps(), []

    for count in (30, 90):
        with CaptureQueriesContext(connection) as queries:
            run(rows(count), survey=survey, mapping=named(str(count)))
        counts.append(len(queries))

    assert counts[0] == counts[1]


def named(source: str) -> ColumnMapping:
    return replace(MAPPING, source=source)


def example(name: str):
    return load((ROOT / "docs" / "examples" / f"{name}.toml").read_text())


@pytest.mark.data
def test_the_survey_of_an_airport_comes_in_whole(data_folder):
    path = data_folder / "sfo_survey_2017" / "2017_SFO_Customer_Survey_20250817.csv"
    mapping = example("sfo_survey_2017")

    with path.open("rb") as file:
        first = imports.run(file, survey=make.nps(), mapping=mapping)
        again = imports.run(file, survey=make.nps(), mapping=mapping)

    assert totals_of(first) == {"created": 2831, "duplicates": 0, "rejected": 0}
    assert totals_of(again) == {"created": 0, "duplicates": 2831, "rejected": 0}
    scores = Response.objects.exclude(score=None)
    assert scores.count() == 2746
    assert scores.filter(score__gte=9).count() == 1436
    assert scores.filter(score__lte=6).count() == 342
    assert Response.objects.filter(answers__problem="yes").count() == 320
    assert Customer.objects.count() == 2831


@pytest.mark.data
def test_a_row_of_the_airport_is_what_the_code_list_says(data_folder):
    path = data_folder / "sfo_survey_2017" / "2017_SFO_Customer_Survey_20250817.csv"
    with path.open("rb") as file:
        imports.run(file, survey=make.nps(), mapping=example("sfo_survey_2017"))

    response = Response.objects.get(external_id="1")

    assert response.answered_at.isoformat() == "2017-05-13T07:00:00+00:00"
    assert (response.channel, response.language) == ("gate", "en")
    assert str(response.weight) == "0.2847177143"
    assert response.answers == {"boarding_area": "G", "overall": 4, "problem": "no"}
    assert response.customer.external_id == "sfo-2017-1"
    assert response.customer.attributes == {
        "age": "45-54",
        "gender": "female",
        "income": "100,001-150,000",
    }


@pytest.mark.data
def test_the_customers_of_a_telephone_company_come_in_whole(data_folder):
    survey = make.survey(slug="telco-csat", metric="csat", scale_min=1, scale_max=5)
    name = "Telco_customer_churn_status.csv"
    with (data_folder / "telco_ibm" / "csv_derived" / name).open("rb") as file:
        result = imports.run(file, survey=survey, mapping=example("telco_ibm"))

    assert totals_of(result) == {"created": 7043, "duplicates": 0, "rejected": 0}
    assert Response.objects.filter(score=1).count() == 922
    assert Customer.objects.filter(attributes__churned=True).count() == 1869
    customer = Customer.objects.get(external_id="8779-QRDMV")
    assert (str(customer.annual_value), customer.currency) == ("5433.00", "USD")
    assert customer.segment == "Churned"
    assert customer.attributes["churn_reason"] == "Competitor offered more data"
