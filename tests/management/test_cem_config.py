"""`manage.py cem_config`: what it writes, says and exits with."""

import json
import os
import tomllib

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import DatabaseError

from cem_cases.loop import configfile
from cem_cases.models import AuditEvent, Rule, Team
from tests import make

pytestmark = pytest.mark.django_db
RULE = """
format = 1

[[rules]]
name = "Detractors"
position = 10
active = true
conditions = { fact = "score", operator = "at most", value = 6 }
actions = [{ do = "open case" }]
"""


@pytest.fixture
def file(tmp_path):
    """`file(text)` is its path."""

    def write(text, name="site.toml"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return write


def run(*arguments):
    """What `cem_config` exits with."""
    try:
        call_command("cem_config", *arguments)
    except SystemExit as end:
        return end.code
    except CommandError as error:
        return error.returncode
    return 0


def refusal(*arguments):
    with pytest.raises(CommandError) as refused:
        call_command("cem_config", *arguments)
    assert refused.value.returncode == 2
    return str(refused.value)


def test_what_is_exported_is_no_change(file, capsys):
    make.rule("open case", name="Ünhappy 👩‍👩‍👧")
    make.team("care")
    call_command("cem_config", "export")
    text = capsys.readouterr().out

    assert tomllib.loads(text)["teams"] == [{"slug": "care", "name": "Care"}]
    assert run("diff", file(text)) == 0
    assert capsys.readouterr().out == (
        "Unchanged: 0 calendars, 1 teams, 0 policies, 1 rules\n"
    )


@pytest.mark.parametrize("name", ["site.toml", "site.json"])
def test_a_file_is_written_by_its_ending_twice_the_same(tmp_path, name):
    make.rule("open case", name="Ünhappy")
    path = tmp_path / name

    call_command("cem_config", "export", str(path))
    first = path.read_bytes()
    call_command("cem_config", "export", str(path))

    assert path.read_bytes() == first
    assert "Ünhappy".encode() in first
    load = json.loads if name.endswith("json") else tomllib.loads
    assert load(first.decode())["format"] == 1
    assert run("diff", str(path)) == 0


def test_json_and_some_sections_are_written_where_that_is_asked_for(capsys):
    call_command("cem_config", "export", "--format=json", "--only=teams, rules")

    found = json.loads(capsys.readouterr().out)
    assert found == {"format": 1, "teams": [], "rules": []}


def test_diff_exits_with_one_and_changes_nothing(file, fingerprint, capsys):
    path, before = file(RULE), fingerprint()

    assert run("diff", path) == 1
    assert capsys.readouterr().out == "+ rule Detractors: created\nUnchanged: 0 rules\n"
    assert fingerprint() == before


def test_apply_does_it_once_and_says_on_whose_behalf(file, fingerprint, capsys):
    path, boss = file(RULE), make.user("boss")

    assert run("apply", path, "--by=boss") == 0
    rule = Rule.objects.get()
    assert (rule.version, rule.is_active) == (1, True)
    assert AuditEvent.objects.get().actor == boss
    before = fingerprint()
    assert run("apply", path, "--by=boss") == 0
    assert run("diff", path) == 0

    assert fingerprint() == before
    assert capsys.readouterr().out == (
        "+ rule Detractors: created\nUnchanged: 0 rules\n"
        "Done: all of it is in force.\n"
        "Unchanged: 1 rules\nDone: all of it is in force.\n"
        "Unchanged: 1 rules\n"
    )


def test_a_change_is_told_field_by_field(file, capsys):
    run("apply", file(RULE))
    capsys.readouterr()

    run("diff", file(RULE.replace("6", "7").replace("= 10", "= 20")))

    assert capsys.readouterr().out == (
        "~ rule Detractors: changed\n"
        "    position: 10 → 20\n"
        "    conditions.value: 6 → 7\n"
        "Unchanged: 0 rules\n"
    )


def test_what_is_not_in_the_file_is_told_and_pruned_where_that_is_asked_for(
    file, capsys
):
    run("apply", file(RULE))
    path = file("format = 1\nrules = []")
    capsys.readouterr()

    assert run("diff", path) == 0
    assert run("diff", path, "--prune") == 1
    assert run("apply", path, "--prune") == 0
    assert run("diff", path, "--prune") == 0

    assert [line[:60] for line in capsys.readouterr().out.splitlines()] == [
        "  rule Detractors: not in the file, left alone",
        "Unchanged: 0 rules",
        "- rule Detractors: not in the file, switched off",
        "Unchanged: 0 rules",
        "- rule Detractors: not in the file, switched off",
        "Unchanged: 0 rules",
        "Done: all of it is in force.",
        "  rule Detractors: not in the file, left alone",
        "Unchanged: 0 rules",
    ]
    assert Rule.objects.get().version == 2


def test_a_dry_run_keeps_nothing(file, fingerprint, capsys):
    before = fingerprint()

    assert run("apply", file(RULE), "--dry-run") == 0

    assert capsys.readouterr().out.endswith("Nothing was kept: this was a dry run.\n")
    assert fingerprint() == before


def test_all_of_it_is_told_as_json(file, capsys):
    run("apply", file(RULE))
    capsys.readouterr()
    path = file(RULE.replace("6", "7"))

    assert run("diff", path, "--json") == 1
    assert run("apply", path, "--json", "--dry-run") == 0

    for line in capsys.readouterr().out.splitlines():
        assert json.loads(line) == {
            "done": False,
            "changes": [
                {
                    "section": "rules",
                    "name": "Detractors",
                    "what": "changed",
                    "fields": [{"path": "conditions.value", "old": 6, "new": 7}],
                }
            ],
            "unchanged": {"rules": 0},
            "left_out": [],
            "notes": [],
        }


def test_days_are_told_as_json(file, capsys):
    office = make.office()
    path = file(
        'format = 1\n[[calendars]]\nname = "Office"\nhours = { mon = [["09:00", "10:00"]] }'
        "\nholidays = [{ day = 2026-12-25 }]"
    )

    assert run("apply", path, "--json") == 0

    (change,) = json.loads(capsys.readouterr().out)["changes"]
    assert change["fields"][-1] == {
        "path": "holidays[2026-12-25]",
        "old": None,
        "new": {},
    }
    assert office.holidays.exists()


def test_everything_that_is_wrong_is_told_and_nothing_done(file, fingerprint):
    before = fingerprint()
    wrong = RULE.replace('"score"', '"scor"').replace("10", '"10"', 1)
    text = wrong + wrong.replace("format = 1", "").replace('"10"', "1").replace(
        "Detractors", "Others"
    )

    said = refusal("apply", file(text))

    assert said.splitlines()[1:] == [
        "rules[0].position: must be a whole number",
        "rules[1].conditions.fact: 'scor' is not a fact. Did you mean 'score'?",
        "Nothing was changed.",
    ]
    assert run("diff", file(text)) == 2
    assert fingerprint() == before


def test_very_many_errors_are_not_all_told(file):
    text = "format = 1\n" + "[[rules]]\n" * 1000

    said = refusal("apply", file(text)).splitlines()

    assert len(said) == 103
    assert said[-2] == "… and 900 more"


def test_members_who_do_not_exist_are_refused_or_left_out(file, capsys):
    path = file(
        'format = 1\n[[teams]]\nslug = "care"\nname = "Care"\n'
        'members = [{ user = "ada" }]'
    )

    assert "teams[0].members[0].user: there is no user 'ada'" in refusal("apply", path)
    assert not Team.objects.exists()
    assert run("apply", path, "--skip-missing-users") == 0

    assert "teams[0].members[0].user: left out, there is no user 'ada'" in (
        capsys.readouterr().out
    )
    assert not Team.objects.get().memberships.exists()


@pytest.mark.parametrize("action", ["diff", "apply"])
@pytest.mark.parametrize(
    ("data", "name", "says"),
    [
        (b"\xff\xfe", "site.toml", "not UTF-8"),
        (b"\x00", "site.toml", "not valid TOML"),
        (b"{", "site.json", "not valid JSON"),
        (b"[" * 100_000, "site.json", "nested too deep"),
        (b"a=" + b"[" * 100_000, "site.toml", "nested too deep"),
        (b"#" * 5_000_001, "site.toml", "larger than 5,000,000 bytes"),
        (b'{"format": 1, "__proto__": []}', "site.json", "__proto__: unknown key"),
        (b'{"format": 1, "rules": [NaN]}', "site.json", "rules[0]: must be a number"),
        (b"format = 3", "site.toml", "format: must be 1"),
        (b"format = 1", "site.yaml", "must end in .toml or .json"),
    ],
)
def test_hostile_files_are_refused_in_a_sentence(file, action, data, name, says):
    assert says in refusal(action, file(data, name))


def test_a_file_that_is_not_there_or_is_a_folder_is_refused(tmp_path):
    folder = tmp_path / "folder.toml"
    folder.mkdir()

    for path in (str(folder), str(tmp_path / "nothing.toml")):
        assert path in refusal("apply", path)
    assert "folder.toml" in refusal("export", str(folder))


def test_a_device_without_an_end_is_refused(tmp_path):
    endless = tmp_path / "zero.toml"
    os.symlink("/dev/zero", endless)

    assert "larger than" in refusal("diff", str(endless))


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["destroy"],
        ["export", "--only=surveys"],
        ["export", "--only="],
        ["export", "--format=yaml"],
        ["diff"],
        ["apply"],
    ],
)
def test_what_is_not_offered_is_refused(arguments):
    with pytest.raises(CommandError):
        call_command("cem_config", *arguments)


def test_what_contradicts_itself_is_refused(tmp_path, file):
    path = tmp_path / "site.toml"

    assert "--format is json" in refusal("export", "--format=json", str(path))
    assert not path.exists()
    assert "There is no user 'eve'" in refusal("apply", file(RULE), "--by=eve")
    assert not Rule.objects.exists()


def test_a_database_that_gives_up_is_said_in_a_sentence(file, monkeypatch):
    def fail(*args, **kwargs):
        raise DatabaseError("secret")

    monkeypatch.setattr(configfile, "apply", fail)

    assert refusal("apply", file(RULE)) == (
        "The database gave up (DatabaseError); nothing was changed."
    )


def test_what_a_file_cannot_hold_is_refused_when_it_is_exported(capsys):
    make.rule("open case", name="Odd")
    Rule.objects.update(actions=[None])

    assert "rules[Odd].actions[0]: must not be null" in refusal("export")
    assert capsys.readouterr().out == ""
