"""The command `gridwarden` as a whole: what it is made of is imported when it is asked for."""

import subprocess
import sys
from importlib.metadata import version

import pytest
from typer.testing import CliRunner

from control_plane.cli import _PLACES, app

HEAVY = ("audit_ledger", "policy_engine", "siem_rules", "pydantic", "asyncpg", "starlette")


@pytest.mark.parametrize("name", _PLACES)
def test_each_explains_itself(name: str) -> None:
    told = CliRunner().invoke(app, [name, "--help"])

    assert (told.exit_code, f"gridwarden {name}" in told.stdout) == (0, True)


def test_all_of_them_are_listed_in_order() -> None:
    told = CliRunner().invoke(app, ["--help"])

    places = [told.stdout.index(f"│ {name} ") for name in _PLACES]
    assert places == sorted(places)


def test_a_name_mistyped_is_guessed() -> None:
    told = CliRunner().invoke(app, ["polcy"])

    assert (told.exit_code, "Did you mean 'policy'?" in told.output) == (2, True)


def test_the_version_is_told() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout == f"gridwarden {version('gridwarden')}\n"


def test_nothing_heavy_is_imported_to_print_a_version() -> None:
    told = subprocess.run(
        [sys.executable, "-c", "import sys, control_plane.cli; print(*sys.modules)"], capture_output=True, text=True,
        check=True)

    assert not set(HEAVY) & set(told.stdout.split())
