"""The service floor of audit_ledger."""
