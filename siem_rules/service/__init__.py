"""The service floor of siem_rules: the Detector and the queue of what it found."""

from siem_rules.service.alert_queue import AlertQueue
from siem_rules.service.detector import DetectionStatus, Detector
from siem_rules.service.rule_folder import shipped_rules

__all__ = ["AlertQueue", "DetectionStatus", "Detector", "shipped_rules"]
