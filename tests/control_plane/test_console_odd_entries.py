"""A service may seal sections of any shape: the pages of the ledger show them all the same."""

from typing import Any

import pytest

from tests.control_plane.console_answers import entry
from tests.control_plane.console_city import City

ODD = [{"user": "ada"}, {"user": ["ada"]}, {"user": None}, {"user": {"name": {"first": "Ada"}}}]


@pytest.mark.parametrize("sections", ODD)
async def test_an_entry_with_a_section_of_another_shape_is_shown(city: City, sections: dict[str, Any]) -> None:
    odd = entry(3, {"event": {"action": "billing.made", "outcome": "success"}} | sections)
    city.gateway.answers["GET /api/v1/ledger/entries/3"] = odd
    city.gateway.answers["GET /api/v1/ledger/entries"] = {"items": [odd], "next": None}

    for path in ("/ledger", "/ledger/entries/3"):
        assert (await city.browser.get(path)).status_code == 200
