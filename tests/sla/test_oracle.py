"""What other systems' test suites say about the same arithmetic (shared/oracle).

Left for later, because the calendar alone does not do them: records with pauses (23),
records that go backwards from a due time (4) and business days (9).
"""

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cem_cases.sla import parse_calendar

PATH = Path(__file__).resolve().parents[3] / "shared/oracle/sla.json"
ABSENT = pytest.mark.skipif(
    not PATH.exists(), reason="shared/oracle/sla.json is not beside the repository"
)
ORACLE = json.loads(PATH.read_text(encoding="utf-8")) if PATH.exists() else {}


def kind_of(record):
    """Which of our questions a record of `cases` or `elapsed` answers."""
    if record.get("pauses"):
        return "pauses"
    if "end" in record:
        return "between"
    if record["minutes"] < 0:
        return "backwards"
    return "add" if record["minutes"] else "next_open"


def records(kind):
    """One parameter per record, or a skipped one that says why there is none."""
    found = [
        pytest.param(record, id=record["id"])
        for record in [*ORACLE.get("cases", ()), *ORACLE.get("elapsed", ())]
        if kind_of(record) == kind
    ]
    return found or [pytest.param(None, marks=ABSENT)]


def calendar_of(record):
    raw = record["calendar"]
    return parse_calendar(
        {
            "zone": raw["timezone"],
            "hours": raw["hours"],
            "closed": raw["holidays"],
            "special": raw.get("special_hours", {}),
        }
    )


def instant(text):
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize("record", records("add"))
def test_due(record):
    due = calendar_of(record).add(instant(record["start"]), record["minutes"] * 60)

    assert due == instant(record["expected_due"])


@pytest.mark.parametrize("record", records("next_open"))
def test_zero_minutes_are_the_next_opening(record):
    # Our `add` of nothing is the start itself (conflicts: "a product may prefer …").
    opening = calendar_of(record).next_open(instant(record["start"]))

    assert opening == instant(record["expected_due"])


@pytest.mark.parametrize("record", records("between"))
def test_open_seconds(record):
    start, end = instant(record["start"]), instant(record["end"])

    assert calendar_of(record).between(start, end) == record["expected_open_seconds"]


@ABSENT
def test_no_record_is_left_out_unnoticed():
    """The file's own `meta.counts` promises more (152, 86, 9, 4 and 12) than it holds."""
    kinds = Counter(kind_of(each) for each in ORACLE["cases"] + ORACLE["elapsed"])
    others = {
        name: len(ORACLE[name])
        for name in ("wall_clock", "open_intervals", "business_days")
    }

    assert kinds == {
        "add": 59,
        "next_open": 6,
        "between": 56,
        "pauses": 23,
        "backwards": 4,
    }
    assert others == {"wall_clock": 0, "open_intervals": 0, "business_days": 9}
