"""The http floor of audit_ledger."""

from audit_ledger.http.routes import endpoints

__all__ = ["endpoints"]
