"""`gridwarden policy build|sign|verify|test|coverage`: what an author types, without a gateway or a database."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from control_plane.cli import app
from shared_kernel.errors import GridwardenError
from tests.policy_engine.authors import Author, private_key
from tests.policy_engine.house import SHIPPED

POLICY = """package gateway

default decision := {"allow": false, "reasons": ["no"], "obligations": {}, "ttl_s": 0}

decision := {"allow": true, "reasons": ["reading is open"], "obligations": {}, "ttl_s": 0} if {
\tinput.action == "documents.read"
}

decision := {"allow": true, "reasons": ["writing is open"], "obligations": {}, "ttl_s": 0} if {
\tinput.action == "documents.write"
}
"""
RULES = """package gateway_test

test_reading if data.gateway.decision.allow with input as {"action": "documents.read"}

test_that_fails if data.gateway.decision.allow with input as {"action": "documents.burn"}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return policies of an author's own, with one case."""
    (tmp_path / "cases").mkdir()
    (tmp_path / "p.rego").write_text(POLICY)
    case = {"note": "reading is open", "input": {"action": "documents.read"}, "want": {"allow": True}}
    (tmp_path / "cases" / "all.json").write_text(json.dumps([case]))
    return tmp_path


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    """Return an author's key pair."""
    author = Author(private_key())
    private, public = tmp_path / "policy.key", tmp_path / "policy.pub"
    private.write_bytes(author.private_pem)
    public.write_bytes(author.public_pem)
    return private, public


def gridwarden(*arguments: object) -> Result:
    """Run the command."""
    return CliRunner().invoke(app, ["policy", *map(str, arguments)])


def refusal(*arguments: object) -> str:
    """Return the sentence that the command ends with."""
    done = gridwarden(*arguments)
    assert isinstance(done.exception, GridwardenError), done.output
    return done.exception.detail


def test_a_policy_is_built_signed_and_verified(folder: Path, keys: tuple[Path, Path]) -> None:
    made = gridwarden("build", folder, "-o", folder / "b.tar.gz", "--revision", "v7", "--json")
    unsigned = refusal("verify", folder / "b.tar.gz", "--key", keys[1])
    gridwarden("sign", folder / "b.tar.gz", "--key", keys[0])
    verified = gridwarden("verify", folder / "b.tar.gz", "--key", keys[1], "--json")

    assert json.loads(made.output)["signed"] is False
    assert "it is not signed: run `gridwarden policy sign" in unsigned
    assert json.loads(verified.output) | {"name": "v7", "signature": "verified"} == json.loads(verified.output)
    assert verified.exit_code == 0


def test_another_author_s_signature_does_not_verify(folder: Path, keys: tuple[Path, Path]) -> None:
    gridwarden("build", folder, "-o", folder / "b.tar.gz", "--key", keys[0])
    keys[1].write_bytes(Author(private_key()).public_pem)

    assert "is not one of the key" in refusal("verify", folder / "b.tar.gz", "--key", keys[1])


def test_a_dangerous_policy_is_not_even_built(folder: Path) -> None:
    (folder / "q.rego").write_text("package gateway\n\nx := http.send({})\n")

    said = refusal("build", folder, "-o", folder / "b.tar.gz")

    assert "q.rego, line 3, uses http.send: it sends requests" in said
    assert not (folder / "b.tar.gz").exists()


def test_cases_and_test_rules_are_run(folder: Path) -> None:
    (folder / "p_test.rego").write_text(RULES)

    done = gridwarden("test", folder, "--json")
    told = json.loads(done.output)

    assert done.exit_code == 1
    assert (told["passed"], told["failed"]) == (2, 1)
    assert list(told["faults"]) == ["data.gateway_test.test_that_fails"]


def test_a_case_that_is_not_as_wanted_says_what_came_instead(folder: Path) -> None:
    case = {"note": "burning is open", "input": {"action": "documents.burn"}, "want": {"allow": True}}
    (folder / "cases" / "wrong.json").write_text(json.dumps([case]))

    done = gridwarden("test", folder)

    assert done.exit_code == 1
    assert "fail  wrong.json: burning is open\n      allow is False: no\n" in done.output


def test_testing_nothing_is_no_success(folder: Path) -> None:
    shutil.rmtree(folder / "cases")

    assert "holds neither cases" in refusal("test", folder)


@pytest.mark.parametrize("case", [
    {"note": "x"}, {"note": "x", "input": {}, "want": {}},
    {"note": "x", "input": {}, "want": {"allow": True, "alow": 1}},
    "x",
])
def test_a_case_with_a_slip_is_an_error_and_no_success(folder: Path, case: object) -> None:
    (folder / "cases" / "slip.json").write_text(json.dumps([case]))

    assert "slip.json: " in refusal("test", folder)


def test_coverage_names_the_lines_no_case_reaches(folder: Path) -> None:
    told = json.loads(gridwarden("coverage", folder, "--json").output)
    shown = gridwarden("coverage", folder, "--threshold", 99)

    assert told["files"][0]["missed"] == [9]
    assert shown.exit_code == 1
    assert "per cent of the lines reached" in shown.output
    assert gridwarden("coverage", folder, "--threshold", 50).exit_code == 0


def test_publishing_needs_somebody(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRIDWARDEN_TOKEN", raising=False)
    gridwarden("build", folder, "-o", folder / "b.tar.gz")

    assert "give an administrator's token" in refusal("publish", folder / "b.tar.gz")


def test_the_shipped_policies_are_reached_by_their_cases_almost_entirely() -> None:
    told = json.loads(gridwarden("coverage", SHIPPED, "--json").output)

    assert told["percent"] >= 95
