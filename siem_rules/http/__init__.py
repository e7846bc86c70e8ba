"""The http floor of siem_rules."""
