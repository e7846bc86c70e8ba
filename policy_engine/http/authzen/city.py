"""What the decision point must know of the city to answer others: who is known, which data and routes there are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from policy_engine.service import PolicyEngine, RiskFeatures, RiskScore
from shared_kernel.classification import Classification
from shared_kernel.clock import Clock
from shared_kernel.events import Recorder


@dataclass(frozen=True, slots=True)
class KnownSubject:
    """A person or client of identity; `place` is where the list of its kind goes on behind it."""

    id: str
    name: str
    kind: str
    roles: frozenset[str]
    is_active: bool
    place: str


@dataclass(frozen=True, slots=True)
class Place:
    """One route of the gateway: what a request there is decided as."""

    method: str
    path: str
    action: str
    dataset: str | None


class Directory(Protocol):
    """Who is known; `kind` is `person` or `service`."""

    async def find(self, kind: str, subject_id: str) -> KnownSubject | None:
        """Return the subject of that id, people also by name; None when identity does not know it."""

    async def listed(self, kind: str, after: str, limit: int) -> list[KnownSubject]:
        """Return subjects in order, from the first beyond the place `after` ("" is the beginning)."""


class Data(Protocol):
    """Which datasets are catalogued, and how sensitive they are."""

    def names(self) -> Sequence[str]:
        """Return the names in order."""

    def classification(self, dataset: str) -> Classification:
        """Return the label of the dataset itself."""

    def labels(self, dataset: str) -> Mapping[str, Classification]:
        """Return the labels of its columns."""


class Places(Protocol):
    """The gateway's routes."""

    def find(self, method: str, path: str) -> Place | None:
        """Return where a request leads; raise InvalidInputError for a path that is not in its one spelling."""

    def listed(self) -> Sequence[Place]:
        """Return every route, templates as they are written."""


class Risk(Protocol):
    """Knows what is usual for whom."""

    def score(self, features: RiskFeatures) -> RiskScore:
        """Score what the enforcement point told of a request."""


@dataclass(frozen=True, slots=True)
class City:
    """Everything the interface asks.

    `token_key` seals page tokens; `origin` is scheme, host and port that enforcement points call.
    """

    policy: PolicyEngine
    directory: Directory
    data: Data
    places: Places
    risk: Risk
    recorder: Recorder
    clock: Clock
    token_key: bytes
    origin: str
