"""The domain floor of siem_rules."""
