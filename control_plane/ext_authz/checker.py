"""Decides on a request that another proxy holds: the gateway itself does, in front of the mapped routes.

Path canonicaliser, identity, risk, policy, ledger and their deadlines are those of our own requests, because it is the
same code: a check becomes a request to a gateway whose handlers only say that they were reached. Whatever does not end
in such a handler is a *no*.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Scope

from control_plane.ext_authz.permission import TICKET, Mutations, Ticket, mutations
from control_plane.ext_authz.route_map import METHODS
from control_plane.gateway.head_check import TARGET
from control_plane.gateway.peers import NOWHERE, is_loopback
from control_plane.problems import MEDIA_TYPE, problem_of
from shared_kernel.errors import InvalidInputError, UnavailableError
from shared_kernel.ids import uuid7

DEADLINE_S = 3.0
_READ = frozenset({
    b"authorization", b"dpop", b"access-purpose", b"user-agent", b"x-forwarded-for", b"x-forwarded-proto",
})
"""The fields a decision reads; all others are the service's business. What frames the body is Envoy's."""
_UNSENT = frozenset({"connection", "content-length", "transfer-encoding"})
_OK = 200
_log = structlog.get_logger("gridwarden.ext_authz")

Fields = Sequence[tuple[bytes, bytes]]


class UnusableCheckError(InvalidInputError):
    """What is to be checked is no request we could take ourselves."""

    def __init__(self, what: str) -> None:
        super().__init__(f"the request to be checked has {what}")


class TooSlowError(UnavailableError):
    """No decision in time is a no."""

    def __init__(self) -> None:
        super().__init__("no decision was reached in time, and without one nothing is allowed: retry later")


class NoDecisionError(UnavailableError):
    """Something failed here, so the answer is no."""

    def __init__(self) -> None:
        super().__init__("no decision could be reached, and without one nothing is allowed: retry later")


@dataclass(frozen=True, slots=True)
class Check:
    """A request as the proxy holds it: the target with its query, the fields with names in lower case."""

    method: str
    target: bytes
    fields: Fields
    source_ip: str
    is_https: bool = False


@dataclass(frozen=True, slots=True)
class Denied:
    """What the proxy shall answer."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Checker:
    """Asks a gateway that stands before the mapped routes."""

    def __init__(self, gateway: ASGIApp) -> None:
        self._gateway = gateway

    async def check(self, asked: Check) -> Mutations | Denied:
        """Return what becomes of an allowed request, or the answer to a refused one; never raises."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                return await self._checked(asked)
        except InvalidInputError as error:
            return _refused(error)
        except TimeoutError:
            _log.error("check_too_slow", deadline_s=DEADLINE_S)
            return _refused(TooSlowError())
        except Exception as error:  # noqa: BLE001 - doubt is a no, whatever raised it
            _log.exception("check_failed", error=type(error).__name__)
            return _refused(NoDecisionError())

    async def _checked(self, asked: Check) -> Mutations | Denied:
        if asked.method not in METHODS:
            raise UnusableCheckError("a method that is not taken")
        if not TARGET.fullmatch(asked.target):
            raise UnusableCheckError("a target that is no path with a query: send / and visible ASCII, without #")
        ticket, told = Ticket(), _Told()
        await self._gateway(_scope(asked, ticket), _no_body, told)
        if told.status == _OK and ticket.fields is not None:
            return mutations(ticket.fields, (name.decode("latin-1") for name, _ in asked.fields))
        return told.denied()


class _Told:
    """A send channel that keeps the answer."""

    def __init__(self) -> None:
        self.status = 0
        self._headers: tuple[tuple[str, str], ...] = ()
        self._body: list[bytes] = []

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._headers = tuple((name.decode("latin-1"), value.decode("latin-1"))
                                  for name, value in message["headers"])
        else:
            self._body.append(message.get("body", b""))

    def denied(self) -> Denied:
        """Return the answer as a refusal, whatever it says."""
        if self.status < 400:  # noqa: PLR2004 - no refusal, and nobody was let in: a fault of ours
            return _refused(NoDecisionError())
        kept = tuple((name, value) for name, value in self._headers if name not in _UNSENT)
        return Denied(self.status, kept, b"".join(self._body))


def _scope(asked: Check, ticket: Ticket) -> Scope:
    path, _, query = asked.target.partition(b"?")
    # On this machine is meant of ours: a loopback address that another proxy saw says nothing about it.
    source = NOWHERE if is_loopback(asked.source_ip) else asked.source_ip
    return {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": asked.method,
        "scheme": "https" if asked.is_https else "http", "path": "", "raw_path": path, "query_string": query,
        "root_path": "", "headers": [(name, value) for name, value in asked.fields if name in _READ],
        "client": (source, 0), "server": None, "extensions": {}, TICKET: ticket,
    }


async def _no_body() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


def _refused(error: Exception) -> Denied:
    response: Any = problem_of(error).response(request_id=uuid7(), instance=None)
    return Denied(response.status_code, (("content-type", MEDIA_TYPE), ("cache-control", "no-store")), response.body)
