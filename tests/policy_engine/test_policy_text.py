"""The shipped policy as OPA's own tools see it: no complaint, formatted, and every line met by a decision case."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.policy_engine.house import CASES, SHIPPED
from tests.servers.opa import opa_binary

pytestmark = pytest.mark.opa

def _opa(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(opa_binary()), *map(str, arguments)], capture_output=True, text=True, check=False)


def test_opa_finds_nothing_to_complain_of() -> None:
    checked = _opa("check", "--strict", SHIPPED)

    assert checked.returncode == 0, checked.stderr


def test_it_is_formatted() -> None:
    assert _opa("fmt", "--diff", SHIPPED).stdout == ""


def test_the_decision_cases_meet_every_line() -> None:
    report = json.loads(_opa("test", "--coverage", SHIPPED).stdout)

    assert {Path(file).name: lines["not_covered"] for file, lines in report["files"].items()
            if "not_covered" in lines} == {}


@pytest.mark.parametrize("want", [
    {"allow": False}, {"allow": True, "obligations": {"notify": {}}}, {"allow": True, "reasons_contain": ["nothing"]},
])
def test_opa_s_own_test_fails_with_a_case(tmp_path: Path, want: dict[str, Any]) -> None:
    case = next(case for case in CASES if case["want"]["allow"])
    shutil.copytree(SHIPPED, tmp_path, dirs_exist_ok=True)
    (tmp_path / "cases" / "decisions.json").write_text(json.dumps([*CASES, {**case, "want": want}]))

    assert "FAIL: 1/1" in _opa("test", tmp_path).stdout
