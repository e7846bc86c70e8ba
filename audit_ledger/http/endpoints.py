"""Every route of the house behind the gateway, with what it takes and gives."""

from collections.abc import Sequence

from audit_ledger.adapters.tile_folder import TileFolder
from audit_ledger.http import bundle, copies, erasures, routes, tile_log, witnesses
from audit_ledger.http.operations import OPERATIONS
from audit_ledger.service import Ledger
from audit_ledger.service.archive.export import Exporter
from audit_ledger.service.copies.mirror import Mirror
from audit_ledger.service.privacy.erasure import Erasure
from audit_ledger.service.witness.witnessing import Witnessing
from shared_kernel.clock import Clock
from shared_kernel.endpoint import Endpoint
from shared_kernel.operation import described


def endpoints(  # noqa: PLR0913 - one argument a service
    ledger: Ledger, clock: Clock, *, erasure: Erasure, tiles: TileFolder, mirrors: Sequence[Mirror],
    witnessing: Witnessing | None, exporter: Exporter,
) -> tuple[Endpoint, ...]:
    """Return every route."""
    return described((
        *routes.endpoints(ledger, clock), *witnesses.endpoints(witnessing), *copies.endpoints(mirrors, ledger, clock),
        *erasures.endpoints(erasure), *bundle.endpoints(exporter), *tile_log.endpoints(tiles),
    ), OPERATIONS)
