"""The service floor of audit_ledger: the Ledger, its single writer, its publisher, its prover and its auditor."""

from audit_ledger.service.audit.verifier import Verifier
from audit_ledger.service.ledger import Ledger, Verification

__all__ = ["Ledger", "Verification", "Verifier"]
