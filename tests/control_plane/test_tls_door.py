"""Connections that never finish their TLS handshake: they have seats like all others, and ten seconds."""

import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from control_plane.gateway.connections import Connections
from control_plane.tls import door
from control_plane.tls.contexts import KeyPair
from tests.control_plane.raw_gateway import Running, get, statuses
from tests.servers.certificates import Pair, make_pair

OWN = 8
HONEST = get(b"/public", b"Connection: close\r\n")


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """One certificate for the module."""
    with tempfile.TemporaryDirectory() as folder:
        yield make_pair(Path(folder), "server")


@pytest.fixture
def room() -> Connections:
    """Eight seats for an address."""
    return Connections(total=100, per_address=OWN)


@pytest.fixture
def running(pair: Pair, room: Connections) -> Iterator[Running]:
    """Run one gateway behind TLS with this room."""
    found = Running(tls=KeyPair(pair.certificate, pair.key).plain(), connections=room)
    yield found
    found.stop()


def silent(running: Running, stack: ExitStack) -> socket.socket:
    """Connect, and say nothing."""
    return stack.enter_context(socket.create_connection(("127.0.0.1", running.port), timeout=5))


def until(room: Connections, seats: int) -> None:
    """Wait for so many seats to be taken."""
    deadline = time.monotonic() + 10
    while len(room) != seats:
        assert time.monotonic() < deadline, f"{len(room)} seats are taken, not {seats}"
        time.sleep(0.01)


def test_silent_connections_take_an_address_s_seats_and_no_more(running: Running, room: Connections) -> None:
    with ExitStack() as stack:
        crowd = [silent(running, stack) for _ in range(5 * OWN)]
        until(room, OWN)

        assert statuses(running.say(HONEST)) == [200]
        assert crowd[0].recv(1) == b""
        assert len(room) <= OWN
    until(room, 0)


def test_the_seat_of_the_handshake_is_the_connection_s(running: Running, room: Connections) -> None:
    with running.connection() as sock:
        until(room, 1)
        sock.sendall(get(b"/public"))
        assert sock.recv(65_536).startswith(b"HTTP/1.1 200")
        assert len(room) == 1
    until(room, 0)


@pytest.mark.parametrize("said", [
    b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", b"\x00" * 512,
])
def test_what_is_no_handshake_frees_its_seat(running: Running, room: Connections, said: bytes) -> None:
    with ExitStack() as stack:
        sock = silent(running, stack)
        until(room, 1)
        sock.sendall(said)
        until(room, 0)
    assert statuses(running.say(HONEST)) == [200]


def test_a_handshake_has_its_time(
    running: Running, room: Connections, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(door, "HANDSHAKE_S", 0.2)
    with ExitStack() as stack:
        sock = silent(running, stack)
        until(room, 1)

        assert sock.recv(1) == b""
    until(room, 0)


def test_stopping_waits_for_no_handshake(pair: Pair) -> None:
    running = Running(tls=KeyPair(pair.certificate, pair.key).plain())
    with ExitStack() as stack:
        sock = silent(running, stack)

        running.stop()

        assert not running._thread.is_alive()
        with suppress(ConnectionResetError):
            assert sock.recv(1) == b""
