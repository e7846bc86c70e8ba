"""Liveness, readiness with its reason, and the metrics Prometheus scrapes."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

import orjson
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response

from shared_kernel.endpoint import Endpoint
from shared_kernel.errors import GridwardenError

Check = Callable[[], Awaitable[None]]
CHECK_TIMEOUT_S = 2.0


class Health:
    """Named checks; each returns when well and raises an error whose sentence is the reason when not.

    `notes` tells what an operator should know and what is no reason to send requests elsewhere.
    """

    def __init__(self, checks: Mapping[str, Check], notes: Callable[[], Sequence[str]] = tuple) -> None:
        self._checks, self.notes = checks, notes

    async def reasons(self) -> dict[str, str]:
        """Return why we are not ready, by component; empty means ready."""
        found = await asyncio.gather(*(self._reason(check) for check in self._checks.values()))
        return {name: reason for name, reason in zip(self._checks, found, strict=True) if reason}

    async def _reason(self, check: Check) -> str | None:
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                await check()
        except GridwardenError as error:
            return error.detail
        except TimeoutError:
            return f"no answer within {CHECK_TIMEOUT_S:g} s"
        except Exception as error:  # noqa: BLE001 - readiness reports whatever is wrong
            return type(error).__name__
        return None


def endpoints(health: Health, exposition: Callable[[], Awaitable[bytes]]) -> tuple[Endpoint, ...]:
    """Return the probes and the metrics (`exposition`); only the probes answer without a decision."""

    async def live(_request: Request) -> Response:
        return _json({"status": "live"})

    async def ready(_request: Request) -> Response:
        reasons = await health.reasons()
        told: dict[str, object] = {"status": "not ready" if reasons else "ready", "reasons": reasons}
        if notes := health.notes():
            told["notes"] = list(notes)
        return _json(told, 503 if reasons else 200)

    async def metrics(_request: Request) -> Response:
        return Response(await exposition(), media_type=CONTENT_TYPE_LATEST)

    return (
        Endpoint("GET", "/health", "health.read", ready, probe=True),
        Endpoint("GET", "/health/live", "health.read", live, probe=True),
        Endpoint("GET", "/health/ready", "health.read", ready, probe=True),
        Endpoint("GET", "/metrics", "metrics.read", metrics),
    )


def _json(value: object, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")
