"""What a version of a policy promises, and what makes it dead."""

from datetime import UTC, datetime, timedelta

import pytest

from cem_cases.sla import BREACH, InvalidPolicy, Pause, Target, Unit, parse_terms

MONDAY = datetime(2025, 3, 3, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
INSTANT = timedelta(microseconds=1)
OFFICE = {
    "zone": "UTC",
    "hours": {day: [["09:00", "17:00"]] for day in ("mon", "tue", "wed", "thu", "fri")},
}


def target(metric="first contact", priority=3, **fields):
    defaults = {"amount": 4 * 3600, "unit": "business seconds", "warn_percents": [75]}
    return {"metric": metric, "priority": priority, **defaults, **fields}


def raw(*, targets=None, steps=(), calendar=OFFICE, pauses=("pending",)):
    targets = targets or [target(priority=p) for p in (1, 2, 3, 4)]
    return {
        "calendar": calendar,
        "targets": targets,
        "steps": [{"metric": "first contact", **step} for step in steps],
        "pauses": list(pauses),
    }


def levels(terms, *pauses, amount=4 * 3600, unit=Unit.BUSINESS_SECONDS):
    _, found = terms.levels("first contact", 3, Target(amount, unit), MONDAY, pauses)
    return [(level.key, level.at) for level in found]


def test_the_levels_of_a_clock_come_in_the_order_of_their_times():
    steps = [
        {"percent": 150, "action": "notify manager"},
        {"percent": 50, "action": "notify owner"},
        {"minutes": -30, "action": "notify lead"},
        {"minutes": 30, "action": "raise priority"},
    ]

    assert levels(parse_terms(raw(steps=steps))) == [
        ("50 % of the target: notify owner", MONDAY + 2 * HOUR),
        ("warn 75", MONDAY + 3 * HOUR),
        ("30 min before due: notify lead", MONDAY + 3.5 * HOUR),
        (BREACH, MONDAY + 4 * HOUR + INSTANT),
        ("30 min after due: raise priority", MONDAY + 4.5 * HOUR),
        ("150 % of the target: notify manager", MONDAY + 6 * HOUR),
    ]


@pytest.mark.parametrize(
    "step", [{"percent": 100}, {"minutes": 0}], ids=["100 %", "0 min"]
)
def test_a_step_at_the_due_time_comes_with_the_breach(step):
    terms = parse_terms(raw(steps=[step | {"action": "notify owner"}]))

    (_, breach), (_, escalation) = levels(terms)[1:]
    assert breach == escalation == MONDAY + 4 * HOUR + INSTANT


def test_pauses_move_all_levels_that_come_after_them():
    pause = Pause(MONDAY + 3.5 * HOUR, MONDAY + 4.5 * HOUR)

    assert levels(parse_terms(raw()), pause) == [
        ("warn 75", MONDAY + 3 * HOUR),
        (BREACH, MONDAY + 5 * HOUR + INSTANT),
    ]


def test_calendar_time_does_not_care_about_openings():
    terms = parse_terms(raw())

    found = levels(terms, amount=86_400, unit=Unit.CALENDAR_SECONDS)
    assert found[-1] == (BREACH, MONDAY + 24 * HOUR + INSTANT)


@pytest.mark.parametrize(
    ("metric", "status", "stops"),
    [
        ("first contact", "pending", False),
        ("next update", "pending", True),
        ("resolution", "pending", True),
        ("statutory", "pending", False),
        ("resolution", "on hold", False),
    ],
)
def test_what_stops_while_a_case_waits(metric, status, stops):
    assert parse_terms(raw()).pauses_on(status, metric) is stops


@pytest.mark.parametrize(
    ("change", "path", "says"),
    [
        ({"metric": "speed"}, "targets[0].metric", "must be one of: first contact"),
        ({"priority": 5}, "targets[0].priority", "from 1 (urgent) to 4 (low)"),
        ({"priority": True}, "targets[0].priority", "from 1 (urgent) to 4 (low)"),
        ({"amount": 0}, "targets[0].amount", "a whole number from 1"),
        ({"amount": "4"}, "targets[0].amount", "a whole number from 1"),
        ({"amount": 1e9}, "targets[0].amount", "a whole number from 1"),
        ({"unit": "hours"}, "targets[0].unit", "business seconds"),
        ({"warn_percents": [0]}, "targets[0].warn_percents", "from 1 to 99"),
        ({"warn_percents": [50, 50]}, "targets[0].warn_percents", "twice"),
        ({"warn_percents": 75}, "targets[0].warn_percents", "must be a list"),
    ],
)
def test_a_wrong_target_is_refused_with_its_place(change, path, says):
    with pytest.raises(InvalidPolicy) as caught:
        parse_terms(raw(targets=[target(**change)]))

    assert caught.value.path == path
    assert says in caught.value.message


@pytest.mark.parametrize(
    ("step", "path"),
    [
        ({"action": "notify owner"}, "steps[0]"),
        ({"action": "notify owner", "percent": 50, "minutes": 5}, "steps[0]"),
        ({"action": "shout", "percent": 50}, "steps[0].action"),
        ({"action": "notify owner", "percent": 0}, "steps[0].percent"),
        ({"action": "notify owner", "percent": 1001}, "steps[0].percent"),
        ({"action": "notify owner", "minutes": 10**12}, "steps[0].minutes"),
        ({"action": "add watcher", "percent": 50}, "steps[0].user"),
        ({"action": "notify owner", "percent": 50, "user": "7"}, "steps[0].user"),
    ],
)
def test_a_wrong_step_is_refused_with_its_place(step, path):
    with pytest.raises(InvalidPolicy) as caught:
        parse_terms(raw(steps=[step]))

    assert caught.value.path == path


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ({"targets": [target(priority=p) for p in (1, 2, 4)]}, "targets"),
        ({"calendar": {"zone": "UTC", "hours": {}}}, "calendar.hours"),
        (
            {"calendar": {"zone": "UTC", "hours": {"mon": [["09:00", "09:01"]]}}},
            "targets[0].amount",
        ),
        ({"steps": [{"metric": "resolution", "percent": 5, "action": "notify owner"}]},
         "steps[0].metric"),
    ],
)  # fmt: skip
def test_dead_terms_are_refused_when_saved_but_can_be_read_later(changed, path):
    many = [target(priority=p, amount=360_000) for p in (1, 2, 3, 4)]
    terms = raw(**{"targets": many} | changed)

    with pytest.raises(InvalidPolicy) as caught:
        parse_terms(terms, on=MONDAY)
    assert caught.value.path == path

    parse_terms(terms)


def test_a_policy_without_any_target_is_dead():
    with pytest.raises(InvalidPolicy, match="there is no target"):
        parse_terms({"calendar": None}, on=MONDAY)


@pytest.mark.parametrize("broken", [{"targets": 1}, {"steps": [1]}, {"calendar": "x"}])
def test_what_is_no_policy_at_all_is_refused(broken):
    with pytest.raises(InvalidPolicy):
        parse_terms(broken)
