"""The verification badge: a warning is no alarm, and what was pruned was not rehashed."""

import pytest

from audit_ledger.domain.audit.finding import Mode
from tests.control_plane.console_answers import EDITED, report
from tests.control_plane.console_city import City


def done(**changes: object) -> dict[str, object]:
    return {"state": "done", "done": 1, "total": 1, "report": report() | changes}


@pytest.mark.parametrize(("known", "tone"), [
    (done(), "good"),
    (done(verdict="unproven", stale=True, stale_because="the last heartbeat is a day old"), "warn"),
    ({"state": "done", "done": 1, "total": 1, "report": report(mode=Mode.UNANCHORED)}, "warn"),
    ({"state": "done", "done": 1, "total": 1, "report": report(EDITED)}, "bad"),
])
async def test_each_verdict_has_its_tone(city: City, known: dict[str, object], tone: str) -> None:
    city.gateway.answers["GET /api/v1/ledger/verify"] = known

    page = await city.browser.get("/ledger/verification")

    assert f'<div class="verdict {tone}"' in page.text
    assert ('role="alert"' in page.text) == (tone == "bad")


async def test_what_was_pruned_is_not_counted_as_rehashed(city: City) -> None:
    city.gateway.answers["GET /api/v1/ledger/verify"] = done(since=20_000)

    page = await city.browser.get("/ledger/verification")

    assert "100,000 entries rehashed" in page.text
    assert "What lies before entry 20,000 is pruned. <span" in page.text
