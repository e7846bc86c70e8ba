"""Open streams (websockets, server-sent events): judged when they are opened, and again whenever that may be untrue.

A stream is judged again when something it rests on changed (its grant, session, person or client, the risk of its
grant), when the policy did, when its token ends, after a gap in what was heard, and every half minute in any case. A
verdict that is not a clear *yes* ends it: 4401 when nobody stands behind it any more, 4403 when the policy says no,
1013 when no decision could be reached (RFC 6455 section 7.4.2 leaves 4000 to 4999 to applications).
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import cast

import structlog
from prometheus_client import Counter, Gauge

from control_plane.gateway.judge import Asked
from control_plane.gateway.verdict import Verdict
from shared_kernel.clock import Clock
from shared_kernel.principal import Principal

UNAUTHENTICATED, DENIED, UNDECIDED = 4401, 4403, 1013
LOOK_S = 0.5
"""How often tokens' ends and the policy's revision are looked at."""
EVERY_US = 30_000_000
AT_ONCE = 32
"""How many streams are judged at a time."""

_log = structlog.get_logger("gridwarden.gateway")
_open = Gauge("gridwarden_streams_open", "Open websockets and event streams")
_ended = Counter("gridwarden_streams_ended_total", "Streams ended because they may no longer be", ["code"])

JudgeAgain = Callable[[Asked, Principal], Awaitable[Verdict]]


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a stream must end: a websocket close code, and a sentence for the client."""

    code: int
    reason: str


UNDECIDABLE = Ending(UNDECIDED, "no decision could be reached: open the stream again later")


@dataclass(slots=True, eq=False)
class Stream:
    """One open stream: what was asked by whom, and the task that serves it."""

    asked: Asked
    principal: Principal
    judge: JudgeAgain
    task: asyncio.Task[None]
    looked_at_us: int
    is_due: bool = False
    ending: Ending | None = None

    def grounds(self) -> tuple[tuple[str, str | None], ...]:
        """Return what it rests on, by topic."""
        who = self.principal
        return (("grant", who.grant_id), ("session", who.session_id), ("subject", who.subject),
                ("client", who.client_id))


class Streams:
    """All open streams of this process."""

    def __init__(self, clock: Clock, revision: Callable[[], str]) -> None:
        self._clock, self._revision = clock, revision
        self._judged_by = revision()
        self._open: set[Stream] = set()
        self._due = asyncio.Event()

    async def watched(self, asked: Asked, principal: Principal, judge: JudgeAgain,
                      work: Awaitable[None]) -> Ending | None:
        """Let a stream work; return None when it ended by itself, else why it was ended."""
        task = cast("asyncio.Task[None]", asyncio.current_task())
        stream = Stream(asked, principal, judge, task, self._clock.now_us())
        self._open.add(stream)
        _open.inc()
        try:
            await work
        except asyncio.CancelledError:
            if stream.ending is None or task.uncancel():
                raise
        finally:
            self._open.discard(stream)
            _open.dec()
        return stream.ending

    def changed(self, topic: str, key: str) -> None:
        """Have the streams judged again that rest on something which changed."""
        self._doubt(stream for stream in self._open if (topic, key) in stream.grounds())

    def missed(self) -> None:
        """Have every stream judged again."""
        self._doubt(self._open)

    async def run(self) -> None:
        """Judge what is due until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._due.wait()
            self._due.clear()
            self._look()
            due = [stream for stream in self._open if stream.is_due and stream.ending is None]
            await self._judge_all(due)

    async def _judge_all(self, due: Sequence[Stream]) -> None:
        """Judge some at a time; once nobody among them could be, the rest ends unasked: each would wait as long."""
        for start in range(0, len(due), AT_ONCE):
            found = await asyncio.gather(*(self._judge(stream) for stream in due[start:start + AT_ONCE]))
            if all(ending is not None and ending.code == UNDECIDED for ending in found):
                for stream in due[start + AT_ONCE:]:
                    self._end(stream, UNDECIDABLE)
                return

    def _doubt(self, streams: Iterable[Stream]) -> None:
        for stream in streams:
            stream.is_due = True
            self._due.set()

    def _look(self) -> None:
        """Find the streams whose time has come."""
        now_us, revision = self._clock.now_us(), self._revision()
        if revision != self._judged_by:
            self._judged_by = revision
            self._doubt(self._open)
        self._doubt(stream for stream in self._open
                    if now_us - stream.looked_at_us >= EVERY_US
                    or (stream.principal.expires_at_us or now_us + 1) <= now_us)

    async def _judge(self, stream: Stream) -> Ending | None:
        stream.is_due, stream.looked_at_us = False, self._clock.now_us()
        asked = replace(stream.asked, at_us=stream.looked_at_us)
        ending = ending_of(await stream.judge(asked, stream.principal))
        if ending is not None:
            self._end(stream, ending)
        return ending

    def _end(self, stream: Stream, ending: Ending) -> None:
        if stream not in self._open:
            return
        stream.ending = ending
        _ended.labels(str(ending.code)).inc()
        _log.info("stream_ended", subject=stream.principal.subject, code=ending.code, reason=ending.reason,
                  action=stream.asked.endpoint.action if stream.asked.endpoint else None)
        stream.task.cancel()


def ending_of(verdict: Verdict) -> Ending | None:
    """Return why a stream with this verdict must end; None when it may go on."""
    if verdict.refused_credential is not None:
        return Ending(UNAUTHENTICATED, verdict.refused_credential)
    if verdict.is_doubt:
        return UNDECIDABLE
    return None if verdict.allow else Ending(DENIED, verdict.reasons[0] if verdict.reasons else "not allowed")
