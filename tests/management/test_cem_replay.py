import json
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from cem_cases.loop import drain
from tests import make
from tests.make import DAY

pytestmark = pytest.mark.django_db


@pytest.fixture
def lately(db):
    return datetime.now(UTC).replace(microsecond=0) - 10 * DAY


@pytest.fixture
def rule(lately):
    """A draft that opens cases in the north, of three answers for two."""
    north = make.team("north")
    make.agent(north, "ada", capacity=1)
    for number in range(2):
        make.response(now=lately + timedelta(hours=number))
    make.response(score=9, now=lately)
    return make.rule_for(north, name="Unhappy", is_active=False)


def said(capsys, *arguments):
    call_command("cem_replay", *arguments)
    return capsys.readouterr().out


def test_it_says_what_a_rule_would_have_done(rule, capsys):
    text = said(capsys, str(rule.pk), "--days-open", "never")

    for line in (
        "2 of 3 answers would have matched; 2 cases would have been opened, "
        "0 would have joined one.",
        "  looked at  matched  opened  rule",
        "          3        2       2  Unhappy",
        "North: 2 cases, 2 open at most (room for 1); 1 waited (at capacity); "
        "1 wait at the end",
        "  given  at first  most  capacity  days full  who",
        "      1         0     1         1         11  ada",
        "  2 only in the replay: answer ",
        "band is detractor (was detractor)",
        "  No case is resolved in the replay, as was asked.",
    ):
        assert line in text


def test_as_json_it_is_all_of_it(rule, capsys):
    data = json.loads(said(capsys, str(rule.pk), "--json", "--days", "30"))

    assert (data["rule"], data["opened"], data["answers"]) == ("Unhappy", 2, 3)
    assert len(data["examples"]) == 2


def test_a_file_has_a_rule_that_is_not_saved(rule, capsys, tmp_path):
    path = tmp_path / "rule.json"
    path.write_text(
        json.dumps({"conditions": make.DETRACTOR, "actions": [{"do": "open case"}]})
    )

    assert json.loads(said(capsys, "--file", str(path), "--json"))["opened"] == 2


def test_all_active_rules_are_replayed(rule, capsys, lately):
    assert json.loads(said(capsys, "--all", "--json"))["opened"] == 0
    rule.is_active = True
    rule.save()
    drain.drain(now=lately)

    text = said(capsys, "--all")
    assert "Of 3 answers 2 cases would have been opened" in text
    assert "Really 2 cases were opened." in text


def test_a_span_can_be_named_by_its_days(rule, capsys, lately):
    day = lately.date().isoformat()
    before = (lately - 2 * DAY).date().isoformat()

    found = said(capsys, "--all", f"--from={before}", f"--to={day}", "--json")
    none = said(capsys, "--all", f"--from={before}", f"--to={before}")

    assert json.loads(found)["answers"] in (2, 3)  # midnight may lie between them
    assert "No answers reached us in this time." in none


def test_nothing_is_kept(rule, fingerprint):
    before = fingerprint()

    call_command("cem_replay", str(rule.pk))

    assert fingerprint() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["99999"], "There is no rule 99999"),
        (["--all", "--survey=gone"], "There is no survey 'gone'"),
        (["--all", "--days=0"], "--days must be from 1 to"),
        (["--all", "--days=3", "--from=2026-01-01"], "Give --days, or"),
        (["--all", "--days-open=-1"], "days_open: Must be a number"),
        (["--all", "--days-open=soon"], "must be a number of days, or never"),
        (["--all", "--from=soon"], "must be a date"),
        (["--file", "/nowhere.json"], "No such file"),
        ([], "required"),
        (["--all", "1"], "not allowed"),
    ],
)
def test_what_is_wrong_is_said(db, arguments, message):
    with pytest.raises(CommandError, match=message):
        call_command("cem_replay", *arguments)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "Must be an object"),
        ('{"colour": 1}', "colour: Is not a known field"),
        ('{"conditions": {"fact": "scor"}}', "Did you mean 'score'"),
        ('{"trigger": "case opened"}', "Only rules with the trigger"),
    ],
)
def test_a_file_that_is_wrong_is_refused(db, tmp_path, text, message):
    path = tmp_path / "rule.json"
    path.write_text(text)

    with pytest.raises(CommandError, match=message):
        call_command("cem_replay", "--file", str(path))
