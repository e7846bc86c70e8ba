"""TLS on our own ports: what is asked of clients, what reaches the application, and key pairs that are renewed."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
import uvloop
from starlette.types import Receive, Scope, Send

from control_plane.config import ConfigurationError, load_settings
from control_plane.gateway.certificates import certificate_of
from control_plane.gateway.protocol import StrictProtocol
from control_plane.running import run
from control_plane.server import Listener, listen, serve
from control_plane.tls.contexts import KeyPair, UnusableKeyPairError, trusting
from tests.servers.certificates import Pair, make_pair


@pytest.fixture
def server_pair(tmp_path: Path) -> Pair:
    """The server's."""
    return make_pair(tmp_path, "server")


async def _mirror(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer the scheme, the client's certificate and how long the body was."""
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    seen = certificate_of(scope)
    body = f"{scope['scheme']} {seen.hex() if seen else 'none'} {size}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def served(context: ssl.SSLContext) -> AsyncIterator[int]:
    """Yield the port of a server that speaks TLS."""
    bound, stop = listen("127.0.0.1", 0, option="--port"), asyncio.Event()
    serving = asyncio.create_task(serve([Listener(_mirror, bound, StrictProtocol, context)], stop))
    try:
        yield bound.getsockname()[1]
    finally:
        stop.set()
        await serving
        bound.close()


async def ask(port: int, trust: Path, pair: Pair | None = None, *, body: bytes = b"", **versions: Any) -> str:
    """Ask once; return the answer's body."""
    context = trusting(trust)
    for name, value in versions.items():
        setattr(context, name, value)
    if pair is not None:
        context.load_cert_chain(pair.certificate, pair.key)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
    writer.write(b"POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body))
    writer.write(body)
    answer = (await reader.read()).decode()
    writer.close()
    return answer.partition("\r\n\r\n")[2]


async def test_a_plain_port_asks_for_no_certificate(server_pair: Pair, tmp_path: Path) -> None:
    keys = KeyPair(server_pair.certificate, server_pair.key)
    async with served(keys.plain()) as port:
        assert await ask(port, server_pair.certificate, make_pair(tmp_path, "client")) == "https none 0"


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_any_certificate_arrives_where_it_is_optional(
        server_pair: Pair, tmp_path: Path, newest: ssl.TLSVersion) -> None:
    """Self-signed and unknown to everybody (RFC 8705 section 2.2): identity judges it."""
    client = make_pair(tmp_path, "client")
    async with served(KeyPair(server_pair.certificate, server_pair.key).asking(requires_certificate=False)) as port:
        assert await ask(port, server_pair.certificate, client, maximum_version=newest) == f"https {client.der.hex()} 0"
        assert await ask(port, server_pair.certificate, maximum_version=newest) == "https none 0"


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_request_that_comes_with_the_end_of_the_handshake_is_heard(
        server_pair: Pair, run: Callable[[Coroutine[Any, Any, bytes]], bytes]) -> None:
    """Both loops; uvloop reads only what the TLS object says is pending."""
    context = KeyPair(server_pair.certificate, server_pair.key).asking(requires_certificate=False)

    async def story() -> bytes:
        server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0, ssl=context)
        async with server:
            return await asyncio.to_thread(eager, server.sockets[0].getsockname()[1], server_pair.certificate)

    assert run(story()) == b"hello"


class Echo(asyncio.Protocol):
    """Says back what it hears."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


def eager(port: int, trust: Path) -> bytes:
    """Send the end of the handshake and the first words in one piece; return the answer."""
    heard, said = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = trusting(trust).wrap_bio(heard, said, server_hostname="localhost")
    with socket.create_connection(("127.0.0.1", port), timeout=5) as wire:
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.do_handshake()
        wire.sendall(said.read())
        while True:
            heard.write(wire.recv(65_536))
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                continue
        tls.write(b"hello")
        wire.sendall(said.read())
        while True:
            try:
                return tls.read(100)
            except ssl.SSLWantReadError:
                heard.write(wire.recv(65_536))


async def test_long_bodies_pass_both_ways(server_pair: Pair) -> None:
    async with served(KeyPair(server_pair.certificate, server_pair.key).asking(requires_certificate=False)) as port:
        assert await ask(port, server_pair.certificate, body=b"x" * 3_000_000) == "https none 3000000"


async def test_without_a_certificate_the_strict_port_answers_nothing(server_pair: Pair, tmp_path: Path) -> None:
    async with served(KeyPair(server_pair.certificate, server_pair.key).asking(requires_certificate=True)) as port:
        try:
            answer = await ask(port, server_pair.certificate)
        except (ssl.SSLError, ConnectionError):
            answer = ""
        assert answer == ""
        assert (await ask(port, server_pair.certificate, make_pair(tmp_path, "client"))).startswith("https 30")


@pytest.mark.parametrize("cipher", ["ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0", "ECDHE-ECDSA-CHACHA20-POLY1305"])
@pytest.mark.parametrize("asks", [True, False])
async def test_ciphers_not_recommended_for_tls_1_2_are_refused(server_pair: Pair, cipher: str, *, asks: bool) -> None:
    """FAPI 2.0 Security Profile 5.2.2: only what RFC 9325 section 4.2 recommends."""
    keys = KeyPair(server_pair.certificate, server_pair.key)
    context = keys.asking(requires_certificate=False) if asks else keys.plain()
    weak = trusting(server_pair.certificate)
    weak.maximum_version = ssl.TLSVersion.TLSv1_2
    weak.set_ciphers(cipher)
    async with served(context) as port:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection("127.0.0.1", port, ssl=weak, server_hostname="localhost")


@pytest.mark.parametrize("asks", [True, False])
async def test_a_renewed_key_pair_serves_new_connections(server_pair: Pair, tmp_path: Path, *, asks: bool) -> None:
    keys = KeyPair(server_pair.certificate, server_pair.key)
    context = keys.asking(requires_certificate=False) if asks else keys.plain()
    async with served(context) as port:
        renewed = make_pair(tmp_path, "renewed")
        renewed.certificate.replace(server_pair.certificate)
        renewed.key.replace(server_pair.key)

        assert keys.refresh()
        assert not keys.refresh()
        assert await ask(port, server_pair.certificate) == "https none 0"


async def test_a_broken_renewal_keeps_the_key_pair_that_works(server_pair: Pair, tmp_path: Path) -> None:
    keys = KeyPair(server_pair.certificate, server_pair.key)
    async with served(keys.plain()) as port:
        trust = tmp_path / "trust.pem"
        trust.write_bytes(server_pair.certificate.read_bytes())
        server_pair.certificate.write_text("half a fi")

        assert not keys.refresh()
        assert await ask(port, trust) == "https none 0"


def test_an_unusable_key_pair_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnusableKeyPairError, match="TLS_CERT and TLS_KEY"):
        KeyPair(tmp_path / "none.pem", None).plain()


def test_a_port_for_certificates_needs_tls(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="TLS_CERT"):
        run(load_settings(home=tmp_path, mtls_port=0), demo=False, as_json=True)


def test_with_tls_the_issuer_is_https_and_the_strict_port_has_its_own_url(server_pair: Pair) -> None:
    settings = load_settings(tls_cert=server_pair.certificate, issuer="https://grid.example:8443/idp", mtls_port=8444)

    assert settings.gateway_origin() == "https://grid.example:8443"
    assert settings.mtls_url() == "https://grid.example:8444/idp"
    assert load_settings(tls_cert=server_pair.certificate).gateway_url() == "https://127.0.0.1:5000"


def test_certificates_are_announced_where_they_can_be_shown(server_pair: Pair) -> None:
    """RFC 8705 section 5: the demanding port has aliases of its own, the asking one is the issuer's."""
    asking = {"tls_cert": server_pair.certificate, "tls_client_certificates": "optional", "issuer": "https://a.example"}

    found = [load_settings(**given).certificates_url() for given in (
        asking, asking | {"mtls_port": 8444}, asking | {"tls_client_certificates": "off"}, asking | {"tls_cert": None})]

    assert found == ["https://a.example", "https://a.example:8444", None, None]
