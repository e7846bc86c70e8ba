"""kill -9 of the followers at random moments: nothing lost, nothing doubled, the copies equal in the end."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audit_ledger.adapters.mongo_mirror import MongoMirror
from audit_ledger.adapters.tile_folder import TileFolder
from audit_ledger.domain.c2sp.tiles import ENTRIES, Tile, tiles_of
from audit_ledger.service import Ledger
from audit_ledger.service.copies.diff import diff
from tests.audit_ledger.copies import Fleet, caught_up
from tests.audit_ledger.rig import opened
from tests.frozen_clock import FrozenClock
from tests.servers.mongo import mongo_server

KILLS = int(os.environ.get("GRIDWARDEN_KILLS", "60"))


async def keep_sealing(fleet: Fleet, ledger: Ledger) -> None:
    """Some hundred entries a second, a checkpoint after every handful."""
    number = 0
    while True:
        number += 1
        await fleet.seal(ledger, 1 + number * 37 % 61)
        await asyncio.sleep(0.05)


async def kills(fleet: Fleet, host: str, port: int) -> list[str]:
    """Run the forks to the end; return what they said."""
    script = Path(__file__).with_name("follow_loop.py")
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(script), fleet.rig.url, str(fleet.rig.signer.verifier), str(fleet.folder), host, str(port),
        str(KILLS), stdout=asyncio.subprocess.PIPE)
    told, _ = await process.communicate()
    return [line for line in told.decode().splitlines() if line.startswith(("killed", "alarm"))]


@pytest.mark.mongo
@pytest.mark.slow
async def test_followers_killed_at_any_moment_leave_copies_that_become_equal(
    make_database: Callable[..., Any], tmp_path: Path, clock: FrozenClock,
) -> None:
    with mongo_server(tmp_path / "db") as server:
        async with opened(make_database, tmp_path, clock) as rig:
            mongo = MongoMirror.connect(host=server.host, port=server.port, database="test", stream=rig.signer.name)
            fleet = Fleet(rig, TileFolder(tmp_path / "tlog", rig.signer.name), mongo, tmp_path / "tlog")
            ledger = rig.ledger()
            await ledger.start()
            sealing = asyncio.create_task(keep_sealing(fleet, ledger))

            told = await kills(fleet, server.host, server.port)

            sealing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sealing
            await ledger.publish_checkpoint()
            sizes_after_the_last_kill = [await copy.end() for copy in fleet.copies]
            async with fleet.following(ledger) as mirrors:
                await caught_up(*mirrors)
            size = ledger.head().size

            assert told == [f"killed {number} -9" for number in range(1, KILLS + 1)]
            assert min(sizes_after_the_last_kill) > KILLS
            for mirror in mirrors:
                _, newest = await mirror.source.checkpoint()
                report = await fleet.verify(mirror.copy)
                assert (report.size, report.findings) == (size, ())
                assert await diff(mirror.copy, mirror.source, newest) == ()
            assert await mongo._entries.count_documents({}) == size
            files = {path.relative_to(fleet.folder).as_posix() for path in (fleet.folder / "tile").rglob("*")
                     if path.is_file() and path.suffix != ".new"}
            needed = {tile.path for tile in tiles_of(size)}
            needed |= {Tile(ENTRIES, tile.index, tile.width).path for tile in tiles_of(size) if tile.level == 0}
            assert needed <= files
            assert await ledger.find(action="copy_diverged") == []
            await mongo.close()
            await ledger.stop()
