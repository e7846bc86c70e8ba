"""The import contracts hold, and planted violations of each are caught."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"]

VIOLATIONS = {
    "a house knows its neighbour": ("siem_rules/domain/spy.py", "import identity.domain\n", "The city"),
    "the kernel knows a house": ("shared_kernel/spy.py", "import governance.domain\n", "The city"),
    "a house knows the control plane": ("identity/service/spy.py", "import control_plane.home\n", "The city"),
    "a lower floor looks up": ("audit_ledger/domain/spy.py", "import audit_ledger.service\n", "The floors"),
    "a floor that is not in the plan": ("governance/attic/__init__.py", "", "The floors"),
    "the domain does I/O": ("policy_engine/domain/spy.py", "import asyncpg\n", "pure"),
    "the kernel opens a socket": ("shared_kernel/spy.py", "import socket\n", "pure"),
    "a service speaks SQL": ("soar_playbooks/service/spy.py", "import asyncpg\n", "Sockets only"),
    "a route opens a connection": ("grid_services/http/spy.py", "import aiohttp\n", "Sockets only"),
}


def _lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache", "--no-logo"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False,
                          env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin", "COLUMNS": "200"})


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("city")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "data"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_planted_violation_is_caught(city: Path, name: str) -> None:
    path, text, contract = VIOLATIONS[name]
    planted = city / path
    is_new_folder = not planted.parent.exists()
    planted.parent.mkdir(exist_ok=True)
    planted.write_text(text or '"""An attic."""\n')

    result = _lint(city)

    (shutil.rmtree(planted.parent) if is_new_folder else planted.unlink())
    assert result.returncode != 0
    assert any(contract in line and "BROKEN" in line for line in result.stdout.splitlines()), result.stdout


def test_the_city_as_it_stands_keeps_every_contract(city: Path) -> None:
    result = _lint(city)

    assert result.returncode == 0, result.stdout
