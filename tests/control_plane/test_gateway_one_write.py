"""What is written in one turn of the loop leaves at once, and nothing of it is lost or out of order."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from control_plane.gateway.one_write import HOLD_BYTES, OneWriteTransport


class Wire(asyncio.Transport):
    """Keeps what was sent, write by write."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.is_closed
        self.writes.append(bytes(data))

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed

    def get_write_buffer_size(self) -> int:
        return 7


async def test_a_head_and_its_body_are_one_write() -> None:
    wire = Wire()
    transport = OneWriteTransport(wire, asyncio.get_running_loop())

    transport.write(b"head ")
    transport.write(b"body")
    assert (wire.writes, transport.get_write_buffer_size()) == ([], 16)
    await asyncio.sleep(0)

    assert wire.writes == [b"head body"]
    assert transport.get_write_buffer_size() == 7


async def test_closing_sends_what_is_held_first() -> None:
    wire = Wire()
    transport = OneWriteTransport(wire, asyncio.get_running_loop())

    transport.write(b"last words")
    transport.close()
    await asyncio.sleep(0)

    assert wire.writes == [b"last words"]
    assert wire.is_closed


async def test_what_is_held_when_the_connection_is_lost_goes_nowhere() -> None:
    wire = Wire()
    transport = OneWriteTransport(wire, asyncio.get_running_loop())

    transport.write(b"to nobody")
    wire.close()
    await asyncio.sleep(0)

    assert wire.writes == []


async def test_much_is_not_kept_waiting() -> None:
    wire = Wire()
    transport = OneWriteTransport(wire, asyncio.get_running_loop())

    transport.write(b"x" * (HOLD_BYTES + 1))

    assert [len(each) for each in wire.writes] == [HOLD_BYTES + 1]


@given(st.lists(st.one_of(st.binary(max_size=80_000), st.none()), max_size=12))
def test_bytes_arrive_whole_and_in_order_however_they_are_written(parts: list[bytes | None]) -> None:
    """None is a turn of the loop."""
    async def story() -> bytes:
        wire = Wire()
        transport = OneWriteTransport(wire, asyncio.get_running_loop())
        for part in parts:
            if part is None:
                await asyncio.sleep(0)
            else:
                transport.write(part)
        transport.close()
        return b"".join(wire.writes)

    assert asyncio.run(story()) == b"".join(part for part in parts if part)
