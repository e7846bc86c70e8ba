"""An OPA server over REST: the same bundle, published to it; its every answer proves which revision gave it.

Publishing takes several requests. While it lasts questions wait; the revision is written last and read back with each
answer, so that an answer of a half-published or restarted server is recognised and refused. A server that holds the
bundle already, because another process published it or because it only stood still, is left alone.
"""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

import aiohttp
import orjson

from policy_engine.adapters.inspection import by_package, inspect_bundle
from policy_engine.domain.breaker import Breaker
from policy_engine.domain.bundle import Bundle, RefusedBundleError
from policy_engine.domain.reads import EVERYTHING
from shared_kernel.clock import Clock
from shared_kernel.errors import UnavailableError

DEADLINE_S = 0.25
PUBLISH_DEADLINE_S = 30.0
MAX_ANSWER = 1_048_576
_PREFIX = "gridwarden/"
_ASK = "/v1/data/gridwarden_entry/answer"
_ENTRY_MODULE = """package gridwarden_entry

answer := {"decision": data.gateway.decision, "revision": data.gridwarden_revision}
"""
_OK, _NO_CONTENT, _BAD_REQUEST, _NOT_FOUND = 200, 204, 400, 404
_PUBLISHED = frozenset({_OK, _NO_CONTENT})


class StaleServerError(UnavailableError):
    """The server answered by another bundle than the one published to it: it was restarted or somebody else wrote."""

    def __init__(self) -> None:
        super().__init__("the OPA server does not hold the current bundle: it is published again within a second")


class _RejectedError(Exception):
    """OPA answered 400: the module does not compile as things stand, or a bundle of the server's own is in the way."""


