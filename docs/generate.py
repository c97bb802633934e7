"""Writes the reference pages that are made from the code: `python docs/generate.py`.

`tests/test_docs.py` fails when a page no longer says what the code says.
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent))

from cem_cases import audit, rules  # noqa: E402  (the path comes first)
from cem_cases.rules import words  # noqa: E402
from cem_cases.rules.operators import APPLIES  # noqa: E402

CONF = DOCS.parent / "cem_cases" / "conf.py"
CHECKS = DOCS.parent / "cem_cases" / "checks.py"


def pages() -> dict[str, str]:
    """Return every generated page by its path below `docs/`."""
    return {
        "reference/settings.md": settings(),
        "reference/facts.md": facts(),
        "reference/events.md": events(),
        "reference/checks.md": checks(),
    }


def settings() -> str:
    """Return the page of the `CEM_CASES` options."""
    rows = [
        (f"`{name}`", f"`{type_}`", f"`{default}`", text)
        for name, type_, default, text in _options()
    ]
    return _page(
        "Settings",
        "One dict, `CEM_CASES`, in your settings. Every key is optional, but "
        '`AUDIT_KEYS` where `DEBUG` is off: `CEM_CASES = {"AUDIT_KEYS": {"2026": '
        "secret}}`. An unknown key is the check error `cem_cases.E001`.",
        _table(("option", "type", "default", "meaning"), rows),
    )


def _options() -> Iterator[tuple[str, str, str, str]]:
    """Yield name, type, default and docstring of each field of `Conf`."""
    tree = ast.parse(CONF.read_text())
    (conf,) = (n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Conf")
    for field, text in zip(conf.body, conf.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
            default = ast.unparse(field.value) if field.value else ""
            default = "{}" if "default_factory" in default else default
            meaning = ast.literal_eval(text.value)
            name, type_ = ast.unparse(field.target), ast.unparse(field.annotation)
            yield name, type_, default, meaning


def facts() -> str:
    """Return the page of what conditions may ask about, and of what rules do."""
    catalogue = [*rules.CATALOGUE.values(), *rules.FAMILIES.values()]
    operators = [
        (kind, ", ".join(f"`{operator}`" for operator in operators))
        for kind, operators in APPLIES.items()
    ]
    parts = []
    for group in words.GROUPS:
        found = [fact for fact in catalogue if words.group_of(fact) == group]
        parts += [f"## {group}", _table(FACT_COLUMNS, map(_fact, found))]
        parts += [
            f"`{fact.name}` is one of: {', '.join(f'`{c}`' for c in fact.choices)}."
            for fact in found
            if fact.choices
        ]
    return _page(
        "Facts, operators and actions",
        "What the conditions of a rule or an SLA policy may ask about. A fact that is "
        "missing satisfies nothing but `is empty`. Text is compared without regard to "
        "upper and lower case. Facts that are private are never repeated in explanations.",
        *parts,
        "## Operators",
        _table(("kind of fact", "operators"), operators),
        "## Actions",
        _table(("action", "what it does", "in words"), map(_action, EXAMPLES)),
    )


FACT_COLUMNS = ("fact", "label", "kind", "when known", "meaning", "example")


def _fact(fact: rules.Fact) -> tuple[str, ...]:
    kind = f"{fact.kind}, {fact.unit}" if fact.unit else str(fact.kind)
    private = ", private" if fact.is_private else ""
    example = f"`{_word(fact.example)}`"
    label = words.label_of(fact)
    return (
        f"`{fact.name}`",
        label,
        kind + private,
        KNOWN[fact.scope],
        fact.help,
        example,
    )


KNOWN = {
    rules.Scope.RESPONSE: "always",
    rules.Scope.CASE: "of a case",
    rules.Scope.POLICY: "of a case, and for SLA policies",
    rules.Scope.CHANGE: "trigger *case changed*",
    rules.Scope.CONTACT: "trigger *contact received*",
    rules.Scope.CLOCK: "triggers *clock warned* and *clock breached*",
}

EXAMPLES: tuple[dict[str, object], ...] = (
    {"do": "open case", "priority": "high"},
    {"do": "open case", "kind": "praise"},
    {"do": "set priority", "priority": "urgent"},
    {"do": "set team", "team": "care"},
    {"do": "set owner", "user": "ada"},
    {"do": "assign", "by": ["account owner", "least loaded"], "skills": ["german"]},
    {"do": "add tags", "tags": ["vip", "press"]},
    {"do": "set SLA policy", "policy": "Gold"},
    {"do": "mark as complaint"},
    {"do": "notify", "who": ["leads"], "users": ["ada"]},
    {"do": "send template", "template": "sorry"},
    {"do": "call webhook", "webhook": "crm"},
    {"do": "invite to survey", "survey": "after-case", "in_days": 3},
)
"""An example of each action; a test holds them to `rules.parse`."""


def _action(raw: dict[str, object]) -> tuple[str, str, str]:
    (action,) = rules.parse_actions([raw])
    meaning = (type(action).__doc__ or "").split("\n\n")[0]
    return f"`{json.dumps(raw)}`", " ".join(meaning.split()), words.does(action)


def events() -> str:
    """Return the page of the audit's event kinds."""
    rows = [(f"`{kind}`", text) for kind, text in audit.KINDS.items()]
    return _page(
        "Audit events",
        "Each change appends one event, in its own transaction, to the hash chain of "
        "its case (or of the system). Payloads hold no personal text: a note's words "
        "are kept beside the chain, which commits to them by a salted hash. What a person "
        "did also says the `status` of the case afterwards.",
        _table(("kind", "payload"), rows),
    )


def checks() -> str:
    """Return the page of the system checks, read off their docstrings."""
    rows = []
    for node in ast.walk(ast.parse(CHECKS.read_text())):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("check_"):
            text = " ".join((ast.get_docstring(node) or "").split())
            rows += [part.partition(": ")[::2] for part in text.split(" | ")]
    return _page(
        "System checks",
        "`manage.py check` reports them; `--database default` adds those about the "
        "database. Ids are never used again for something else.",
        _table(
            ("id", "what is wrong"),
            sorted((f"`cem_cases.{name}`", text) for name, text in rows),
        ),
    )


def _page(title: str, *parts: str) -> str:
    note = "<!-- made by docs/generate.py; edit the code, then run it -->"
    return "\n\n".join([f"# {title}", note, *parts]) + "\n"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(text: str) -> str:
    return str(text).replace("|", "\\|").replace("\n", " ")


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


if __name__ == "__main__":
    for path, text in pages().items():
        (DOCS / path).write_text(text)
