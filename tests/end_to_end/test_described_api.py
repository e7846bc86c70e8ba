"""The whole product is asked everything its own description allows: no fault of ours, and answers as described."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2 as httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from control_plane.cli.person import Person
from control_plane.demo.instance import Instance
from tests.enterable import enterable

pytestmark = pytest.mark.slow
CASES = 3
CHECKS = (status_code_conformance, content_type_conformance, response_schema_conformance)
_PARAMETER = re.compile(r"\{[^}]+\}")


@schemathesis.serializer("application/gzip")
def _archive(_context: Any, value: Any) -> bytes:
    """Send what is no archive where one is wanted."""
    return value if isinstance(value, bytes) else str(value).encode()


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """Start a product of our own: what is asked of it may change it."""
    with Instance(enterable(tmp_path_factory.mktemp("fuzzed")) / "home") as running:
        yield running


@pytest.fixture
async def document(fuzzed: Instance) -> AsyncIterator[dict[str, Any]]:
    async with httpx.AsyncClient(base_url=fuzzed.gateway) as client:
        answer = await client.get("/openapi.json")
        assert answer.status_code == 200
        yield answer.json()


async def test_nothing_the_description_allows_is_a_fault_of_ours(fuzzed: Instance, document: dict[str, Any]) -> None:
    async with Person(fuzzed.gateway) as person:
        await person.sign_in("admin", fuzzed.passwords["admin"])
        token = str(person.tokens["access_token"])

    faults = await asyncio.to_thread(_faults, document, fuzzed.gateway, {"Authorization": f"Bearer {token}"})

    assert not faults, "\n\n".join(f"{label}\n{fault}" for label, fault in faults.items())


def _faults(document: dict[str, Any], url: str, fields: dict[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for result in schemathesis.openapi.from_dict(document).get_all_operations():
        operation = result.ok()  # type: ignore[union-attr]
        if fault := _fault(operation, url, fields):
            found[operation.label] = fault
    return found


def _fault(operation: Any, url: str, fields: dict[str, str]) -> str | None:
    """Return what is wrong with one operation's answers."""

    @settings(max_examples=CASES, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
    def ask(case: Any) -> None:
        answer = case.call(base_url=url, headers=fields, allow_redirects=False)
        assert answer.status_code < 500, answer.text[:300]
        case.validate_response(answer, checks=CHECKS)

    try:
        ask()
    except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 - whatever it is, it is what the test reports
        return f"{type(error).__name__}: {error}"[:1_500]
    return None


async def test_strangers_get_401_from_all_that_is_not_open(fuzzed: Instance, document: dict[str, Any]) -> None:
    wrong = []

    async with httpx.AsyncClient(base_url=fuzzed.gateway) as client:
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                answer = await client.request(method.upper(), _PARAMETER.sub("x", path))
                is_open = operation["x-open-to"] in {"everyone", "this machine"}
                if answer.status_code >= 500 or (not is_open and answer.status_code != 401):
                    wrong.append((method, path, answer.status_code))

    assert wrong == []
    assert sum(operation["x-open-to"] == "roles" for methods in document["paths"].values()
               for operation in methods.values()) > 60
