import pytest
from django.core import signing

from cem_cases.api.pagination import SALT
from cem_cases.models import Case
from tests import make
from tests.make import HOUR, MONDAY

pytestmark = pytest.mark.django_db


def cases(count: int, of, **fields):
    """Cases as they are after an import: many of the same time."""
    response = make.response()
    rows = [
        Case(
            customer=response.customer,
            team=of,
            opened_at=MONDAY,
            last_activity_at=MONDAY,
            **fields,
        )
        for _ in range(count)
    ]
    return Case.objects.bulk_create(rows)


def rows(pages):
    return [number for page in pages for number in page]


def numbers(client, url):
    """Follow the pages from this URL on; yield the numbers on each."""
    while url:
        page = client.get(url).json()
        yield [row["number"] for row in page["results"]]
        url = page["next"]


def test_pages_follow_each_other_also_where_all_times_are_the_same(api):
    made = cases(7, make.team())

    pages = list(numbers(api(make.manager()), "/api/v1/cases/?page_size=3"))

    newest_first = [case.pk for case in made][::-1]
    assert pages == [newest_first[:3], newest_first[3:6], newest_first[6:]]


def test_a_full_last_page_has_no_next(api):
    cases(4, make.team())

    pages = list(numbers(api(make.manager()), "/api/v1/cases/?page_size=2"))

    assert [len(page) for page in pages] == [2, 2]


def test_by_due_time_cases_without_one_come_last(api):
    of = make.team()
    late = cases(2, of, due_at=MONDAY + HOUR)
    never = cases(3, of)
    soon = cases(1, of, due_at=MONDAY)

    pages = numbers(api(make.manager()), "/api/v1/cases/?ordering=due_at&page_size=2")

    assert rows(pages) == [case.pk for case in [*soon, *late, *never]]


def test_nothing_is_skipped_or_doubled_while_cases_come_in(api):
    of = make.team()
    made = cases(4, of)
    pages = numbers(api(make.manager()), "/api/v1/cases/?page_size=2")
    first = next(pages)
    cases(3, of, due_at=MONDAY)
    Case.objects.filter(pk__in=[case.pk for case in made]).update(priority=1)

    assert first + rows(pages) == [case.pk for case in made][::-1]


def test_the_next_page_keeps_the_filters(api):
    of = make.team()
    cases(3, of)
    cases(3, of, priority=1)

    pages = numbers(api(make.manager()), "/api/v1/cases/?priority=urgent&page_size=2")

    assert [len(page) for page in pages] == [2, 1]


def test_a_cursor_belongs_to_its_ordering(api):
    cases(2, make.team())
    client = api(make.manager())
    following = client.get("/api/v1/cases/?page_size=1").json()["next"]

    answered = client.get(f"{following}&ordering=due_at")

    assert answered.json()["errors"] == {"cursor": ["Belongs to another ordering."]}


def test_a_cursor_that_we_did_not_sign_is_refused(api):
    forged = signing.dumps(["-opened_at", "x", 1], key="another", salt=SALT)

    answered = api(make.manager()).get(f"/api/v1/cases/?cursor={forged}")

    assert answered.status_code == 400


@pytest.mark.parametrize("size", [1, 200])
def test_a_page_has_1_to_200_rows(api, size):
    cases(201, make.team())

    page = api(make.manager()).get(f"/api/v1/cases/?page_size={size}").json()

    assert len(page["results"]) == size


def test_a_page_has_50_rows_if_nothing_is_said(api):
    cases(51, make.team())

    assert len(api(make.manager()).get("/api/v1/cases/").json()["results"]) == 50


def test_the_timeline_has_pages_too(api):
    case = make.case(owner=make.agent(of := make.team()), team=of)
    client = api(make.manager())
    path = f"/api/v1/cases/{case.pk}/timeline/?page_size=1"

    first = client.get(path).json()
    second = client.get(first["next"]).json()

    assert [event["sequence"] for event in first["results"]] == [1]
    assert [event["sequence"] for event in second["results"]] == [2]
    assert second["next"] is None
