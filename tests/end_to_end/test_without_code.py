"""What changes without a line of code and without a restart: rules, policies, playbooks."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from control_plane.cli.person import Person
from tests.end_to_end.configured import SHIPPED_POLICIES, Configured, configured, signed_in, until

RULE = """
title: A viewer looked at the catalog
id: 7d6a51a8-6f0c-4d11-9a71-1f2a3b4c5d6e
status: experimental
description: Somebody read the catalog.
author: end-to-end
date: 2026-11-21
level: low
logsource:
  product: gridwarden
  service: ledger
detection:
  selection:
    event.action: access_decision
    grid.decision.action: catalog.read
  condition: selection
gridwarden:
  id: LOCAL-001
  triage: Nothing to do.
"""
PLAYBOOK = """
name: watch-a-meter
title: Quarantine a meter at once
description: For the test.
start:
  rules: any
  people: true
targets:
  field: meter.id
  max: 1
approval: none
steps:
  - name: quarantine
    connector: quarantine_meter
    params: {meter: "${target}", reason: "${reason}"}
"""


@dataclass(frozen=True, slots=True)
class Changeable:
    """An instance and the folder its policy comes from."""

    instance: Configured
    bundle: Path

    def change_permission(self, action: str, roles: list[str]) -> None:
        """Let these roles do an action."""
        path = self.bundle / "data.json"
        data = json.loads(path.read_text())
        data["access"]["by_role"][action] = roles
        path.write_text(json.dumps(data))


@pytest.fixture(scope="module")
def changeable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Changeable]:
    folder = tmp_path_factory.mktemp("changeable")
    bundle = folder / "bundle"
    shutil.copytree(SHIPPED_POLICIES, bundle)
    with configured(folder / "home", GRIDWARDEN_POLICY_BUNDLE=str(bundle)) as instance:
        yield Changeable(instance, bundle)


@pytest.fixture
async def people(changeable: Changeable) -> AsyncIterator[dict[str, Person]]:
    names = ("vera.viewer", "sami.soc", "orhan.operator", "admin")
    found = {name: await signed_in(changeable.instance, name) for name in names}
    yield found
    for person in found.values():
        await person.__aexit__(None, None, None)


async def _status(person: Person, path: str) -> int:
    return (await person.ask("GET", path)).status_code


async def _until_status(person: Person, path: str, status: int) -> bool:
    async def look() -> bool:
        return await _status(person, path) == status

    return await until(look)


async def test_a_changed_policy_bundle_changes_decisions_and_a_broken_one_keeps_the_last_good(
    changeable: Changeable, people: dict[str, Person],
) -> None:
    viewer, admin = people["vera.viewer"], people["admin"]
    assert await _status(viewer, "/api/v1/rules") == 403

    changeable.change_permission("rules.read", ["grid_viewer", "admin"])
    assert await _until_status(viewer, "/api/v1/rules", 200)
    good = (await admin.ask("GET", "/api/v1/policy")).json()["revision"]

    broken = changeable.bundle / "gateway" / "broken.rego"
    for text in ("package gateway\n\nallow if {", "package gateway\n\nallow if http.send({})\n", "\0"):
        broken.write_text(text)

        async def is_refused() -> bool:
            return bool((await admin.ask("GET", "/api/v1/policy")).json()["refused"])

        assert await until(is_refused)
        assert (await admin.ask("GET", "/api/v1/policy")).json()["revision"] == good
        assert await _status(viewer, "/api/v1/rules") == 200
        broken.unlink()
        await asyncio.sleep(1.2)

    changeable.change_permission("rules.read", ["soc_analyst", "auditor", "admin"])
    assert await _until_status(viewer, "/api/v1/rules", 403)


async def test_a_bundle_that_disappears_keeps_the_last_good_one(
    changeable: Changeable, people: dict[str, Person],
) -> None:
    aside = changeable.bundle.with_name("aside")
    changeable.bundle.rename(aside)
    try:
        await asyncio.sleep(2.5)
        statuses = [await _status(people["vera.viewer"], path) for path in ("/api/v1/users/me", "/api/v1/users")]
    finally:
        aside.rename(changeable.bundle)

    assert statuses == [200, 403]


async def test_a_sigma_rule_dropped_in_fires_and_removed_is_silent(
    changeable: Changeable, people: dict[str, Person],
) -> None:
    viewer, soc = people["vera.viewer"], people["sami.soc"]
    file = changeable.instance.home / "rules" / "catalog.yml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(RULE)

    async def is_loaded() -> bool:
        return (await soc.ask("GET", "/api/v1/rules/LOCAL-001")).status_code == 200

    async def alerts() -> int:
        return len((await soc.ask("GET", "/api/v1/alerts?rule=LOCAL-001")).json()["items"])

    async def has_fired() -> bool:
        return await alerts() > 0

    async def is_gone() -> bool:
        return not await is_loaded()

    assert await until(is_loaded), (await soc.ask("GET", "/api/v1/detection/status")).text
    assert await _status(viewer, "/api/v1/catalog/datasets") == 200
    assert await until(has_fired)

    file.unlink()
    assert await until(is_gone)
    before = await alerts()
    assert await _status(viewer, "/api/v1/catalog/datasets") == 200
    await asyncio.sleep(2.5)
    assert await alerts() == before


async def test_a_broken_rule_is_shown_and_the_others_go_on(changeable: Changeable, people: dict[str, Person]) -> None:
    soc = people["sami.soc"]
    file = changeable.instance.home / "rules" / "broken.yml"
    file.parent.mkdir(exist_ok=True)
    file.write_text("title: [")

    async def is_shown() -> bool:
        return "broken.yml" in (await soc.ask("GET", "/api/v1/detection/status")).text

    assert await until(is_shown)
    assert (await soc.ask("GET", "/api/v1/rules/GR-001")).status_code == 200
    file.unlink()


async def test_a_new_playbook_file_runs(changeable: Changeable, people: dict[str, Person]) -> None:
    operator = people["orhan.operator"]
    file = changeable.instance.home / "playbooks" / "watch-a-meter.yml"
    file.parent.mkdir(exist_ok=True)
    wanted = {"targets": ["MTR-NEW"], "reason": "a new playbook runs"}
    before = await operator.ask("POST", "/api/v1/playbooks/watch-a-meter/runs", body=wanted)
    file.write_text(PLAYBOOK)

    started = await operator.ask("POST", "/api/v1/playbooks/watch-a-meter/runs", body=wanted)

    assert (before.status_code, started.status_code) == (404, 201), started.text

    async def is_done() -> bool:
        run = await operator.ask("GET", f"/api/v1/playbooks/runs/{started.json()['run_id']}")
        return bool(run.json()["status"] == "done")

    assert await until(is_done)
