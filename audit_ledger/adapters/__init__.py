"""The adapters floor of audit_ledger: files beside the database."""
