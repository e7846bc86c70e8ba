"""What Prometheus sees of detection."""

from prometheus_client import Counter, Gauge

EVENTS = Counter("gridwarden_siem_rules_events_total", "Events judged", ["source"])
LATE = Counter("gridwarden_siem_rules_late_events_total", "Events too late for correlation", ["source"])
ALERTS = Counter("gridwarden_siem_rules_alerts_total", "Alerts raised", ["rule"])
ERRORS = Counter("gridwarden_siem_rules_rule_errors_total", "Events a rule could not judge", ["rule"])
RULES = Gauge("gridwarden_siem_rules_rules", "Rule files", ["state"])
GROUPS = Gauge("gridwarden_siem_rules_open_groups", "Correlation groups with an open window")
UNSEALED = Gauge("gridwarden_siem_rules_unsealed_alerts", "Alerts the ledger does not have yet")
