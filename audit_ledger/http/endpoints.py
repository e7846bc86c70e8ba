"""Every route of the house behind the gateway, and the document that describes them."""

from collections.abc import Sequence

import orjson
from starlette.requests import Request
from starlette.responses import Response

from audit_ledger.adapters.tile_folder import TileFolder
from audit_ledger.http import bundle, copies, erasures, routes, tile_log, witnesses
from audit_ledger.http.openapi import described
from audit_ledger.service import Ledger
from audit_ledger.service.archive.export import Exporter
from audit_ledger.service.copies.mirror import Mirror
from audit_ledger.service.privacy.erasure import Erasure
from audit_ledger.service.witness.witnessing import Witnessing
from shared_kernel.clock import Clock
from shared_kernel.endpoint import Endpoint

DESCRIPTION = "/api/v1/ledger/openapi.json"


def endpoints(  # noqa: PLR0913 - one argument a service
    ledger: Ledger, clock: Clock, *, erasure: Erasure, tiles: TileFolder, mirrors: Sequence[Mirror],
    witnessing: Witnessing | None, exporter: Exporter, version: str,
) -> tuple[Endpoint, ...]:
    """Return every route; the last one tells of all of them."""
    found = (
        *routes.endpoints(ledger, clock), *witnesses.endpoints(witnessing), *copies.endpoints(mirrors, ledger, clock),
        *erasures.endpoints(erasure), *bundle.endpoints(exporter), *tile_log.endpoints(tiles),
    )
    document: bytes = b""

    async def description(_request: Request) -> Response:
        return Response(document, media_type="application/json")

    every = (*found, Endpoint("GET", DESCRIPTION, "ledger.monitor", description))
    document = orjson.dumps(described(every, version))
    return every
