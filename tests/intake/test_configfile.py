"""A file of configuration: what it says, what is wrong with it, how it is written."""

import json
import time
from contextlib import suppress
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cem_cases.intake.configdiff import differences
from cem_cases.intake.configfile import (
    MAX_BYTES,
    SECTIONS,
    ConfigRefused,
    canonical,
    place,
    read,
    written,
)

RULE = {"name": "A", "position": 10, "active": True, "actions": [{"do": "open case"}]}
TARGET = {"metric": "resolution", "priority": "high", "amount": "8 h"}


def said(text, *, is_json=False):
    """What is wrong with this file, as lines."""
    found = read(text.encode(), is_json=is_json)
    return [f"{path}: {text}" for path, text in found.problems]


def entries(text, section="rules"):
    found = read(f"format = 1\n{text}".encode())
    assert not found.problems
    return [entry.values for entry in found.sections[section]]


def test_an_entry_has_all_its_keys_with_the_defaults_of_those_left_out():
    (rule,) = entries('[[rules]]\nname = "A"')

    assert rule == {
        "name": "A",
        "position": 0,
        "active": False,
        "trigger": "response received",
        "quiet_hours": None,
        "conditions": {},
        "actions": [],
        "stop": False,
    }


def test_a_section_that_is_not_there_is_not_an_empty_one():
    found = read(b"format = 1\nrules = []")

    assert found.sections == {"rules": []}


def test_everything_that_is_wrong_is_said_with_its_place():
    text = """
        format = 1
        rule = []
        policies = 3
        [[teams]]
        slug = "care"
        members = [{ user = "ada", capacity = "40" }, { user = "ada" }, {}, 7]
        [[rules]]
        nam = "A"
        position = true
        active = "yes"
        [[rules]]
        name = "B"
        position = 1.5
        [[rules]]
        name = "B"
        quiet_hours = nan
        """

    assert said(text) == [
        "rule: unknown key; known are calendars, teams, policies, rules; did you mean "
        "rules?",
        "teams[0].name: is missing",
        "teams[0].members[0].capacity: must be a whole number",
        "teams[0].members[2].user: is missing",
        "teams[0].members[3]: must be a table",
        "teams[0].members[1]: ada is also teams[0].members[0]",
        "policies: must be tables, [[policies]]",
        "rules[0].nam: unknown key; known are name, position, active, trigger, "
        "quiet_hours, conditions, actions, stop; did you mean name?",
        "rules[0].name: is missing",
        "rules[0].position: must be a whole number",
        "rules[0].active: must be true or false",
        "rules[1].position: must be a whole number",
        "rules[2].quiet_hours: must be a number of less than 20 digits",
        "rules[2].name: B is also rules[1]",
    ]


def test_what_is_right_beside_what_is_wrong_is_there():
    found = read(b'format = 1\n[[rules]]\nname = "A"\n[[rules]]\nname = 3')

    assert [entry.is_sound for entry in found.sections["rules"]] == [True, False]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "format: is missing; begin with format = 1"),
        ("rules = []", "format: is missing"),
        ("format = 2", "format: must be 1"),
        ('format = "1"', "format: must be 1"),
        ("format = true", "format: must be 1"),
        (
            "format = 1\nformat = 1",
            "file: The file is not valid TOML: Cannot overwrite",
        ),
        ("format = 1\n[[rules]\n", "file: The file is not valid TOML"),
        ("a = " + "[" * 100_000, "file: The file is nested too deep"),
        ("a = " + "{ a = " * 100_000, "file: The file is nested too deep"),
        ("a." * 500_000 + "a = 1", "line 1 has more than 2,000 dots"),
        ("a = 0x" + "f" * 1000, "format: is missing"),
        ("a = " + "9" * 5000, "file: The file is not valid TOML"),
        ("a = 1979-99-99", "file: The file is not valid TOML"),
    ],
)
def test_what_cannot_be_read_is_refused(text, says):
    began = time.monotonic()

    with pytest.raises(ConfigRefused) as refused:
        read(text.encode())

    assert says in str(refused.value)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "file: The file is not valid JSON"),
        ("[1]", "file: The file must be a table of sections"),
        ("null", "file: The file must be a table of sections"),
        ('{"format": 1, "format": 1}', "the key format is given twice"),
        ("[" * 100_000, "file: The file is nested too deep"),
        ('{"format": ' + "9" * 5000 + "}", "file: The file is not valid JSON"),
        ('{"__proto__": {"format": 1}}', "format: is missing"),
        ('{"format": NaN}', "format: must be 1"),
    ],
)
def test_json_that_cannot_be_read_is_refused(text, says):
    with pytest.raises(ConfigRefused) as refused:
        read(text.encode(), is_json=True)

    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"x" * (MAX_BYTES + 1), "larger than 5,000,000 bytes"),
        (b"format = 1\nname = '\xff'", "not UTF-8: see line 2"),
        ("format = 1".encode("utf-16"), "not UTF-8: see line 1"),
        (b"\x00\x01\x02", "not valid TOML"),
    ],
)
def test_bytes_that_are_no_text_are_refused(data, says):
    with pytest.raises(ConfigRefused, match=says):
        read(data)


