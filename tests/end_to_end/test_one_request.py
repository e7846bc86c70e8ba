"""The story of one request through the real gateway: who, may she, sealed, masked, and all of it provable."""

import subprocess

from control_plane.cli.person import Person
from control_plane.demo.instance import Instance
from shared_kernel.clock import SystemClock, to_iso
from shared_kernel.ids import uuid7
from tests.end_to_end.conftest import People

METER = "MTR-0007"


async def _reading(operator: Person) -> None:
    answer = await operator.ask("POST", "/api/v1/ingest/meter", body={
        "event_id": uuid7(), "meter_id": METER, "customer_id": "CUS-0007", "reading_kwh": "10.5", "unit": "kWh",
        "observed_at": to_iso(SystemClock().now_us()), "provenance": "simulated",
    })
    assert answer.status_code == 201, answer.text


async def test_one_request_from_token_to_proof(instance: Instance, sign_in: People) -> None:
    operator, viewer = await sign_in("orhan.operator"), await sign_in("vera.viewer")
    auditor = await sign_in("arta.auditor")
    await _reading(operator)

    # 1 and 2: a stranger is nobody, a viewer is somebody.
    async with Person(instance.gateway) as stranger:
        assert (await stranger.ask("GET", f"/api/v1/meters/{METER}/readings")).status_code == 401
    answer = await viewer.ask("GET", f"/api/v1/meters/{METER}/readings")
    assert answer.status_code == 200, answer.text

    # 5: the viewer sees the reading, not the customer; an operator with a purpose sees both.
    assert answer.json()["items"][0]["customer_id"] != "CUS-0007"
    purposeful = await operator.ask("GET", f"/api/v1/meters/{METER}/readings", purpose="outage-investigation")
    assert purposeful.json()["items"][0]["customer_id"] == "CUS-0007"

    # 3: the decision can be explained to the person it was made for.
    request_id = answer.headers["x-request-id"]
    explained = (await viewer.ask("GET", f"/api/v1/decisions/{request_id}")).json()
    assert explained["allow"] is True
    assert explained["obligations"]["mask"]["columns"] == ["customer_id"]

    # 4: the decision is an entry of the ledger, and the entry is in the tree.
    entry = (await auditor.ask("GET", f"/api/v1/ledger/entries/{explained['seq']}")).json()
    assert entry["event"]["http"]["request"]["id"] == request_id
    proof = await auditor.ask("GET", f"/api/v1/ledger/entries/{explained['seq']}/proof")
    assert proof.status_code == 200

    # 5 again: the access log tells who saw what, with which mask, for which purpose.
    log = (await auditor.ask("GET", "/api/v1/access-log?dataset=grid.meter_readings")).json()["items"]
    accesses = {(one["person"]["name"], one["purpose"]): one for one in log}
    assert accesses["vera.viewer", None]["masks"].keys() == {"customer_id"}
    assert accesses["orhan.operator", "outage-investigation"]["masks"] == {}

    # 8: an auditor's command agrees with all of it.
    result = subprocess.run(instance.command("ledger", "verify"), env=instance.environment(), capture_output=True,
                            text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
