"""The store floor of audit_ledger."""
