"""Answers that are not HTTP, or that two readers would read differently: a 502, and the connection ends."""

import asyncio
from pathlib import Path

import pytest

from tests.control_plane.upstreams.bed import ADMIN, Seen, ask, bed, client, listening, ok, plan_of, scripted

HEAD = b"HTTP/1.1 200 OK\r\n"
MALFORMED = {
    "length and chunked": HEAD + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfine\r\n0\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nfine!",
    "two equal lengths": HEAD + b"Content-Length: 4\r\nContent-Length: 4\r\n\r\nfine",
    "a list of lengths": HEAD + b"Content-Length: 4, 4\r\n\r\nfine",
    "a negative length": HEAD + b"Content-Length: -4\r\n\r\nfine",
    "a signed length": HEAD + b"Content-Length: +4\r\n\r\nfine",
    "another coding": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n4\r\nfine\r\n0\r\n\r\n",
    "coding twice": HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfine\r\n0\r\n\r\n",
    "chunked not last": HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n4\r\nfine\r\n0\r\n\r\n",
    "a chunk size of nonsense": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nfine\r\n0\r\n\r\n",
    "a space before the colon": HEAD + b"Content-Length : 4\r\n\r\nfine",
    "NUL in a value": HEAD + b"X-Nul: a\x00b\r\nContent-Length: 4\r\n\r\nfine",
    "a bare CR in a value": HEAD + b"X-Cr: a\rSet-Cookie: x=1\r\nContent-Length: 4\r\n\r\nfine",
    "a control character": HEAD + b"X-Bell: a\x07b\r\nContent-Length: 4\r\n\r\nfine",
    "a field without a name": HEAD + b": x\r\nContent-Length: 4\r\n\r\nfine",
    "a field that is none": HEAD + b"(x): y\r\nContent-Length: 4\r\n\r\nfine",
    "an endless line": HEAD + b"X-Long: " + b"a" * 70_000 + b"\r\n\r\n",
    "too many fields": HEAD + b"".join(b"X-%d: 1\r\n" % n for n in range(101)) + b"Content-Length: 0\r\n\r\n",
    "a long head": HEAD + b"".join(b"X-%d: %s\r\n" % (n, b"a" * 4_000) for n in range(9)) + b"\r\n",
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": b"<html>fine</html>\r\n\r\n",
    "no such status": b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n",
    "a short status": b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
    "two types": HEAD + b"Content-Type: text/html\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nfine",
    "interim answers without end": b"HTTP/1.1 100 Continue\r\n\r\n" * 100,
    "interim answers before one that counts": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100 + HEAD
                                              + b"Content-Length: 4\r\n\r\nfine",
    "an upgrade nobody asked for": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_a_malformed_answer_is_a_bad_gateway(tmp_path: Path, name: str) -> None:
    async with scripted(MALFORMED[name]) as service, bed(tmp_path, plan_of(service.url)) as here:
        told = await ask(here.gateway, "GET", "/billing/1", headers=ADMIN)
        again = await ask(here.gateway, "GET", "/billing/1", headers=ADMIN)

    assert (told.status, again.status) == (502, 502)
    assert b"fine" not in told.body
    assert service.connections == 2


async def test_a_body_shorter_than_declared_is_a_bad_gateway(tmp_path: Path) -> None:
    async def cut(_seen: Seen, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"Content-Length: 100\r\n\r\nonly this")
        writer.close()

    async with scripted(cut) as service, bed(tmp_path, plan_of(service.url)) as here:
        told = await ask(here.gateway, "GET", "/billing/1", headers=ADMIN)

    assert told.status == 502
    assert b"only this" not in told.body


async def test_a_long_body_that_breaks_off_breaks_off_for_the_client_too(tmp_path: Path) -> None:
    async def cut(_seen: Seen, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n20000\r\n" + b"x" * 0x20000 + b"\r\nzz\r\n")
        await writer.drain()
        writer.close()

    async with scripted(cut) as service, bed(tmp_path, plan_of(service.url)) as here, listening(
            here.gateway) as port, client() as caller:
        answer = await caller.get(f"http://127.0.0.1:{port}/billing/1", headers=ADMIN)
        with pytest.raises(Exception, match="payload"):
            await answer.read()

    assert answer.status == 200


async def test_bytes_behind_an_answer_are_nobody_elses_answer(tmp_path: Path) -> None:
    planted = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nplanted"
    async with scripted(ok(b"mine") + planted) as service, bed(tmp_path, plan_of(service.url)) as here:
        told = [await ask(here.gateway, "GET", f"/billing/{n}", headers=ADMIN) for n in range(4)]

    assert {each.body for each in told} <= {b"mine"} | {each.body for each in told if each.status == 502}
    assert b"planted" not in b"".join(each.body for each in told)
    assert service.connections == 4


async def test_an_answer_planted_while_nobody_asks_is_not_taken(tmp_path: Path) -> None:
    async def plant(_seen: Seen, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(ok(b"mine"))
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nplanted")

    async with scripted(plant) as service, bed(tmp_path, plan_of(service.url)) as here:
        first = await ask(here.gateway, "GET", "/billing/1", headers=ADMIN)
        await asyncio.sleep(0.2)
        second = await ask(here.gateway, "GET", "/billing/2", headers=ADMIN)

    assert (first.body, second.body) == (b"mine", b"mine")
    assert service.connections == 2


async def test_a_folded_field_is_unfolded(tmp_path: Path) -> None:
    answer = HEAD + b"X-Fold: a\r\n b\r\nContent-Length: 4\r\n\r\nfine"

    async with scripted(answer) as service, bed(tmp_path, plan_of(service.url)) as here:
        told = await ask(here.gateway, "GET", "/billing/1", headers=ADMIN)

    assert told.headers["x-fold"].split() == ["a", "b"]


async def test_trailers_of_a_service_are_dropped(tmp_path: Path) -> None:
    answer = (HEAD + b"Transfer-Encoding: chunked\r\nTrailer: X-User\r\n\r\n4\r\nfine\r\n0\r\nX-User: root\r\n"
              b"Set-Cookie: gw_session=x\r\n\r\n")
    async with scripted(answer) as service, bed(tmp_path, plan_of(service.url)) as here:
        told = await ask(here.gateway, "GET", "/billing/1", headers=ADMIN)

    assert (told.status, told.body) == (200, b"fine")
    assert not {"x-user", "set-cookie", "trailer"} & told.headers.keys()


@pytest.mark.parametrize("answer", [
    HEAD + b"Content-Length: 101\r\n\r\n" + b"x" * 101,
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"65\r\n" + b"x" * 101 + b"\r\n0\r\n\r\n",
])
async def test_an_answer_over_the_cap_is_a_bad_gateway(tmp_path: Path, answer: bytes) -> None:
    async with scripted(answer) as service, bed(tmp_path, plan_of(service.url, service="max_answer: 100")) as here:
        told = await ask(here.gateway, "GET", "/billing/1", headers=ADMIN)

    assert told.status == 502


async def test_a_body_until_the_end_of_the_connection_is_taken(tmp_path: Path) -> None:
    async def old(_seen: Seen, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nfine")
        writer.close()

    async with scripted(old) as service, bed(tmp_path, plan_of(service.url)) as here:
        told = await ask(here.gateway, "GET", "/billing/1", headers=ADMIN)

    assert (told.status, told.body, told.headers["content-length"]) == (200, b"fine", "4")


async def test_an_answer_before_the_whole_body_came_ends_the_request(tmp_path: Path) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ok(b"too large", b"Connection: close", status=b"413 Content Too Large"))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with bed(tmp_path, plan_of(url)) as here, listening(here.gateway) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /billing/1 HTTP/1.1\r\nHost: grid.test\r\nAuthorization: Bearer admin\r\n"
                     b"Content-Length: 500000\r\n\r\n" + b"x" * 1_000)
        async with asyncio.timeout(3):
            line = await reader.readline()
        writer.close()
    server.close()

    assert line.startswith(b"HTTP/1.1 413")
