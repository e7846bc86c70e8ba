"""`ledger verify --stores` and `--bundle`: copies and bundles by the same command, with the same exit codes."""

import asyncio
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from audit_ledger.adapters.tile_folder import TileFolder
from audit_ledger.service.copies.mirror import Mirror
from audit_ledger.service.copies.repair import repair
from control_plane.cli.ledger import app
from control_plane.home import Home
from tests.audit_ledger.rig import Rig


async def run(rig: Rig, home: Path, *words: str) -> Any:
    return await asyncio.to_thread(
        CliRunner().invoke, app, [*words, "--home", str(home), "--database-url", rig.url])


async def with_tiles(rig: Rig, home: Path) -> Path:
    """A ledger of twenty that said goodbye, and its tile log up to the last checkpoint."""
    await rig.filled(19)
    ledger = rig.ledger()
    await ledger.start()
    tiles = TileFolder(Home(home).tiles, rig.signer.name)
    await ledger.publish_checkpoint()
    await repair(Mirror(tiles, ledger, rig.reader, key=rig.signer.verifier, clock=rig.clock), ledger, rig.clock)
    await ledger.leave()
    return Home(home).tiles


async def test_a_copy_that_is_behind_exits_3_and_is_told_apart(rig: Rig, tmp_path: Path) -> None:
    await with_tiles(rig, tmp_path)

    result = await run(rig, tmp_path, "verify", "--stores", "postgres,tiles", "--json")

    report = json.loads(result.stdout)
    [copy] = report["copies"]
    assert (result.exit_code, report["exit_code"], report["verdict"]) == (3, 3, "unproven")
    assert (copy["verdict"], copy["behind"], report["stale"]) == ("unproven", True, False)


async def test_a_damaged_copy_exits_4_though_postgresql_is_good(rig: Rig, tmp_path: Path) -> None:
    tiles = await with_tiles(rig, tmp_path)
    [bundle] = (tiles / "tile" / "entries").rglob("*[0-9]")
    bundle.write_bytes(bundle.read_bytes().replace(b"request-7", b"request-8"))

    result = await run(rig, tmp_path, "verify", "--stores", "tiles,postgres", "--json")

    report = json.loads(result.stdout)
    assert (result.exit_code, report["verdict"], report["findings"]) == (4, "tampered", [])
    assert {found["kind"] for found in report["copies"][0]["findings"]} == {"copy_mismatch"}


@pytest.mark.parametrize("stores", ["cassandra", ",", "postgres,mongo"])
async def test_a_store_that_is_not_there_cannot_be_checked(rig: Rig, tmp_path: Path, stores: str) -> None:
    await with_tiles(rig, tmp_path)

    result = await run(rig, tmp_path, "verify", "--stores", stores, "--json")

    assert (result.exit_code, json.loads(result.stdout)["verdict"]) == (5, "cannot_check")


async def exported(rig: Rig, tmp_path: Path) -> tuple[Path, Path]:
    """A bundle, and a policy that names the ledger's key."""
    await rig.filled(20)
    made = await run(rig, tmp_path, "export", "--to", str(tmp_path / "case.zip"))
    assert made.exit_code == 0
    (tmp_path / "policy").write_text(f"log {rig.signer.verifier}\nquorum none\n")
    return tmp_path / "case.zip", tmp_path / "policy"


async def verified(bundle: Path, *words: str) -> Any:
    return await asyncio.to_thread(CliRunner().invoke, app, ["verify", "--json", "--bundle", str(bundle), *words])


async def test_a_bundle_is_judged_by_the_auditor_s_policy_and_nothing_else(rig: Rig, tmp_path: Path) -> None:
    bundle, policy = await exported(rig, tmp_path)

    good, without = await verified(bundle, "--policy", str(policy)), await verified(bundle)

    assert (good.exit_code, json.loads(good.stdout)["mode"]) == (0, "anchored")
    assert (without.exit_code, "--policy" in json.loads(without.stdout)["detail"]) == (5, True)


async def test_a_changed_bundle_exits_4(rig: Rig, tmp_path: Path) -> None:
    bundle, policy = await exported(rig, tmp_path)
    with zipfile.ZipFile(bundle) as old, zipfile.ZipFile(tmp_path / "changed.zip", "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, content.replace(b"request-7", b"request-8") if name.startswith("entries") else content)

    result = await verified(tmp_path / "changed.zip", "--policy", str(policy))

    assert result.exit_code == 4
