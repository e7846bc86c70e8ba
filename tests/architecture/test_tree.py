"""The tree keeps its shape: no package outside the plan, no long file, no long function, no trace of a machine."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOUSES = (
    "audit_ledger", "governance", "grid_services", "identity", "policy_engine", "siem_rules", "soar_playbooks",
)
SOURCES = (*HOUSES, "control_plane", "shared_kernel", "benchmarks", "tests")
MAX_FILE_LINES, MAX_FUNCTION_LINES, MAX_KERNEL_LINES = 400, 50, 470


def _files(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from (path for path in (ROOT / folder).rglob("*.py"))


def test_every_package_stands_in_the_plan() -> None:
    found = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    planned = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"])

    assert found - {"tests", "benchmarks"} == planned


def test_no_file_is_longer_than_four_hundred_lines() -> None:
    long = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in _files(*SOURCES)}

    assert {name: count for name, count in long.items() if count > MAX_FILE_LINES} == {}


def test_no_function_is_longer_than_fifty_lines() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in _files(*HOUSES, "control_plane", "shared_kernel")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno + 1 > MAX_FUNCTION_LINES
    ]

    assert long == []


def test_the_kernel_stays_small() -> None:
    lines = sum(1 for path in _files("shared_kernel") for line in path.read_text().splitlines() if line.strip())

    assert lines < MAX_KERNEL_LINES


def test_no_file_names_a_machine_or_a_registry() -> None:
    trace = re.compile("|".join(("/ro" + "ot/", "/wo" + "rk/", "pypi" + r"\.org", "registry" + r"\.npmjs")))
    told = [
        str(path.relative_to(ROOT))
        for pattern in ("**/*.py", "**/*.md", "**/*.toml", "**/*.yml", "**/*.lock", "Makefile", ".ci/*", ".github/**/*")
        for path in ROOT.glob(pattern)
        if path.is_file() and not {".venv", "var"} & set(path.relative_to(ROOT).parts)
        and trace.search(path.read_text())
    ]

    assert told == []
