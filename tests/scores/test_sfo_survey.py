"""The scores of a real survey: 2,831 guests of San Francisco airport, May 2017."""

import csv
from pathlib import Path

import pytest

from cem_cases.scores import csat, nps

SURVEY = Path(__file__).resolve().parents[3] / (
    "shared/data/sfo_survey_2017/2017_SFO_Customer_Survey_20250817.csv"
)

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(
        not SURVEY.exists(),
        reason="the SFO survey of 2017 is not beside the repository (shared/data)",
    ),
]


@pytest.fixture(scope="module")
def rows():
    with SURVEY.open(encoding="ascii", newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.fixture(scope="module")
def recommending(rows):
    """Those who answered; 11 and empty mean "blank"."""
    return [row for row in rows if row["NETPRO"] in {str(n) for n in range(11)}]


def test_nps(recommending):
    found = nps(int(row["NETPRO"]) for row in recommending)

    assert (found.promoters, found.passives, found.detractors) == (1436, 968, 342)
    assert found.n == 2746
    assert found.score == pytest.approx(39.8398, abs=5e-5)


def test_weighted_nps(recommending):
    found = nps(
        (int(row["NETPRO"]) for row in recommending),
        (float(row["WEIGHT"]) for row in recommending),
    )

    assert found.score == pytest.approx(40.3984, abs=5e-5)
    assert found.effective_n < found.n


def test_csat(rows):
    found = csat(int(row["Q7ALL"]) for row in rows if row["Q7ALL"] in set("12345"))

    assert found.n == 2688
    assert found.score == pytest.approx(82.0685, abs=5e-5)
