"""Imports point one way: the table of `docs/architecture.md`, executable."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cem_cases.loop import STEPS

PACKAGE = Path(__file__).parent.parent / "cem_cases"

PURE = {"rules", "sla", "scores", "audit", "intake", "outbound"}
MAY_KNOW: dict[str, set[str]] = {
    **{layer: set() for layer in PURE},
    "models": {*PURE, "exceptions"},
    "loop": {"models", *PURE, "conf", "exceptions", "enqueue", "signals"},
    "enqueue": {"conf", "models", "tasks"},
    "channels": {"models", "conf", "signals", "exceptions", "outbound"},
    "delivery": {"loop", "channels"},
    "tasks": {"loop", "delivery", "conf", "enqueue"},
    "admin": {"loop", "models", "exceptions", "conf", *PURE},
    "api": {"loop", "models", "exceptions", "conf", *PURE},
    # delivery: for sites without Celery, cem_drain also sends
    "management": {"loop", "delivery", "models", "exceptions", "conf", *PURE},
    "conf": set(),
    "exceptions": set(),
    "signals": set(),
    "schedule": set(),
    "checks": {"conf", "models", "schedule"},
    "apps": {"checks"},
    "migrations": {"migrations"},
}


def files(layer: str) -> list[Path]:
    path = PACKAGE / layer
    return sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]


def imports(path: Path) -> Iterator[tuple[str, ast.stmt]]:
    """Yield the dotted name of everything that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: imports are absolute"
            yield from ((f"{node.module}.{alias.name}", node) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)


def ours(path: Path) -> Iterator[tuple[str, ...]]:
    for name, _ in imports(path):
        if name.startswith("cem_cases."):
            yield tuple(name.split(".")[1:])


def test_every_folder_and_module_of_the_package_is_in_the_table():
    found = {
        path.stem
        for path in PACKAGE.iterdir()
        if (path.suffix == ".py" and path.stem != "__init__")
        or (path / "__init__.py").exists()
    }

    assert found == set(MAY_KNOW)


@pytest.mark.parametrize("layer", MAY_KNOW)
def test_a_layer_knows_only_what_the_table_allows(layer):
    for path in files(layer):
        known = {name[0] for name in ours(path)}
        assert known - {layer} <= MAY_KNOW[layer], path


@pytest.mark.parametrize("layer", sorted(PURE))
def test_pure_layers_import_the_standard_library_only(layer):
    for path in files(layer):
        foreign = {
            root
            for name, _ in imports(path)
            if (root := name.split(".")[0]) not in sys.stdlib_module_names
        }
        assert foreign <= {"cem_cases"}, path


def test_a_pure_layer_takes_an_optional_package_by_name_in_one_place_only():
    """google-re2, for the operator *matches*: refused when saved where it is missing."""
    found = {
        path.relative_to(PACKAGE).as_posix()
        for layer in PURE
        for path in files(layer)
        if "importlib" in path.read_text()
    }

    assert found == {"rules/patterns.py"}


def test_every_step_of_the_loop_has_its_place():
    assert {path.stem for path in files("loop")} - {"__init__"} == set(STEPS)


@pytest.mark.parametrize("step", STEPS)
def test_a_step_imports_only_later_steps(step):
    (path,) = (path for path in files("loop") if path.stem == step)
    known = {name[1] for name in ours(path) if name[0] == "loop" and len(name) > 1}

    assert known <= set(STEPS[STEPS.index(step) + 1 :])


@pytest.mark.parametrize("layer", ["admin", "api", "management"])
def test_doors_do_not_know_each_other(layer):
    doors = {"admin", "api", "management"} - {layer}
    for path in files(layer):
        assert not doors & {name[0] for name in ours(path)}, path


def test_only_enqueue_and_tasks_know_celery():
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.stem not in ("enqueue", "tasks"):
            roots = {name.split(".")[0] for name, _ in imports(path)}
            assert "celery" not in roots, path


def test_imports_inside_functions_are_where_a_circle_is_cut_and_nowhere_else():
    allowed = {
        "enqueue.py": {"cem_cases.tasks", "cem_cases.models.Response"},
        "checks.py": {"cem_cases.models.Response"},
        "apps.py": {"cem_cases.checks"},
    }
    for path in sorted(PACKAGE.rglob("*.py")):
        inner = {
            name
            for function in ast.walk(ast.parse(path.read_text()))
            if isinstance(function, ast.FunctionDef)
            for node in ast.walk(function)
            if isinstance(node, ast.ImportFrom)
            for name in (f"{node.module}.{alias.name}" for alias in node.names)
            if name.startswith("cem_cases.")
        }
        if path.is_relative_to(PACKAGE / "models"):
            # customers and responses ask cases who may see them
            assert inner <= {
                "cem_cases.models.cases.Case",
                "cem_cases.models.cases.sees_everything",
            }, path
        else:
            assert inner <= allowed.get(path.name, set()), path
