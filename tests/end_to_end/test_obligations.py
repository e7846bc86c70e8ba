"""What decisions demand, on the whole running product: logins, regions, sums, marks, and the why of all of it."""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import httpx2 as httpx
import pytest

from control_plane.cli.person import Person, _Answers
from identity.domain.people import totp
from tests.end_to_end.configured import SHIPPED_POLICIES, Configured, configured, signed_in
from tests.end_to_end.visitors import CodeHolder
from tests.identity.people.house import secret_of
from tests.identity.world import hidden

MFA = "urn:gridwarden:acr:mfa"


class Climber(CodeHolder):
    """A person who can show an authenticator app."""

    app: bytes = b""

    async def enrol(self) -> None:
        """Enrol an app with the browser's session."""
        listed = await self._send("GET", f"{self.gateway}/account/factors")
        begun = await self._send("POST", f"{self.gateway}/account/factors/totp", data={
            "interaction": hidden(listed.text)})
        place = f"{self.gateway}{begun.headers['location'].removeprefix(self.gateway)}"
        page = await self._send("GET", place)
        self.app = secret_of(page.text)
        done = await self._send("POST", place, data={
            "interaction": hidden(page.text), "name": "Phone", "code": self._code_now(0)})
        assert done.status_code == 200, done.text

    async def log_in_again(self, name: str, **demanded: str) -> None:
        """Walk the login as demanded; the code is the next step's, for each is good once."""
        asked = f"{self.gateway}/oauth2/authorize?{urlencode(self.question(**demanded))}"
        code = await self._code(asked, _Answers(name, self._passwords[name], lambda: self._code_now(1)))
        self.tokens = (await self.redeem(code)).json()

    def _code_now(self, steps: int) -> str:
        return totp.code_at(self.app, int(time.time()) // 30 + steps)


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Configured]:
    """A product whose policy wants two factors to write users, and viewers bound to a region."""
    folder = tmp_path_factory.mktemp("strict")
    shutil.copytree(SHIPPED_POLICIES, folder / "bundle")
    data = folder / "bundle" / "data.json"
    tables = json.loads(data.read_text())
    tables["access"]["step_up"]["users.write"] = {"acr": MFA, "max_age": 900}
    tables["regions"]["bound_roles"] = {"grid_viewer": True}
    data.write_text(json.dumps(tables))
    with configured(folder / "home", GRIDWARDEN_POLICY_BUNDLE=str(folder / "bundle")) as running:
        yield running


async def _made(person: Person, name: str) -> httpx.Response:
    return await person.ask("POST", "/api/v1/users", body={"name": name, "roles": ["analyst"]})


async def test_who_is_too_weakly_logged_in_steps_up_with_an_app_and_gets_through(strict: Configured) -> None:
    async with Climber(strict) as admin:
        await admin.log_in_again("admin")
        refused = await _made(admin, "berta")
        assert refused.status_code == 401
        assert refused.json()["type"] == "urn:gridwarden:problem:insufficient-user-authentication"
        challenge = refused.headers["www-authenticate"]
        assert 'error="insufficient_user_authentication"' in challenge
        assert f'acr_values="{MFA}"' in challenge
        assert 'max_age="900"' in challenge

        await admin.enrol()
        await admin.log_in_again("admin", acr_values=refused.json()["acr_values"])

        assert (await _made(admin, "berta")).status_code == 201
        why = (await admin.ask("GET", f"/api/v1/decisions/{refused.json()['request_id']}/why")).json()
        assert why["agrees"] is True
        assert f"after logging in again as {MFA}" in [change["words"] for change in why["changes"]]


async def test_a_viewer_of_no_region_sees_no_meter_and_an_operator_all(strict: Configured) -> None:
    viewer, operator = await signed_in(strict, "vera.viewer"), await signed_in(strict, "orhan.operator")

    seen = await viewer.ask("GET", "/api/v1/meters?limit=1000")
    register = await operator.ask("GET", "/api/v1/meters?limit=1000")

    assert (seen.status_code, seen.json()["items"]) == (200, [])
    assert len(register.json()["items"]) == 20


async def test_an_analyst_is_sent_from_meters_to_sums(strict: Configured) -> None:
    analyst = await signed_in(strict, "ana.analyst")

    meters = await analyst.ask("GET", "/api/v1/meters/MTR-0001/readings")
    one = await analyst.ask("GET", "/api/v1/analytics/consumption/windows?meter_id=MTR-0001")
    sums = await analyst.ask("GET", "/api/v1/analytics/consumption/windows")

    assert meters.status_code == 403
    assert "ask GET /api/v1/analytics/consumption/windows" in meters.json()["reasons"][0]
    assert (one.status_code, sums.status_code) == (403, 200)


async def test_a_mark_leads_back_to_whose_answer_it_was(strict: Configured) -> None:
    operator, soc = await signed_in(strict, "orhan.operator"), await signed_in(strict, "sami.soc")
    answer = await operator.ask("GET", "/api/v1/customers", purpose="outage-investigation")
    mark = answer.json()["watermark"]
    assert answer.headers["gridwarden-watermark"] == mark

    checked = (await soc.ask("POST", "/api/v1/watermarks/verify", body={"watermark": mark})).json()
    forged = (await soc.ask("POST", "/api/v1/watermarks/verify", body={"watermark": mark[:-2] + "AA"})).json()

    assert (checked["genuine"], checked["request_id"]) == (True, answer.headers["x-request-id"])
    assert forged["genuine"] is False


async def test_the_terminal_explains_from_the_home_and_through_the_gateway(strict: Configured) -> None:
    viewer = await signed_in(strict, "vera.viewer")
    request_id = (await viewer.ask("GET", "/api/v1/alerts")).headers["x-request-id"]

    at_home = _explained(strict, request_id, "--home", str(strict.home))
    at_gateway = _explained(strict, request_id, "--gateway", strict.gateway, "--token", viewer.tokens["access_token"])

    assert at_home == at_gateway
    assert at_home["agrees"] is True
    assert [change["words"] for change in at_home["changes"]] == [
        "with the role admin", "with the role auditor", "with the role soc_analyst"]


def _explained(instance: Configured, request_id: str, *where: str) -> dict[str, Any]:
    done = subprocess.run(
        instance.command("policy", "explain", request_id, "--json", *where), env=instance.environment(),
        capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found