def rule(**fields):
    return json.dumps({"format": 1, "rules": [{"name": "A", **fields}]})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (rule(__proto__=1), "rules[0].__proto__: unknown key"),
        (rule(**{"a\nb\u202e": 1}), 'rules[0]."a\\nb\\u202e": unknown key'),
        (rule(**{"x" * 500: 1}), f'rules[0]."{"x" * 60}…": unknown key'),
        (rule(name="a\x00"), "rules[0].name: must not contain zero characters"),
        (rule(name="  "), "rules[0].name: must be text in quotes, not empty"),
        (rule(name=None), "rules[0].name: is missing"),
        (rule(name=["A"]), "rules[0].name: must be text"),
        (rule(position=1e300), "rules[0].position: must be a number of less than"),
        (rule(position=float("inf")), "rules[0].position: must be a number of less"),
        (rule(actions=[None]), "rules[0].actions[0]: must not be null"),
        (
            rule(actions=[{"\x00": 1}]),
            'rules[0].actions[0]."\\u0000": must not contain',
        ),
        ('{"format": 1, "rules": {}}', "rules: must be tables, [[rules]]"),
        ('{"format": 1, "rules": [null]}', "rules[0]: must be a table"),
        ('{"format": 1, "rules": [[]]}', "rules[0]: must be a table"),
        (rule(name="ab").replace("ab", "\\ud800"), "half a character"),
    ],
)
def test_hostile_entries_are_said_by_their_place(text, says):
    (problem,) = said(text, is_json=True)

    assert says in problem


def test_a_document_that_is_nested_too_deep_is_an_entry_that_is_wrong():
    deep = {"not": {}}
    for _ in range(100):
        deep = {"not": deep}

    (problem,) = said(rule(conditions=deep), is_json=True)

    assert "is nested more than 60 deep" in problem


def test_six_point_naught_is_six_and_null_is_nothing():
    text = rule(
        position=6.0,
        quiet_hours=None,
        conditions={"fact": "score", "operator": "is empty", "value": None, "n": -0.0},
    )
    found = read(text.encode(), is_json=True).sections["rules"][0].values

    assert repr(found["position"]) == "6"
    assert found["conditions"] == {"fact": "score", "operator": "is empty", "n": 0}


@pytest.mark.parametrize(
    ("amount", "unit", "becomes"),
    [
        ("8 h", "business seconds", "8 h"),
        ("90 min", "business seconds", "1 h 30 min"),
        (5405, "business seconds", "1 h 30 min 5 s"),
        ("48 h", "calendar seconds", "2 d"),
        ("56 d", "calendar seconds", "56 d"),
        (3, "business days", 3),
        (0, "business seconds", 0),
    ],
)
def test_amounts_are_written_in_one_way(amount, unit, becomes):
    text = json.dumps(
        {
            "format": 1,
            "policies": [
                {"name": "A", "targets": [{**TARGET, "amount": amount, "unit": unit}]}
            ],
        }
    )
    found = read(text.encode(), is_json=True)

    assert not found.problems
    assert found.sections["policies"][0].values["targets"][0]["amount"] == becomes


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ({"amount": "8"}, "amount: must be a time such as"),
        ({"amount": "8 hours"}, "amount: must be a time such as"),
        ({"amount": "2 d"}, "amount: a day of business time has no fixed length"),
        (
            {"amount": "3 d", "unit": "business days"},
            "amount: business days are a numb",
        ),
        ({"amount": True}, "amount: must be a time such as"),
        ({"priority": 2}, "priority: must be one of: urgent, high, normal, low"),
        ({"warn_percents": 75}, "warn_percents: must be a list of whole numbers"),
    ],
)
def test_targets_that_are_wrong_are_said_by_their_place(target, says):
    raw = {"format": 1, "policies": [{"name": "A", "targets": [{**TARGET, **target}]}]}

    (problem,) = said(json.dumps(raw), is_json=True)

    assert problem.startswith(f"policies[0].targets[0].{says}")


def test_days_are_dates_or_their_text_and_nothing_else():
    (calendar,) = entries(
        '[[calendars]]\nname = "Office"\n'
        'holidays = [{ day = 2026-12-25 }, { day = "2026-12-26" }]',
        "calendars",
    )

    days = [holiday["day"] for holiday in calendar["holidays"]]
    assert days == [date(2026, 12, 25), date(2026, 12, 26)]
    for wrong in ("2026-12-25T00:00:00Z", '"20261225"', '"2026-02-30"', "3"):
        text = f'format = 1\n[[calendars]]\nname = "A"\nholidays = [{{day = {wrong}}}]'
        assert "calendars[0].holidays[0].day" in said(text)[0]


def test_a_date_in_a_document_is_its_text():
    (found,) = entries('[[rules]]\nname = "A"\nconditions = { value = 2026-01-31 }')

    assert found["conditions"] == {"value": "2026-01-31"}


