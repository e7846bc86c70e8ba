"""The described API: every route with its action, its audience and its schema, and a document that is valid."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate
from starlette.requests import Request

from control_plane.config import Settings
from control_plane.home import Home
from control_plane.openapi.audience import Audience
from control_plane.openapi.document import document, operation_id, template
from control_plane.openapi.endpoints import PATH
from control_plane.product import Product
from control_plane.wiring.product import assembled
from shared_kernel.endpoint import Endpoint
from shared_kernel.operation import Operation
from tests.conftest import DatabaseMaker

BUNDLE = Path(__file__).resolve().parents[2] / "opa_policies"


@pytest.fixture
async def product(make_database: DatabaseMaker, tmp_path: Path) -> AsyncIterator[Product]:
    home = Home(tmp_path)
    home.prepare()
    async with assembled(Settings(home=tmp_path), home, await make_database()) as wired:
        yield wired


async def _document(product: Product) -> dict[str, Any]:
    [described] = [each for each in product.endpoints() if each.path == PATH]
    answer = await described.handler(None)
    found: dict[str, Any] = json.loads(answer.body)
    return found


async def test_the_document_is_openapi_3_1_and_lists_every_route(product: Product) -> None:
    found = await _document(product)

    validate(found)
    listed = {(method, path) for path, methods in found["paths"].items() for method in methods}
    assert listed == {(each.method.lower(), template(each.path)) for each in product.endpoints()
                      if each.method != "WEBSOCKET"}
    assert set(found["x-websockets"]) == {template(each.path) for each in product.endpoints()
                                          if each.method == "WEBSOCKET"}


async def test_every_route_has_an_action_that_policy_knows_and_says_what_it_takes_and_gives(product: Product) -> None:
    audience = Audience("r1", json.loads((BUNDLE / "data.json").read_text())["access"])

    unknown = [(each.method, each.path) for each in product.endpoints()
               if not each.probe and not audience.knows(each.action)]
    silent = [(each.method, each.path) for each in product.endpoints() if each.operation is None]

    assert unknown == []
    assert silent == []


async def test_the_document_says_who_may(product: Product) -> None:
    paths = (await _document(product))["paths"]

    erase = paths["/api/v1/ledger/erasures"]["post"]
    assert (erase["x-action"], erase["x-roles"], erase["x-open-to"]) == (
        "ledger.erase", ["admin", "data_steward"], "roles")
    assert erase["security"] == [{"bearer": []}, {"dpop": []}]
    assert paths["/api/v1/customers"]["get"]["x-dataset"] == "grid.customers"
    assert "analyst" not in paths["/api/v1/meters"]["get"]["x-roles"], "who sees sums only sees no household's readings"
    assert "analyst" in paths["/api/v1/analytics/consumption/windows"]["get"]["x-roles"]
    assert paths["/oauth2/token"]["post"]["security"] == [{}, {"client": []}]
    assert paths["/login"]["get"]["x-open-to"] == "everyone"
    assert paths["/metrics"]["get"]["x-open-to"] == "this machine"
    assert paths["/metrics"]["get"]["security"][0] == {}
    assert paths["/api/v1/users/me"]["get"]["x-open-to"] == "everyone signed in"


async def test_operation_ids_are_unique_words(product: Product) -> None:
    names = [operation_id(each) for each in product.endpoints()]

    assert len(names) == len(set(names))
    assert all(name.isidentifier() for name in names)


async def test_a_changed_policy_is_a_changed_document() -> None:
    endpoint = Endpoint("GET", "/x/{name}", "x.read", _nothing, operation=Operation("X", {"type": "object"}))
    before, after = (Audience(revision, {"by_role": {"x.read": roles}})
                     for revision, roles in (("r1", ["admin"]), ("r2", ["auditor"])))

    documents = [document([endpoint], each, version="1", origin="https://grid.test") for each in (before, after)]

    assert [each["paths"]["/x/{name}"]["get"]["x-roles"] for each in documents] == [["admin"], ["auditor"]]
    assert [each["x-policy-revision"] for each in documents] == ["r1", "r2"]


async def test_the_ledger_keeps_its_word(product: Product) -> None:
    """Every GET that needs no more than an entry's position is asked, and its answer held against its schema."""
    found = await _document(product)
    routes = {each.path: each for each in product.endpoints()
              if each.path.startswith("/api/v1/ledger") and each.method == "GET"}

    for path, endpoint in routes.items():
        answer = await endpoint.handler(Request({
            "type": "http", "method": "GET", "path": path, "query_string": b"from=0&until=1", "headers": [],
            "path_params": {"seq": 0} if "{seq}" in path else {}}))
        [content] = found["paths"][path]["get"]["responses"]["200"]["content"].items()
        if content[0] == "application/json":
            OAS31Validator({**content[1]["schema"], "components": found["components"]}).validate(
                json.loads(answer.body))
        else:
            assert answer.headers["content-type"].startswith(content[0])


async def _nothing(_request: Request) -> None:
    """Nothing."""
