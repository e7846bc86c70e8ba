"""The enforcement point: a pure ASGI application that stands before every house, for http and websocket alike.

1. One spelling of the path, sane headers, one true source; else 400 or 415 (`_arrived`).
2. Who asks; a bad credential is 401 (`_admitted`, as the next).
3. How often, how risky, and does policy allow it; else 429, 403, for strangers 401. Doubt is 503, never a yes.
4. The decision is sealed (`_sealed`); else 503, and nothing happens. (A *yes* to a protocol that authenticates its own
   callers is not: the house seals what it does.)
5. The handler, its body capped (`_handled`); its errors are RFC 9457 problems.
"""

from collections.abc import Awaitable, Sequence
from functools import partial
from typing import Any, cast

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from control_plane.continuous.verification import Verification
from control_plane.gateway import metrics
from control_plane.gateway.body import BodyTooLargeError, CappedBody
from control_plane.gateway.caller_request_id import repeat_request_id
from control_plane.gateway.canonical_path import canonical_path, refuse_unusable_query
from control_plane.gateway.certificates import client_certificate
from control_plane.gateway.farewell import EVENT_STREAM, Farewell, abort, close_websocket, end_events
from control_plane.gateway.fulfilment import EVERYWHERE, MARKING
from control_plane.gateway.judge import Asked, Judge
from control_plane.gateway.peers import NOWHERE, Network, Proxies, address_of
from control_plane.gateway.ports import Authenticator, DecisionPoint, Labels, Limits, RiskAssessor
from control_plane.gateway.refusing import refuse
from control_plane.gateway.reply import Reply
from control_plane.gateway.request_headers import RequestHeaders, read_headers
from control_plane.gateway.routes import Match, RouteTable
from control_plane.gateway.sealing import decision_event, seal
from control_plane.gateway.verdict import Verdict, refusal_of
from control_plane.gateway.visit import Visit, accounted
from control_plane.gateway.watermark import HEADER, Watermarks
from shared_kernel.clock import Clock
from shared_kernel.context import RequestContext, put_context
from shared_kernel.credentials import Credentials
from shared_kernel.endpoint import Endpoint
from shared_kernel.events import Recorder
from shared_kernel.ids import uuid7
from shared_kernel.obligations import WATERMARK

_log = structlog.get_logger("gridwarden.gateway")
LEARN_BELOW = 40
"""Only what already looks usual is learnt from a request; a new place or device is learnt from a login, by its
password. A stolen token must not make itself familiar."""
_ENCRYPTED = {"http": "https", "https": "https", "ws": "wss", "wss": "wss"}


