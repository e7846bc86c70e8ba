"""`gridwarden risk`: train, activate, go back, measure, explain, on a real database and a real ledger."""

import asyncio
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest
from typer.testing import CliRunner

from control_plane.cli import app
from control_plane.cli.risk_desk import decided_in
from policy_engine.domain.risk import RiskFeatures
from policy_engine.service import RiskScorer
from policy_engine.store.risk_history import RiskHistoryStore
from tests.conftest import DatabaseMaker

SUBJECT = "0199c2a4-5b7e-7d31-9a52-3c1f6f0d8e11"
NINE_US = 9 * 3_600_000_000
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
async def place(make_database: DatabaseMaker, tmp_path: Path) -> list[str]:
    """Return the options that name a database with one familiar subject, and a home."""
    url = await make_database("policy_engine")
    pool = await asyncpg.create_pool(url, min_size=1, max_size=1)
    scorer = RiskScorer(RiskHistoryStore(pool))
    for number in range(30):
        at_us = NINE_US + number * 60_000_000
        scorer.observe(RiskFeatures(SUBJECT, "198.51.100.7", FIREFOX, at_us, "meters.read"))
    await scorer.flush()
    await pool.close()
    return ["--database-url", url, "--home", str(tmp_path)]


async def _run(*words: str, code: int = 0) -> str:
    found = await asyncio.to_thread(CliRunner().invoke, app, ["risk", *words])
    assert found.exit_code == code, found.output + repr(found.exception)
    return found.stdout


async def _json(*words: str, code: int = 0) -> Any:
    return orjson.loads(await _run(*words, "--json", code=code))


async def test_the_help_names_the_extra_that_brings_scikit_learn() -> None:
    assert "gridwarden[train]" in await _run("train", "--help")


async def test_a_model_is_trained_signed_activated_and_taken_back(place: list[str], tmp_path: Path) -> None:
    first = await _json("train", "--synthetic", "--activate", *place)
    second = await _json("train", "--synthetic", "--out", str(tmp_path / "second.model"), *place)
    told = await _run("activate", str(tmp_path / "second.model"), *place)
    back = await _run("rollback", *place)
    off = await _run("deactivate", *place)
    again = await _run("deactivate", *place)

    assert first["abuse"]["work"] < 0.01 < first["abuse"]["scraper"]
    assert Path(first["path"]).exists()
    assert first["digest"] != second["digest"]
    assert second["digest"][:12] in told
    assert first["digest"][:12] in back
    assert "no model scores any more" in off
    assert "no model was active" in again


async def test_a_model_that_was_changed_is_not_activated(place: list[str], tmp_path: Path) -> None:
    await _run("train", "--synthetic", "--out", str(tmp_path / "a.model"), *place)
    raw = bytearray((tmp_path / "a.model").read_bytes())
    raw[-100] ^= 1
    (tmp_path / "a.model").write_bytes(raw)

    found = await asyncio.to_thread(CliRunner().invoke, app, ["risk", "activate", str(tmp_path / "a.model"), *place])

    assert "signature is not ours" in str(found.exception)
    assert "no model was active" in await _run("deactivate", *place)


async def test_a_score_is_explained_feature_by_feature(place: list[str]) -> None:
    usual = await _json("explain", SUBJECT, *place)
    strange = await _json("explain", SUBJECT, "--ip", "203.0.113.9", "--agent", "curl/8", "--hour", "3",
                          "--action", "ledger.read", *place)
    shown = await _run("explain", SUBJECT, "--ip", "203.0.113.9", *place)

    assert usual["value"] < 20
    assert strange["value"] >= 80
    assert set(strange["contributions"]) == {"place", "agent", "hour", "action"}
    assert all(ratio > 0 for ratio in strange["contributions"].values())
    assert usual["usual"]["address"] == [{"value": "198.51.100.7", "seen": 30}]
    assert "the network 203.0.0.0/16 is new for this subject" in shown
    assert "|##" in shown


async def test_a_stranger_is_not_explained_out_of_thin_air(place: list[str]) -> None:
    found = await asyncio.to_thread(CliRunner().invoke, app, ["risk", "explain", "nobody", *place])

    assert "nothing is known of nobody" in str(found.exception)


async def test_the_replay_is_a_table_and_says_that_it_is_synthetic(tmp_path: Path) -> None:
    told = await _json("evaluate", "--people", "60", "--seeds", "1", "--home", str(tmp_path))
    shown = await _run("evaluate", "--people", "60", "--seeds", "1", "--home", str(tmp_path))

    assert told["synthetic"] is True
    assert [row["logins"] for row in told["rows"]] == [1, 5, 12, 39]
    assert told["rows"][2]["tpr_targeted"] > told["as_login_applies"][2]["tpr_targeted"]
    assert "Synthetic replay" in shown
    assert "As the login applies it" in shown


async def test_too_few_decisions_are_not_trained_on(make_database: DatabaseMaker, tmp_path: Path) -> None:
    url = await make_database()

    found = await asyncio.to_thread(
        CliRunner().invoke, app, ["risk", "train", "--database-url", url, "--home", str(tmp_path)])

    assert found.exit_code == 1


class _Entry:
    def __init__(self, event: Any) -> None:
        self.payload = orjson.dumps(event)


_EVENT: dict[str, Any] = {
    "@timestamp": "2026-11-18T11:06:40.000000Z", "user": {"id": SUBJECT}, "source": {"ip": "198.51.100.7"},
    "url": {"path": "/api/v1/meters"},
    "grid": {"decision": {"allow": True, "action": "meters.read"}, "resource": {"method": "GET", "dataset": "grid.x"}},
}


def test_a_decision_in_the_ledger_is_a_request_to_learn_from() -> None:
    found = decided_in(_Entry(_EVENT))  # type: ignore[arg-type]

    assert found == (RiskFeatures(SUBJECT, "198.51.100.7", "", 1_795_000_000_000_000, "meters.read", "grid.x",
                                  "/api/v1/meters", "GET"), True)


@pytest.mark.parametrize("change", [
    {"grid": {}}, {"grid": []}, {"user": {"id": "anonymous"}}, {"user": None}, {"user": {"id": 7}},
    {"@timestamp": "yesterday"},
], ids=repr)
def test_what_is_no_decision_about_somebody_is_left_out(change: dict[str, Any]) -> None:
    assert decided_in(_Entry(_EVENT | change)) is None  # type: ignore[arg-type]


def test_an_address_that_is_sealed_is_no_reason_to_leave_a_decision_out() -> None:
    found = decided_in(_Entry(_EVENT | {"source": {"ip": {"sealed": "x"}}}))  # type: ignore[arg-type]

    assert found is not None
    assert found[0].source_ip == "0.0.0.0"  # noqa: S104 - stands for the sealed one
