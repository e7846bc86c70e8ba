"""The compose file stands: pinned images, no literal secret, health checks, and only variables the product reads."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from control_plane.config import Settings

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
KNOWN = {"DATABASE_URL", "OPA_URL"} | {f"GRIDWARDEN_{name.upper()}" for name in Settings.model_fields}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_pinned_checked_and_restarted(name: str) -> None:
    service = SERVICES[name]

    assert re.search(r":\d+\.\d+", service["image"])
    assert service["healthcheck"]["test"]
    assert service["restart"] == "unless-stopped"


def test_no_secret_is_written_down() -> None:
    secrets = [
        value for service in SERVICES.values() for name, value in service["environment"].items()
        if "PASSWORD" in name or name.endswith("_URL")
    ]

    assert [value for value in secrets if re.search(r"://[^:/@]+:(?!\$\{)[^@]+@", value)] == []
    assert SERVICES["postgres"]["environment"]["POSTGRES_PASSWORD"].startswith("${POSTGRES_PASSWORD:?")


def test_the_product_gets_only_variables_it_reads_and_only_loopback_is_published() -> None:
    product = SERVICES["gridwarden"]

    assert set(product["environment"]) <= KNOWN
    assert all(port.startswith("127.0.0.1:") for port in product["ports"])
    assert product["read_only"] is True
    assert product["cap_drop"] == ["ALL"]
    assert product["user"] != "0:0"


def test_dependencies_and_volumes_resolve() -> None:
    used = [volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])]
    needed = [name for service in SERVICES.values() for name in service.get("depends_on", {})]

    assert set(used) == set(COMPOSE["volumes"])
    assert set(needed) <= set(SERVICES)
    assert (ROOT / "Dockerfile").exists()


def test_ci_calls_the_makefiles_own_targets() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    called = set(re.findall(r"^make (\w+)", (ROOT / ".ci" / "run").read_text(), re.MULTILINE))

    assert {"lint", "test", "demo"} <= called <= targets
    assert ".ci/run" in (ROOT / ".github" / "workflows" / "ci.yml").read_text()
