"""The audit ledger: its head, its entries with their proofs, and verification."""

import asyncio
from typing import Any

from starlette.responses import RedirectResponse, Response

from control_plane.console.gateway_client import Answer
from control_plane.console.visit import Visit

VERIFY_TIMEOUT_S = 600.0
"""A million entries take minutes on a small machine."""
_PAGE = 25
_NOTE_LINES = 3


async def show(visit: Visit) -> Response:
    """Show the head, the newest entries and the last verification."""
    head = await visit.ask("/api/v1/ledger/head")
    if not head.is_ok:
        return visit.refused(head)
    before = visit.query("before")
    entries, verification, note = await asyncio.gather(
        visit.ask("/api/v1/ledger/entries", limit=_PAGE, before=before), visit.ask("/api/v1/ledger/verify"),
        visit.ask("/api/v1/ledger/checkpoint"),
    )
    if not entries.is_ok:
        return visit.refused(entries)
    return visit.page(
        "ledger.html", head=head.body, rows=[_row(entry) for entry in entries.items], before=before,
        next=entries.body.get("next"), verification=_report(verification), checkpoint=_checkpoint(note),
        is_running=verification.is_ok and verification.body["state"] == "running",
    )


def _row(entry: dict[str, Any]) -> dict[str, Any]:
    """Return what a list says about an entry; a damaged one has an empty event."""
    event = entry["event"]
    about, user = event.get("event", {}), event.get("user", {})
    return {"seq": entry["seq"], "at": entry["recorded_at"], "action": about.get("action"),
            "outcome": about.get("outcome"), "who": user.get("name") or user.get("id"), "hash": entry["entry_hash"]}


def _report(answer: Answer) -> dict[str, Any] | None:
    return answer.body.get("report") if answer.is_ok else None


def _checkpoint(answer: Answer) -> dict[str, str] | None:
    """Return origin, size and root of the signed note (C2SP tlog-checkpoint), if there is one."""
    lines = str(answer.body).split("\n") if answer.is_ok else []
    return dict(zip(("origin", "size", "root"), lines, strict=False)) if len(lines) >= _NOTE_LINES else None


async def verify(visit: Visit) -> Response:
    """Verify the whole ledger now; a browser without script goes back to the page, which shows the report."""
    answer = await visit.tell("/api/v1/ledger/verify", timeout_s=VERIFY_TIMEOUT_S)
    if not answer.is_ok:
        return visit.refused(answer)
    if visit.is_fragment:
        return visit.page("verification.html", verification=answer.body)
    return RedirectResponse("/ledger#verification", 303)


async def entry(visit: Visit) -> Response:
    """Show one ledger entry and its inclusion proof."""
    seq = visit.part("seq")
    found, proof = await asyncio.gather(
        visit.ask(f"/api/v1/ledger/entries/{seq}"), visit.ask(f"/api/v1/ledger/entries/{seq}/proof"),
    )
    if not found.is_ok:
        return visit.refused(found)
    return visit.page("entry.html", entry=found.body, row=_row(found.body), proof=proof.body if proof.is_ok else None)


ROUTES = (
    ("GET", "/ledger", show), ("POST", "/ledger/verify", verify), ("GET", "/ledger/entries/{seq}", entry),
)