class OpaServerEvaluator:
    """Asks an OPA server over kept-alive connections, behind a deadline and a breaker."""

    name = "opa"
    is_remote = True
    reads = EVERYTHING

    def __init__(self, url: str, clock: Clock) -> None:
        self._url = url.rstrip("/")
        self._clock = clock
        self._breaker = Breaker()
        self._session: aiohttp.ClientSession | None = None
        self._published = asyncio.Event()
        self._current: Bundle | None = None
        self._stale = False

    @property
    def needs_adoption(self) -> bool:
        """Whether the server was seen without the current bundle, or went away and may have restarted without it."""
        return self._stale

    async def prepare(self, bundle: Bundle) -> None:
        """Inspect the bundle; OPA itself compiles it when it is adopted."""
        inspect_bundle(bundle)
        orjson.dumps(bundle.data)

    async def adopt(self, bundle: Bundle) -> None:
        """Publish the bundle; when OPA refuses it, publish the last good one again and raise RefusedBundleError."""
        self._published.clear()
        self._stale = True
        try:
            if not await self._holds(bundle):
                await self._publish(bundle)
        except RefusedBundleError:
            if self._current is not None:
                await self._publish(self._current)
                self._stale = False
                self._published.set()
            raise
        self._current, self._stale, self._breaker = bundle, False, Breaker()
        self._published.set()

    async def evaluate(self, document: bytes) -> Any:  # noqa: ANN401 - an answer is any JSON until it is decoded
        """Return the parsed answer; raise UnavailableError when there is none in time, or from another revision."""
        if not self._breaker.may_ask(self._clock.now_us()):
            raise UnavailableError("the OPA server failed repeatedly and is not asked for a minute")
        try:
            async with asyncio.timeout(DEADLINE_S):
                await self._published.wait()
                answer = await self._ask(document)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as cause:
            self._failed(is_lost=isinstance(cause, aiohttp.ClientConnectionError))
            raise UnavailableError(f"the OPA server did not answer ({type(cause).__name__})") from cause
        except BaseException:
            self._failed()
            raise
        self._breaker.succeeded()
        return answer

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def __aenter__(self) -> Self:
        """Return the evaluator."""
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None:
        """Close the connections."""
        await self.close()

    def _failed(self, *, is_lost: bool = False) -> None:
        """Count a failure; whoever is not asked any more is looked after until it holds the bundle."""
        self._breaker.failed(self._clock.now_us())
        self._stale = self._stale or is_lost or self._breaker.opened_at_us is not None

    def _connection(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=64, keepalive_timeout=60), auto_decompress=False,
                headers={"Content-Type": "application/json", "Accept-Encoding": "identity"},
            )
        return self._session

    async def _ask(self, document: bytes) -> Any:  # noqa: ANN401 - any JSON
        async with self._connection().post(
            f"{self._url}{_ASK}?strict-builtin-errors=true", data=b'{"input":' + document + b"}", allow_redirects=False,
        ) as response:
            if response.status != _OK:
                raise UnavailableError(f"the OPA server answered {response.status}")
            body = b""
            async for part in response.content.iter_any():
                body += part
                if len(body) > MAX_ANSWER:
                    raise UnavailableError("the OPA server's answer is larger than any decision")
        answer = orjson.loads(body)
        result = answer.get("result") if isinstance(answer, dict) else None
        expected = self._current.revision if self._current else None
        if not isinstance(result, dict) or result.get("revision") != expected:
            self._stale = True
            raise StaleServerError
        return result.get("decision")

    async def _publish(self, bundle: Bundle) -> None:
        try:
            async with asyncio.timeout(PUBLISH_DEADLINE_S):
                await self._put_data("gridwarden_revision", "")
                await _until_settled([self._removal(name) for name in await self._held_modules()])
                for key in (self._current.data.keys() - bundle.data.keys()) if self._current else ():
                    await self._send("DELETE", f"/v1/data/{key}", b"")
                for key, value in bundle.data.items():
                    await self._put_data(key, value)
                await _until_settled([self._addition(name, text) for name, text in _modules(bundle).items()])
                await self._put_data("gridwarden_revision", bundle.revision)
        except _RejectedError as cause:
            raise RefusedBundleError(f"OPA says: {cause}") from cause
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as cause:
            raise UnavailableError(f"the bundle did not reach the OPA server ({type(cause).__name__})") from cause

    async def _holds(self, bundle: Bundle) -> bool:
        """Tell whether the server holds exactly this bundle; whatever it answers instead, it does not."""
        try:
            async with asyncio.timeout(PUBLISH_DEADLINE_S):
                return (await self._get("data/gridwarden_revision") == bundle.revision
                        and await self._held_modules() == _modules(bundle)
                        and all([await self._get(f"data/{key}") == value for key, value in bundle.data.items()]))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, LookupError, TypeError, AttributeError):
            return False

    async def _held_modules(self) -> dict[str, str]:
        return {module["id"]: module["raw"] for module in await self._get("policies")
                if module["id"].startswith(_PREFIX)}

    async def _get(self, path: str) -> Any:  # noqa: ANN401 - any JSON
        async with self._connection().get(f"{self._url}/v1/{path}") as response:
            return orjson.loads(await response.read()).get("result")

    async def _put_data(self, key: str, value: object) -> None:
        await self._send("PUT", f"/v1/data/{key}", orjson.dumps(value))

    def _removal(self, name: str) -> Callable[[], Awaitable[None]]:
        return lambda: self._send("DELETE", f"/v1/policies/{name}", b"")

    def _addition(self, name: str, text: str) -> Callable[[], Awaitable[None]]:
        return lambda: self._send("PUT", f"/v1/policies/{name}", text.encode())

    async def _send(self, method: str, path: str, body: bytes) -> None:
        async with self._connection().request(method, self._url + path, data=body) as response:
            answer = await response.text()
        if response.status == _BAD_REQUEST:
            raise _RejectedError(_complaint(answer))
        if response.status not in _PUBLISHED and not (method == "DELETE" and response.status == _NOT_FOUND):
            raise UnavailableError(f"the OPA server answered {response.status} to {method} {path}")


def _modules(bundle: Bundle) -> dict[str, str]:
    """Return the modules of a bundle as the server is to hold them."""
    own = {_PREFIX + name: text for name, text in by_package(bundle.policies).items()}
    return own | {f"{_PREFIX}entry": _ENTRY_MODULE}


def _complaint(answer: str) -> str:
    """Return what OPA complains of in a line: the errors of `{"message", "errors": [{"message"}]}`, or that message."""
    try:
        told = orjson.loads(answer)
        parts = [error["message"] for error in told.get("errors") or [told]]
        return " ".join("; ".join(parts).split())[:500]
    except (ValueError, LookupError, TypeError, AttributeError):
        return " ".join(answer.split())[:500]


async def _until_settled(steps: list[Callable[[], Awaitable[None]]]) -> None:
    """Run steps that may need each other: those OPA rejects are tried again as long as others succeed."""
    while steps:
        rejected: list[tuple[Callable[[], Awaitable[None]], _RejectedError]] = []
        for step in steps:
            try:
                await step()
            except _RejectedError as error:
                rejected.append((step, error))
        if len(rejected) == len(steps):
            raise RefusedBundleError(f"OPA says: {rejected[0][1]}")
        steps = [step for step, _ in rejected]
