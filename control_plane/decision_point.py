"""What others may ask our decision point about: identity's people and clients, the catalog's data, our own routes."""

import hashlib
from collections.abc import Mapping, Sequence

from control_plane.gateway.canonical_path import canonical_path
from control_plane.gateway.routes import RouteTable
from control_plane.parts import Governed, Policy
from governance.service import Catalog
from identity.adapters.key_files import KeyFiles
from identity.domain.records import Client, User
from identity.service import IdentityProvider
from policy_engine.http.authzen import City, KnownSubject, Place
from shared_kernel.classification import Classification
from shared_kernel.clock import Clock
from shared_kernel.endpoint import Endpoint
from shared_kernel.events import Recorder

MAX_CLIENT_ID = 256


class KnownSubjects:
    """The people and clients of our identity provider, with the roles they have now."""

    def __init__(self, identity: IdentityProvider) -> None:
        self._identity = identity

    async def find(self, kind: str, subject_id: str) -> KnownSubject | None:
        """Return the subject of that id, people also by name."""
        if kind == "person":
            user = await self._identity.accounts.known(subject_id)
            return None if user is None else _person(user)
        if len(subject_id) > MAX_CLIENT_ID or not subject_id.isprintable():
            return None
        client = await self._identity.clients.get(subject_id)
        return None if client is None else _service(client)

    async def listed(self, kind: str, after: str, limit: int) -> list[KnownSubject]:
        """Return people by name, clients by id."""
        if kind == "person":
            return [_person(user) for user in await self._identity.accounts.listed(after, limit)]
        return [_service(client) for client in await self._identity.clients.listed(after, limit)]


class CataloguedData:
    """The catalog's datasets."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def names(self) -> Sequence[str]:
        """Return the names in order."""
        return sorted(entry.name for entry in self._catalog.entries())

    def classification(self, dataset: str) -> Classification:
        """Return the label of the dataset itself."""
        return self._catalog.classification(dataset)

    def labels(self, dataset: str) -> Mapping[str, Classification]:
        """Return the labels of its columns."""
        return self._catalog.labels(dataset)


class OwnRoutes:
    """The gateway's routes, found as the gateway finds them."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        decided = [endpoint for endpoint in endpoints if not endpoint.probe]
        self._table = RouteTable(decided)
        self._places = tuple(_place(endpoint) for endpoint in decided)

    def find(self, method: str, path: str) -> Place | None:
        """Return where a request leads; raise PathRefusedError for a path that is not in its one spelling."""
        endpoint = self._table.find(method, canonical_path(path.encode())).endpoint
        return None if endpoint is None else _place(endpoint)

    def listed(self) -> Sequence[Place]:
        """Return every route."""
        return self._places


def page_token_key(keys: KeyFiles) -> bytes:
    """Return the key of page tokens, derived from a key of ours that never leaves."""
    return hashlib.sha256(b"gridwarden authzen pages\0" + keys.form_key()).digest()


def city_of(  # noqa: PLR0913 - a composition point
    endpoints: Sequence[Endpoint], *, policy: Policy, identity: IdentityProvider, governed: Governed, ledger: Recorder,
    clock: Clock, token_key: bytes, origin: str,
) -> City:
    """Return what the decision point answers from."""
    return City(
        policy=policy.engine, directory=KnownSubjects(identity), data=CataloguedData(governed.catalog),
        places=OwnRoutes(endpoints), risk=policy.risk, recorder=ledger, clock=clock, token_key=token_key, origin=origin,
    )


def _place(endpoint: Endpoint) -> Place:
    return Place(endpoint.method, endpoint.path, endpoint.action, endpoint.dataset)


def _person(user: User) -> KnownSubject:
    return KnownSubject(user.id, user.name, "person", user.roles, user.is_active, user.name)


def _service(client: Client) -> KnownSubject:
    return KnownSubject(client.id, client.name, "service", client.roles, True, client.id)  # noqa: FBT003 - is_active
