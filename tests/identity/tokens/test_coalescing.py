"""Many questions, one statement: who is answered by what, and that nobody hears old news."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from identity.service.coalescing import MAX_BATCH, Coalescing


class Oracle:
    """Answers with the length of the key, when it is let; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.may_answer = asyncio.Event()

    async def answer(self, keys: Sequence[str]) -> Mapping[str, int]:
        """Answer a batch."""
        self.asked.append(tuple(keys))
        await self.may_answer.wait()
        if "bad" in keys:
            raise OSError
        return {key: len(key) for key in keys if key != "unknown"}


async def test_who_asks_while_a_statement_runs_shares_the_next_one() -> None:
    oracle = Oracle()
    desk = Coalescing(oracle.answer)
    first = asyncio.create_task(desk.of("a"))
    await asyncio.sleep(0.01)

    later = [asyncio.create_task(desk.of(key)) for key in ("bb", "ccc", "bb", "unknown", "a")]
    await asyncio.sleep(0.01)
    oracle.may_answer.set()

    assert await asyncio.gather(first, *later) == [1, 2, 3, 2, None, 1]
    assert oracle.asked == [("a",), ("bb", "ccc", "unknown", "a")]


async def test_everybody_of_a_failed_statement_hears_of_it_and_the_next_one_runs() -> None:
    oracle = Oracle()
    oracle.may_answer.set()
    desk = Coalescing(oracle.answer)

    failed = await asyncio.gather(desk.of("bad"), desk.of("a"), return_exceptions=True)

    assert [type(each) for each in failed] == [OSError, OSError]
    assert await desk.of("a") == 1


async def test_who_gives_up_waiting_disturbs_nobody() -> None:
    oracle = Oracle()
    desk = Coalescing(oracle.answer)
    impatient, patient = asyncio.create_task(desk.of("a")), asyncio.create_task(desk.of("bb"))
    await asyncio.sleep(0.01)

    impatient.cancel()
    oracle.may_answer.set()

    assert await patient == 2
    with pytest.raises(asyncio.CancelledError):
        await impatient


async def test_a_statement_takes_a_bounded_number() -> None:
    oracle = Oracle()
    oracle.may_answer.set()
    desk = Coalescing(oracle.answer)

    await asyncio.gather(*(desk.of(str(n)) for n in range(2 * MAX_BATCH)))

    assert max(len(batch) for batch in oracle.asked) <= MAX_BATCH
