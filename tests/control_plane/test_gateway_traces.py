"""What a request leaves behind in logs and metrics: enough to find it, nothing to steal."""

import json
from typing import Any

import pytest
from prometheus_client import REGISTRY

from tests.control_plane.gateway_city import City, ask


def lines(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


async def test_the_access_log_finds_the_request_by_its_id(capsys: pytest.CaptureFixture[str]) -> None:
    told = await ask(City().gateway(), "GET", "/admin/users", headers={"Authorization": "Bearer viewer"})

    [line] = lines(capsys.readouterr().err)
    assert line["request_id"] == told.headers["x-request-id"]
    assert (line["action"], line["status"], line["subject"], line["path"]) == (
        "users.read", 403, "u-viewer", "/admin/users")


async def test_neither_query_nor_credential_nor_a_token_in_the_path_is_logged(
    capsys: pytest.CaptureFixture[str],
) -> None:
    token = "gw_at_0123456789.abcdefghijklmnopqrstuvwxyz"

    await ask(City().gateway(), "GET", f"/{token}", headers={"Authorization": f"Bearer {token}"})
    await ask(City().gateway(), "GET", "//x", headers={"Authorization": f"Basic {token}"})

    output = capsys.readouterr().err
    assert "s3cr3t" not in output
    assert token not in output
    assert len(lines(output)) == 2


async def test_requests_are_counted_by_action_and_status_never_by_path() -> None:
    def count(action: str, status: int) -> float:
        labels = {"action": action, "status": str(status)}
        return REGISTRY.get_sample_value("gridwarden_gateway_request_seconds_count", labels) or 0.0
    gateway = City().gateway()
    kinds = (("users.read", 401), ("gateway.unknown", 401), ("gateway.unknown", 400))
    before = [count(*kind) for kind in kinds]

    for path in ("/admin/users", "/nowhere/1", "/nowhere/2", "//"):
        await ask(gateway, "GET", path)

    after = [count(*kind) for kind in kinds]
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, 2, 1]
    assert REGISTRY.get_sample_value("gridwarden_gateway_in_flight") == 0


async def test_a_malformed_request_is_counted_by_its_reason() -> None:
    def count() -> float:
        labels = {"reason": "encoded-slash"}
        return REGISTRY.get_sample_value("gridwarden_gateway_malformed_total", labels) or 0.0
    before = count()

    await ask(City().gateway(), "GET", "/admin%2Fusers")

    assert count() == before + 1
