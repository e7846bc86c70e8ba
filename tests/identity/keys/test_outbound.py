"""Requests to places that clients name: every way inside is closed, every answer is capped (RFC 7591 section 5)."""

import asyncio
import gzip
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from identity.adapters.outbound import DestinationDownError, Outbound, RefusedDestinationError, is_public

LOOPBACK = [ip_network("127.0.0.0/8")]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Names:
    """A name service that answers by turns what it was told."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers, self.asked = list(answers), 0

    async def __call__(self, host: str, port: int) -> Sequence[str]:  # noqa: ARG002 - the signature of name services
        self.asked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Server:
    """A web server that counts who came."""

    def __init__(self, handler: Handler, url: str) -> None:
        self.handler, self.url, self.visits = handler, url, 0


@asynccontextmanager
async def serving(handler: Handler, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None,
                  port: int = 0) -> AsyncIterator[Server]:
    found = Server(handler, "")

    async def answer(request: web.Request) -> web.StreamResponse:
        found.visits += 1
        return await found.handler(request)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, host, port, ssl_context=tls)
    await site.start()
    taken = runner.addresses[0][1]
    found.url = f"{'https' if tls else 'http'}://{host}:{taken}/jwks"
    try:
        yield found
    finally:
        await runner.cleanup()


async def keys(_: web.Request) -> web.StreamResponse:
    return web.json_response({"keys": []})


async def ask(url: str, *, max_bytes: int = 1_000, **settings: Any) -> Any:
    return await Outbound(**settings).get_json(url, max_bytes=max_bytes)


# --- where to ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", [
    "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.0.0.1", "017700000001", "0", "0.0.0.0",  # noqa: S104 - nobody binds
    "localhost", "LOCALHOST", "127.0.0.1.", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
    "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::1]", "[2002:7f00:1::]", "[fe80::1]", "[fc00::1]", "[fec0::1]",
    "[ff02::1]", "169.254.169.254", "2852039166", "0xa9fea9fe", "[fd00:ec2::254]", "[64:ff9b::a9fe:a9fe]", "10.0.0.1",
    "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "192.0.0.1", "198.18.0.1", "192.0.2.1", "224.0.0.1",
    "255.255.255.255", "240.0.0.1", "\uff11\uff12\uff17.\uff10.\uff10.\uff11", "①②⑦.⓪.⓪.①", "127。0。0。1",
])
async def test_an_address_inside_is_not_called_however_it_is_spelled(host: str) -> None:
    """Decimal, octal, hexadecimal, short, mapped, translated, link-local, metadata, multicast, Unicode."""
    for scheme in ("https", "http"):
        with pytest.raises(RefusedDestinationError):
            await ask(f"{scheme}://{host}:8443/jwks")


@pytest.mark.parametrize("address", [
    "10.0.0.7", "127.0.0.1", "169.254.169.254", "192.168.0.1", "::1", "fd00::1", "::ffff:10.0.0.7", "64:ff9b::a00:7"])
async def test_a_name_that_leads_inside_is_not_called(address: str) -> None:
    for answer in ([address], ["93.184.215.14", address], [address, "2606:2800:21f:cb07:6820:80da:af6b:8b2c"]):
        with pytest.raises(RefusedDestinationError, match="public internet"):
            await ask("https://client.test/jwks", names=Names(answer))


async def test_the_address_that_was_checked_is_the_one_that_is_called() -> None:
    """DNS rebinding: the second answer leads inside, and nobody asks for it."""
    async with serving(keys, host="127.0.0.2") as meant, serving(
            keys, host="127.0.0.1", port=int(meant.url.split(":")[2].split("/")[0])) as inside:
        names = Names(["127.0.0.2"], ["127.0.0.1"])
        url = meant.url.replace("127.0.0.2", "client.test")
        outbound = Outbound([ip_network("127.0.0.2/32")], names=names)

        assert await outbound.get_json(url, max_bytes=100) == {"keys": []}
        assert names.asked == 1
        with pytest.raises(RefusedDestinationError):
            await outbound.get_json(url, max_bytes=100)
        assert (meant.visits, inside.visits) == (1, 0)


@pytest.mark.parametrize("url", [
    "ftp://client.test/", "file:///etc/passwd", "gopher://client.test", "data:,x", "//client.test/", "client.test", "",
    "https://", "https:///jwks", "https://user@client.test/", "https://user:pass@client.test/", "https://:pass@client.test/",
    "https://client.test/#fragment", "https://client.test:99999/", "https://client.test:x/", "https://client.test/ x",
    "https://client.test/\r\nHost: evil", "https://client.test\\@evil.test/", "https://client.test/\x00",
    "https://client.test/" + "a" * 3_000, "https://[::1/", "https://cli ent.test/",
])
async def test_what_is_no_plain_https_url_is_not_called(url: str) -> None:
    names = Names(["93.184.215.14"])
    with pytest.raises(RefusedDestinationError):
        await ask(url, names=names)
    assert names.asked == 0


async def test_plain_http_and_system_ports_are_for_allowed_networks_only() -> None:
    with pytest.raises(RefusedDestinationError, match="not https"):
        await ask("http://client.test/jwks", names=Names(["93.184.215.14"]))
    for port in (22, 25, 53, 80, 993):
        with pytest.raises(RefusedDestinationError, match="port"):
            await ask(f"https://client.test:{port}/jwks", names=Names(["93.184.215.14"]))
    async with serving(keys) as server:
        assert await ask(server.url, networks=LOOPBACK) == {"keys": []}


@pytest.mark.parametrize(("address", "is_it"), [
    ("93.184.215.14", True), ("8.8.8.8", True), ("2606:2800:21f::1", True), ("64:ff9b::808:808", True),
    ("64:ff9b::a00:1", False), ("::ffff:8.8.8.8", False), ("2002:808:808::", False), ("2001:db8::1", False),
    ("2001:0:4136:e378::", False), ("3fff::1", False), ("::8.8.8.8", False), ("192.88.99.1", False),
])
def test_public_addresses(address: str, is_it: bool) -> None:  # noqa: FBT001 - a column
    """RFC 6890, RFC 6052."""
    assert is_public(ip_address(address)) is is_it


# --- what comes back -------------------------------------------------------------------------------------------------


async def test_a_redirect_is_not_followed() -> None:
    async with serving(keys, host="127.0.0.3") as inside:
        async def elsewhere(_: web.Request) -> web.StreamResponse:
            raise web.HTTPFound(inside.url)

        async with serving(elsewhere) as server:
            with pytest.raises(DestinationDownError, match="302"):
                await ask(server.url, networks=LOOPBACK)
            answer = await Outbound(LOOPBACK).post(server.url, body=b"{}", headers={})
        assert (answer.status, inside.visits) == (302, 0)


async def test_a_body_that_never_ends_is_cut() -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" " * 65_536)

    async with serving(endless) as server:
        with pytest.raises(DestinationDownError, match="longer than 1000 bytes"):
            await ask(server.url, networks=LOOPBACK)


async def test_a_bomb_is_not_unpacked() -> None:
    async def bomb(request: web.Request) -> web.StreamResponse:
        assert request.headers["accept-encoding"] == "identity"
        return web.Response(body=gzip.compress(b" " * 10_000_000), headers={"Content-Encoding": "gzip"})

    async with serving(bomb) as server:
        with pytest.raises(DestinationDownError, match="compressed"):
            await ask(server.url, max_bytes=100_000, networks=LOOPBACK)


async def test_who_answers_too_slowly_is_given_up() -> None:
    """Drop by drop: the time of the whole counts, not that of a drop."""
    async def slow(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100):
            await response.write(b" ")
            await asyncio.sleep(0.05)
        return response

    async with serving(slow) as server:
        with pytest.raises(DestinationDownError, match="TimeoutError"):
            await Outbound(LOOPBACK).post(server.url, body=b"", headers={}, timeout_s=0.3)


@pytest.mark.parametrize("body", [b"", b"{", b'{"a":1,"a":2}', b"[" * 100 + b"]" * 100, b"NaN", b"\xff"])
async def test_an_answer_that_is_no_strict_json_is_none(body: bytes) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=body)

    async with serving(answer) as server:
        with pytest.raises(DestinationDownError, match="strict JSON"):
            await ask(server.url, networks=LOOPBACK)


async def test_what_is_not_http_or_not_there_is_down() -> None:
    async def babble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH\r\n")
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1")
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(DestinationDownError):
        await ask(f"http://127.0.0.1:{port}/", networks=LOOPBACK)
    server.close()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(DestinationDownError):
            await ask(f"http://127.0.0.1:{taken.getsockname()[1]}/", networks=LOOPBACK)


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with serving(keys) as server:
        assert await ask(server.url, networks=LOOPBACK) == {"keys": []}


async def test_a_post_carries_body_and_headers() -> None:
    seen: dict[str, Any] = {}

    async def note(request: web.Request) -> web.StreamResponse:
        seen.update(body=await request.read(), type=request.content_type, cookies=dict(request.cookies))
        response = web.Response(status=400, body=b"why", headers={"X-Why": "so"})
        response.set_cookie("a", "b")
        return response

    async with serving(note) as server:
        outbound = Outbound(LOOPBACK)
        for _ in range(2):
            answer = await outbound.post(server.url, body=b"x", headers={"Content-Type": "application/secevent+jwt"})
    assert seen == {"body": b"x", "type": "application/secevent+jwt", "cookies": {}}
    assert (answer.status, answer.body, answer.headers["x-why"]) == (400, b"why", "so")


# --- TLS -------------------------------------------------------------------------------------------------------------


def certificate(folder: Path, name: str) -> tuple[Path, ssl.SSLContext]:
    """Return a self-signed certificate for a name, as file and for a server."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(key, hashes.SHA256()))
    folder.mkdir(exist_ok=True)
    pem, private = folder / f"{name}.pem", folder / f"{name}.key"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                          serialization.NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, private)
    return pem, context


async def test_only_a_server_with_a_certificate_we_trust_is_asked(tmp_path: Path) -> None:
    ca, tls = certificate(tmp_path, "client.test")
    async with serving(keys, tls=tls) as server:
        names, url = Names(["127.0.0.1"]), server.url.replace("127.0.0.1", "client.test")

        assert await ask(url, networks=LOOPBACK, ca=ca, names=names) == {"keys": []}
        with pytest.raises(DestinationDownError, match="Certificate"):
            await ask(url, networks=LOOPBACK, names=names)
        with pytest.raises(DestinationDownError, match="Certificate"):
            await ask(url.replace("client.test", "other.test"), networks=LOOPBACK, ca=ca, names=names)
        assert server.visits == 1
