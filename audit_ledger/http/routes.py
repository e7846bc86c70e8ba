"""Reading, proving and verifying the ledger over HTTP; hashes are hexadecimal, the checkpoint is a signed note.

What only holds hashes (checkpoints, proofs, receipts) is for everybody: `ledger.monitor`.
"""

import asyncio
import base64
from typing import Any

import orjson
import structlog
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from audit_ledger.domain.audit.finding import Report
from audit_ledger.domain.head import Entry
from audit_ledger.http import appending
from audit_ledger.http.numbers import decimal, number
from audit_ledger.service.intake import Intake
from audit_ledger.service.ledger import Ledger
from shared_kernel.clock import Clock, to_iso
from shared_kernel.context import context_of
from shared_kernel.endpoint import Endpoint

log = structlog.get_logger()

MAX_PAGE = 500
_PAGE = 50


def endpoints(ledger: Ledger, clock: Clock) -> tuple[Endpoint, ...]:
    """Return the routes of the house."""
    routes = _Routes(ledger)
    return (
        *appending.endpoints(Intake(ledger, clock)),
        Endpoint("GET", "/api/v1/ledger/head", "ledger.read", routes.head),
        Endpoint("GET", "/api/v1/ledger/tree", "ledger.monitor", routes.tree),
        Endpoint("GET", "/api/v1/ledger/entries", "ledger.read", routes.entries),
        Endpoint("GET", "/api/v1/ledger/entries/{seq}", "ledger.read", routes.entry),
        Endpoint("GET", "/api/v1/ledger/entries/{seq}/proof", "ledger.monitor", routes.proof),
        Endpoint("GET", "/api/v1/ledger/entries/{seq}/receipt", "ledger.monitor", routes.receipt),
        Endpoint("GET", "/api/v1/ledger/consistency", "ledger.monitor", routes.consistency),
        Endpoint("GET", "/api/v1/ledger/checkpoint", "ledger.monitor", routes.checkpoint),
        Endpoint("GET", "/api/v1/ledger/verify", "ledger.read", routes.verification),
        Endpoint("POST", "/api/v1/ledger/verify", "ledger.verify", routes.verify, max_body=0),
    )


class _Routes:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._running: set[asyncio.Task[Report]] = set()

    async def head(self, _request: Request) -> Response:
        head = self._ledger.head()
        return _json({"size": head.size, "entry_hash": head.entry_hash.hex()})

    async def tree(self, request: Request) -> Response:
        """The perfect subtrees, largest first, that fold into the root."""
        size = number(request, "size", self._ledger.head().size)
        frontier, places = await self._ledger.tree(size)
        peaks = [{"level": place.level, "index": place.index, "hash": held.hex(), "first": place.index << place.level,
                  "last": ((place.index + 1) << place.level) - 1}
                 for place, held in zip(places, frontier.peaks, strict=True)]
        return _json({"size": size, "root": frontier.root.hex(), "peaks": peaks})

    async def entries(self, request: Request) -> Response:
        """Newest first with `before`, in order with `after`; the default shows the newest."""
        limit = min(number(request, "limit", _PAGE), MAX_PAGE)
        if "after" in request.query_params:
            after = number(request, "after", 0)
            found = await self._ledger.entries(after, limit)
            further = found[-1].seq + 1 if found and len(found) == limit else None
        else:
            before = number(request, "before", self._ledger.head().size)
            found = await self._ledger.entries_before(before, limit)
            further = (found[-1].seq or None) if found and len(found) == limit else None
        return _json({"items": await self._shown(found), "next": further})

    async def entry(self, request: Request) -> Response:
        found = await self._ledger.entry(_seq(request))
        [shown] = await self._shown([found])
        return _json(shown | {"payload": base64.b64encode(found.payload).decode()})

    async def _shown(self, entries: list[Entry]) -> list[dict[str, Any]]:
        opened = await self._ledger.opened(entries)
        return [{"seq": entry.seq, "recorded_at": to_iso(entry.recorded_at_us), "prev_hash": entry.prev_hash.hex(),
                 "entry_hash": entry.entry_hash.hex(), "event": sealed.event}
                for entry, sealed in zip(entries, opened, strict=True)]

    async def proof(self, request: Request) -> Response:
        seq = _seq(request)
        size = number(request, "size", self._ledger.head().size)
        proof = await self._ledger.inclusion_proof(seq, size)
        return _json({"seq": proof.seq, "size": proof.size, "leaf_hash": proof.leaf.hex(), "root": proof.root.hex(),
                      "path": [step.hex() for step in proof.path]})

    async def receipt(self, request: Request) -> Response:
        """A self-contained proof (C2SP tlog-proof) that the producer of the entry keeps."""
        return PlainTextResponse((await self._ledger.receipt(_seq(request))).to_bytes())

    async def consistency(self, request: Request) -> Response:
        old = number(request, "old", 0)
        new = number(request, "new", self._ledger.head().size)
        path = await self._ledger.consistency_proof(old, new)
        return _json({"old": old, "new": new, "path": [step.hex() for step in path]})

    async def checkpoint(self, _request: Request) -> Response:
        return PlainTextResponse(await self._ledger.checkpoint())

    async def verification(self, _request: Request) -> Response:
        """The verification that runs, or the last one of this process."""
        known = self._ledger.verification
        if known is None:
            return _json({"state": "none", "done": 0, "total": self._ledger.head().size, "report": None})
        return _json({"state": "running" if known.report is None else "done", "done": known.done,
                      "total": known.total, "report": known.report.to_json() if known.report else None})

    async def verify(self, request: Request) -> Response:
        """Verifies everything, seals the outcome, answers with the report; 202 at once to `Prefer: respond-async`."""
        work = self._ledger.verify(context=context_of(request.scope))
        if "respond-async" in request.headers.get("prefer", "").lower():
            task = asyncio.create_task(work)
            await asyncio.sleep(0)
            if task.done():
                task.result()
            self._running.add(task)  # a task that nobody holds may be collected in mid-work
            task.add_done_callback(self._running.discard)
            task.add_done_callback(_tell_failure)
            return Response(status_code=202, headers={"location": "/api/v1/ledger/verify"})
        return _json((await work).to_json())


def _tell_failure(task: asyncio.Task[Report]) -> None:
    if not task.cancelled() and (cause := task.exception()) is not None:
        log.error("verification_failed", reason=str(cause))


def _seq(request: Request) -> int:
    return decimal(str(request.path_params["seq"]), "seq")


def _json(value: object) -> Response:
    return Response(orjson.dumps(value), media_type="application/json")
