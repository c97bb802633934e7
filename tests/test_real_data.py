"""Real files that nobody here wrote, all the way from `cem_import` to cases.

The expected numbers are counted from the files in this module, by other code than ours.
"""

import csv
from collections import Counter
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from cem_cases import scores
from cem_cases.loop import audit, drain
from cem_cases.models import Case, Clock, Customer, Response
from tests import make

pytestmark = [pytest.mark.data, pytest.mark.django_db]

EXAMPLES = Path(__file__).parent.parent / "docs/examples"


def rows(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def load(path, survey, mapping):
    out = StringIO()
    call_command(
        "cem_import",
        str(path),
        f"--survey={survey}",
        f"--map={EXAMPLES / mapping}",
        stdout=out,
        stderr=out,
    )
    return out.getvalue()


class TestSfo:
    """The guest survey of San Francisco airport, May 2017: 2,831 rows."""

    @pytest.fixture
    def path(self, data_folder):
        return data_folder / "sfo_survey_2017/2017_SFO_Customer_Survey_20250817.csv"

    @pytest.fixture
    def imported(self, path):
        make.survey(slug="sfo-2017", name="SFO 2017", metric="nps", kind="relational")
        make.rule(
            conditions={
                "any": [
                    {"fact": "score", "operator": "at most", "value": 6},
                    {"fact": "answer.problem", "operator": "is", "value": "yes"},
                ]
            },
            name="NPS at most 6, or a problem",
        )
        make.policy()
        load(path, "sfo-2017", "sfo_survey_2017.toml")
        drain.drain()

    def test_the_score_is_the_published_one(self, imported):
        valid = Response.objects.exclude(score=None).values_list("score", "weight")
        given = [score for score, _ in valid]
        plain = scores.nps(given)
        weighted = scores.nps(given, weights=[float(weight) for _, weight in valid])

        assert Response.objects.count() == 2831
        assert (plain.n, plain.detractors) == (2746, 342)
        assert round(plain.score, 2) == 39.84
        assert round(weighted.score, 2) == 40.40
        assert plain.low < plain.score < plain.high
        assert Response.objects.filter(band="detractor").count() == 342

    def test_a_case_is_opened_for_each_detractor_and_each_problem(self, imported, path):
        expected = {
            row["RESPNUM"]
            for row in rows(path)
            if row["NETPRO"] in ("0", "1", "2", "3", "4", "5", "6")
            or row["Q15PROBLEM"] == "1"
        }
        opened = Case.objects.values_list("opening_response__external_id", flat=True)

        assert set(opened) == expected
        assert Clock.objects.count() == 2 * len(expected)
        assert not Response.objects.unprocessed().exists()
        assert not list(audit.verify())

    def test_a_second_import_changes_nothing(self, imported, path):
        before = (
            list(Response.objects.order_by("pk").values()),
            list(Customer.objects.order_by("pk").values()),
            list(Case.objects.order_by("pk").values()),
        )

        said = load(path, "sfo-2017", "sfo_survey_2017.toml")
        drain.drain()

        assert "2,831" in said
        assert before == (
            list(Response.objects.order_by("pk").values()),
            list(Customer.objects.order_by("pk").values()),
            list(Case.objects.order_by("pk").values()),
        )


class TestTelco:
    """IBM's telecommunications sample: 7,043 customers with their lifetime value."""

    @pytest.fixture
    def path(self, data_folder):
        return data_folder / "telco_ibm/csv_derived/Telco_customer_churn_status.csv"

    def test_unsatisfied_customers_get_cases_by_their_value(self, path):
        make.survey(slug="telco-csat", metric="csat", scale_min=1, scale_max=5)
        low = {"fact": "score", "operator": "at most", "value": 2}
        make.rule({"do": "open case", "priority": "low"}, conditions=low)
        for worth, priority in ((3000, "normal"), (4000, "high"), (5500, "urgent")):
            value = {"fact": "customer.annual_value", "operator": "at least"}
            make.rule(
                {"do": "set priority", "priority": priority},
                conditions={"all": [low, value | {"value": worth}]},
            )

        load(path, "telco-csat", "telco_ibm.toml")
        drain.drain()

        source = rows(path)
        expected = Counter(
            sum(int(row["CLTV"]) >= worth for worth in (3000, 4000, 5500))
            for row in source
            if row["Satisfaction Score"] in ("1", "2")
        )
        opened = Counter(Case.objects.values_list("priority", flat=True))
        assert {4 - priority: count for priority, count in opened.items()} == expected
        assert sum(opened.values()) == 922 + 518
        values = dict(Customer.objects.values_list("external_id", "annual_value"))
        assert values == {row["Customer ID"]: Decimal(row["CLTV"]) for row in source}
        assert set(Customer.objects.values_list("currency", flat=True)) == {"USD"}
        bands = Counter(Response.objects.values_list("band", flat=True))
        assert bands == {"dissatisfied": 1440, "neutral": 2665, "satisfied": 2938}
