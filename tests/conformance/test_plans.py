"""The files for the conformance suite fit the running product: clients import, and the pages have what is clicked."""

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance.plans import Target, as_text, files
from tests.real_clients.conftest import SOMEBODY, Served, admin_token, served

__all__ = ["served"]
TEMPLATES = Path(__file__).resolve().parents[2] / "identity" / "http" / "templates"
TARGET = Target("https://op.example", "https://suite.example:8443", SOMEBODY, "a password")


def test_every_plan_has_its_file_and_every_client_is_in_the_import() -> None:
    made = files(TARGET)
    imported = {client["client_id"] for client in made["clients.json"]}

    assert len(made) == 9
    named = {plan[role]["client_id"] for name, plan in made.items() if name != "clients.json"
             for role in ("client", "client2", "client_secret_post") if "client_id" in plan.get(role, {})}
    assert named == imported
    assert '"d":' not in as_text(made["clients.json"])


def test_what_the_suite_types_and_clicks_is_on_our_pages() -> None:
    written = as_text(files(TARGET)["oidcc-basic.json"])
    wanted = set(re.findall(r'"id",\s+"([\w-]+)"', written)) - {"submission_complete"}

    pages = "".join(path.read_text() for path in TEMPLATES.glob("*.html"))

    assert wanted == {"name", "password", "sign-in", "allow", "log-out"}
    assert [name for name in wanted if f'id="{name}"' not in pages] == []


@pytest.mark.slow
async def test_the_clients_of_the_plans_import_into_a_running_product(served: Served, tmp_path: Path) -> None:
    target = Target(served.issuer, TARGET.suite, SOMEBODY, served.password)
    path = tmp_path / "clients.json"
    path.write_text(as_text(files(target)["clients.json"]))

    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-m", "control_plane", "clients", "import", str(path), "--json",
                         "--gateway", served.issuer, "--ca", str(served.pair.certificate)],
        env=served.instance.environment() | {"GRIDWARDEN_TOKEN": await admin_token(served)},
        capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert {each["action"] for each in json.loads(done.stdout)["items"]} == {"created"}
