"""The same attacks through TLS: the parser behind it is the same, and so are the answers."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from control_plane.tls.contexts import KeyPair
from tests.control_plane.raw_gateway import Running, get, statuses
from tests.control_plane.test_gateway_raw import REFUSED
from tests.control_plane.test_gateway_smuggling import IN_THE_HEAD
from tests.servers.certificates import make_pair

SPOT_CHECKS = (
    "absolute-form", "fragment", "encoded slash", "two hosts", "length and chunked", "bare LF at the end", "CONNECT",
    "HTTP/2 preface", "long head in many fields", "compressed body", "upgrade with a body",
)


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """Run one gateway behind TLS."""
    with tempfile.TemporaryDirectory() as folder:
        pair = make_pair(Path(folder), "server")
        found = Running(tls=KeyPair(pair.certificate, pair.key).plain())
        yield found
        found.stop()


@pytest.mark.parametrize("attack", SPOT_CHECKS)
def test_what_is_refused_in_the_clear_is_refused_in_tls(running: Running, attack: str) -> None:
    raw, status = REFUSED[attack]

    answer = running.forget().say(raw)

    assert statuses(answer) == [status]
    assert running.city.contexts == []
    assert running.city.ledger.events == []


@pytest.mark.parametrize("attack", ["CL.TE", "TE.CL", "TE.TE twice chunked", "2^64 and the length"])
def test_no_second_request_is_smuggled_through_tls(running: Running, attack: str) -> None:
    answer = running.forget().say(IN_THE_HEAD[attack])

    assert statuses(answer) == [400]
    assert running.city.ledger.events == []


def test_an_honest_request_through_tls_is_answered_with_strict_transport_security(running: Running) -> None:
    answer = running.forget().say(get(b"/admin/users", b"Connection: close\r\n"))

    assert statuses(answer) == [200]
    assert b"strict-transport-security: max-age=" in answer


def test_http_2_is_not_negotiated(running: Running) -> None:
    with running.connection(alpn=("h2", "http/1.1")) as sock:
        assert sock.selected_alpn_protocol() in (None, "http/1.1")  # type: ignore[attr-defined]
