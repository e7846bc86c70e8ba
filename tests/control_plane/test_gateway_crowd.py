"""A crowd that says nothing, or says it slowly, starves nobody."""

import contextlib
import ipaddress
import json
import socket
import time
from collections.abc import Iterator

import pytest

from control_plane.gateway.connections import Connections, Seat, subscriber_of
from tests.control_plane.raw_gateway import HOST, TOKEN, Running, get, statuses

CLOSE = b"Connection: close\r\n"
FEW, MANY = 20, 500
DRIPS = (b"", b"G", b"GET /public HTTP/1.1\r\n", b"GET /public HTTP/1.1\r\nHost: a\r\nA: ", get(b"/public"))


@pytest.fixture
def crowded() -> Iterator[Running]:
    """Run a gateway with room for a few."""
    found = Running(connections=Connections(total=FEW, per_address=FEW))
    yield found
    found.stop()


@pytest.fixture
def roomy() -> Iterator[Running]:
    """Run a gateway with room for all, and deadlines too long to help."""
    found = Running(connections=Connections(total=MANY, per_address=MANY), is_patient=True)
    yield found
    found.stop()


@contextlib.contextmanager
def crowd(running: Running, size: int, drips: tuple[bytes, ...] = DRIPS) -> Iterator[list[socket.socket]]:
    """Open connections that say a little and then nothing."""
    with contextlib.ExitStack() as stack:
        found = []
        for number in range(size):
            sock = stack.enter_context(running.connection())
            with contextlib.suppress(OSError):
                sock.sendall(drips[number % len(drips)])
            found.append(sock)
        yield found


def test_500_slow_sockets_leave_room_for_an_honest_one(roomy: Running) -> None:
    with crowd(roomy, MANY + 50):
        answers = [roomy.say(get(b"/admin/users", CLOSE)) for _ in range(20)]

    assert [statuses(answer) for answer in answers] == [[200]] * 20


def test_sockets_that_drip_a_byte_each_are_answered_408(crowded: Running) -> None:
    with crowd(crowded, FEW, (b"GET /pub",)) as sockets:
        for _ in range(4):
            for sock in sockets:
                with contextlib.suppress(OSError):
                    sock.sendall(b"l")
            time.sleep(0.2)
        answers = [sock.recv(1_000) for sock in sockets]

    assert {status for answer in answers for status in statuses(answer)} == {408}


def test_slow_bodies_are_not_idle_and_their_address_gets_429(roomy: Running) -> None:
    body = get(b"/public", b"Content-Length: 60\r\n", method=b"POST") + b"x"

    with crowd(roomy, MANY, (body,)):
        time.sleep(0.2)
        head, _, problem = roomy.say(get(b"/admin/users")).partition(b"\r\n\r\n")

    assert statuses(head) == [429]
    assert b"retry-after: 5" in head
    assert json.loads(problem)["detail"] == "this request cannot be taken (too-many-connections)"
    time.sleep(0.2)
    assert statuses(roomy.say(get(b"/admin/users", CLOSE))) == [200]


def test_the_longest_idle_keep_alive_makes_way(crowded: Running) -> None:
    with crowd(crowded, FEW, (get(b"/public"),)) as sockets:
        for sock in sockets:
            assert statuses(sock.recv(10_000)) == [200]
        sockets[0].sendall(get(b"/public"))
        assert statuses(sockets[0].recv(10_000)) == [200]

        with crowded.connection() as late:
            late.sendall(b"G")
            sockets[1].settimeout(1)
            with contextlib.suppress(ConnectionResetError):
                assert sockets[1].recv(10) == b""
            sockets[0].sendall(get(b"/public"))
            assert statuses(sockets[0].recv(10_000)) == [200]


def seats_of(connections: Connections, peer: str, number: int) -> list[Seat | int]:
    return [connections.admit(peer, lambda: None) for _ in range(number)]


def busy(seats: list[Seat | int]) -> None:
    for seat in seats:
        assert isinstance(seat, Seat)
        seat.busy()


def test_all_busy_is_503_for_everybody_and_429_for_one_address() -> None:
    connections = Connections(total=5, per_address=3)
    busy(seats_of(connections, "192.0.2.1", 3))

    assert seats_of(connections, "192.0.2.1", 1) == [429]
    busy(seats_of(connections, "192.0.2.2", 2))
    assert seats_of(connections, "192.0.2.3", 1) == [503]


def test_a_subscriber_s_many_addresses_are_one() -> None:
    connections = Connections(total=100, per_address=2)
    for peer in ("2001:db8::1", "2001:db8::2:1"):
        busy(seats_of(connections, peer, 1))

    assert seats_of(connections, "2001:db8::ffff", 1) == [429]
    assert isinstance(connections.admit("2001:db8:0:1::1", lambda: None), Seat)
    assert subscriber_of("::ffff:192.0.2.1") == subscriber_of("192.0.2.1")


def test_a_trusted_proxy_is_bound_by_the_total_only() -> None:
    connections = Connections(total=5, per_address=2, proxies=[ipaddress.ip_network("10.0.0.0/8")])
    busy(seats_of(connections, "10.0.0.1", 5))

    assert seats_of(connections, "10.0.0.1", 1) == [503]


def test_a_seat_given_back_twice_counts_once() -> None:
    connections = Connections(total=2, per_address=2)
    [first, second] = seats_of(connections, "192.0.2.1", 2)
    assert isinstance(first, Seat)
    assert isinstance(second, Seat)

    first.leave()
    first.leave()
    first.idle()

    assert len(connections) == 1
    second.leave()
    assert len(connections) == 0


def test_a_slow_body_of_one_byte_each_is_not_waited_for(crowded: Running) -> None:
    head = b"POST /public HTTP/1.1\r\n" + HOST + TOKEN + b"Transfer-Encoding: chunked\r\n\r\n"

    answer = crowded.say(head, *([b"1\r\nx\r\n"] * 6), pause_s=0.12)

    assert statuses(answer) == [408]
