"""The http floor of siem_rules: its routes, each with the action that policy decides on."""

from shared_kernel.endpoint import Endpoint
from shared_kernel.operation import described
from siem_rules.http.alerts import AlertRoutes
from siem_rules.http.operations import OPERATIONS
from siem_rules.http.rules import RuleRoutes
from siem_rules.service import AlertQueue, Detector


def endpoints(detector: Detector, queue: AlertQueue) -> tuple[Endpoint, ...]:
    """Return every route of this house."""
    alerts, rules = AlertRoutes(queue), RuleRoutes(detector)
    return described((
        Endpoint("GET", "/api/v1/alerts", "alerts.read", alerts.find),
        Endpoint("GET", "/api/v1/alerts/{alert_id}", "alerts.read", alerts.get),
        Endpoint("POST", "/api/v1/alerts/{alert_id}/status", "alerts.write", alerts.change_status, max_body=8_192),
        Endpoint("GET", "/api/v1/rules", "rules.read", rules.find),
        Endpoint("GET", "/api/v1/rules/{rule_id}", "rules.read", rules.get),
        Endpoint("GET", "/api/v1/detection/status", "rules.read", rules.status),
    ), OPERATIONS)
