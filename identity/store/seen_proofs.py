"""What may be shown once: assertions of clients and DPoP proofs, by digest, until they expire anyway.

One INSERT is the claim: of any number of simultaneous ones PostgreSQL lets exactly one through, in any process. It is
a statement of its own, so that whatever happens to the request afterwards the proof stays used.
Kinds are partitions. DPoP proofs come with every request of a bound token and live for minutes: theirs is UNLOGGED,
which spares each request the flush to disk. The price: PostgreSQL forgets them when it crashes, and for those minutes
whoever stole a token together with a proof could repeat that one request. Assertions survive a crash.
"""

from enum import StrEnum

import asyncpg


class ProofKind(StrEnum):
    """What was shown."""

    ASSERTION = "assertion"
    DPOP = "dpop"


class SeenProofs:
    """Reads and writes identity.seen_proofs."""

    def __init__(self, executor: asyncpg.Pool) -> None:
        self._executor = executor

    async def claim(self, kind: str, digest: bytes, expires_at_us: int) -> bool:
        """Use the proof up; answer whether this call is the first to show it."""
        return bool(await self._executor.fetchval(
            "INSERT INTO identity.seen_proofs VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING true",
            kind, digest, expires_at_us))

    async def was_shown(self, kind: str, digest: bytes) -> bool:
        """Tell whether a proof was used up before, without using it up."""
        return bool(await self._executor.fetchval(
            "SELECT EXISTS (SELECT FROM identity.seen_proofs WHERE kind = $1 AND digest = $2)", kind, digest))
