"""The docs say what the code says, and the README's example runs."""

import ast
import importlib.util
import re
from pathlib import Path

import pytest
from django.core.management import get_commands

from cem_cases import audit, rules
from cem_cases.loop import config
from cem_cases.rules import parse
from tests import make

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]


def generator():
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", generator().pages())
def test_a_generated_page_is_up_to_date(path):
    assert (DOCS / path).read_text() == generator().pages()[path]


def test_every_action_has_an_example():
    assert {raw["do"] for raw in generator().EXAMPLES} == set(parse.ACTIONS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_every_command_is_on_its_page():
    ours = {name for name, app in get_commands().items() if app == "cem_cases"}
    page = (DOCS / "reference/commands.md").read_text()

    assert ours == set(re.findall(r"^\| `(cem_\w+)", page, re.MULTILINE))


def test_every_kind_of_event_that_is_written_is_documented_and_none_other():
    written = set()
    for path in (ROOT / "cem_cases/loop").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                written |= set(
                    re.findall(r"^(?:case|response|clock|happening)\.\w+$", node.value)
                )
    written |= {
        f"{model}.{done}"
        for model in ("rule", "slapolicy", "businesscalendar", "team")
        for done in ("created", "changed")
    }
    done = ("created", "changed", "rotated")
    written |= {f"webhookendpoint.{verb}" for verb in done}

    assert written - set(rules.CATALOGUE) == set(audit.KINDS)
    assert config.Rule._meta.model_name == "rule"
    assert config.SlaPolicy._meta.model_name == "slapolicy"
    assert config.BusinessCalendar._meta.model_name == "businesscalendar"
    assert config.Team._meta.model_name == "team"


@pytest.mark.django_db
def test_the_example_of_the_readme_runs():
    (example,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL
    )
    make.survey(slug="after-delivery")
    make.root_cause("late-delivery")
    make.policy()
    north = make.team("north")
    ada = make.agent(north, "ada")
    make.rule_for(north)
    names = {}

    exec(compile(example, "README.md", "exec"), names)  # noqa: S102

    names["case"].refresh_from_db()
    assert (names["case"].status, names["case"].owner) == ("resolved", ada)
    assert names["case"].first_contact_at
