"""The service floor of audit_ledger: the Ledger, its single writer, its publisher, its prover and its auditor."""

from audit_ledger.service.ledger import Ledger, Verification
from audit_ledger.service.verifier import Verifier

__all__ = ["Ledger", "Verification", "Verifier"]
