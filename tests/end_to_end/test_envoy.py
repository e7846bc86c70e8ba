"""A real Envoy in front of a real service asks the whole product, by gRPC and by HTTP."""

import asyncio
import contextlib
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2 as httpx
import pytest

from tests.end_to_end.configured import Configured, configured, signed_in
from tests.end_to_end.echo_service import Echo, echo_service
from tests.servers.envoy import configuration, envoy
from tests.servers.started import free_port

pytestmark = pytest.mark.envoy

ROUTES = """
routes:
  - {path: "/reports/{name}", methods: [GET, POST], action: analytics.read}
  - {path: "/readings", methods: [GET], action: meters.read, dataset: grid.meter_readings, fulfils: [mask]}
  - {path: "/unmasked", methods: [GET], action: meters.read, dataset: grid.meter_readings}
  - {path: "/admin/users", methods: [GET], action: users.read}
  - {path: "/open", methods: [GET], action: health.read}
  - {path: "/metrics", methods: [GET], action: metrics.read}
"""
FLAVOURS = ("grpc", "http")
KILLED: set[int] = set()


@dataclass(slots=True)
class Front:
    """The product, the service, and Envoys between: by gRPC and HTTP, strict and lenient with paths."""

    product: Configured
    service: Echo
    urls: dict[str, str]


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("envoy")
    (folder / "routes.yaml").write_text(ROUTES)
    ports = {"grpc": free_port(), "http": free_port()}
    with configured(
        folder / "home", GRIDWARDEN_EXT_AUTHZ_PORT=str(ports["grpc"]),
        GRIDWARDEN_EXT_AUTHZ_HTTP_PORT=str(ports["http"]), GRIDWARDEN_EXT_AUTHZ_ROUTES=str(folder / "routes.yaml"),
    ) as product, echo_service() as service:
        try:
            yield from _fronts(folder, product, service, ports)
        finally:
            _end_database(product)


def _fronts(folder: Path, product: Configured, service: Echo, ports: dict[str, int]) -> Iterator[Front]:
    """Run one Envoy a flavour, each with a second listener that looks away from odd paths."""
    configs = {}
    for flavour in FLAVOURS:
        wanted = {"service": service.server_port, "gridwarden": ports[flavour]}
        strict = configuration(flavour, front=free_port(), ports=wanted)
        lenient = configuration(flavour, front=free_port(), ports=wanted, strict_paths=False)
        [second] = lenient["static_resources"]["listeners"]
        strict["static_resources"]["listeners"].append(second | {"name": "lenient"})
        configs[flavour] = strict
    with envoy(folder, configs["grpc"], name="grpc"), envoy(folder, configs["http"], name="http"):
        urls = {}
        for flavour, config in configs.items():
            first, second = config["static_resources"]["listeners"]
            urls[flavour], urls[f"{flavour} lenient"] = (
                f"http://127.0.0.1:{one['address']['socket_address']['port_value']}" for one in (first, second))
        yield Front(product, service, urls)


@pytest.fixture(scope="module")
def viewer(front: Front) -> str:
    """Return a token of somebody with the role grid_viewer."""

    async def sign_in() -> str:
        async with await signed_in(front.product, "vera.viewer") as person:
            return str(person.tokens["access_token"])

    return asyncio.run(sign_in())


async def _asked(front: Front, flavour: str, path: str, token: str | None, method: str = "GET",
                 **fields: str) -> httpx.Response:
    headers = {"user-agent": "end-to-end"} | ({"authorization": f"Bearer {token}"} if token else {}) | fields
    async with httpx.AsyncClient(base_url=front.urls[flavour]) as http:
        return await http.request(method, path, headers=headers)


def _said(answer: httpx.Response, prefix: str = "x-gridwarden-") -> dict[str, Any]:
    return {name: value for name, value in answer.json()["headers"] if name.replace("_", "-").startswith(prefix)}


@pytest.mark.parametrize("flavour", FLAVOURS)
async def test_an_allowed_request_reaches_the_service_and_says_who_asks(
    front: Front, viewer: str, flavour: str,
) -> None:
    answer = await _asked(front, flavour, "/readings?from=1", viewer)

    assert answer.status_code == 200, answer.text
    said = _said(answer)
    assert answer.json()["path"] == "/readings?from=1"
    assert (said["x-gridwarden-roles"], said["x-gridwarden-kind"]) == ("grid_viewer", "person")
    assert json.loads(said["x-gridwarden-obligations"]) == {"mask": {"columns": ["customer_id"]}}
    async with httpx.AsyncClient(base_url=front.product.gateway) as http:
        sealed = await http.get(f"/api/v1/decisions/{said['x-gridwarden-request-id']}", headers={
            "authorization": f"Bearer {viewer}", "user-agent": "end-to-end"})
    assert sealed.json()["seq"] == int(said["x-gridwarden-permit"])
    assert sealed.json()["resource"]["dataset"] == "grid.meter_readings"


