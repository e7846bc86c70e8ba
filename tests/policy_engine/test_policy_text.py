"""The shipped policy as OPA's own tools see it: no complaint, formatted, and every line met by a decision case."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from policy_engine.adapters.bundle_folder import BundleFolder
from tests.policy_engine.house import CASES, SHIPPED
from tests.servers.opa import opa_binary

pytestmark = pytest.mark.opa

CASES_TEST = """package gateway_test

decided(case) := answer if {
	answer := data.gateway.decision with input as case.input
		with data.access as case.facts.access
		with data.regions as case.facts.regions
		with data.role_bindings as case.facts.role_bindings
}

wrong contains case.note if {
	some case in data.cases
	decided(case).allow != case.want.allow
}

test_cases if count(wrong) == 0
"""


def _opa(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(opa_binary()), *map(str, arguments)], capture_output=True, text=True, check=False)


def test_opa_finds_nothing_to_complain_of() -> None:
    checked = _opa("check", "--strict", SHIPPED / "gateway")

    assert checked.returncode == 0, checked.stderr


def test_it_is_formatted() -> None:
    assert _opa("fmt", "--diff", SHIPPED / "gateway").stdout == ""


def test_the_decision_cases_meet_every_line(tmp_path: Path) -> None:
    shipped = BundleFolder(SHIPPED).read().data
    cases: list[dict[str, Any]] = [{**case, "facts": {**shipped, **case.get("data", {})}} for case in CASES]
    (tmp_path / "data.json").write_text(json.dumps({"cases": cases}))
    (tmp_path / "cases_test.rego").write_text(CASES_TEST)

    report = json.loads(_opa("test", "--coverage", SHIPPED / "gateway", tmp_path).stdout)

    missed = {Path(file).name: lines["not_covered"] for file, lines in report["files"].items()
              if "not_covered" in lines and Path(file).is_relative_to(SHIPPED)}
    assert missed == {}
