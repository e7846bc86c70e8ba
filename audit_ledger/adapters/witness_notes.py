"""The newest checkpoint that a quorum of witnesses cosigned, beside the ledger's own checkpoints.

checkpoints/cosigned     one signed note with its cosignatures; hand it to auditors
"""

from pathlib import Path

from audit_ledger.adapters.durable_file import replace_durably
from shared_kernel.errors import UnavailableError


class CosignedFile:
    """One file outside the database, replaced whole."""

    def __init__(self, checkpoints: Path) -> None:
        self._path = checkpoints / "cosigned"

    def read(self) -> bytes | None:
        """Return the note, None before the first quorum."""
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as cause:
            raise UnavailableError(f"cannot read {self._path.name} ({cause.strerror})") from cause

    def keep(self, note: bytes) -> None:
        """Put this note in its place."""
        replace_durably(self._path, note)