@pytest.mark.parametrize("flavour", FLAVOURS)
async def test_a_body_passes_untouched_whether_its_length_is_told_or_not(
    front: Front, viewer: str, flavour: str,
) -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b"in "
        yield b"parts"

    headers = {"user-agent": "end-to-end", "authorization": f"Bearer {viewer}", "content-encoding": "x-own"}
    async with httpx.AsyncClient(base_url=front.urls[flavour], headers=headers) as http:
        whole = await http.post("/reports/1", content=b"at once")
        chunked = await http.post("/reports/1", content=parts())

    assert (whole.status_code, chunked.status_code) == (200, 200)
    assert whole.json()["body"] == "at once"
    assert ["transfer-encoding", "chunked"] in chunked.json()["headers"]


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize(("path", "token", "status"), [
    ("/reports/1", None, 401), ("/reports/1", "forged", 401), ("/admin/users", "viewer", 403),
    ("/nowhere", "viewer", 404), ("/unmasked", "viewer", 403), ("/metrics", None, 401),
])
async def test_a_refused_request_gets_our_answer_and_never_reaches_the_service(  # noqa: PLR0913, PLR0917 - a table row
    front: Front, viewer: str, flavour: str, path: str, token: str | None, status: int,
) -> None:
    front.service.reached.clear()

    answer = await _asked(front, flavour, path, viewer if token == "viewer" else token)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert ("www-authenticate" in answer.headers) == (status == 401)
    assert front.service.reached == []


@pytest.mark.parametrize("flavour", FLAVOURS)
async def test_who_a_client_says_it_is_never_reaches_the_service(front: Front, viewer: str, flavour: str) -> None:
    spoofed = {"x-gridwarden-subject": "u-admin", "x-gridwarden-roles": "admin", "x-gridwarden-purpose": "audit",
               "x-gridwarden-evil": "1"}

    answer = await _asked(front, flavour, "/reports/1", viewer, **spoofed)
    odd = await _asked(front, flavour, "/reports/1", viewer, x_gridwarden_subject="u-admin")
    passed = await _asked(front, "grpc lenient", "/reports/1", viewer, x_gridwarden_subject="u-admin")

    said = _said(answer)
    assert said["x-gridwarden-roles"] == "grid_viewer"
    assert said["x-gridwarden-subject"] != "u-admin"
    assert not {"x-gridwarden-evil", "x-gridwarden-purpose"} & said.keys()
    assert odd.status_code == 400
    assert "x_gridwarden_subject" not in _said(passed)


TRICKS = ["/admin%2fusers", "/admin%2Fusers", "//admin/users", "/reports/..;/admin/users",
          "/reports/%2e%2e/admin/users",
          "/admin/users%0a", "/admin/users%00", "/admin\\users", "/admin%5cusers", "/admin%252fusers", "/%61dmin/users",
          "/reports//1", "/reports/1;jsessionid=2", "/admin/users?a=%00"]


@pytest.mark.parametrize("flavour", ["grpc", "http", "grpc lenient", "http lenient"])
async def test_a_path_with_another_spelling_never_reaches_the_service(
    front: Front, viewer: str, flavour: str,
) -> None:
    front.service.reached.clear()

    statuses = {path: _raw(front.urls[flavour], "GET", path, viewer) for path in TRICKS}
    plain = _raw(front.urls[flavour], "GET", "/reports/1", viewer)

    assert plain == 200
    # What Envoy normalises itself (`..`, `%61`) is asked about as it is forwarded: then policy says no.
    assert {path: status for path, status in statuses.items() if status not in {400, 403}} == {}
    assert front.service.reached == ["/reports/1"]


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize(("method", "target"), [
    ("CONNECT", "evil.example:443"), ("TRACE", "/reports/1"), ("GET", "http://evil.example/admin/users"),
    ("PROPFIND", "/reports/1"), ("OPTIONS", "*"),
])
async def test_an_odd_request_line_never_reaches_the_service(
    front: Front, viewer: str, flavour: str, method: str, target: str,
) -> None:
    front.service.reached.clear()

    status = _raw(front.urls[flavour], method, target, viewer)

    assert status >= 400
    assert front.service.reached == []


@pytest.mark.parametrize("flavour", FLAVOURS)
async def test_a_head_too_long_for_either_is_refused(front: Front, viewer: str, flavour: str) -> None:
    long = await _asked(front, flavour, "/reports/1", viewer, **{"x-long": "v" * 70_000})
    path = await _asked(front, flavour, "/reports/" + "a" * 3_000, viewer)

    assert (long.status_code, path.status_code) == (431, 400)


async def test_a_product_that_hangs_or_is_gone_lets_nobody_pass(front: Front, viewer: str) -> None:
    """The last test of this module: afterwards the product is killed."""
    front.service.reached.clear()
    token = viewer
    pid = front.product.pid

    os.kill(pid, signal.SIGSTOP)
    try:
        hanging = await asyncio.gather(*(_asked(front, flavour, "/open", token) for flavour in FLAVOURS))
    finally:
        os.kill(pid, signal.SIGCONT)
    os.kill(pid, signal.SIGKILL)
    KILLED.add(pid)
    gone = await asyncio.gather(*(_asked(front, flavour, "/open", token) for flavour in FLAVOURS))

    assert [answer.status_code for answer in (*hanging, *gone)] == [503] * 4
    assert front.service.reached == []


def _end_database(product: Configured) -> None:
    """End the embedded server of a product that was killed: it would outlive us."""
    if product.pid in KILLED:
        with contextlib.suppress(OSError, ValueError):
            os.kill(int((product.home / "postgres" / "postmaster.pid").read_text().splitlines()[0]), signal.SIGINT)


def _raw(url: str, method: str, target: str, token: str) -> int:
    """Send a request line as it is and return the status; 0 when the connection just closes."""
    parts = urlsplit(url)
    head = (f"{method} {target} HTTP/1.1\r\nhost: service.example\r\nauthorization: Bearer {token}\r\n"
            "user-agent: end-to-end\r\nconnection: close\r\n\r\n")
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=5) as connection:
        connection.sendall(head.encode())
        answer = connection.makefile("rb").readline().split()
    return int(answer[1]) if len(answer) > 1 else 400
