"""Two ways to the clients of the provider: through a running gateway, or on the database of a stopped product."""

import contextlib
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urljoin

import httpx2 as httpx

from audit_ledger.domain.errors import AnotherSequencerError
from control_plane.cli.connection import database
from control_plane.cli.person import GatewaySilentError
from control_plane.config import load_settings
from control_plane.home import Home
from control_plane.signing_keys import key_source, vault_of
from control_plane.wiring.identity import registration_policy
from control_plane.wiring.ledger import make_ledger
from control_plane.wiring.pools import opened
from identity.http.api.clients import change_json, check_importable, client_json, invitation_json
from identity.service import IdentityProvider
from identity.service.clients.administration import Invitation
from identity.store.database import Database
from shared_kernel.clock import SystemClock
from shared_kernel.context import RequestContext
from shared_kernel.errors import ConflictError, GridwardenError
from shared_kernel.ids import uuid7
from shared_kernel.principal import Principal, PrincipalKind

_PAGE = 200
_API = "/api/v1/clients"
_INVITATIONS = "/api/v1/client-invitations"
Json = dict[str, Any]


class RefusedByGatewayError(GridwardenError):
    """The gateway said no."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"the gateway answered {status}: {detail}")


class ProductIsRunningError(ConflictError):
    """Beside a running product nobody else writes."""

    def __init__(self) -> None:
        super().__init__("a running gridwarden leads this ledger: stop it, or name it with --gateway and --token")


class ClientDesk(Protocol):
    """What the commands ask for."""

    async def listed(self) -> list[Json]:
        """Return every client."""
        ...

    async def bring(self, documents: Sequence[Json], *, is_trial: bool) -> list[Json]:
        """Import documents; answer what became, or would become, of each."""
        ...

    async def invite(self, *, uses: int, expires_in_s: int, limits: Mapping[str, Any]) -> Json:
        """Make an initial access token."""
        ...

    async def remove(self, client_id: str) -> None:
        """Forget a client."""
        ...


class GatewayDesk:
    """Asks the administrators' API of a running gateway."""

    def __init__(self, http: httpx.AsyncClient, gateway: str) -> None:
        self._http, self._gateway = http, gateway

    async def listed(self) -> list[Json]:
        """Return every client."""
        found: list[Json] = []
        after = ""
        while True:
            page = await self._ask("GET", f"{_API}?limit={_PAGE}&after={after}")
            found += page["items"]
            if page["next"] is None:
                return found
            after = page["next"]

    async def bring(self, documents: Sequence[Json], *, is_trial: bool) -> list[Json]:
        """Import documents; answer what became, or would become, of each."""
        answer = await self._ask("POST", f"{_API}/import", {"clients": list(documents), "dry_run": is_trial})
        items: list[Json] = answer["items"]
        return items

    async def invite(self, *, uses: int, expires_in_s: int, limits: Mapping[str, Any]) -> Json:
        """Make an initial access token."""
        return await self._ask("POST", _INVITATIONS, {"uses": uses, "expires_in": expires_in_s, **limits})

    async def remove(self, client_id: str) -> None:
        """Forget a client."""
        await self._ask("DELETE", f"{_API}/{client_id}")

    async def _ask(self, method: str, path: str, body: Json | None = None) -> Json:
        try:
            answer = await self._http.request(method, path, json=body)
        except httpx.HTTPError as cause:
            raise GatewaySilentError(self._gateway) from cause
        if not answer.is_success:
            raise RefusedByGatewayError(answer.status_code, _detail(answer))
        found: Json = answer.json() if answer.content else {}
        return found


class DatabaseDesk:
    """Does it itself, and seals it: nobody else leads the ledger meanwhile."""

    def __init__(self, provider: IdentityProvider) -> None:
        self._provider = provider
        self._desk = provider.client_administration
        self._by = Principal("cli", f"uid {os.getuid()}", PrincipalKind.SERVICE)
        self._context = RequestContext(uuid7(), principal=self._by)

    async def listed(self) -> list[Json]:
        """Return every client."""
        found: list[Json] = []
        page = await self._provider.clients.listed("", _PAGE)
        while page:
            found += [client_json(client) for client in page]
            page = await self._provider.clients.listed(page[-1].id, _PAGE)
        return found

    async def bring(self, documents: Sequence[Json], *, is_trial: bool) -> list[Json]:
        """Import documents; answer what became, or would become, of each."""
        for document in documents:
            check_importable(document)
        done = await self._desk.bring(documents, by=self._by, is_trial=is_trial, context=self._context)
        return [change_json(change) for change in done]

    async def invite(self, *, uses: int, expires_in_s: int, limits: Mapping[str, Any]) -> Json:
        """Make an initial access token."""
        text, access = await self._desk.invite(Invitation(uses, expires_in_s, limits), by=self._by,
                                               context=self._context)
        return invitation_json(access) | {"initial_access_token": text}

    async def remove(self, client_id: str) -> None:
        """Forget a client."""
        await self._desk.delete(client_id, by=self._by, context=self._context)


Opener = Callable[[], contextlib.AbstractAsyncContextManager[ClientDesk]]


@contextlib.asynccontextmanager
async def at_gateway(gateway: str, token: str, ca: Path | None) -> AsyncIterator[ClientDesk]:
    """Open the way through a running gateway; its API is at the root, also where its issuer has a path."""
    url = urljoin(gateway, "/").rstrip("/")
    verify: Any = str(ca) if ca is not None else True
    async with httpx.AsyncClient(base_url=url, timeout=60, verify=verify,
                                 headers={"Authorization": f"Bearer {token}"}) as http:
        yield GatewayDesk(http, url)


@contextlib.asynccontextmanager
async def at_database(home: Path | None, url: str | None) -> AsyncIterator[ClientDesk]:
    """Open the way on the database of a stopped product; raise ProductIsRunningError beside a running one."""
    settings, clock = load_settings(home=home, database_url=url), SystemClock()
    place = Home(settings.home.resolve())
    with database(home, url) as owner, vault_of(settings) as vault:
        async with opened(owner) as pools:
            audited = await make_ledger(pools, place, settings, clock, vault)
            try:
                await audited.ledger.start()
            except AnotherSequencerError as cause:
                raise ProductIsRunningError from cause
            provider = IdentityProvider(Database(pools.app), audited.ledger, clock, issuer=settings.gateway_url(),
                                        keys=await key_source(settings, place, vault, clock.now_us()),
                                        registration=registration_policy(settings))
            try:
                yield DatabaseDesk(provider)
            finally:
                provider.close()
                await audited.ledger.leave()


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json().get("detail", answer.reason_phrase))
    except ValueError:
        return answer.reason_phrase
