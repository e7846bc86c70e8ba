"""What docs/ledger.md shows to services is executed against a running product."""

import asyncio
import json
from pathlib import Path

from control_plane.demo.instance import Instance
from tests.page_commands import commands

APPENDING = "Appending, and receipts"


async def test_a_service_appends_as_the_page_shows_and_holds_its_receipt_against_the_ledger(
    instance: Instance, tmp_path: Path,
) -> None:
    register, by_curl, in_python, verify = commands("ledger", APPENDING)
    known = {"GATEWAY": instance.gateway, "GRIDWARDEN_PASSWORD": instance.passwords["admin"],
             "GRIDWARDEN_HOME": str(instance.home)}

    ended = [await asyncio.to_thread(step.run, tmp_path, **known) for step in (register, by_curl, in_python, verify)]

    assert [code for code, _ in ended] == [0, 0, 0, 0], ended
    assert by_curl.promise[1] in ended[1][1]
    assert verify.promise[1] in ended[3][1]
    first, again = (json.loads(ended[at][1]) for at in (1, 2))
    assert (again["seq"], again["entry_hash"], again["repeated"]) == (first["seq"], first["entry_hash"], True)
