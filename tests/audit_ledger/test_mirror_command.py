"""`gridwarden ledger mirror`, as an operator types it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from audit_ledger.adapters.mongo_mirror import MongoMirror
from audit_ledger.adapters.tile_folder import TileFolder
from control_plane.cli.ledger.mirror import app
from tests.audit_ledger.copies import Fleet
from tests.audit_ledger.rig import opened
from tests.frozen_clock import FrozenClock
from tests.servers.mongo import MongoServer
from tests.servers.started import free_port

pytestmark = pytest.mark.mongo


@pytest.fixture
async def fleet(
    make_database: Callable[..., Any], tmp_path: Path, clock: FrozenClock, mongo: MongoServer,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Fleet]:
    """Three hundred entries in both copies, and an environment that names them."""
    monkeypatch.setenv("MONGODB_HOST", mongo.host)
    monkeypatch.setenv("MONGODB_PORT", str(mongo.port))
    async with opened(make_database, tmp_path, clock) as rig:
        mirror = MongoMirror.connect(host=mongo.host, port=mongo.port, database="gridwarden", stream=rig.signer.name)
        folder = tmp_path / "ledger" / "tiles"
        made = Fleet(rig, TileFolder(folder, rig.signer.name), mirror, folder)
        await made.copied(300)
        yield made
        await mirror.close()


async def run(fleet: Fleet, *words: str) -> Result:
    """Run a command in a thread: it brings an event loop of its own."""
    home = str(fleet.folder.parents[1])
    return await asyncio.to_thread(CliRunner().invoke, app, [*words, "--home", home, "--database-url", fleet.rig.url])


async def test_copies_up_to_date_exit_0(fleet: Fleet) -> None:
    result = await run(fleet, "status")

    assert (result.exit_code, [" ".join(line.split()) for line in result.stdout.splitlines()]) == (0, [
        "tiles 300 of 300 published entries: up to date", "mongo 300 of 300 published entries: up to date"])


async def test_copies_behind_exit_3(fleet: Fleet) -> None:
    await fleet.rig.filled(310)

    result = await run(fleet, "status", "--json", "--copy", "mongo")

    told = json.loads(result.stdout)
    assert (result.exit_code, told["name"], told["size"], told["backlog"]) == (3, "mongo", 300, 10)


async def test_a_copy_that_claims_other_exits_4_and_says_what_to_do(fleet: Fleet) -> None:
    (fleet.folder / "checkpoint").write_bytes(b"nothing")

    result = await run(fleet, "status", "--copy", "tiles")

    assert result.exit_code == 4
    assert "gridwarden ledger mirror repair --copy tiles" in result.stdout


async def test_a_copy_that_does_not_answer_exits_5(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONGODB_PORT", str(free_port()))

    result = await run(fleet, "status", "--json")

    states = [json.loads(line)["state"] for line in result.stdout.splitlines()]
    assert (result.exit_code, states) == (5, ["following", "down"])


async def test_a_repair_names_what_it_did_and_its_entry(fleet: Fleet) -> None:
    (fleet.folder / "tile" / "entries" / "000").unlink()
    await fleet.mongo._entries.delete_one({"_id": fleet.mongo._id("seq", 7)})
    await fleet.mongo._entries.update_one({"_id": fleet.mongo._id("seq", 8)}, {"$set": {"payload": b"{}"}})

    result = await run(fleet, "repair", "--json")
    again = await run(fleet, "status")

    tiles, mongo = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
    assert result.exit_code == 0
    assert {"kind": "different", "seq": 0, "last_seq": 255} in tiles["found"]
    assert mongo["found"][:2] == [{"kind": "missing", "seq": 7, "last_seq": 7},
                                  {"kind": "different", "seq": 8, "last_seq": 8}]
    assert (await fleet.rig.reader.find({"action": "copy_repaired"}, None, 9))[0].seq == mongo["seq"]
    assert again.exit_code in {0, 3}
    for copy in fleet.copies:
        assert (await fleet.verify(copy)).findings == ()


async def test_while_a_product_leads_the_repair_is_asked_of_it(fleet: Fleet) -> None:
    ledger = fleet.rig.ledger()
    await ledger.start()

    result = await run(fleet, "repair", "--copy", "mongo")

    assert result.exit_code != 0
    assert "POST /api/v1/ledger/copies/mongo/repair" in str(result.exception)
    await ledger.stop()


async def test_an_unknown_copy_is_refused_with_the_names_of_those_there_are(fleet: Fleet) -> None:
    result = await run(fleet, "status", "--copy", "paper")

    assert "this ledger has tiles, mongo" in str(result.exception)