@pytest.mark.parametrize("is_json", [False, True])
def test_what_is_written_is_read_back_without_its_defaults(is_json):
    text = written({"rules": [RULE], "teams": []}, is_json=is_json)

    found = read(text.encode(), is_json=is_json)
    assert canonical("rules", found.sections["rules"][0].values) == canonical(
        "rules", RULE
    )
    assert found.sections["teams"] == []
    assert "stop" not in text
    assert "position" in text


def test_rules_are_sorted_by_position_and_then_by_name():
    rows = [{**RULE, "name": name, "position": at} for name, at in ("b1", "a1", "c0")]

    found = json.loads(written({"rules": _numbered(rows)}, is_json=True))

    assert [each["name"] for each in found["rules"]] == ["c", "a", "b"]


def _numbered(rows):
    return [{**row, "position": int(row["position"])} for row in rows]


def test_targets_are_sorted_by_urgency_and_steps_by_their_point():
    policy = {
        "name": "A",
        "targets": [
            {**TARGET, "priority": priority}
            for priority in ("low", "urgent", "normal", "high")
        ],
        "steps": [
            {"metric": "resolution", "action": "notify lead", **point}
            for point in ({"minutes": 5}, {"percent": 150}, {"percent": 50})
        ],
    }

    found = canonical("policies", policy)

    assert [each["priority"] for each in found["targets"]] == [
        "urgent",
        "high",
        "normal",
        "low",
    ]
    points = [(each["percent"], each["minutes"]) for each in found["steps"]]
    assert points == [(50, None), (150, None), (None, 5)]


def test_a_weekday_that_is_closed_is_one_that_is_not_there_but_a_date_is_not():
    found = canonical(
        "calendars",
        {
            "name": "A",
            "hours": {"tue": [["09:00", "17:00"]], "mon": [], "sun": []},
            "special": {"2026-12-24": []},
        },
    )

    assert found["hours"] == {"tue": [["09:00", "17:00"]]}
    assert found["special"] == {"2026-12-24": []}


def test_what_no_file_can_hold_is_refused_when_it_is_written():
    with pytest.raises(ConfigRefused, match=r"rules\[A\].actions\[0\]: must not be"):
        written({"rules": [{**RULE, "actions": [None]}]}, is_json=True)


JSON = st.recursive(
    st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(-1e6, 1e6)
    | st.text(st.characters(codec="utf-8", exclude_characters="\x00")),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.text(st.characters(codec="utf-8", exclude_characters="\x00")), inner
        )
    ),
    max_leaves=15,
)


@given(JSON, st.booleans())
def test_any_document_comes_back_and_is_no_change(document, is_json):
    rule = canonical("rules", {**RULE, "conditions": document, "actions": document})
    text = written({"rules": [rule]}, is_json=is_json)

    found = read(text.encode(), is_json=is_json)

    assert not found.problems
    back = canonical("rules", found.sections["rules"][0].values)
    assert differences("rules", rule, back) == []
    assert written({"rules": [back]}, is_json=is_json) == text


def test_differences_are_told_as_deep_inside_as_they_are():
    old = canonical(
        "policies",
        {
            "name": "A",
            "conditions": {"all": [{"value": 1}, {"value": 2}]},
            "targets": [TARGET, {**TARGET, "priority": "low"}],
            "steps": [{"metric": "resolution", "percent": 50, "action": "notify lead"}],
        },
    )
    new = canonical(
        "policies",
        {
            "name": "A",
            "calendar": "Office",
            "conditions": {"all": [{"value": True}, {"value": 2}]},
            "targets": [{**TARGET, "amount": "4 h"}, {**TARGET, "priority": "normal"}],
        },
    )

    assert [str(each) for each in differences("policies", old, new)] == [
        "conditions.all[0].value: 1 → true",
        'calendar: nothing → "Office"',
        'targets[resolution, high].amount: "8 h" → "4 h"',
        'targets[resolution, low]: removed { amount = "8 h" }',
        'targets[resolution, normal]: added { amount = "8 h" }',
        "steps[resolution, 50, notify lead]: removed",
    ]


def test_long_values_are_cut_when_they_are_told():
    old, new = ({**RULE, "trigger": letter * 9000} for letter in "ab")

    (found,) = differences("rules", old, new)

    assert len(str(found)) < 700
    assert len(found.new) == 9000


def test_places_are_sorted_as_they_stand_in_the_file():
    paths = ["rules[10].name", "rules[2].name", "calendars[0]", "policies[1]", "format"]

    assert sorted(paths, key=place) == [
        "format",
        "calendars[0]",
        "policies[1]",
        "rules[2].name",
        "rules[10].name",
    ]
    assert list(SECTIONS) == ["calendars", "teams", "policies", "rules"]


@given(st.text() | st.binary(), st.booleans())
def test_whatever_comes_is_read_or_refused(data, is_json):
    data = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    for start in (b"", b"format = 1\n", b'{"format": 1, "rules": ['):
        with suppress(ConfigRefused):
            assert read(start + data, is_json=is_json).sections is not None
