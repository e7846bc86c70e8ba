"""What the ledger needs from elsewhere: somebody who signs (a key file, HashiCorp Vault)."""

from typing import Protocol

from audit_ledger.domain.c2sp.note import VerifierKey


class Signer(Protocol):
    """Signs notes under one name with one key; the name is the ledger's."""

    @property
    def name(self) -> str:
        """The name in the signature line, which is the stream's."""

    @property
    def verifier(self) -> VerifierKey:
        """The public half, which never changes."""

    async def sign(self, text: str) -> str:
        """Return the signed note of a text that ends with a newline; UnavailableError when it cannot be signed now."""
