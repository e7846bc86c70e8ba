"""A stranger's monitor follows the tile log of a running product, and reads what only an auditor may."""

import asyncio

import pytest

from control_plane.demo.instance import Instance
from tests.end_to_end.conftest import People
from tests.end_to_end.foreign_monitor import WIDTH, Monitor


@pytest.mark.slow
async def test_a_stranger_recomputes_the_signed_root_from_the_tiles_while_the_log_grows(
    instance: Instance, sign_in: People,
) -> None:
    auditor = await sign_in("arta.auditor")
    monitor = Monitor(f"{instance.gateway}/tlog")
    before = await asyncio.to_thread(monitor.follow)

    for _ in range(WIDTH + 20):
        await auditor.ask("GET", "/api/v1/ledger/head")
    after = await _grown(monitor, before)

    assert len(monitor.roots) >= 2
    assert after > before


async def test_partial_tiles_are_cut_from_wider_ones(instance: Instance) -> None:
    monitor = Monitor(f"{instance.gateway}/tlog")
    await asyncio.to_thread(monitor.follow)
    held = b"".join(monitor.leaves)
    widest = min(len(monitor.leaves), WIDTH - 1)

    for width in {1, (widest + 1) // 2, widest}:
        assert await asyncio.to_thread(monitor.get, f"tile/0/000.p/{width}") == held[:width * 32]


@pytest.mark.parametrize("path", [
    "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/01", "tile/0/x000/000", "tile/0/x000", "tile/0/0",
    "tile/00/000", "tile/64/000", "tile/-1/000", "tile/0/999", "tile/5/000", "tile/0/000/", "tile/0/000.p/1/2",
    "tile/ENTRIES/000",
])
async def test_what_is_no_tile_is_not_found(instance: Instance, path: str) -> None:
    assert await asyncio.to_thread(Monitor(f"{instance.gateway}/tlog").status, path) == 404


@pytest.mark.parametrize("path", ["tile//0/000", "tile/0/%2e%2e/0", "tile/entries%2f000", "tile/0/%EF%BC%90"])
async def test_a_path_with_tricks_is_refused_before_it_is_one(instance: Instance, path: str) -> None:
    assert await asyncio.to_thread(Monitor(f"{instance.gateway}/tlog").status, path) == 400


async def test_an_auditor_recomputes_every_leaf_and_a_stranger_sees_no_entry(
    instance: Instance, sign_in: People,
) -> None:
    auditor = await sign_in("arta.auditor")
    viewer = await sign_in("vera.viewer")
    monitor = Monitor(f"{instance.gateway}/tlog", str(auditor.tokens["access_token"]))
    size = await asyncio.to_thread(monitor.follow)

    read = await asyncio.to_thread(monitor.read_entries)

    assert read == size
    assert await asyncio.to_thread(Monitor(monitor.prefix).status, "tile/entries/000.p/1") == 401
    refused = Monitor(monitor.prefix, str(viewer.tokens["access_token"]))
    assert await asyncio.to_thread(refused.status, "tile/entries/000.p/1") == 403


async def _grown(monitor: Monitor, before: int) -> int:
    """Follow until the log has grown: a checkpoint comes at least once a minute."""
    for _ in range(30):
        if (size := await asyncio.to_thread(monitor.follow)) > before:
            return size
        await asyncio.sleep(3)
    pytest.fail("no checkpoint in 90 seconds")
