"""The clients of the conformance suite's plans import into a running product."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance.plans import Target, as_text, files
from tests.real_clients.conftest import SOMEBODY, Served, admin_token


@pytest.mark.slow
async def test_every_client_of_the_plans_is_created(served: Served, tmp_path: Path) -> None:
    target = Target(served.issuer, "https://suite.example:8443", SOMEBODY, served.password)
    path = tmp_path / "clients.json"
    path.write_text(as_text(files(target)["clients.json"]))

    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-m", "control_plane", "clients", "import", str(path), "--json",
                         "--gateway", served.issuer, "--ca", str(served.pair.certificate)],
        env=served.instance.environment() | {"GRIDWARDEN_TOKEN": await admin_token(served)},
        capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert {each["action"] for each in json.loads(done.stdout)} == {"created"}
