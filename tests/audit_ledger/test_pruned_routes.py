"""What a prune took is refused in words over HTTP, never as damage; what is left is listed and proven."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2 as httpx
import pytest

from audit_ledger.service.audit.verifier import Evidence
from audit_ledger.store.pruner import Prunes
from tests.audit_ledger.bundles import exported
from tests.audit_ledger.retaining import full, retaining
from tests.audit_ledger.rig import Rig
from tests.audit_ledger.test_routes import mounted

LEFT = 512


@pytest.fixture
async def client(rig: Rig, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    await full(rig)
    archive = await exported(rig, tmp_path / "archive.zip")
    async with retaining(rig) as retention:
        await retention.prune(archive, until=LEFT)
    prunes = Prunes(rig.reader_pool, rig.signer.name)
    ledger = rig.ledger(evidence=Evidence(rig.signer.verifier, rig.folder, prunes=prunes))
    await ledger.start()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(mounted(ledger, rig)), base_url="http://gw") as made:
        yield made
    await ledger.stop()


@pytest.mark.parametrize("path", [
    "entries/3", "entries/3/proof", "entries/3/receipt", "tree?size=500", "consistency?old=5&new=550",
    "consistency?old=257&new=600", "consistency?old=0&new=1", "consistency?old=256&new=511",
])
async def test_what_needs_pruned_entries_names_their_archive(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(f"/api/v1/ledger/{path}")

    assert (answer.status_code, "is pruned: look in the archive" in answer.json()["detail"]) == (404, True)


@pytest.mark.parametrize("path", [
    "tree?size=256", "tree?size=512", "tree?size=600", "tree?size=0", "consistency?old=256&new=600",
    "consistency?old=256&new=512", "consistency?old=513&new=600", "entries/512/proof", "entries/599/receipt",
])
async def test_what_whole_tiles_and_the_rest_prove_is_proven(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(f"/api/v1/ledger/{path}")

    assert answer.status_code == 200


async def test_pages_below_a_position_end_at_the_first_entry_left(client: httpx.AsyncClient) -> None:
    seen, before = [], 530
    while before is not None:
        page = (await client.get("/api/v1/ledger/entries", params={"before": before, "limit": 6})).json()
        assert all(item["seq"] < before for item in page["items"])
        seen += [item["seq"] for item in page["items"]]
        before = page["next"]

    assert seen == list(range(529, LEFT - 1, -1))


@pytest.mark.parametrize("query", ["after=0&limit=0", "before=9&limit=0", "limit=0", "before=0", "before=1&limit=1"])
async def test_a_page_of_nothing_is_empty_and_the_last(client: httpx.AsyncClient, query: str) -> None:
    answer = await client.get(f"/api/v1/ledger/entries?{query}")

    assert (answer.status_code, answer.json()) == (200, {"items": [], "next": None})
