"""What governance offers over HTTP."""

from governance.http.access_log import access_log_endpoints
from governance.http.catalog import catalog_endpoints
from governance.http.lineage import lineage_endpoints
from governance.http.operations import OPERATIONS
from governance.service.catalog import Catalog
from governance.service.lineage import Lineage
from shared_kernel.endpoint import Endpoint
from shared_kernel.events import EventReader
from shared_kernel.operation import described


def endpoints(catalog: Catalog, lineage: Lineage, reader: EventReader) -> tuple[Endpoint, ...]:
    """Return every route of the house."""
    found = (*catalog_endpoints(catalog), *lineage_endpoints(lineage, catalog), *access_log_endpoints(reader))
    return described(found, OPERATIONS)
