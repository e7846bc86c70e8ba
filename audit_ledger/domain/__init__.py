"""The domain floor of audit_ledger."""
