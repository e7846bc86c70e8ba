"""Our decision point behind the real gateway, with the shipped policy: who asks it, and whom it knows."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from control_plane.decision_point import OwnRoutes
from policy_engine.adapters.bundle_folder import BundleFolder
from policy_engine.adapters.regorus_evaluator import RegorusEvaluator
from policy_engine.http.authzen import City, KnownSubject, endpoints
from policy_engine.service import PolicyEngine, RiskFeatures, RiskScore
from shared_kernel.classification import Classification
from shared_kernel.credentials import Credentials
from shared_kernel.endpoint import Endpoint
from shared_kernel.errors import UnauthenticatedError
from shared_kernel.principal import ANONYMOUS, Principal, PrincipalKind
from tests.control_plane import gateway_city
from tests.control_plane.gateway_city import START_US, KeptEvents, Told, ask
from tests.frozen_clock import FrozenClock
from tests.policy_engine.house import SHIPPED, ListRecorder

ORIGIN = "https://pdp.example.com"
PEP, PEP_SEARCH = "pep", "pep_search"
READINGS = "dataset:grid.meter_readings"
EXTERNAL = {
    "external.account.can_read": ["grid_viewer"], "external.account.can_write": ["grid_viewer"],
    "external.book.can_read": ["grid_viewer"],
}
"""What this bundle lets others ask beside our own actions."""


class Tokens:
    """Identity, as far as enforcement points and their roles go."""

    async def authenticate(self, credentials: Credentials) -> Principal:
        told = credentials.authorization
        if told is None:
            return ANONYMOUS
        role = told.removeprefix("Bearer ")
        if role not in {"pep", "pep_search", "other_search", "grid_viewer"}:
            raise UnauthenticatedError("the token is unknown, expired or revoked")
        roles = frozenset({"pep_search" if role == "other_search" else role})
        return Principal(f"client-{role}", role, PrincipalKind.SERVICE, roles)

    async def standing(self, principal: Principal) -> Principal:
        return principal

    def fresh_nonce(self) -> str:
        return "nonce"


class People:
    """A directory of a few people and services, in order."""

    def __init__(self) -> None:
        self.known = {
            "person": [_person("alice@example.com", "grid_viewer"), _person("bob@example.com", "auditor"),
                       _person("carol", "grid_operator"), _person("lena", "admin", is_active=False)],
            "service": [KnownSubject("meter-feed", "meter feed", "service", frozenset({"service"}), is_active=True,
                                     place="meter-feed")],
        }

    async def find(self, kind: str, subject_id: str) -> KnownSubject | None:
        return next((one for one in self.known[kind] if one.id == subject_id), None)

    async def listed(self, kind: str, after: str, limit: int) -> list[KnownSubject]:
        return [one for one in self.known[kind] if one.place > after][:limit]


class Datasets:
    """A catalog of three."""

    def names(self) -> Sequence[str]:
        return ("grid.customers", "grid.load_actual", "grid.meter_readings")

    def classification(self, dataset: str) -> Classification:
        return {"grid.customers": Classification.RESTRICTED, "grid.load_actual": Classification.PUBLIC,
                "grid.meter_readings": Classification.INTERNAL}[dataset]

    def labels(self, dataset: str) -> Mapping[str, Classification]:
        return {"customer_id": Classification.RESTRICTED} if dataset == "grid.meter_readings" else {}


@dataclass(slots=True)
class Risk:
    """A score that is what a test says, for the questions it was asked."""

    value: Any = 0
    asked: list[RiskFeatures] = field(default_factory=list)

    def score(self, features: RiskFeatures) -> RiskScore:
        self.asked.append(features)
        return RiskScore(self.value, ())


async def nobody_comes(_: Any) -> None:
    raise AssertionError("only asked about, never called")


ROUTES = (
    Endpoint("GET", "/api/v1/meters", "meters.read", nobody_comes, dataset="grid.meter_readings"),
    Endpoint("GET", "/api/v1/users", "users.read", nobody_comes),
    Endpoint("GET", "/api/v1/users/{user_id}", "users.read", nobody_comes),
    Endpoint("GET", "/api/v1/load", "analytics.read", nobody_comes, dataset="grid.load_actual"),
    Endpoint("GET", "/api/v1/catalog", "catalog.read", nobody_comes),
    Endpoint("GET", "/metrics", "metrics.read", nobody_comes),
)


@dataclass(slots=True)
class Asking:
    """A client of the decision point."""

    app: Any
    city: City
    ledger: KeptEvents
    risk: Risk
    directory: People

    async def post(self, path: str, body: Any, *, token: str | None = PEP, headers: Mapping[str, str] | None = None,
                   ) -> Told:
        """Post a value (bytes as they are) as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        fields = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
        return await ask(self.app, "POST", path, headers=fields | dict(headers or {}), chunks=[content])

    async def evaluate(self, body: Any) -> Any:
        """Return the answer to one evaluation."""
        told = await self.post("/access/v1/evaluation", body)
        assert told.status == 200, told.body
        return told.json

    async def search(self, what: str, body: Any, *, token: str = PEP_SEARCH) -> Any:
        """Return a page of results."""
        told = await self.post(f"/access/v1/search/{what}", body, token=token)
        assert told.status == 200, told.body
        return told.json

    def sealed(self, action: str) -> list[dict[str, Any]]:
        """Return what was sealed under an action."""
        return [event for event in self.ledger.events if event["event"]["action"] == action]


async def deciding(folder: Path) -> PolicyEngine:
    """Return an engine that decides by the shipped bundle and a few actions of others."""
    shutil.copytree(SHIPPED, folder / "bundle")
    data = json.loads((folder / "bundle" / "data.json").read_text())
    data["access"]["by_role"] |= EXTERNAL
    (folder / "bundle" / "data.json").write_text(json.dumps(data))
    engine = PolicyEngine(RegorusEvaluator(), BundleFolder(folder / "bundle"), ListRecorder(), FrozenClock(START_US))
    await engine.start()
    return engine


def asking(engine: PolicyEngine) -> Asking:
    """Build all but the engine, which takes a while to compile."""
    clock, ledger, risk, people = FrozenClock(START_US), KeptEvents(), Risk(), People()
    city = City(
        policy=engine, directory=people, data=Datasets(), places=OwnRoutes(ROUTES), risk=risk, recorder=ledger,
        clock=clock, token_key=bytes(32), origin=ORIGIN)
    behind = gateway_city.City(identity=Tokens(), policy=engine, ledger=ledger, more=endpoints(city))
    return Asking(behind.gateway(clock), city, ledger, risk, people)


def about(subject: str = "alice@example.com", action: str = "meters.read", resource: str = READINGS,
          context: Mapping[str, Any] | None = None, **properties: Any) -> dict[str, Any]:
    """Return a request for one evaluation; the resource is `type:id`."""
    kind, _, resource_id = resource.partition(":")
    asked: dict[str, Any] = {
        "subject": {"type": "user", "id": subject}, "action": {"name": action},
        "resource": {"type": kind, "id": resource_id},
    }
    if properties:
        asked["subject"]["properties"] = properties
    return asked if context is None else asked | {"context": dict(context)}


def _person(name: str, role: str, *, is_active: bool = True) -> KnownSubject:
    return KnownSubject(name, name, "person", frozenset({role}), is_active, name)
