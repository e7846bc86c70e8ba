"""A bundle of entries to take away, over HTTP: written to a file of its own, sent, and gone."""

import asyncio
import tempfile
from pathlib import Path

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from audit_ledger.http.numbers import number
from audit_ledger.service.export import Exporter
from audit_ledger.service.export import Request as Wanted
from shared_kernel.endpoint import Endpoint
from shared_kernel.errors import UnprocessableError

MAX_ENTRIES = 100_000
"""A larger one is the command line's: `gridwarden ledger export`."""


def endpoints(exporter: Exporter) -> tuple[Endpoint, ...]:
    """Return the route; one bundle is written at a time."""
    turn = asyncio.Lock()

    async def bundle(request: Request) -> Response:
        since, until = number(request, "from", 0), number(request, "until", None)
        if until is None:
            raise UnprocessableError("name the range: from, and until, which is not in it")
        if not 0 < until - since <= MAX_ENTRIES:
            raise UnprocessableError(f"a bundle over HTTP has 1 to {MAX_ENTRIES:,} entries: for more, run "
                                     "`gridwarden ledger export`")
        folder = tempfile.TemporaryDirectory(prefix="gridwarden-bundle-")
        path = Path(folder.name) / "bundle.zip"
        try:
            async with turn:
                await exporter.export(path, Wanted(since, until))
        except BaseException:
            folder.cleanup()
            raise
        return FileResponse(path, media_type="application/zip", filename=f"ledger-{since}-{until}.zip",
                            background=BackgroundTask(folder.cleanup))

    return (Endpoint("GET", "/api/v1/ledger/bundle", "ledger.read", bundle),)
