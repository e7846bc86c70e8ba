"""Requests sent behind one that is still being answered: theirs is the queue, the answer is the first one's."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

import pytest
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from shared_kernel.endpoint import Endpoint
from tests.control_plane.raw_gateway import Running, get, statuses

POST = get(b"/public", b"Transfer-Encoding: chunked\r\n", method=b"POST")
BAD_BODIES = {
    "of a nonsensical chunk": POST + b"zz\r\n\r\n",
    "of a chunk without its end": POST + b"1\r\nxyz\r\n",
}


class Endless:
    """A stream that goes on for ever; knows when it was left."""

    def __init__(self) -> None:
        self.left = threading.Event()

    async def words(self) -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"word"
                await asyncio.sleep(0.01)
        finally:
            self.left.set()

    async def __call__(self, _request: Request) -> Response:
        return StreamingResponse(self.words())


@pytest.fixture
def endless() -> Endless:
    """Return a stream."""
    return Endless()


@pytest.fixture
def running(endless: Endless) -> Iterator[Running]:
    """Run a gateway with that stream."""
    found = Running(more=(Endpoint("GET", "/endless", "public.read", endless),))
    yield found
    found.stop()


@pytest.mark.parametrize("behind", [b"", get(b"/public"), get(b"/public") * 3, get(b"/public") + b"odd\r\n\r\n"])
def test_a_stream_ends_with_its_connection_whatever_is_queued_behind_it(
    running: Running, endless: Endless, behind: bytes,
) -> None:
    with running.connection(10) as sock:
        sock.sendall(get(b"/endless"))
        heard = b""
        while b"word" not in heard:
            heard += sock.recv(65_536)
        sock.sendall(behind)

    assert endless.left.wait(10)


@pytest.mark.parametrize("name", BAD_BODIES)
def test_a_body_refused_behind_an_unanswered_request_is_not_that_ones_answer(running: Running, name: str) -> None:
    told = running.say(get(b"/public") + BAD_BODIES[name])

    assert statuses(told) in ([], [200])


def test_a_body_refused_before_its_own_answer_is_answered(running: Running) -> None:
    told = running.say(BAD_BODIES["of a nonsensical chunk"])

    assert statuses(told) == [400]


def test_a_body_refused_behind_an_answered_request_is_answered(running: Running) -> None:
    with running.connection(10) as sock:
        sock.sendall(get(b"/public"))
        first = sock.recv(65_536)
        sock.sendall(BAD_BODIES["of a nonsensical chunk"])
        second = sock.recv(65_536)

    assert (statuses(first), statuses(second)) == ([200], [400])
