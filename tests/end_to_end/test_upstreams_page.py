"""What docs/upstreams.md shows to operators is executed against a product and a service of another process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.configured import configured
from tests.page_commands import commands
from tests.servers.started import free_port

pytestmark = pytest.mark.slow


def test_a_service_is_asked_through_the_gateway_as_the_page_shows(tmp_path: Path) -> None:
    home, port = tmp_path / "home", str(free_port())
    for step in commands("upstreams", "A service in five minutes"):
        code, last = step.run(tmp_path, PORT=port, GRIDWARDEN_HOME=str(home))
        assert (code, step.promise[1] in last) == (step.promise[0], True), f"{step.text}\n{code}: {last}"

    service = subprocess.Popen([sys.executable, "billing.py"], cwd=tmp_path, env=os.environ | {"PORT": port},
                               stderr=subprocess.DEVNULL)
    try:
        with configured(home, GRIDWARDEN_UPSTREAMS=str(tmp_path / "upstreams.yaml"),
                        GRIDWARDEN_POLICY_BUNDLE=str(tmp_path / "policy")) as instance:
            for step in commands("upstreams", "Asking it"):
                code, last = step.run(tmp_path, GATEWAY=instance.gateway, GRIDWARDEN_HOME=str(home),
                                      GRIDWARDEN_PASSWORD=instance.passwords["vera.viewer"])
                assert (code, last) == step.promise, step.text
    finally:
        service.kill()
        service.wait(10)
