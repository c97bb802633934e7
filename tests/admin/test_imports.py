import pytest

from cem_cases.models import ImportJob
from tests import make
from tests.admin import at


@pytest.fixture
def job(db):
    made = ImportJob.objects.create(
        survey=make.nps(),
        file_name="march.csv",
        file_hash="a",
        mapping_hash="b",
        created=4,
        rejected=1,
        rows_done=5,
        started_at=make.MONDAY,
    )
    made.rejects.create(line=3, reason="score: must be a number.")
    return made


def test_an_import_leads_to_its_rejected_rows(door, root, job):
    other = ImportJob.objects.create(
        survey=job.survey,
        file_hash="c",
        mapping_hash="d",
        started_at=make.MONDAY,
        finished_at=make.MONDAY,
    )
    client = door(root)

    listed = client.get(at.rows("importjob"))
    link = f"{at.rows('importreject')}?job__id__exact={job.pk}"

    assert "march.csv" in at.text(listed)
    assert "running" in at.text(listed)
    assert link in listed.content.decode()
    assert "score: must be a number." in at.text(client.get(link))
    assert "score" not in at.text(client.get(link.replace(str(job.pk), str(other.pk))))


def test_an_import_is_read_only(door, root, job):
    client = door(root)

    assert client.get(at.page(job)).status_code == 200
    assert client.post(at.page(job), {"created": 9}).status_code == 403
