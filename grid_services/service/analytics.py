"""Analytics answers questions about telemetry; whoever asks still needs the guard."""

from grid_services.store.telemetry_store import TelemetryStore


class Analytics(TelemetryStore):
    """The telemetry's questions; nothing is computed here that SQL says better."""
