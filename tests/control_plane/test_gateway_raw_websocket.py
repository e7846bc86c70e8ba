"""Websockets from a raw socket: handshakes and frames that no honest client sends, and clients that never read."""

import contextlib
import os
import socket
import struct
import time
import zlib
from collections.abc import Iterator

import pytest
from starlette.websockets import WebSocket

from control_plane.gateway.websocket_protocol import MAX_FRAGMENTS
from shared_kernel.endpoint import Endpoint
from tests.control_plane.raw_gateway import Running, get, statuses

UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
VERSION = b"Sec-WebSocket-Version: 13\r\n"
KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
TEXT, BINARY, CLOSE, PING = 0x1, 0x2, 0x8, 0x9
FIN, RESERVED_1 = 0x80, 0x40
MAX_MESSAGE = 65_536


async def _listen(websocket: WebSocket) -> None:
    """Answer every message with its length."""
    await websocket.accept()
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return
        await websocket.send_text(str(len(message.get("text") or message.get("bytes") or "")))


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """Run one gateway for the module."""
    found = Running(more=(Endpoint("WEBSOCKET", "/listen", "grid.read", _listen),))
    yield found
    found.stop()


def test_a_refused_handshake_is_no_fault_of_ours(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    stranger = b"GET /listen HTTP/1.1\r\nHost: gridwarden.test\r\n" + UPGRADE + VERSION + KEY + b"\r\n"

    told = running.say(stranger)

    assert statuses(told) == [401]
    assert [found.getMessage() for found in caplog.records if found.name == "uvicorn.error"] == []


@pytest.fixture
def quiet(running: Running) -> Running:
    """Forget what earlier tests left."""
    return running.forget()


HANDSHAKES: dict[str, tuple[bytes, int]] = {
    "an old version": (get(b"/stream", UPGRADE + b"Sec-WebSocket-Version: 8\r\n" + KEY), 400),
    "no version": (get(b"/stream", UPGRADE + KEY), 400),
    "two versions": (get(b"/stream", UPGRADE + VERSION + VERSION + KEY), 400),
    "no key": (get(b"/stream", UPGRADE + VERSION), 400),
    "two keys": (get(b"/stream", UPGRADE + VERSION + KEY + KEY), 400),
    "a short key": (get(b"/stream", UPGRADE + VERSION + b"Sec-WebSocket-Key: YQ==\r\n"), 400),
    "a key that is no base64": (get(b"/stream", UPGRADE + VERSION + b"Sec-WebSocket-Key: !\r\n"), 400),
    "POST": (get(b"/stream", UPGRADE + VERSION + KEY, method=b"POST"), 405),
    "a body": (get(b"/stream", UPGRADE + VERSION + KEY + b"Content-Length: 2\r\n") + b"hi", 400),
    "an empty body": (get(b"/stream", UPGRADE + VERSION + KEY + b"Content-Length: 0\r\n"), 400),
    "a chunked body": (get(b"/stream", UPGRADE + VERSION + KEY + b"Transfer-Encoding: chunked\r\n"), 400),
    "HTTP/1.0": (get(b"/stream", UPGRADE + VERSION + KEY, b"HTTP/1.0"), 400),
    "a flood of extensions": (get(b"/stream", UPGRADE + VERSION + KEY + b"Sec-WebSocket-Extensions: "
                                  + b"permessage-deflate; a=1, " * 700 + b"x\r\n"), 431),
    "an upgrade list": (get(b"/stream", b"Connection: Upgrade, close\r\nUpgrade: websocket, h2c\r\n" + VERSION + KEY),
                        404),
    "another path's handler": (get(b"/admin/users", UPGRADE + VERSION + KEY), 405),
}


@pytest.mark.parametrize("attack", HANDSHAKES)
def test_an_odd_handshake_opens_nothing(quiet: Running, attack: str) -> None:
    raw, status = HANDSHAKES[attack]

    answer = quiet.say(raw)

    assert statuses(answer)[-1:] in ([status], [])
    assert b" 101 " not in answer
    assert quiet.city.contexts == []


def test_an_upgrade_behind_a_request_in_flight_opens_nothing(quiet: Running) -> None:
    answer = quiet.say(get(b"/public") + get(b"/stream", UPGRADE + VERSION + KEY))

    assert b" 101 " not in answer
    assert {event["url"]["path"] for event in quiet.city.ledger.events} <= {"/public"}


def frame(opcode: int, payload: bytes, *, first: int = FIN, masked: bool = True, said: int | None = None) -> bytes:
    """Return a frame; `said` is a length that may lie."""
    size = len(payload) if said is None else said
    mask = os.urandom(4)
    short = size if size < 126 else 126 if size < 65_536 else 127
    head = bytes([first | opcode, (0x80 if masked else 0) | short])
    head += b"" if short < 126 else struct.pack("!H" if short == 126 else "!Q", size)
    if not masked:
        return head + payload
    return head + mask + bytes(byte ^ mask[n % 4] for n, byte in enumerate(payload))


BOMB = zlib.compress(bytes(4 << 20))
FRAMES: dict[str, tuple[bytes, int]] = {
    "unmasked": (frame(TEXT, b"hi", masked=False), 1002),
    "reserved bit": (frame(TEXT, b"hi", first=FIN | RESERVED_1), 1002),
    "a compressed bomb": (frame(BINARY, BOMB, first=FIN | RESERVED_1), 1002),
    "reserved opcode": (frame(0x3, b"hi"), 1002),
    "a fragmented ping": (frame(PING, b"hi", first=0), 1002),
    "a long ping": (frame(PING, b"x" * 126), 1002),
    "a continuation of nothing": (frame(0x0, b"hi"), 1002),
    "a message in a message": (frame(TEXT, b"hi", first=0) + frame(TEXT, b"hi"), 1002),
    "no UTF-8": (frame(TEXT, b"\xff\xfe"), 1007),
    "one byte too many": (frame(BINARY, b"x" * (MAX_MESSAGE + 1)), 1009),
    "a length beyond everything": (frame(BINARY, b"", said=2**62), 1009),
    "too many bytes in pieces": (frame(BINARY, b"x" * 60_000, first=0) + frame(0x0, b"x" * 60_000), 1009),
    "endless empty pieces": (frame(BINARY, b"x", first=0) + frame(0x0, b"", first=0) * (MAX_FRAGMENTS + 1), 1009),
    "a close code nobody may send": (frame(CLOSE, struct.pack("!H", 1006)), 1002),
    "a close code below all": (frame(CLOSE, struct.pack("!H", 12)), 1002),
    "half a close code": (frame(CLOSE, b"\x03"), 1002),
    "a close reason that is no UTF-8": (frame(CLOSE, struct.pack("!H", 1000) + b"\xff"), 1007),
}


def _open(running: Running, more: bytes = b"") -> socket.socket:
    sock = running.connection()
    sock.sendall(get(b"/listen", UPGRADE + VERSION + KEY + more))
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += sock.recv(1)
    assert b" 101 " in head
    assert b"permessage-deflate" not in head
    return sock


def _close_code(sock: socket.socket) -> int | None:
    said = bytearray()
    with contextlib.suppress(OSError):
        while data := sock.recv(65_536):
            said += data
    found = said.find(bytes([FIN | CLOSE]))
    return struct.unpack("!H", said[found + 2:found + 4])[0] if found >= 0 else None


@pytest.mark.parametrize("attack", FRAMES)
def test_an_odd_frame_ends_the_websocket_with_its_code(quiet: Running, attack: str) -> None:
    raw, code = FRAMES[attack]
    with _open(quiet) as sock:
        with contextlib.suppress(OSError):
            sock.sendall(raw)

        assert _close_code(sock) == code


def test_compression_is_not_agreed_to(quiet: Running) -> None:
    with _open(quiet, b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n") as sock:
        sock.sendall(frame(TEXT, b"hello"))

        assert sock.recv(100) == b"\x81\x015"


def test_a_message_in_a_few_pieces_is_one_message(quiet: Running) -> None:
    with _open(quiet) as sock:
        sock.sendall(frame(TEXT, b"hel", first=0) + frame(PING, b"?") + frame(0x0, b"lo"))

        assert sock.recv(3) == b"\x8a\x01?"
        assert sock.recv(100) == b"\x81\x015"


def test_pings_of_a_client_that_reads_nothing_fill_no_memory(quiet: Running) -> None:
    with _open(quiet) as sock:
        flood = frame(PING, b"x" * 125) * 2_000
        started = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() - started < 8:
                sock.sendall(flood)
        ended_s = time.monotonic() - started

    assert ended_s < 8


def test_what_follows_a_handshake_at_once_is_no_http(quiet: Running) -> None:
    answer = quiet.say(get(b"/stream", UPGRADE + VERSION + KEY) + get(b"/admin/users"))

    assert statuses(answer) == [101]
    assert [context.principal.subject for context in quiet.city.contexts] == ["u-admin"]
