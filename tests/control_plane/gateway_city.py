"""A city small enough to hold in a test: the houses the gateway asks, each real in its one promise."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Scope

from control_plane.continuous.streams import Streams
from control_plane.continuous.suspicion import Suspicion
from control_plane.continuous.verification import Verification
from control_plane.gateway.decisions import endpoints as decision_endpoints
from control_plane.gateway.enforcement import Gateway
from control_plane.gateway.peers import Network
from shared_kernel.classification import Classification
from shared_kernel.clock import Clock
from shared_kernel.context import RequestContext, context_of
from shared_kernel.credentials import Credentials
from shared_kernel.endpoint import Endpoint
from shared_kernel.errors import UnauthenticatedError, UnavailableError
from shared_kernel.events import Event, Receipt, SealedEvent
from shared_kernel.principal import ANONYMOUS, Principal, PrincipalKind
from tests.frozen_clock import FrozenClock

START_US = 1_795_000_000_000_000

PEOPLE = {
    "Bearer admin": Principal("u-admin", "ada", PrincipalKind.PERSON, frozenset({"admin"})),
    "Bearer viewer": Principal("u-viewer", "vera", PrincipalKind.PERSON, frozenset({"grid_viewer"})),
    "Bearer auditor": Principal("u-auditor", "otto", PrincipalKind.PERSON, frozenset({"auditor"})),
}


class BadTokenError(UnauthenticatedError):
    """The token is unknown."""


class Tokens:
    """Identity with three tokens."""

    async def authenticate(self, credentials: Credentials) -> Principal:
        if credentials.authorization is None:
            return ANONYMOUS
        if credentials.authorization not in PEOPLE:
            raise BadTokenError("the token is unknown, expired or revoked")
        return PEOPLE[credentials.authorization]

    async def standing(self, principal: Principal) -> Principal:
        return principal

    def fresh_nonce(self) -> str:
        return "nonce-of-now"


@dataclass(frozen=True, slots=True)
class Ruling:
    """A decision as the policy engine gives it."""

    allow: Any
    reasons: Any = ()
    obligations: Any = field(default_factory=dict)
    revision: Any = "r1"
    ttl_s: int = 0
    digest: str = ""
    bundle_age_s: int | None = None


ALLOWED = {
    "admin": {"users.read", "grid.read", "decisions.read", "decisions.read_all", "gateway.unknown"},
    "grid_viewer": {"grid.read", "decisions.read"},
    "auditor": {"decisions.read", "decisions.read_all"},
}
PUBLIC = {"public.read", "public.write"}


class RoleRules:
    """Policy as a table of roles; keeps the questions it was asked."""

    def __init__(self) -> None:
        self.questions: list[Any] = []

    async def decide(self, question: Any) -> Ruling:
        self.questions.append(question)
        if question.action in PUBLIC:
            return Ruling(allow=True, reasons=("everyone may",))
        if any(question.action in ALLOWED.get(role, ()) for role in question.subject["roles"]):
            mask = {"mask": {"columns": ["customer_id"]}} if question.resource["dataset"] else {}
            return Ruling(allow=True, reasons=("a role allows it",), obligations=mask)
        return Ruling(allow=False, reasons=("no role allows it",))


class Rules:
    """Policy that does whatever it is told to do."""

    def __init__(self, decide: Callable[[Any], Awaitable[Any]]) -> None:
        self._decide = decide

    async def decide(self, question: Any) -> Any:
        return await self._decide(question)


@dataclass(frozen=True, slots=True)
class Score:
    """A risk score."""

    value: int
    reasons: tuple[str, ...] = ()


class FixedRisk:
    """Risk that always answers the same; keeps what it observed."""

    def __init__(self, value: Any = 7) -> None:
        self.value = value
        self.observed: list[Any] = []
        self.counted: list[tuple[str, bool]] = []

    def score(self, _features: Any) -> Score:
        if isinstance(self.value, Exception):
            raise self.value
        return Score(self.value, ("new address",))

    def count(self, features: Any, *, allowed: bool) -> None:
        self.counted.append((features.action, allowed))

    def observe(self, features: Any) -> None:
        self.observed.append(features)


class Unlimited:
    """Limits nobody meets."""

    async def arrived(self, *_: Any) -> tuple[()]:
        return ()

    async def known(self, *_: Any) -> tuple[()]:
        return ()


class KeptEvents:
    """A ledger in a list."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def record(self, event: Event) -> Receipt:
        self.events.append(orjson.loads(orjson.dumps(event)))
        return Receipt(len(self.events) - 1, bytes(32))

    async def find(  # noqa: PLR0913 - the kernel's protocol
        self, *, action: str | None = None, subject: str | None = None, request_id: str | None = None,
        dataset: str | None = None, before: int | None = None, limit: int = 100,
    ) -> list[SealedEvent]:
        assert subject is None
        assert dataset is None
        found = [
            SealedEvent(seq, START_US, event) for seq, event in enumerate(self.events)
            if event["event"]["action"] == action and (before is None or seq < before)
            and request_id in {None, event["http"]["request"]["id"]}
        ]
        return found[::-1][:limit]


