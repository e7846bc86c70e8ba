"""A bundle over HTTP is the bundle of the command line, and leaves nothing behind."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from audit_ledger.adapters.bundle_file import BundleFile
from audit_ledger.domain.tlog_policy import NONE, KnownLog, Policy
from audit_ledger.http.bundles import MAX_ENTRIES, endpoints
from audit_ledger.service.bundle_audit import BundleAuditor
from audit_ledger.service.export import Exporter
from audit_ledger.store.cosignatures import Cosignatures
from audit_ledger.store.pruner import Prunes
from shared_kernel.errors import GridwardenError, NotFoundError, UnprocessableError
from tests.audit_ledger.rig import Rig, filled

STATUS = {NotFoundError: 404, UnprocessableError: 422}


async def rendered(_request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, next((code for kind, code in STATUS.items()
                                                      if isinstance(error, kind)), 400))


@pytest.fixture
async def client(rig: Rig) -> AsyncIterator[httpx.AsyncClient]:
    await filled(rig)
    pool, name = rig.reader_pool, rig.signer.name
    exporter = Exporter(rig.reader, Cosignatures(pool, pool, name), Prunes(pool, name), rig.signer.verifier)
    routes = [Route(each.path, each.handler, methods=[each.method]) for each in endpoints(exporter)]
    app: Any = Starlette(routes=routes, exception_handlers={GridwardenError: rendered})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gw") as made:
        yield made


def left_behind() -> list[Path]:
    return list(Path(tempfile.gettempdir()).glob("gridwarden-bundle-*"))


async def test_a_bundle_over_http_verifies(client: httpx.AsyncClient, rig: Rig, tmp_path: Path) -> None:
    before = left_behind()

    answer = await client.get("/api/v1/ledger/bundle?from=3&until=17")

    (tmp_path / "b.zip").write_bytes(answer.content)
    policy = Policy((KnownLog(rig.signer.verifier),), (), (), NONE)
    with BundleFile(tmp_path / "b.zip") as bundle:
        report = BundleAuditor(policy, rig.clock).verify(bundle)
    assert (answer.headers["content-type"], report.findings) == ("application/zip", ())
    assert left_behind() == before


@pytest.mark.parametrize(("query", "status"), [
    ("from=3", 422), ("from=5&until=5", 422), ("from=9&until=5", 422), (f"from=0&until={MAX_ENTRIES + 1}", 422),
    ("from=0&until=999", 404), ("from=x&until=5", 400), ("from=+0&until=5", 400),
])
async def test_what_is_no_range_is_refused(client: httpx.AsyncClient, query: str, status: int) -> None:
    before = left_behind()

    answer = await client.get(f"/api/v1/ledger/bundle?{query}")

    assert (answer.status_code, bool(answer.json()["detail"]), left_behind()) == (status, True, before)
