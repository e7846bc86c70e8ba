"""The store floor of siem_rules."""
