"""`gridwarden ledger erase`, on a home whose product is not running, and beside one that is."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from audit_ledger.adapters.subject_key_file import SubjectKeyFile
from audit_ledger.domain.errors import UncheckableError
from audit_ledger.domain.privacy.personal import ERASED
from audit_ledger.service.privacy.erasure import UnknownSubjectError
from control_plane.cli.ledger.erase import erase
from control_plane.cli.ledger.writing_desk import RunningProductError
from tests.audit_ledger.rig import Rig
from tests.audit_ledger.sealing_rig import SealingRig

app = typer.Typer()
app.command()(erase)


async def run(rig: Rig, home: Path, *words: str, answer: str | None = None) -> Result:
    """Run the command in a thread: it brings an event loop of its own."""
    options = ["--reason", "asked on 1 May", "--home", str(home), "--database-url", rig.url]
    return await asyncio.to_thread(CliRunner().invoke, app, [*words, *options], answer)


@pytest.fixture
async def desk(rig: Rig, tmp_path: Path) -> AsyncIterator[SealingRig]:
    """A home whose ledger has two entries about Ada; its product runs until the test stops it."""
    made = SealingRig(rig, SubjectKeyFile(tmp_path / "keys").key())
    await made.ledger.start()
    await made.seal("ada", "ada")
    yield made
    await made.ledger.stop()


async def test_it_erases_and_says_what(desk: SealingRig, tmp_path: Path) -> None:
    await desk.ledger.stop()

    told = await run(desk.rig, tmp_path, "ada", "--yes", "--json")
    again = await run(desk.rig, tmp_path, "ada", "--yes")

    assert (told.exit_code, json.loads(told.stdout.splitlines()[-1])["entries"]) == (0, 2)
    assert again.stdout.splitlines()[-1] == "ada was erased before, and nothing was sealed since"
    [entry] = await desk.beside().erasure.past(None, 10)
    assert entry.event["user"]["id"] == "cli"
    assert entry.event["event"]["reason"] == "asked on 1 May"
    assert (await desk.beside().ledger.read(1, 1))[0].event["user"]["name"] == ERASED
    assert await desk.check() == []


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1), ("", 1)])
async def test_it_asks_first(desk: SealingRig, tmp_path: Path, answer: str, code: int) -> None:
    await desk.ledger.stop()

    told = await run(desk.rig, tmp_path, "ada", answer=answer)

    assert (told.exit_code, "Nobody can bring them back" in told.output) == (code, True)
    assert len(await desk.beside().erasure.past(None, 10)) == 1 - code


async def test_beside_a_running_product_it_names_the_request_to_make(desk: SealingRig, tmp_path: Path) -> None:
    told = await run(desk.rig, tmp_path, "ada", "--yes")

    assert isinstance(told.exception, RunningProductError)
    assert ('POST /api/v1/ledger/erasures {"subject":"ada","reason":"asked on 1 May"}'
            in told.exception.detail)
    assert (await desk.event_at(1))["user"]["name"] == "ada the person"


async def test_a_home_without_the_ledger_s_key_is_left_alone(desk: SealingRig, tmp_path: Path) -> None:
    told = await run(desk.rig, tmp_path / "elsewhere", "ada", "--yes")

    assert isinstance(told.exception, UncheckableError)
    assert not (tmp_path / "elsewhere" / "keys").exists()


async def test_a_name_is_no_subject(desk: SealingRig, tmp_path: Path) -> None:
    await desk.ledger.stop()

    assert isinstance((await run(desk.rig, tmp_path, "ada the person", "--yes")).exception, UnknownSubjectError)
