"""What playbook steps may do to this city: a table of connectors, each a call of a house's own service."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from grid_services.service import Ingestion
from identity.service import IdentityProvider, LastAdministratorError
from soar_playbooks.domain.connector import Connector, ConnectorKind, Reconciled

BY = "playbook"
Params = Mapping[str, str]


@dataclass(slots=True)
class ServiceCall:
    """An idempotent connector: doing it twice is doing it once, so an unknown outcome is simply called again."""

    name: str
    effect: Callable[[Params], Awaitable[Mapping[str, Any]]]
    kind: ConnectorKind = ConnectorKind.IDEMPOTENT

    async def run(self, params: Params, *, idempotency_key: str) -> Mapping[str, Any]:  # noqa: ARG002 - the protocol's
        """Take effect."""
        return await self.effect(params)

    async def reconcile(self, idempotency_key: str, params: Params) -> Reconciled:  # noqa: ARG002 - the protocol's
        """Say that calling again is safe."""
        return Reconciled.RETRY


def connectors(identity: IdentityProvider, ingestion: Ingestion) -> dict[str, Connector]:
    """Return connector name -> connector."""

    async def lock_account(params: Params) -> Mapping[str, Any]:
        try:
            await identity.lock_account(params["account"], reason=params["reason"], by=BY)
        except LastAdministratorError:  # whoever is inside goes out all the same; the refused lock asks for a human
            await identity.revoke_sessions(params["account"], by=BY)
            raise
        return {"locked": params["account"]}

    async def revoke_sessions(params: Params) -> Mapping[str, Any]:
        return {"revoked": await identity.revoke_sessions(params["account"], by=BY)}

    async def quarantine_meter(params: Params) -> Mapping[str, Any]:
        await ingestion.quarantine_meter(params["meter"], reason=params["reason"], by=BY)
        return {"quarantined": params["meter"]}

    effects = {"lock_account": lock_account, "revoke_sessions": revoke_sessions, "quarantine_meter": quarantine_meter}
    return {name: ServiceCall(name, effect) for name, effect in effects.items()}
