"""What grid_services offers over HTTP."""

from typing import Protocol

from grid_services.http import ingest_endpoints, load_endpoints, telemetry_endpoints
from grid_services.http.operations import OPERATIONS
from grid_services.service import Analytics, Bus, Ingestion
from grid_services.service.forecasting import Forecasting
from grid_services.service.load_analytics import LoadAnalytics
from shared_kernel.data_access import ReadGuard
from shared_kernel.endpoint import Endpoint
from shared_kernel.operation import described


class Grid(Protocol):
    """The house's services by name."""

    @property
    def bus(self) -> Bus: ...  # noqa: D102 - the name says it
    @property
    def ingestion(self) -> Ingestion: ...  # noqa: D102 - the name says it
    @property
    def analytics(self) -> Analytics: ...  # noqa: D102 - the name says it
    @property
    def load(self) -> LoadAnalytics: ...  # noqa: D102 - the name says it
    @property
    def forecasting(self) -> Forecasting: ...  # noqa: D102 - the name says it


def endpoints(grid: Grid, guard: ReadGuard) -> tuple[Endpoint, ...]:
    """Return every route of the house."""
    return described((
        *ingest_endpoints.endpoints(grid.ingestion),
        *telemetry_endpoints.endpoints(grid.analytics, grid.bus, grid.ingestion, guard),
        *load_endpoints.endpoints(grid.load, grid.forecasting, guard),
    ), OPERATIONS)
