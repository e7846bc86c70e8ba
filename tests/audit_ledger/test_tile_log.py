"""The tile log over HTTP as a public monitor reads it, and the copies' routes."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from audit_ledger.adapters.tile_folder import TileFolder
from audit_ledger.domain.c2sp.checkpoint import open_checkpoint
from audit_ledger.domain.c2sp.tiles import (
    ENTRIES,
    Tile,
    edge_of,
    edge_root,
    entries_in,
    hashes_in,
    tiles_of,
)
from audit_ledger.domain.merkle import leaf_hash, perfect_root, root_of
from audit_ledger.http import copies as copies_http
from audit_ledger.http import tile_log
from audit_ledger.service import Ledger
from audit_ledger.service.copies.mirror import Mirror
from audit_ledger.service.copies.repair import repair
from shared_kernel.errors import GridwardenError, NotFoundError
from tests.audit_ledger.rig import Rig

IMMUTABLE = "public, max-age=31536000, immutable"


async def rendered(_request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, 404 if isinstance(error, NotFoundError) else 500)


@pytest.fixture
async def ledger(rig: Rig) -> AsyncIterator[Ledger]:
    made = rig.ledger()
    await made.start()
    for number in range(599):
        await made.record(rig.event(number))
    await made.publish_checkpoint()
    yield made
    await made.stop()


@pytest.fixture
def mirror(rig: Rig, ledger: Ledger, tmp_path: Path) -> Mirror:
    """The tile log is not yet there."""
    return Mirror(TileFolder(tmp_path / "tlog", rig.signer.name), ledger, rig.reader, key=rig.signer.verifier,
                  clock=rig.clock)


@pytest.fixture
async def monitor(rig: Rig, ledger: Ledger, mirror: Mirror) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody on the other side of HTTP."""
    folder: Any = mirror.copy
    offered = (*tile_log.endpoints(folder), *copies_http.endpoints((mirror,), ledger, rig.clock))
    app = Starlette(routes=[Route(each.path, each.handler, methods=[each.method]) for each in offered],
                    exception_handlers={GridwardenError: rendered})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gw") as client:
        yield client


async def test_before_the_first_copy_nothing_is_there(monitor: httpx.AsyncClient) -> None:
    answers = [await monitor.get(path) for path in ("/tlog/checkpoint", "/tlog/tile/0/000", "/tlog/tile/entries/000")]

    assert [answer.status_code for answer in answers] == [404, 404, 404]


async def test_a_monitor_reads_the_whole_log_and_arrives_at_the_signed_root(
    rig: Rig, ledger: Ledger, mirror: Mirror, monitor: httpx.AsyncClient,
) -> None:
    await repair(mirror, ledger, rig.clock)

    note = await monitor.get("/tlog/checkpoint")
    checkpoint = open_checkpoint(note.content, rig.signer.name, rig.signer.verifier)
    tiles = {tile: await monitor.get(f"/tlog/{tile.path}") for tile in tiles_of(checkpoint.size)}
    leaves = []
    for tile in [tile for tile in tiles if tile.level == 0]:
        bundle = await monitor.get(f"/tlog/{Tile(ENTRIES, tile.index, tile.width).path}")
        assert (bundle.headers["content-type"], bundle.headers["cache-control"]) == (
            "application/octet-stream", IMMUTABLE.replace("public", "private"))
        leaves += [leaf_hash(entry) for entry in entries_in(bundle.content, tile.width)]

    assert (note.headers["content-type"], note.headers["cache-control"]) == ("text/plain; charset=utf-8", "no-cache")
    assert checkpoint.size == 600
    assert root_of(leaves) == checkpoint.root
    for answer in tiles.values():
        assert (answer.headers["content-type"], answer.headers["cache-control"]) == (
            "application/octet-stream", IMMUTABLE)
    hashes = {tile: hashes_in(answer.content, tile.width) for tile, answer in tiles.items()}
    assert edge_root(600, {tile: hashes[tile] for tile in edge_of(600)}) == checkpoint.root
    assert hashes[Tile(1, 0, 2)][0] == perfect_root(leaves[:256])


