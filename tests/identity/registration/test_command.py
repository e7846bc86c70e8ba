"""`gridwarden clients`: on the database of a stopped product, and through a gateway."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from typer.testing import CliRunner, Result

from control_plane.cli import app
from control_plane.cli.client_desks import GatewayDesk, RefusedByGatewayError, at_gateway
from control_plane.cli.clients import NoTokenError
from shared_kernel.errors import GridwardenError
from tests.conftest import DatabaseMaker
from tests.identity.registration.test_administration import BANK, SHOP
from tests.identity.world import ISSUER, World


async def run(*words: str, text: str | None = None) -> Result:
    """Run the command as a shell would."""
    return await asyncio.to_thread(CliRunner().invoke, app, ["clients", *words], input=text)


def said(result: Result) -> str:
    """Return what a command printed, without the log, which a shell would not see."""
    return "".join(line for line in result.stdout.splitlines(keepends=True) if not line.startswith("20"))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home beside the database."""
    place = tmp_path / "home"
    place.mkdir(mode=0o700)
    return place


async def test_clients_are_kept_on_the_database_of_a_stopped_product(make_database: DatabaseMaker, home: Path) -> None:
    where = ("--home", str(home), "--database-url", await make_database())
    file = home / "clients.json"
    file.write_text(json.dumps([BANK, SHOP]))

    trial = await run("import", str(file), "--dry-run", *where)
    first = await run("import", str(file), "--json", *where)
    second = await run("import", "-", *where, text=json.dumps(BANK | {"client_name": "Banka"}))
    listed = await run("list", "--json", *where)
    exported = await run("export", "bank", *where)
    again = await run("import", "-", *where, text=said(exported))
    invited = await run("invite", "--uses", "3", "--profile", "fapi2", *where)
    removed = await run("remove", "shop", "--yes", *where)

    assert trial.exit_code == 0, trial.output
    assert "created    bank" in said(trial)
    assert [each["action"] for each in json.loads(said(first))] == ["created", "created"]
    assert '  - client_name: "Bank"\n  + client_name: "Banka"' in said(second)
    assert [each["client_id"] for each in json.loads(said(listed))] == ["bank", "shop"]
    assert json.loads(said(exported))[0]["jwks"] == BANK["jwks"]
    assert said(again) == "unchanged  bank\n"
    assert said(invited).startswith("gw_initial_")
    assert said(removed) == "removed shop\n"
    assert "s" * 32 not in trial.output + first.output + listed.output + exported.output


async def test_what_cannot_be_imported_is_said_in_a_sentence(make_database: DatabaseMaker, home: Path) -> None:
    where = ("--home", str(home), "--database-url", await make_database())
    wrong: list[tuple[str, str]] = [
        ("{", "not JSON"), ("7", "one JSON object"), ('{"client_id": "x", "nonsense": 1}', "no client metadata"),
        ('{"redirect_uris": []}', "must name the client"), (json.dumps(SHOP | {"client_secret": "s"}), "32 to 512")]

    for text, sentence in wrong:
        failed = await run("import", "-", *where, text=text)
        assert failed.exit_code == 1
        assert isinstance(failed.exception, GridwardenError)
        assert sentence in failed.exception.detail, text
    assert "cannot be read" in str((await run("import", str(home / "none.json"), *where)).exception)


async def test_a_gateway_wants_a_token() -> None:
    refused = await run("list", "--gateway", "http://127.0.0.1:1")

    assert isinstance(refused.exception, NoTokenError)


async def test_an_issuer_s_path_does_not_hide_the_api() -> None:
    """What names the issuer for `gridwarden token` names the gateway here."""
    async with at_gateway("https://op.grid.test:5000/idp/", "token", None) as desk:
        assert isinstance(desk, GatewayDesk)
        assert desk._http.base_url == "https://op.grid.test:5000"


async def test_clients_are_kept_through_a_gateway(world: World) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(world.gateway), base_url=ISSUER) as http:
        desk = GatewayDesk(http, ISSUER)

        made: list[dict[str, Any]] = await desk.bring([BANK], is_trial=False)
        names = [client["client_id"] for client in await desk.listed()]
        token = await desk.invite(uses=1, expires_in_s=60, limits={"profile": "fapi2"})
        await desk.remove("bank")
        with pytest.raises(RefusedByGatewayError, match="404: there is no client"):
            await desk.remove("bank")

    assert made[0]["action"] == "created"
    assert "bank" in names
    assert token["initial_access_token"].startswith("gw_initial_")


@pytest.mark.parametrize("command", ["list", "import", "invite", "export", "remove"])
async def test_every_command_shows_an_example(command: str) -> None:
    assert "Example: gridwarden clients" in (await run(command, "--help")).stdout
