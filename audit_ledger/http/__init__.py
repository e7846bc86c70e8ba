"""The http floor of audit_ledger."""
