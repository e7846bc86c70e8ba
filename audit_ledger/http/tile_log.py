"""The tile log over HTTP (C2SP tlog-tiles): the checkpoint and the hashes are public, the entries are not.

A tile never changes and may be kept for ever; a narrower one is cut out of a wider one; what is not there yet, and what
is no path of a tile, is not found.
"""

from starlette.requests import Request
from starlette.responses import Response

from audit_ledger.adapters.tile_folder import TileFolder
from audit_ledger.domain.c2sp.tiles import ENTRIES, MalformedTileError, Tile
from shared_kernel.endpoint import Endpoint
from shared_kernel.errors import NotFoundError

_A_YEAR_S = 31_536_000
_PUBLIC = f"public, max-age={_A_YEAR_S}, immutable"
_PRIVATE = f"private, max-age={_A_YEAR_S}, immutable"


def endpoints(folder: TileFolder) -> tuple[Endpoint, ...]:
    """Return the routes; that of the bundles goes before that of the hashes, which it would also match."""

    async def checkpoint(_request: Request) -> Response:
        note = await folder.note()
        if note is None:
            raise NotFoundError("no checkpoint is in the tile log yet")
        return Response(note, headers={"Cache-Control": "no-cache"}, media_type="text/plain; charset=utf-8")

    async def bundle(request: Request) -> Response:
        tile = _tile(f"tile/entries/{request.path_params['index']}")
        return _answer(await folder.tile(tile), tile, _PRIVATE)

    async def hashes(request: Request) -> Response:
        tile = _tile(f"tile/{request.path_params['level']}/{request.path_params['index']}")
        if tile.level == ENTRIES:
            raise _missing(tile)
        return _answer(await folder.tile(tile), tile, _PUBLIC)

    return (
        Endpoint("GET", "/tlog/checkpoint", "ledger.monitor", checkpoint),
        Endpoint("GET", "/tlog/tile/entries/{index:path}", "ledger.read", bundle),
        Endpoint("GET", "/tlog/tile/{level}/{index:path}", "ledger.monitor", hashes),
    )


def _tile(path: str) -> Tile:
    try:
        return Tile.parse(path)
    except MalformedTileError as cause:
        raise NotFoundError(cause.detail) from cause


def _answer(content: bytes | None, tile: Tile, caching: str) -> Response:
    if content is None:
        raise _missing(tile)
    return Response(content, headers={"Cache-Control": caching}, media_type="application/octet-stream")


def _missing(tile: Tile) -> NotFoundError:
    return NotFoundError(f"there is no {tile.path} here: look at /tlog/checkpoint for the size of the log")
