"""Bundles kept for good, by the revision that names their content: a changed one is recognised and not returned.

They are stored as zlib( JSON { name: base64( content ) } ).
"""

import base64
import zlib

import asyncpg
import orjson

from policy_engine.domain.bundle import Bundle
from policy_engine.store.faults import database_errors

_LEVEL = 6
_WHAT = "the keeping of policy bundles"
MOST_BYTES = 256 * 1024 * 1024
"""What a kept bundle may unpack to."""


class KeptBundles:
    """Adds and finds; nothing here changes or removes one."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def keep(self, bundle: Bundle) -> None:
        """Keep a bundle that is about to decide; raise UnavailableError when that fails."""
        with database_errors(_WHAT):
            await self._pool.execute(
                "INSERT INTO policy_engine.kept_bundles (revision, name, built_at_us, files) VALUES ($1, $2, $3, $4) "
                "ON CONFLICT DO NOTHING", bundle.revision, bundle.name, bundle.built_at_us, _packed(bundle))

    async def find(self, revision: str) -> Bundle | None:
        """Return the bundle of a revision; None when it is not kept, or is not any more what its revision names."""
        with database_errors(_WHAT):
            row = await self._pool.fetchrow(
                "SELECT name, built_at_us, files FROM policy_engine.kept_bundles WHERE revision = $1", revision)
        bundle = _unpacked(row) if row is not None else None
        return bundle if bundle is not None and bundle.revision == revision else None


def _packed(bundle: Bundle) -> bytes:
    files = {name: base64.b64encode(content).decode() for name, content in bundle.files.items()}
    return zlib.compress(orjson.dumps(files), _LEVEL)


def _unpacked(row: asyncpg.Record) -> Bundle | None:
    try:
        raw = zlib.decompressobj().decompress(row["files"], MOST_BYTES)
        files = {name: base64.b64decode(content) for name, content in orjson.loads(raw).items()}
    except (zlib.error, ValueError, AttributeError, TypeError):
        return None
    return Bundle(files, row["name"], row["built_at_us"])
