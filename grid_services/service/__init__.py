"""Who grid_services is: Ingestion takes readings, Bus carries them, Processing windows them, Analytics answers."""

from grid_services.service.analytics import Analytics
from grid_services.service.bus import Bus, telemetry_events
from grid_services.service.ingestion import Ingestion
from grid_services.service.processing import Processing

__all__ = ["Analytics", "Bus", "Ingestion", "Processing", "telemetry_events"]
