"""The ledger's pages: its tree, its proofs, receipts and bundles, and what a verification found."""

import pytest
from starlette.responses import PlainTextResponse

from audit_ledger.domain.audit.finding import Mode
from tests.control_plane.console_answers import (
    EDITED,
    LOST,
    entry,
    report,
)
from tests.control_plane.console_city import City, refusing

HTMX = {"hx-request": "true", "hx-current-url": "http://console.test/alerts?status=New"}


async def test_the_ledger_page_says_that_nothing_was_verified_yet(city: City) -> None:
    page = await city.browser.get("/ledger")

    assert "Not verified since the start." in page.text
    assert "unreadable" in page.text


async def test_the_ledger_page_shows_the_checkpoint_and_the_last_report(city: City) -> None:
    city.gateway.answers["GET /api/v1/ledger/checkpoint"] = PlainTextResponse(
        "grid.example\n119900\ncm9vdA==\n\n- x y\n")
    city.gateway.answers["GET /api/v1/ledger/verify"] = {
        "state": "done", "done": 1, "total": 1, "report": report(EDITED, LOST)}

    page = await city.browser.get("/ledger")

    assert "119,900" in page.text
    assert "2 findings" in page.text
    assert 'href="/ledger/entries/7"' in page.text
    assert "entries 9 to 12" in page.text


async def test_the_tree_the_witnesses_and_the_copies_are_shown(city: City) -> None:
    page = await city.browser.get("/ledger")

    assert 'aria-label="The Merkle tree of 3 entries: 2 perfect subtrees under one root"' in page.text
    assert 'href="/ledger/entries/2" aria-label="Entries 2 to 2"' in page.text
    assert "witness.example" in page.text
    assert "quorum at 119,900" in page.text
    assert "connection refused" in page.text
    assert "mongo" in page.text


async def test_an_entry_s_proof_is_a_ladder(city: City) -> None:
    page = await city.browser.get("/ledger/entries/3")

    assert "The proof as a ladder of 2 siblings" in page.text


@pytest.mark.parametrize(("signed", "told"), [(4, "Keep the receipt"), (3, "The next signed checkpoint will cover")])
async def test_a_receipt_is_offered_once_a_checkpoint_covers_the_entry(city: City, signed: int, told: str) -> None:
    city.gateway.answers["GET /api/v1/ledger/checkpoint"] = PlainTextResponse(f"x\n{signed}\ncm9vdA==\n\n- x y\n")

    assert told in (await city.browser.get("/ledger/entries/3")).text


async def test_a_receipt_is_a_file_to_keep(city: City) -> None:
    answer = await city.browser.get("/ledger/entries/3/receipt")

    assert answer.text.startswith("c2sp.org/tlog-proof@v1")
    assert answer.headers["content-disposition"] == 'attachment; filename="entry-3.tlog-proof"'


async def test_a_bundle_comes_through_as_it_is(city: City) -> None:
    answer = await city.browser.get("/ledger/bundle?from=0&until=3")

    assert answer.content == b"PK-bytes"
    assert answer.headers["content-disposition"] == 'attachment; filename="ledger-0-3.zip"'
    assert answer.headers["content-type"] == "application/zip"


async def test_a_refused_bundle_is_a_page_that_says_why(city: City) -> None:
    city.gateway.answers["GET /api/v1/ledger/bundle"] = refusing(404, "no checkpoint covers entry 9")

    answer = await city.browser.get("/ledger/bundle?from=0&until=9")

    assert answer.status_code == 404
    assert "no checkpoint covers entry 9" in answer.text


async def test_verifying_answers_at_once_with_a_fragment_that_asks_again(city: City) -> None:
    city.gateway.answers["GET /api/v1/ledger/verify"] = {
        "state": "running", "done": 7, "total": 120_000, "report": None}
    token = await city.form_token()

    answer = await city.browser.post("/ledger/verify", data={"form_token": token}, headers=HTMX)

    assert answer.status_code == 200
    assert "7 of 120,000 entries rehashed" in answer.text
    assert 'hx-get="/ledger/verification"' in answer.text
    assert "<html" not in answer.text
    assert city.gateway.posted("/api/v1/ledger/verify") == b""


async def test_a_verification_that_ended_asks_no_more(city: City) -> None:
    city.gateway.answers["GET /api/v1/ledger/verify"] = {"state": "done", "done": 1, "total": 1, "report": report()}

    answer = await city.browser.get("/ledger/verification", headers=HTMX)

    assert "120,000 entries rehashed" in answer.text
    assert "hx-get" not in answer.text


async def test_verifying_without_script_goes_back_to_the_ledger(city: City) -> None:
    answer = await city.submit("/ledger/verify")

    assert (answer.status_code, answer.headers["location"]) == (303, "/ledger#verification")


async def test_a_refused_verification_is_a_notice_for_htmx(city: City) -> None:
    city.gateway.answers["POST /api/v1/ledger/verify"] = refusing(403, "the policy does not allow this", reasons=["no"])
    token = await city.form_token()

    answer = await city.browser.post("/ledger/verify", data={"form_token": token}, headers=HTMX)

    assert (answer.status_code, answer.headers["hx-retarget"]) == (403, "#notice")
    assert "<html" not in answer.text


async def test_an_unanchored_ledger_is_no_success(city: City) -> None:
    city.gateway.answers["GET /api/v1/ledger/verify"] = {
        "state": "done", "done": 1, "total": 1, "report": report(mode=Mode.UNANCHORED)}

    answer = await city.browser.get("/ledger/verification", headers=HTMX)

    assert "badge warn" in answer.text
    assert "no signed checkpoint" in answer.text


async def test_a_damaged_entry_is_shown_as_unreadable(city: City) -> None:
    city.gateway.answers["GET /api/v1/ledger/entries/3"] = entry(3, {})
    city.gateway.answers["GET /api/v1/ledger/entries/3/proof"] = refusing(503, "later")

    page = await city.browser.get("/ledger/entries/3")

    assert "cannot be read" in page.text
