"""`envoy.service.auth.v3.Authorization/Check` over a real channel, and what strangers send there."""

import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from control_plane.config import ConfigurationError
from control_plane.ext_authz import wire
from control_plane.ext_authz.grpc_service import SERVICE, bound, mutual_tls, server_of
from control_plane.ext_authz.wire.external_auth_pb2 import AttributeContext, CheckRequest, CheckResponse
from tests.control_plane.ext_authz.checks import Checks, checks
from tests.servers.certificates import make_pair

METHOD = f"/{SERVICE}/Check"


class Channel:
    """A client of a server on loopback."""

    def __init__(self, port: int, city: Checks) -> None:
        self.port, self.city = port, city
        self.channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")

    async def send(self, content: bytes, method: str = METHOD) -> CheckResponse:
        """Send bytes as they are."""
        call = self.channel.unary_unary(
            method, request_serializer=lambda one: one, response_deserializer=CheckResponse.FromString)
        return await call(content, timeout=10)

    async def check(self, method: str, path: str, **headers: str) -> CheckResponse:
        """Check a request with merged headers, as Envoy sends them without `encode_raw_headers`."""
        http = AttributeContext.HttpRequest(method=method, path=path, headers=headers, scheme="https")
        return await self.send(_request(http).SerializeToString())


@pytest.fixture
async def envoy(tmp_path: Path) -> AsyncIterator[Channel]:
    city = checks(tmp_path)
    server = server_of(city.checker)
    port = bound(server, "127.0.0.1:0", None)
    await server.start()
    client = Channel(port, city)
    yield client
    await client.channel.close()
    await server.stop(None)


async def test_an_allowed_check_overwrites_our_fields(envoy: Channel) -> None:
    answer = await envoy.check("GET", "/readings/m-1", authorization="Bearer viewer")

    assert (answer.status.code, answer.WhichOneof("http_response")) == (0, "ok_response")
    fields = {one.header.key: one.header.value for one in answer.ok_response.headers}
    assert fields["x-gridwarden-subject"] == "u-viewer"
    assert {one.append_action for one in answer.ok_response.headers} == {2}
    assert envoy.city.city.ledger.events[0]["source"]["ip"] == "203.0.113.9"


async def test_a_refused_check_says_what_to_answer(envoy: Channel) -> None:
    stranger = await envoy.check("GET", "/admin/users")
    viewer = await envoy.check("GET", "/admin/users", authorization="Bearer viewer")

    assert [(one.status.code, one.denied_response.status.code) for one in (stranger, viewer)] == [(16, 401), (7, 403)]
    told = {one.header.key: one.header.value for one in stranger.denied_response.headers}
    assert told["content-type"] == "application/problem+json"
    assert "Bearer" in told["www-authenticate"]
    assert b"gridwarden:problem" in viewer.denied_response.body.encode()


async def test_raw_headers_are_taken_one_by_one(envoy: Channel) -> None:
    http = AttributeContext.HttpRequest(method="GET", path="/admin/users")
    for token in (b"Bearer admin", b"Bearer viewer"):
        http.header_map.headers.add(key="Authorization", raw_value=token)

    twice = await envoy.send(_request(http).SerializeToString())
    del http.header_map.headers[1]
    once = await envoy.send(_request(http).SerializeToString())

    assert twice.denied_response.status.code == 400
    assert once.WhichOneof("http_response") == "ok_response"


@pytest.mark.parametrize("content", [
    b"", b"\xff\xff\xff\xff no message", CheckRequest(attributes=AttributeContext()).SerializeToString(),
    CheckRequest(attributes=AttributeContext(request=AttributeContext.Request())).SerializeToString(),
])
async def test_a_check_without_attributes_is_refused(envoy: Channel, content: bytes) -> None:
    assert (await envoy.send(content)).denied_response.status.code == 400


@pytest.mark.parametrize(("method", "path"), [
    ("GET", ""), ("GET", "/admin/\u2215users"), ("GET", "/\u00fcber"), ("CONNECT", "evil.example:443"), ("GET", "*"),
    ("", "/public"), ("GET\r\nX: y", "/public"), ("GET", "/admin%2fusers"), ("GET", "//public"),
])
async def test_a_check_of_no_request_of_ours_is_refused(envoy: Channel, method: str, path: str) -> None:
    assert (await envoy.check(method, path)).denied_response.status.code == 400


async def test_four_megabytes_of_headers_are_an_error_and_the_next_check_is_answered(envoy: Channel) -> None:
    http = AttributeContext.HttpRequest(method="GET", path="/public", headers={"x": "v" * 4_000_000})

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await envoy.send(_request(http).SerializeToString())

    assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (await envoy.check("GET", "/public")).WhichOneof("http_response") == "ok_response"


async def test_there_is_no_other_method(envoy: Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await envoy.send(b"", f"/{SERVICE}/Allow")

    assert refused.value.code() == grpc.StatusCode.UNIMPLEMENTED


async def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigurationError, match="GRIDWARDEN_EXT_AUTHZ_PORT"):
            bound(server_of(checks(tmp_path).checker), f"127.0.0.1:{taken.getsockname()[1]}", None)


async def test_a_proxy_elsewhere_shows_a_certificate_of_the_authority_or_is_nobody(tmp_path: Path) -> None:
    ours, theirs, stranger = (make_pair(tmp_path, name) for name in ("server", "envoy", "stranger"))
    server = server_of(checks(tmp_path).checker)
    port = bound(server, "127.0.0.1:0", mutual_tls(ours.certificate, ours.key, theirs.certificate))
    await server.start()
    request = _request(AttributeContext.HttpRequest(method="GET", path="/public")).SerializeToString()

    answers = []
    for pair in (theirs, stranger, None):
        shown = (pair.key.read_bytes(), pair.certificate.read_bytes()) if pair else (None, None)
        credentials = grpc.ssl_channel_credentials(ours.certificate.read_bytes(), *shown)
        async with grpc.aio.secure_channel(f"localhost:{port}", credentials) as channel:
            call: Any = channel.unary_unary(METHOD, response_deserializer=CheckResponse.FromString)
            try:
                answers.append((await call(request, timeout=5)).WhichOneof("http_response"))
            except grpc.aio.AioRpcError as error:
                answers.append(error.code())
    await server.stop(None)

    assert answers == ["ok_response", grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNAVAILABLE]


def test_grpc_is_not_loaded_where_nobody_asks_by_it() -> None:
    program = "import control_plane.running, sys; sys.exit('grpc' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_the_generated_messages_are_those_of_the_proto(tmp_path: Path) -> None:
    folder = Path(wire.__file__).parent
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I.", f"--python_out={tmp_path}", f"--pyi_out={tmp_path}"]

    subprocess.run([*command, "external_auth.proto"], cwd=folder, check=True)

    for name in ("external_auth_pb2.py", "external_auth_pb2.pyi"):
        assert (tmp_path / name).read_text() == (folder / name).read_text()


def _request(http: Any) -> CheckRequest:
    attributes = AttributeContext(request=AttributeContext.Request(http=http))
    attributes.source.address.socket_address.address = "203.0.113.9"
    return CheckRequest(attributes=attributes)
