"""What may be shown once: assertions of clients and DPoP proofs, by digest, until they expire anyway.

One INSERT is the claim: of any number of simultaneous ones PostgreSQL lets exactly one through, in any process.
"""

import asyncpg


class SeenProofs:
    """Reads and writes identity.seen_proofs."""

    def __init__(self, executor: asyncpg.Pool) -> None:
        self._executor = executor

    async def claim(self, kind: str, digest: bytes, expires_at_us: int) -> bool:
        """Use the proof up; answer whether this call is the first to show it."""
        return bool(await self._executor.fetchval(
            "INSERT INTO identity.seen_proofs VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING true",
            kind, digest, expires_at_us))