async def test_a_narrower_tile_is_cut_out_of_a_wider_one(
    rig: Rig, ledger: Ledger, mirror: Mirror, monitor: httpx.AsyncClient,
) -> None:
    await repair(mirror, ledger, rig.clock)

    wide, narrow = [await monitor.get(f"/tlog/tile/0/{path}") for path in ("001", "001.p/44")]
    bundle, part = [await monitor.get(f"/tlog/tile/entries/{path}") for path in ("001", "001.p/44")]

    assert narrow.content == wide.content[:44 * 32]
    assert entries_in(part.content, 44) == entries_in(bundle.content, 256)[:44]


ABSENT = (
    "0/002", "0/002.p/89", "0/003", "0/003.p/1", "1/000", "1/000.p/3", "2/000", "2/000.p/1", "entries/002",
    "entries/002.p/89", "0/0", "00/000", "0/000.p/0", "0/000.p/256", "0/x000/000", "8/0/000", "0/000.new", "0/000/",
    "0/../checkpoint", "0/000.p/../000", "-1/000", "0/\0", "entries/000\n", "0/000\n", "0//000", "entries/../0/000",
    "entries/../../../keys/ledger.key", "0/\u0660\u0660\u0660", "0/../../checkpoint", "entries//etc/passwd",
)
"""As the router hands them over, decoded: the gateway refuses some of these spellings already, a test server not."""


async def test_what_is_not_there_or_no_path_of_a_tile_is_not_found(rig: Rig, ledger: Ledger, mirror: Mirror) -> None:
    await repair(mirror, ledger, rig.clock)
    folder: Any = mirror.copy
    _, bundle, hashes = tile_log.endpoints(folder)

    for path in ABSENT:
        level, _, index = path.partition("/")
        endpoint = bundle if level == "entries" else hashes
        with pytest.raises(NotFoundError):
            await endpoint.handler(Request({"type": "http", "path_params": {"level": level, "index": index}}))


async def test_no_route_of_the_hashes_gives_entries_away(
    rig: Rig, ledger: Ledger, mirror: Mirror,
) -> None:
    await repair(mirror, ledger, rig.clock)
    folder: Any = mirror.copy
    routes = {each.path: each for each in tile_log.endpoints(folder)}
    hashes = routes["/tlog/tile/{level}/{index:path}"]
    request = Request({"type": "http", "path_params": {"level": "entries", "index": "000"}})

    with pytest.raises(NotFoundError):
        await hashes.handler(request)

    assert {each.path: each.action for each in routes.values()} == {
        "/tlog/checkpoint": "ledger.monitor", "/tlog/tile/{level}/{index:path}": "ledger.monitor",
        "/tlog/tile/entries/{index:path}": "ledger.read"}


async def test_the_copies_tell_how_they_are_and_are_repaired_on_request(
    monitor: httpx.AsyncClient, ledger: Ledger,
) -> None:
    before = await monitor.get("/api/v1/ledger/copies")
    repaired = await monitor.post("/api/v1/ledger/copies/tiles/repair")
    again = await monitor.post("/api/v1/ledger/copies/tiles/repair")
    unknown = await monitor.post("/api/v1/ledger/copies/elsewhere/repair")

    [told] = before.json()["items"]
    assert (told["name"], told["state"], told["backlog"]) == ("tiles", "starting", 600)
    assert repaired.json() == {"name": "tiles", "size": 600, "entries": 600, "seq": 600, "found": [
        {"kind": "missing", "seq": 0, "last_seq": 599}]}
    assert (again.json()["seq"], unknown.status_code) == (None, 404)
    [entry] = await ledger.find(action="copy_repaired")
    assert entry.event["grid"]["ledger"] == {
        "copy": "tiles", "size": 600, "entries": 600, "count": 1,
        "ranges": [{"kind": "missing", "seq": 0, "last_seq": 599}]}
