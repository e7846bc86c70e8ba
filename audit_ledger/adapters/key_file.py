"""Signs with the key of a file: the embedded default."""

from audit_ledger.domain.c2sp.note import NoteSigner, VerifierKey


class FileSigner:
    """Holds the key in memory; signing never waits."""

    def __init__(self, key: NoteSigner) -> None:
        self._key = key
        self.name: str = key.name
        self.verifier: VerifierKey = key.verifier

    async def sign(self, text: str) -> str:
        """Return the signed note."""
        return self._key.sign(text)
