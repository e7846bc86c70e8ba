"""A bundle over HTTP is the same bundle."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from audit_ledger.domain.errors import MalformedNoteError
from audit_ledger.http import bundle
from shared_kernel.errors import InvalidInputError, NotFoundError
from tests.audit_ledger.bundles import Judge, exported, exporter_of, policy_of
from tests.audit_ledger.rig import Rig, filled


@pytest.fixture
async def client(rig: Rig) -> AsyncIterator[httpx.AsyncClient]:
    """The route alone; errors come through as they are."""
    routes = [Route(each.path, each.handler, methods=[each.method]) for each in bundle.endpoints(exporter_of(rig))]
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(Starlette(routes=routes)), base_url="http://ledger") as made:
        yield made


async def test_it_is_the_bundle_of_the_command_line(rig: Rig, client: Any, tmp_path: Path) -> None:
    await filled(rig)
    same = await exported(rig, tmp_path / "same.zip", since=3, until=9)

    answer = await client.get("/api/v1/ledger/bundle?from=3&until=9")

    (tmp_path / "got.zip").write_bytes(answer.content)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    assert answer.content == same.read_bytes()
    assert Judge(rig, policy_of(rig, tmp_path))(tmp_path / "got.zip") == (0, [])


async def test_an_empty_form_asks_for_everything(rig: Rig, client: Any, tmp_path: Path) -> None:
    await filled(rig)

    answer = await client.get("/api/v1/ledger/bundle?from=&until=")

    assert answer.content == (await exported(rig, tmp_path / "all.zip")).read_bytes()


async def test_single_entries_can_be_asked_for(rig: Rig, client: Any, tmp_path: Path) -> None:
    await filled(rig)

    answer = await client.get("/api/v1/ledger/bundle?entry=7&entry=3")

    assert answer.content == (await exported(rig, tmp_path / "two.zip", singles=(3, 7))).read_bytes()


@pytest.mark.parametrize("query", [
    "from=+5", "from=05", "until=1_0", "until=-1", "entry=x", "from=1&from=2", "size=3", "from=%EF%BC%95"])
async def test_numbers_are_plain_and_names_are_known(rig: Rig, client: Any, query: str) -> None:
    await filled(rig)

    with pytest.raises((InvalidInputError, MalformedNoteError)):
        await client.get(f"/api/v1/ledger/bundle?{query}")


async def test_what_is_not_under_a_checkpoint_is_not_there(rig: Rig, client: Any) -> None:
    await filled(rig)

    with pytest.raises(NotFoundError):
        await client.get("/api/v1/ledger/bundle?until=1000")
