"""The documents point at things that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
POINTER = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
NOT_TESTED = {"| poll-endpoint-url-unique | - |"}
"""A receiver has one stream, and so one endpoint."""
OUTSIDE = re.compile(r"\| outside \|")
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))


def test_every_threat_points_at_a_test() -> None:
    text = (ROOT / "docs" / "threat_model.md").read_text()
    threats = re.findall(r"^\| \d+ \|.*$", text, re.MULTILINE)

    pointers = POINTER.findall(text)

    assert _astray(pointers) == []
    assert len(pointers) >= len(threats) > 0


def test_every_attack_that_the_ledger_s_table_does_not_execute_points_at_a_test() -> None:
    text = (ROOT / "docs" / "ledger.md").read_text()
    table = text.split("| attack | what catches it | what is said | test |\n")[1].split("\n\n")[0]
    attacks = table.splitlines()[1:]

    pointers = POINTER.findall(table)

    assert _astray(POINTER.findall(text)) == []
    assert [line for line in attacks if not POINTER.search(line)] == []
    assert len(pointers) >= len(attacks) >= 28


@pytest.mark.parametrize(("page", "head", "least"), [
    ("identity", "| specification | status | held by |", 38),
    ("identity", "| what is refused | where it is written | held by |", 52),
    ("conformance", "| module | our test |", 100),
    ("zero_trust", "| function | stage | what there is | what is missing for the next | held by |", 37),
])
def test_every_row_of_what_is_held_points_at_a_test(page: str, head: str, least: int) -> None:
    text = (ROOT / "docs" / f"{page}.md").read_text()
    rows = [row for table in text.split(f"{head}\n")[1:] for row in table.split("\n\n")[0].splitlines()[1:]]

    assert _astray(POINTER.findall(text)) == []
    assert [row for row in rows if not POINTER.search(row) and row not in NOT_TESTED
            and not OUTSIDE.search(row)] == []
    assert len(rows) >= least


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?://)([^)#]+)", document.read_text())

    assert [link for link in links if not (document.parent / link).exists()] == []


def test_the_house_table_names_files_that_exist() -> None:
    table = (ROOT / "README.md").read_text().split("## The houses")[1].split("##")[0]
    named = re.findall(r"`([\w/]+\.(?:py|rego))`", table)

    assert [name for name in named if not (ROOT / name).exists()] == []
    assert len(named) >= 9


def _astray(pointers: list[tuple[str, str]]) -> list[str]:
    return [f"{path}::{name}" for path, name in pointers if f"def {name}(" not in _read(path)]


def _read(path: str) -> str:
    file = ROOT / path
    return file.read_text() if file.exists() else ""