class BrokenLedger(KeptEvents):
    """A ledger whose database is gone."""

    async def record(self, event: Event) -> Receipt:
        raise UnavailableError(f"the ledger cannot seal {event['event']['action']}")


class Catalog:
    """Governance with one dataset."""

    def classification(self, dataset: str) -> Classification:
        assert dataset == "grid.meter_readings"
        return Classification.INTERNAL

    def labels(self, dataset: str) -> Mapping[str, Classification]:
        assert dataset == "grid.meter_readings"
        return {"customer_id": Classification.RESTRICTED}


def watchful(clock: Clock, revision: Callable[[], str] = lambda: "r1") -> Verification:
    """Return continuous verification of one process that tells nobody."""

    async def tell(_topic: str, _key: str) -> None:
        """Nobody listens."""

    return Verification(Streams(clock, revision), Suspicion(tell))


@dataclass(slots=True)
class City:
    """A gateway with its collaborators; `contexts` are those of the requests that reached a handler."""

    identity: Any = field(default_factory=Tokens)
    policy: Any = field(default_factory=RoleRules)
    risk: Any = field(default_factory=FixedRisk)
    ledger: Any = field(default_factory=KeptEvents)
    labels: Any = field(default_factory=Catalog)
    proxies: Sequence[Network] = ()
    origin: str = "https://grid.test"
    limits: Any = field(default_factory=Unlimited)
    verification: Verification = field(default_factory=lambda: watchful(FrozenClock(START_US)))
    watermarks: Any = None
    more: Sequence[Endpoint] = ()
    contexts: list[RequestContext] = field(default_factory=list)
    scopes: list[Scope] = field(default_factory=list)

    def gateway(self, clock: Clock | None = None) -> Gateway:
        """Build the gateway."""
        return Gateway(
            (*self.endpoints(), *decision_endpoints(self.ledger), *self.more), identity=self.identity,
            policy=self.policy, risk=self.risk, ledger=self.ledger, labels=self.labels,
            clock=clock or FrozenClock(START_US), origin=self.origin, trusted_proxies=self.proxies,
            verification=self.verification, limits=self.limits, watermarks=self.watermarks,
        )

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return a few routes."""
        return (
            Endpoint("GET", "/admin/users", "users.read", self._answer),
            Endpoint("GET", "/api/v1/readings/{meter_id}", "grid.read", self._answer, dataset="grid.meter_readings",
                     fulfils=frozenset({"mask"})),
            Endpoint("GET", "/public", "public.read", self._answer),
            Endpoint("POST", "/public", "public.write", self._echo, max_body=64),
            Endpoint("GET", "/health/live", "health.read", self._answer, probe=True),
            Endpoint("WEBSOCKET", "/stream", "grid.read", self._stream),
        )

    async def _answer(self, request: Request) -> Response:
        self.contexts.append(context_of(request.scope))
        self.scopes.append(request.scope)
        return Response(orjson.dumps(dict(request.path_params)), media_type="application/json")

    async def _echo(self, request: Request) -> Response:
        self.contexts.append(context_of(request.scope))
        return Response(await request.body())

    async def _stream(self, websocket: Any) -> None:
        self.contexts.append(context_of(websocket.scope))
        await websocket.accept()
        await websocket.send_text("hello")
        await websocket.close()


@dataclass(frozen=True, slots=True)
class Told:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    messages: tuple[Message, ...] = ()

    @property
    def json(self) -> Any:
        """The body's value."""
        return orjson.loads(self.body)


async def ask(  # noqa: PLR0913 - the parts of a request
    app: ASGIApp, method: str, path: str | bytes, *, headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
    chunks: Sequence[bytes] = (b"",), peer: str = "127.0.0.1", kind: str = "http", scheme: str = "http",
    extensions: Mapping[str, Any] | None = None,
) -> Told:
    """Send one request to an ASGI application, its path as raw as given; 0 is the status of a closed websocket."""
    raw = path if isinstance(path, bytes) else path.encode()
    fields = headers.items() if isinstance(headers, Mapping) else headers
    scope: Scope = {
        "type": kind, "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": scheme, "path": "/wrong",
        "raw_path": raw, "query_string": b"secret=s3cr3t", "root_path": "", "client": (peer, 1234),
        "server": ("127.0.0.1", 80), "headers": [(k.lower().encode(), v.encode("latin-1")) for k, v in fields],
        "extensions": extensions or {},
    }
    if kind == "http":
        scope["method"] = method
    pending: list[Message] = [
        {"type": "http.request", "body": chunk, "more_body": n + 1 < len(chunks)} for n, chunk in enumerate(chunks)
    ] if kind == "http" else [{"type": "websocket.connect"}]
    sent: list[Message] = []

    async def receive() -> Message:
        return pending.pop(0) if pending else {"type": f"{kind}.disconnect", "code": 1006}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    await asyncio.sleep(0)
    return _told(sent)


def _told(sent: list[Message]) -> Told:
    start: Message = next((message for message in sent if "status" in message), {"status": 0})
    headers = {name.decode(): value.decode() for name, value in start.get("headers", ())}
    body = b"".join(message.get("body", b"") for message in sent if message["type"].endswith("response.body"))
    return Told(start["status"], headers, body, tuple(sent))
