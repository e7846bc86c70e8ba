"""Attacks from a raw socket on the server we ship: what no well-behaved client would send."""

import contextlib
import json
import socket
import time
from collections.abc import Iterator

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.control_plane.raw_gateway import HOST, LARGE, TOKEN, Running, get, statuses


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """Run one gateway for the module."""
    found = Running()
    yield found
    found.stop()


@pytest.fixture
def quiet(running: Running) -> Running:
    """Forget what earlier tests left in the ledger."""
    return running.forget()


CLOSE = b"Connection: close\r\n"
UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
KEY = b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"


def hosted(host: bytes, version: bytes = b"HTTP/1.1") -> bytes:
    return b"GET /admin/users " + version + b"\r\n" + host + TOKEN + b"\r\n"


REFUSED: dict[str, tuple[bytes, int]] = {
    "absolute-form": (get(b"http://gridwarden.test/admin/users"), 400),
    "absolute-form with a foreign authority": (get(b"http://evil.test/admin/users"), 400),
    "fragment": (get(b"/admin/users#x"), 400),
    "asterisk": (get(b"*", method=b"OPTIONS"), 400),
    "no leading slash": (get(b"admin/users"), 400),
    "encoded slash": (get(b"/admin%2fusers", CLOSE), 400),
    "control character": (get(b"/admin/users%0a", CLOSE), 400),
    "double slash": (get(b"//admin/users", CLOSE), 400),
    "dot segment": (get(b"/x/../admin/users", CLOSE), 400),
    "backslash": (get(b"/admin\\users", CLOSE), 400),
    "raw non-ASCII": (get(b"/admin/\xc3\xa9"), 400),
    "two hosts": (get(b"/admin/users", HOST), 400),
    "no host": (b"GET /admin/users HTTP/1.1\r\n" + TOKEN + b"\r\n", 400),
    "empty host": (b"GET /admin/users HTTP/1.1\r\nHost:\r\n" + TOKEN + b"\r\n", 400),
    "unreadable host": (b"GET /admin/users HTTP/1.1\r\nHost: a b\r\n" + TOKEN + b"\r\n", 400),
    "two authorizations": (get(b"/admin/users", TOKEN + CLOSE), 400),
    "length and chunked": (get(b"/public", b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", method=b"POST")
                           + b"0\r\n\r\n", 400),
    "chunked and length": (get(b"/public", b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", method=b"POST")
                           + b"0\r\n\r\n", 400),
    "two lengths": (get(b"/public", b"Content-Length: 5\r\nContent-Length: 5\r\n", method=b"POST") + b"hello", 400),
    "signed length": (get(b"/public", b"Content-Length: +5\r\n", method=b"POST") + b"hello", 400),
    "other transfer coding": (get(b"/public", b"Transfer-Encoding: gzip, chunked\r\n", method=b"POST"), 400),
    "unknown transfer coding": (get(b"/public", b"Transfer-Encoding: xchunked\r\n", method=b"POST"), 400),
    "space before colon": (get(b"/public", b"Transfer-Encoding : chunked\r\n", method=b"POST"), 400),
    "chunked in 1.0": (get(b"/public", b"Transfer-Encoding: chunked\r\n", b"HTTP/1.0", b"POST"), 400),
    "bare LF after the request line": (b"GET /admin/users HTTP/1.1\n" + HOST + TOKEN + b"\r\n", 400),
    "bare LF after a field": (b"GET /admin/users HTTP/1.1\r\nHost: a\n" + TOKEN + b"\r\n", 400),
    "bare LF at the end": (b"GET /admin/users HTTP/1.1\r\n" + HOST + TOKEN + b"\n", 400),
    "bare CR": (get(b"/admin/users", b"X: a\rb\r\n"), 400),
    "folded field": (get(b"/admin/users", b"A: b\r\n c\r\n"), 400),
    "NUL in a field": (get(b"/admin/users", b"A: b\x00c\r\n"), 400),
    "nameless field": (get(b"/admin/users", b": b\r\n"), 400),
    "field without a colon": (get(b"/admin/users", b"abc\r\n"), 400),
    "unknown method": (get(b"/admin/users", method=b"FOO"), 400),
    "method in lower case": (get(b"/admin/users", method=b"get"), 400),
    "CONNECT": (get(b"evil.test:443", method=b"CONNECT"), 400),
    "HTTP/0.9": (b"GET /admin/users\r\n\r\n", 505),
    "HTTP/2.0": (get(b"/admin/users", version=b"HTTP/2.0"), 505),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "TLS on a plain port": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    "absolute-form, TLS": (get(b"https://gridwarden.test/admin/users"), 400),
    "absolute-form in capitals": (get(b"HTTP://gridwarden.test/admin/users"), 400),
    "authority-form": (get(b"gridwarden.test:443"), 400),
    "asterisk with GET": (get(b"*"), 400),
    "query without a path": (get(b"?a=b"), 400),
    "fragment behind a query": (get(b"/admin/users?a#b"), 400),
    "space in the target": (get(b"/admin/users /x"), 400),
    "tab in the target": (get(b"/admin\tusers"), 400),
    "NUL in the target": (get(b"/admin\x00/users"), 400),
    "DEL in the target": (get(b"/admin\x7f/users"), 400),
    "encoded DEL": (get(b"/admin/users%7f", CLOSE), 400),
    "NUL in the query": (get(b"/admin/users?a=%00", CLOSE), 400),
    "two spaces in the request line": (b"GET  /admin/users HTTP/1.1\r\n" + HOST + TOKEN + b"\r\n", 400),
    "tab in the request line": (b"GET\t/admin/users HTTP/1.1\r\n" + HOST + TOKEN + b"\r\n", 400),
    "space before the request line": (b" " + get(b"/admin/users"), 400),
    "space after the version": (b"GET /admin/users HTTP/1.1 \r\n" + HOST + TOKEN + b"\r\n", 400),
    "no method": (b" /admin/users HTTP/1.1\r\n" + HOST + TOKEN + b"\r\n", 400),
    "host with a path": (hosted(b"Host: a/b\r\n"), 400),
    "host with a user": (hosted(b"Host: a@b\r\n"), 400),
    "host list": (hosted(b"Host: a, b\r\n"), 400),
    "host with a word for a port": (hosted(b"Host: a:b\r\n"), 400),
    "host with a long port": (hosted(b"Host: a:123456\r\n"), 400),
    "encoded host": (hosted(b"Host: a%41\r\n"), 400),
    "broken IPv6 host": (hosted(b"Host: [::1\r\n"), 400),
    "host in 8 bits": (hosted(b"Host: \xe9\r\n"), 400),
    "long host": (hosted(b"Host: " + b"a" * 254 + b"\r\n"), 400),
    "host behind a space": (hosted(b" Host: a\r\n"), 400),
    "two hosts in 1.0": (hosted(b"Host: a\r\nHost: a\r\n", b"HTTP/1.0"), 400),
    "TRACK": (get(b"/admin/users", method=b"TRACK"), 400),
    "DEBUG": (get(b"/admin/users", method=b"DEBUG"), 400),
    "method with a mark": (get(b"/admin/users", method=b"GET\x00"), 400),
    "longer method": (get(b"/admin/users", method=b"GETX"), 400),
    "method in mixed case": (get(b"/admin/users", method=b"Get"), 400),
    "HTTP/0.9 spelled out": (get(b"/admin/users", version=b"HTTP/0.9"), 505),
    "HTTP/1.2": (get(b"/admin/users", version=b"HTTP/1.2"), 400),
    "HTTP/1.10": (get(b"/admin/users", version=b"HTTP/1.10"), 400),
    "HTTP/01.1": (get(b"/admin/users", version=b"HTTP/01.1"), 400),
    "HTTP/1": (get(b"/admin/users", version=b"HTTP/1"), 400),
    "HTTP/3.0": (get(b"/admin/users", version=b"HTTP/3.0"), 400),
    "protocol in lower case": (get(b"/admin/users", version=b"http/1.1"), 400),
    "RTSP": (get(b"/admin/users", version=b"RTSP/1.0"), 400),
    "ICE": (get(b"/admin/users", version=b"ICE/1.0"), 400),
    "HTTP/2 preface and settings": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", 400),
    "NUL in a name": (get(b"/admin/users", b"A\x00: b\r\n"), 400),
    "space in a name": (get(b"/admin/users", b"A B: b\r\n"), 400),
    "brackets in a name": (get(b"/admin/users", b"A[b]: c\r\n"), 400),
    "at sign in a name": (get(b"/admin/users", b"A@b: c\r\n"), 400),
    "8 bits in a name": (get(b"/admin/users", b"\xe9: b\r\n"), 400),
    "DEL in a value": (get(b"/admin/users", b"A: \x7f\r\n"), 400),
    "control character in a value": (get(b"/admin/users", b"A: \x01\r\n"), 400),
    "escape sequence in a value": (get(b"/admin/users", b"A: \x1b[31m\r\n"), 400),
    "bare LF everywhere": (b"GET /admin/users HTTP/1.1\nHost: a\n\n", 400),
    "long name": (get(b"/admin/users", b"A" * 17_000 + b": b\r\n"), 431),
    "deflated body": (get(b"/public", CLOSE + b"Content-Encoding: deflate, gzip\r\nContent-Length: 2\r\n",
                          method=b"POST") + b"\x1f\x8b", 415),
    "two encodings": (get(b"/public", CLOSE + b"Content-Encoding: identity\r\nContent-Encoding: gzip\r\n",
                          method=b"POST"), 400),
    "upgrade in 1.0": (get(b"/stream", UPGRADE + KEY, b"HTTP/1.0"), 400),
    "two upgrades": (get(b"/stream", UPGRADE + b"Upgrade: h2c\r\n" + KEY), 400),
    "long head": (get(b"/admin/users", b"A: " + b"a" * 17_000 + b"\r\n"), 431),
    "long head in many fields": (get(b"/admin/users", b"".join(b"A%d: %s\r\n" % (n, b"a" * 300) for n in range(60))),
                                 431),
    "long head without an end": (b"GET /admin/users HTTP/1.1\r\nA: " + b"a" * 40_000, 431),
    "empty lines without an end": (b"\r\n" * 10_000, 431),
    "many fields": (get(b"/admin/users", b"".join(b"A%d: b\r\n" % n for n in range(100))), 431),
    "long target": (get(b"/" + b"a" * 17_000), 431),
    "compressed body": (get(b"/public", CLOSE + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n", method=b"POST")
                        + b"\x1f\x8b", 415),
    "upgrade with a body": (get(b"/stream", b"Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n")
                            + b"ab", 400),
}


@pytest.mark.parametrize("attack", REFUSED)
def test_a_request_no_honest_client_sends_is_refused(quiet: Running, attack: str) -> None:
    raw, status = REFUSED[attack]

    answer = quiet.say(raw)

    assert statuses(answer) == [status]
    assert b"application/problem+json" in answer
    assert quiet.city.contexts == []
    assert quiet.city.ledger.events == []


@pytest.mark.parametrize("method", [b"TRACE", b"PROPFIND", b"QUERY", b"PURGE", b"LINK", b"M-SEARCH", b"CONNECT"])
def test_a_method_that_others_know_is_taken_nowhere(quiet: Running, method: bytes) -> None:
    answer = quiet.say(get(b"/admin/users", CLOSE, method=method))

    assert (statuses(answer), b"\r\nallow: GET" in answer, b"Bearer" in answer) == ([405], True, False)
    assert quiet.city.contexts == []


def test_an_honest_request_is_answered(quiet: Running) -> None:
    answer = quiet.say(get(b"/admin/users", b"Connection: close\r\n"))

    assert statuses(answer) == [200]
    assert b"\r\nserver:" not in answer.lower()
    assert b"\r\nx-request-id: " in answer


def test_blanks_behind_a_value_are_none_of_it(quiet: Running) -> None:
    credential = TOKEN.replace(b"\r\n", b" \t\r\n")

    answer = quiet.say(b"GET /admin/users HTTP/1.1\r\nHost: gridwarden.test \r\n" + credential
                       + b"Access-Purpose: audit\t\r\nConnection: close \r\n\r\n")

    assert statuses(answer) == [200]
    assert [context.purpose for context in quiet.city.contexts] == ["audit"]


def test_pipelined_requests_are_each_decided(quiet: Running) -> None:
    answer = quiet.say(get(b"/admin/users") + get(b"/nowhere") + get(b"/admin/users", b"Connection: close\r\n"))

    assert statuses(answer) == [200, 404, 200]
    assert len(quiet.city.ledger.events) == 3


def test_what_follows_a_refused_request_is_never_parsed(quiet: Running) -> None:
    smuggled = get(b"/admin/users")

    answer = quiet.say(get(b"/public", b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", method=b"POST")
                       + b"0\r\n\r\n" + smuggled)

    assert statuses(answer) == [400]
    assert quiet.city.contexts == []


def test_what_follows_connection_close_is_never_parsed(quiet: Running) -> None:
    answer = quiet.say(get(b"/public", b"Connection: close\r\n") + get(b"/admin/users"))

    assert statuses(answer) == [200]
    assert len(quiet.city.contexts) == 1


def test_an_h2c_upgrade_is_ignored_and_what_follows_it_never_parsed(quiet: Running) -> None:
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"

    answer = quiet.say(get(b"/public", upgrade) + get(b"/admin/users"), get(b"/admin/users"), pause_s=0.1)

    assert statuses(answer) == [200]
    assert b"101 Switching" not in answer
    assert len(quiet.city.contexts) == 1


def test_a_trailer_cannot_bring_a_credential(quiet: Running) -> None:
    chunked = b"POST /public HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"

    answer = quiet.say(chunked, b"2\r\nhi\r\n0\r\n" + TOKEN + b"X-User: admin\r\n\r\n", pause_s=0.05)

    assert statuses(answer) == [200]
    assert quiet.city.contexts[0].principal.subject == "anonymous"


@pytest.mark.parametrize(("path", "status"), [(b"/public", 431), (b"/nowhere", 404)])
def test_endless_trailers_are_cut_off_with_one_answer(quiet: Running, path: bytes, status: int) -> None:
    chunked = get(path, b"Transfer-Encoding: chunked\r\n", method=b"POST")

    answer = quiet.say(chunked + b"0\r\n", *(b"A: " + b"a" * 9_000 + b"\r\n" for _ in range(6)), pause_s=0.02)

    assert statuses(answer) == [status]


def test_a_lying_chunk_size_is_refused_while_the_body_is_read(quiet: Running) -> None:
    chunked = get(b"/public", b"Transfer-Encoding: chunked\r\n", method=b"POST")

    answer = quiet.say(chunked + b"0x2\r\nhi\r\n0\r\n\r\n")

    assert statuses(answer) == [400]


def test_more_body_than_the_route_takes_is_413(quiet: Running) -> None:
    chunked = get(b"/public", b"Transfer-Encoding: chunked\r\n", method=b"POST")

    answer = quiet.say(chunked + b"64\r\n" + b"x" * 100 + b"\r\n0\r\n\r\n")

    assert statuses(answer) == [413]
    assert b"connection: close" in answer


@pytest.mark.parametrize("parts", [
    (b"",), (b"GET /admin/us",), (b"GET /admin/users HTTP/1.1\r\nHost: a\r\n", b"A", b"B", b"C"),
])
def test_a_slow_head_is_not_waited_for(quiet: Running, parts: tuple[bytes, ...]) -> None:
    answer = quiet.say(*parts, pause_s=0.2)

    assert statuses(answer) == [408]


def test_a_slow_body_is_not_waited_for(quiet: Running) -> None:
    head = get(b"/public", b"Content-Length: 60\r\n", method=b"POST")

    answer = quiet.say(head, *([b"x"] * 6), pause_s=0.12)

    assert statuses(answer) == [408]


def test_a_client_that_does_not_read_its_answer_is_let_go(quiet: Running) -> None:
    with socket.create_connection(("127.0.0.1", quiet.port), timeout=5) as sock:
        sock.sendall(get(b"/large", b"Connection: close\r\n"))
        time.sleep(1)
        answer = 0
        with contextlib.suppress(OSError):
            while data := sock.recv(1 << 20):
                answer += len(data)

    assert answer < LARGE


def test_a_client_that_reads_its_answer_gets_all_of_it(quiet: Running) -> None:
    head, _, body = quiet.say(get(b"/large", b"Connection: close\r\n")).partition(b"\r\n\r\n")

    assert statuses(head) == [200]
    assert len(body) == LARGE


def test_a_refusal_is_a_problem_with_a_request_id(quiet: Running) -> None:
    head, _, body = quiet.say(get(b"http://x/")).partition(b"\r\n\r\n")

    problem = json.loads(body)

    assert problem["type"] == "urn:gridwarden:problem:malformed-request"
    assert problem["request_id"].encode() in head
    assert b"connection: close" in head


def test_a_websocket_with_a_token_is_served(quiet: Running) -> None:
    token = {"Authorization": "Bearer viewer"}

    with connect(f"ws://127.0.0.1:{quiet.port}/stream", additional_headers=token) as stream:
        assert stream.recv() == "hello"

    assert quiet.city.contexts[0].permit == 0


@pytest.mark.parametrize(("path", "status"), [("/stream", 401), ("/stream%2f", 400), ("//stream", 400)])
def test_a_websocket_that_may_not_be_opened_is_refused_with_a_status(quiet: Running, path: str, status: int) -> None:
    with pytest.raises(InvalidStatus) as refused, connect(f"ws://127.0.0.1:{quiet.port}{path}"):
        pass

    assert refused.value.response.status_code == status
    assert quiet.city.contexts == []
