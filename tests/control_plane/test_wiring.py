"""The wired city: every route names an action policy knows, every dataset is catalogued, and it stops cleanly."""

import json
from collections.abc import AsyncIterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from control_plane.config import Settings
from control_plane.home import Home
from control_plane.product import Product
from control_plane.screen import Screen
from control_plane.wiring.product import assembled
from tests.conftest import DatabaseMaker

ACCESS = json.loads((Path(__file__).resolve().parents[2] / "opa_policies" / "data.json").read_text())["access"]
KNOWN = [action for group in ("public", "on_this_machine", "signed_in", "any_scope", "by_role")
         for action in ACCESS[group]]


@pytest.fixture
async def product(make_database: DatabaseMaker, tmp_path: Path) -> AsyncIterator[Product]:
    home = Home(tmp_path)
    home.prepare()
    async with assembled(Settings(home=tmp_path), home, await make_database()) as wired:
        yield wired


async def test_every_route_names_an_action_that_policy_knows(product: Product) -> None:
    decided = [endpoint for endpoint in product.endpoints() if not endpoint.probe]

    unknown = {e.action for e in decided if not any(fnmatchcase(e.action, pattern) for pattern in KNOWN)}

    assert unknown == set()
    assert len(decided) > 60


async def test_no_two_routes_are_one(product: Product) -> None:
    named = [(endpoint.method, endpoint.path) for endpoint in product.endpoints()]

    assert len(named) == len(set(named))


async def test_only_liveness_and_readiness_go_undecided(product: Product) -> None:
    probes = {endpoint.path for endpoint in product.endpoints() if endpoint.probe}

    assert probes == {"/health", "/health/live", "/health/ready"}


async def test_every_served_dataset_is_catalogued(product: Product) -> None:
    served = {endpoint.dataset for endpoint in product.endpoints() if endpoint.dataset}

    assert [dataset for dataset in served if product.governed.catalog.get(dataset) is None] == []


async def test_a_first_start_happens_once(product: Product, capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(as_json=True)

    await product.first_start(screen, demo=True)
    await product.first_start(screen, demo=True)

    told = _facts(capsys)
    assert [one["name"] for one in told].count("admin") == 1
    assert len(told) == len({one["name"] for one in told}) == 8


async def test_a_stranger_gets_no_demo_users_unasked(product: Product, capsys: pytest.CaptureFixture[str]) -> None:
    await product.first_start(Screen(as_json=True), demo=False)

    told = _facts(capsys)
    assert [one["name"] for one in told] == ["admin"]


def _facts(capsys: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
