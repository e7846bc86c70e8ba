"""Two ways to a decision's why: through a running gateway, or on the database of a home, running or stopped."""

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2 as httpx

from control_plane.cli.client_desks import RefusedByGatewayError
from control_plane.cli.connection import database
from control_plane.cli.person import GatewaySilentError
from control_plane.config import Settings, load_settings
from control_plane.gateway.decisions import ACTION, NoSuchDecisionError
from control_plane.gateway.why import told
from control_plane.home import Home
from control_plane.origins import origin_of
from control_plane.signing_keys import vault_of
from control_plane.tls.contexts import trusting
from control_plane.wiring.ledger import make_ledger
from control_plane.wiring.pools import opened
from policy_engine.domain.bundle import Bundle
from policy_engine.service.explaining import Explainer
from policy_engine.store.kept_bundles import KeptBundles
from shared_kernel.clock import SystemClock
from shared_kernel.errors import GridwardenError
from shared_kernel.events import EventReader

TIMEOUT_S = 30.0


class TokenNeededError(GridwardenError):
    """A gateway tells nothing to strangers."""

    def __init__(self) -> None:
        super().__init__("a gateway wants to know who asks: give --token or GRIDWARDEN_TOKEN (`gridwarden token NAME`)")


def asked_at_gateway(request_id: str, gateway: str, token: str | None, trust: Path | None) -> dict[str, Any]:
    """Return the why as the gateway tells it to the token's person."""
    if not token:
        raise TokenNeededError
    try:
        answer = httpx.get(
            f"{origin_of(gateway)}/api/v1/decisions/{quote(request_id, safe='')}/why", timeout=TIMEOUT_S,
            headers={"authorization": f"Bearer {token}"}, verify=trusting(trust))
        found = answer.json()
    except (httpx.HTTPError, ValueError) as cause:
        raise GatewaySilentError(gateway) from cause
    if not answer.is_success:
        raise RefusedByGatewayError(answer.status_code, str(found.get("detail", "")))
    return dict(found)


def asked_at_home(request_id: str, home: Path | None, url: str | None) -> dict[str, Any]:
    """Return the why from the ledger and the kept bundles of a home; a product may run beside it."""
    settings = load_settings(home=home, database_url=url)
    with database(home, url) as owner:
        return asyncio.run(_read(owner, settings, request_id))


async def _read(owner: str, settings: Settings, request_id: str) -> dict[str, Any]:
    with vault_of(settings) as vault:
        async with opened(owner) as pools:
            place = Home(settings.home.resolve())
            ledger = (await make_ledger(pools, place, settings, SystemClock(), vault)).ledger
            found = await ledger.find(action=ACTION, request_id=request_id, limit=1)
            if not found:
                raise NoSuchDecisionError
            kept = KeptBundles(pools.app)
            current = await _current(ledger, kept)
            return await told(found[0], Explainer(kept, lambda: current))


async def _current(ledger: EventReader, kept: KeptBundles) -> Bundle | None:
    """Return the bundle that the ledger says was loaded last."""
    loaded = await ledger.find(action="policy_loaded", limit=1)
    revision = loaded[0].event.get("grid", {}).get("policy", {}).get("revision") if loaded else None
    return await kept.find(revision) if isinstance(revision, str) else None
