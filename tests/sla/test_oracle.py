"""What other systems' test suites say about the same arithmetic (shared/oracle)."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cem_cases.sla import Elapsed, Pause, Target, Unit, due, elapsed, parse_calendar

PATH = Path(__file__).resolve().parents[3] / "shared/oracle/sla.json"
ABSENT = pytest.mark.skipif(
    not PATH.exists(), reason="shared/oracle/sla.json is not beside the repository"
)
ORACLE = json.loads(PATH.read_text(encoding="utf-8")) if PATH.exists() else {}


def kind_of(record):
    """Which of our questions a record answers."""
    if "business_days" in record:
        return "business days"
    if "end" in record:
        return "elapsed with pauses" if record.get("pauses") else "between"
    if record.get("pauses"):
        return "due with pauses"
    if record["minutes"] < 0:
        return "backwards"
    return "add" if record["minutes"] else "next_open"


def records(kind):
    """One parameter per record, or a skipped one that says why there is none."""
    found = [
        pytest.param(record, id=record.get("id", f"days-{n}"))
        for name in ("cases", "elapsed", "business_days")
        for n, record in enumerate(ORACLE.get(name, ()))
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


def pauses_of(record):
    return [Pause(*map(instant, ends)) for ends in record.get("pauses", ())]


@pytest.mark.parametrize("record", [*records("add"), *records("due with pauses")])
def test_due(record):
    target = Target(record["minutes"] * 60, Unit.BUSINESS_SECONDS)

    found = due(
        calendar_of(record), instant(record["start"]), target, pauses_of(record)
    )

    assert found == instant(record["expected_due"])


@pytest.mark.parametrize("record", records("backwards"))
def test_backwards_from_the_due_time(record):
    seconds = -record["minutes"] * 60

    found = calendar_of(record).subtract(instant(record["start"]), seconds)

    assert found == instant(record["expected_due"])


@pytest.mark.parametrize("record", records("business days"))
def test_business_days(record):
    found = calendar_of(record).add_business_days(
        instant(record["start"]), record["business_days"]
    )

    assert found == instant(record["expected_due"])


@pytest.mark.parametrize("record", records("next_open"))
def test_zero_minutes_are_the_next_opening(record):
    # Our `add` of nothing is the start itself (conflicts: "a product may prefer …").
    opening = calendar_of(record).next_open(instant(record["start"]))

    assert opening == instant(record["expected_due"])


@pytest.mark.parametrize(
    "record", [*records("between"), *records("elapsed with pauses")]
)
def test_open_seconds(record):
    start, end = instant(record["start"]), instant(record["end"])
    seconds = max((end - start) // timedelta(seconds=1), 0)

    found = elapsed(calendar_of(record), start, end, pauses_of(record))

    assert found == Elapsed(record["expected_open_seconds"], seconds)


@ABSENT
def test_no_record_is_left_out_unnoticed():
    """The file's own `meta.counts` promises more (152, 86, 9, 4 and 12) than it holds."""
    kinds = Counter(
        kind_of(record)
        for name, records in ORACLE.items()
        if name not in ("meta", "conflicts")
        for record in records
    )

    assert kinds == {
        "add": 59,
        "next_open": 6,
        "between": 56,
        "due with pauses": 18,
        "elapsed with pauses": 5,
        "backwards": 4,
        "business days": 9,
    }
