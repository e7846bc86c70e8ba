"""What Prometheus sees of the gateway: by action and status, never by path or person."""

from functools import cache

from prometheus_client import Counter, Gauge, Histogram


class InFlight:
    """Requests being answered; counted in a plain number, because only the event loop's thread counts."""

    def __init__(self) -> None:
        self.count = 0


IN_FLIGHT = InFlight()
REFUSED = Counter("gridwarden_gateway_malformed_total", "Requests refused before they were decided", ["reason"])
_SECONDS = Histogram(
    "gridwarden_gateway_request_seconds", "From the request's head to the end of its answer", ["action", "status"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
Gauge("gridwarden_gateway_in_flight", "Requests being answered").set_function(lambda: float(IN_FLIGHT.count))
CONNECTIONS = Gauge("gridwarden_gateway_connections", "Open connections of all listeners")


@cache
def seconds_of(action: str, status: int) -> Histogram:
    """Return the histogram of one action and status."""
    return _SECONDS.labels(action, str(status))
