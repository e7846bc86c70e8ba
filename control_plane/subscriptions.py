"""Who hears which event: a table."""

from audit_ledger.service import Ledger
from control_plane.relay import Subscription
from control_plane.shared_reading import SharedReading
from control_plane.telemetry import TelemetrySource
from grid_services.service import Bus
from siem_rules.service import Detector
from soar_playbooks.service import Responder

TELEMETRY_TOPICS = ("smartgrid-sensor-data", "smartgrid-meter-readings")


def subscriptions(ledger: Ledger, bus: Bus, detector: Detector, responder: Responder) -> tuple[Subscription, ...]:
    """Return source -> subscriber, for every pair."""
    shared = SharedReading(ledger)
    return (
        Subscription("ledger", shared, "detector", detector),
        Subscription("ledger", shared, "responder", responder),
        *(Subscription(f"bus:{topic}", TelemetrySource(bus, topic), "detector", detector)
          for topic in TELEMETRY_TOPICS),
    )
