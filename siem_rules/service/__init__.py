"""The service floor of siem_rules."""
