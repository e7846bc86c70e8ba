"""Asking a witness over HTTP (C2SP tlog-witness): one POST, one short answer, nothing else is followed or unpacked."""

from types import TracebackType
from typing import Self

import aiohttp

from audit_ledger.domain.c2sp.add_checkpoint import AddCheckpoint, OutdatedSizeError
from audit_ledger.domain.c2sp.checkpoint import plain_decimal
from audit_ledger.domain.errors import MalformedNoteError
from shared_kernel.errors import UnavailableError

MAX_ANSWER_BYTES = 65_536
DEADLINE_S = 10.0
_OK, _CONFLICT = 200, 409
_SIZE_TYPE = "text/x.tlog.size"
_SHOWN = 200


class WitnessDownError(UnavailableError):
    """The witness gives no answer of the protocol."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the witness does not answer ({why}): it is asked again later")


class WitnessRefusedError(UnavailableError):
    """The witness answers, and does not cosign."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(f"the witness refused with {status}: {why}")
        self.status = status


class WitnessClient:
    """Kept-alive connections to all witnesses of a policy."""

    def __init__(self, *, deadline_s: float = DEADLINE_S) -> None:
        self._deadline_s = deadline_s
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=self._deadline_s), cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False, headers={"Accept-Encoding": "identity", "Content-Type": "text/plain"})
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def add_checkpoint(self, url: str, request: AddCheckpoint) -> bytes:
        """Return the signature lines that the witness at this submission prefix answers, unverified.

        OutdatedSizeError carries the size the witness saw last; WitnessRefusedError and WitnessDownError its reasons.
        """
        status, kind, body = await self._post(f"{url.rstrip('/')}/add-checkpoint", request.to_bytes())
        if status == _OK:
            return body
        text = body[:_SHOWN].decode(errors="replace").strip()
        if status == _CONFLICT and kind == _SIZE_TYPE:
            raise OutdatedSizeError(_size(body))
        raise WitnessRefusedError(status, text if text.isprintable() else "an unprintable answer")

    async def _post(self, url: str, body: bytes) -> tuple[int, str, bytes]:
        if self._session is None:
            raise WitnessDownError("the client is not open")
        try:
            async with self._session.post(url, data=body, allow_redirects=False) as answer:
                return answer.status, answer.content_type, await _capped(answer.content)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as cause:
            raise WitnessDownError(type(cause).__name__) from cause


async def _capped(content: aiohttp.StreamReader) -> bytes:
    body = b""
    async for chunk in content.iter_any():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise WitnessDownError(f"more than {MAX_ANSWER_BYTES} bytes")
    return body


def _size(body: bytes) -> int:
    size, newline, rest = body.partition(b"\n")
    if not newline or rest:
        raise WitnessDownError("its conflict is not one line")
    try:
        return plain_decimal(size.decode("ascii", "replace"), "a witness's size")
    except MalformedNoteError as cause:
        raise WitnessDownError("its conflict names no size") from cause