class Gateway:
    """Protects the endpoints of all houses. Collaborators may fail in any way; the answer is then *no*."""

    def __init__(  # noqa: PLR0913 - one keyword a collaborator
        self, endpoints: Sequence[Endpoint], *, identity: Authenticator, policy: DecisionPoint, risk: RiskAssessor,
        ledger: Recorder, labels: Labels, clock: Clock, origin: str, verification: Verification, limits: Limits,
        trusted_proxies: Sequence[Network] = (), watermarks: Watermarks | None = None,
    ) -> None:
        self._routes = RouteTable(endpoints)
        self._identity, self._judge = identity, Judge(
            identity, policy, risk, labels, verification.suspicion,
            fulfils=EVERYWHERE if watermarks is None else MARKING)
        self._watermarks = watermarks
        self._streams, self._limits = verification.streams, limits
        self._ledger, self._clock = ledger, clock
        self._origin = origin
        self._proxies = Proxies(trusted_proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection scope; a kind of scope nobody defined is refused."""
        if scope["type"] in {"http", "websocket"}:
            await self._visited(scope, receive, send)
        elif scope["type"] == "lifespan":
            await _lifespan(receive, send)
        else:
            raise NotImplementedError(scope["type"])

    async def _visited(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = uuid7()
        visit = Visit(request_id, Reply(send, request_id=request_id, is_https=scope["scheme"] in _ENCRYPTED.values()))
        metrics.IN_FLIGHT.count += 1
        try:
            await self._served(scope, receive, visit)
        except (ClientDisconnect, WebSocketDisconnect):
            _log.info("client_left", request_id=request_id)
        except Exception as error:  # noqa: BLE001 - everything becomes a problem at the edge
            await refuse(error, scope, visit)
        finally:
            metrics.IN_FLIGHT.count -= 1
            accounted(scope, visit)

    async def _served(self, scope: Scope, receive: Receive, visit: Visit) -> None:
        headers, match = self._arrived(scope, visit)
        if match.endpoint is not None and match.endpoint.probe:
            await self._handled(match.endpoint, scope, receive, visit)
            return
        put_context(scope, await self._admitted(scope, match, headers, visit))
        endpoint = cast("Endpoint", match.endpoint)
        if headers.declared_length() > endpoint.max_body:
            raise BodyTooLargeError(endpoint.max_body)
        await self._handled(endpoint, scope, CappedBody(receive, endpoint.max_body), visit)

    def _arrived(self, scope: Scope, visit: Visit) -> tuple[RequestHeaders, Match]:
        """Read the request line, the fields and where they come from; leave in the scope what may be believed."""
        visit.path = path = canonical_path(scope.get("raw_path") or b"")
        match = self._routes.find("WEBSOCKET" if scope["type"] == "websocket" else scope["method"], path)
        named = repeat_request_id(scope["headers"], visit.reply) if match.echoes_request_id else []
        refuse_unusable_query(scope.get("query_string") or b"")
        headers = read_headers(scope["headers"])
        peer = (scope.get("client") or (NOWHERE, 0))[0]
        visit.source_ip = self._proxies.source_of(peer, headers.forwarded_for)
        is_from_proxy = self._proxies.are_trusted(address_of(peer))
        visit.certificate = client_certificate(scope, headers.single.get(b"client-cert"), is_from_proxy=is_from_proxy)
        if is_from_proxy and headers.single.get(b"x-forwarded-proto") == b"https":
            scope["scheme"], visit.reply.is_https = _ENCRYPTED[scope["scheme"]], True
        if match.endpoint is not None:
            visit.action = match.endpoint.action
        scope.update(path=path, root_path="", headers=headers.kept + named, path_params=match.parameters,
                     client=(visit.source_ip, 0))
        return headers, match

    async def _admitted(self, scope: Scope, match: Match, headers: RequestHeaders, visit: Visit) -> RequestContext:
        """Count and judge; a *yes* to a protocol needs no more, everything else is sealed."""
        if headers.proofs:
            visit.reply.offer(b"dpop-nonce", self._identity.fresh_nonce())
        endpoint, at_us = match.endpoint, self._clock.now_us()
        credentials = self._credentials(scope, headers, visit)
        is_protocol = endpoint is not None and endpoint.own_credentials
        stranger = partial(RequestContext, request_id=visit.request_id, source_ip=visit.source_ip,
                           user_agent=headers.user_agent())
        visit.reply.offer_all(await self._limits.arrived(visit.source_ip, visit.action, stranger))
        standing = self._judge.standing(visit.action, visit.source_ip, at_us) if is_protocol else None
        if standing is not None:
            return _let_in(credentials, headers, visit, standing)
        asked = Asked(
            method=scope.get("method", "GET"), path=visit.path, endpoint=endpoint,
            credentials=credentials, source_ip=visit.source_ip,
            user_agent=headers.user_agent(), purpose=headers.purpose(), at_us=at_us,
        )
        verdict = await (self._judge.verdict_on_stranger if is_protocol else self._judge.verdict_on)(asked)
        visit.asked, visit.principal = asked, verdict.principal
        if is_protocol and verdict.allow:
            return _let_in(credentials, headers, visit, verdict)
        return await self._sealed(asked, verdict, match, visit)

    async def _sealed(self, asked: Asked, verdict: Verdict, match: Match, visit: Visit) -> RequestContext:
        """Seal, and only then say yes or no."""
        principal = verdict.principal
        about: dict[str, Any] = {
            "request_id": visit.request_id, "principal": principal, "source_ip": asked.source_ip,
            "user_agent": asked.user_agent, "purpose": asked.purpose, "risk": verdict.risk,
            "credentials": asked.credentials,
        }
        visit.reply.offer_all(await self._limits.known(principal, visit.action, partial(RequestContext, **about)))
        event = decision_event(self._clock, asked, verdict, RequestContext(**about))
        receipt = await seal(self._ledger, event)
        refusal = refusal_of(verdict, is_known=match.endpoint is not None, allowed=match.allowed,
                             is_public=match.is_public, request_id=visit.request_id,
                             scheme=_scheme(asked.credentials))
        if refusal is not None:
            raise refusal
        if verdict.risk < LEARN_BELOW:
            self._judge.learn(verdict)
        if self._watermarks is not None and WATERMARK in verdict.obligations:
            about["watermark"] = mark = self._watermarks.mark(principal.subject, visit.request_id, asked.at_us)
            visit.reply.own(HEADER, mark)
        return RequestContext(**about, permit=receipt.seq, revision=verdict.revision, obligations=verdict.obligations)

    def _credentials(self, scope: Scope, headers: RequestHeaders, visit: Visit) -> Credentials:
        return Credentials(
            headers.authorization(), scope.get("method", "GET"), self._origin + visit.path, tuple(headers.proofs),
            visit.certificate)

    async def _handled(self, endpoint: Endpoint, scope: Scope, receive: Receive, visit: Visit) -> None:
        if scope["type"] == "websocket":
            await self._watched(visit, endpoint.handler(WebSocket(scope, receive, visit.reply)), close_websocket)
            return
        response = await endpoint.handler(Request(scope, receive))
        work = response(scope, receive, visit.reply)
        if isinstance(response, StreamingResponse):
            await self._watched(visit, work, end_events if response.media_type == EVENT_STREAM else abort)
        else:
            await work

    async def _watched(self, visit: Visit, work: Awaitable[None], farewell: Farewell) -> None:
        """Let a stream work for as long as it may."""
        if visit.asked is None:
            await work
            return
        ending = await self._streams.watched(visit.asked, visit.principal, self._judge.verdict_again, work)
        if ending is not None:
            await farewell(visit.reply, ending)


def _scheme(credentials: Credentials) -> str:
    """Return the scheme a token came by."""
    return "DPoP" if (credentials.authorization or "").partition(" ")[0].lower() == "dpop" else "Bearer"


def _let_in(credentials: Credentials, headers: RequestHeaders, visit: Visit, verdict: Verdict) -> RequestContext:
    """Return the context of a request whose caller the house will authenticate; its *yes* is not sealed again."""
    return RequestContext(
        request_id=visit.request_id, source_ip=visit.source_ip, user_agent=headers.user_agent(),
        purpose=headers.purpose(), revision=verdict.revision, obligations=verdict.obligations, credentials=credentials)


async def _lifespan(receive: Receive, send: Send) -> None:
    """Answer the server's start and stop; the composition root starts and stops the houses itself."""
    while True:
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return
