"""The audit ledger: its head, its entries with their proofs, and verification."""

import asyncio
from http import HTTPStatus
from typing import Any

from starlette.responses import RedirectResponse, Response

from control_plane.console.gateway_client import Answer
from control_plane.console.tree_picture import ProofPicture, proof_picture, tree_picture
from control_plane.console.visit import Visit

_PAGE = 25
_NOTE_LINES = 3


async def show(visit: Visit) -> Response:
    """Show the head, the tree, the last verification, who vouches for it, and the newest entries."""
    head = await visit.ask("/api/v1/ledger/head")
    if not head.is_ok:
        return visit.refused(head)
    before = visit.query("before")
    entries, verification, note, tree, witnesses, copies = await asyncio.gather(
        visit.ask("/api/v1/ledger/entries", limit=_PAGE, before=before), visit.ask("/api/v1/ledger/verify"),
        visit.ask("/api/v1/ledger/checkpoint"), visit.ask("/api/v1/ledger/tree"),
        visit.ask("/api/v1/ledger/witnesses"), visit.ask("/api/v1/ledger/copies"),
    )
    if not entries.is_ok:
        return visit.refused(entries)
    checkpoint = _checkpoint(note)
    signed = _signed(checkpoint)
    return visit.page(
        "ledger.html", head=head.body, rows=[_row(entry) for entry in entries.items], before=before,
        next=entries.body.get("next"), verification=_state(verification), checkpoint=checkpoint, signed=signed,
        tree=tree_picture(tree.body, signed) if tree.is_ok else None, witnesses=witnesses.items,
        quorum=witnesses.body if witnesses.is_ok else None, copies=copies.items,
    )


def _row(entry: dict[str, Any]) -> dict[str, Any]:
    """Return what a list says about an entry; a damaged one has an empty event."""
    event = entry["event"]
    about, user = (part if isinstance(part := event.get(name), dict) else {} for name in ("event", "user"))
    return {"seq": entry["seq"], "at": entry["recorded_at"], "action": about.get("action"),
            "outcome": about.get("outcome"), "who": user.get("name") or user.get("id"), "hash": entry["entry_hash"]}


def _state(answer: Answer) -> dict[str, Any]:
    """Return what the gateway knows of verifications; `none` when it does not say."""
    return dict(answer.body) if answer.is_ok else {"state": "none", "report": None}


def _checkpoint(answer: Answer) -> dict[str, str] | None:
    """Return origin, size and root of the signed note (C2SP tlog-checkpoint), if there is one."""
    lines = str(answer.body).split("\n") if answer.is_ok else []
    return dict(zip(("origin", "size", "root"), lines, strict=False)) if len(lines) >= _NOTE_LINES else None


def _signed(checkpoint: dict[str, str] | None) -> int:
    """Return how many entries the newest signed checkpoint covers."""
    return int(checkpoint["size"]) if checkpoint else 0


async def verify(visit: Visit) -> Response:
    """Start a verification of the whole ledger; one that runs already is shown."""
    answer = await visit.tell("/api/v1/ledger/verify", prefer="respond-async")
    if not answer.is_ok and answer.status != HTTPStatus.CONFLICT:
        return visit.refused(answer)
    if visit.is_fragment:
        return await verification(visit)
    return RedirectResponse("/ledger#verification", 303)


async def verification(visit: Visit) -> Response:
    """Show how far the running verification is, or what the last one found."""
    answer = await visit.ask("/api/v1/ledger/verify")
    return visit.page("verification.html", verification=_state(answer))


async def entry(visit: Visit) -> Response:
    """Show one ledger entry and its inclusion proof."""
    seq = visit.part("seq")
    found, proof, note = await asyncio.gather(
        visit.ask(f"/api/v1/ledger/entries/{seq}"), visit.ask(f"/api/v1/ledger/entries/{seq}/proof"),
        visit.ask("/api/v1/ledger/checkpoint"),
    )
    if not found.is_ok:
        return visit.refused(found)
    return visit.page("entry.html", entry=found.body, row=_row(found.body), proof=proof.body if proof.is_ok else None,
                      ladder=_ladder(proof), signed=_signed(_checkpoint(note)))


async def receipt(visit: Visit) -> Response:
    """Hand over one entry's receipt (C2SP tlog-proof) as a file."""
    seq = visit.part("seq")
    found = await visit.ask(f"/api/v1/ledger/entries/{seq}/receipt")
    return _file(str(found.body).encode(), f"entry-{seq}.tlog-proof", "text/plain") if found.is_ok else (
        visit.refused(found))


async def bundle(visit: Visit) -> Response:
    """Hand over a bundle of entries as a file, byte by byte as the gateway made it."""
    ends = {name: visit.query(name) for name in ("from", "until")}
    found = await visit.ask("/api/v1/ledger/bundle", **ends)
    if not found.is_ok:
        return visit.refused(found)
    return _file(found.body, f"ledger-{ends['from'] or 0}-{ends['until'] or 'checkpoint'}.zip", "application/zip")


def _file(content: bytes, name: str, media_type: str) -> Response:
    plain = "".join(char for char in name if char.isalnum() or char in "-.")
    return Response(content, headers={"content-disposition": f'attachment; filename="{plain}"'}, media_type=media_type)


def _ladder(proof: Answer) -> ProofPicture | None:
    return proof_picture(proof.body["seq"], proof.body["size"], proof.body["path"]) if proof.is_ok else None


ROUTES = (
    ("GET", "/ledger", show), ("POST", "/ledger/verify", verify), ("GET", "/ledger/verification", verification),
    ("GET", "/ledger/bundle", bundle), ("GET", "/ledger/entries/{seq}", entry),
    ("GET", "/ledger/entries/{seq}/receipt", receipt),
)
