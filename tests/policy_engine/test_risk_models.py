"""The active model: absent is normal, unverifiable is high, the last good one goes on, and all of it is sealed."""

from pathlib import Path

import asyncpg
import pytest

from policy_engine.adapters.risk_keys import RiskKeys
from policy_engine.adapters.risk_model_file import digest_of, from_bytes, to_bytes
from policy_engine.adapters.risk_training import sample_of, train
from policy_engine.domain.risk import BELOW_REFUSAL, COLD_START, RiskFeatures
from policy_engine.domain.risk_model import Model
from policy_engine.domain.risk_sessions import days_at_work
from policy_engine.service import RiskScorer
from policy_engine.service.risk_models import ModelKeeper
from policy_engine.store.risk_history import RiskHistoryStore
from policy_engine.store.risk_models import NoOlderModelError, RiskModelStore
from shared_kernel.errors import UnavailableError
from tests.conftest import DatabaseMaker
from tests.frozen_clock import FrozenClock
from tests.policy_engine.house import ListRecorder

ASKED = RiskFeatures("ana", "198.51.100.7", "curl/8", 36_000_000_000, "meters.read", "", "/api/v1/meters", "GET")


@pytest.fixture(scope="module")
def trained() -> Model:
    """Return a model."""
    return train(sample_of(days_at_work(1, people=15, days=3)), 1_795_000_000_000_000)


class _City:
    """A scorer with everything around its model."""

    def __init__(self, app: asyncpg.Pool, owner: asyncpg.Pool, folder: Path, clock: FrozenClock) -> None:
        self.keys, self.recorder = RiskKeys(folder), ListRecorder()
        self.store, self.owner = RiskModelStore(owner), owner
        self._app, self._clock = app, clock

    def process(self, keys: RiskKeys | None = None) -> tuple[RiskScorer, ModelKeeper]:
        """Return a scorer as one process has it, and its keeper."""
        held = keys or self.keys
        keeper = ModelKeeper(RiskModelStore(self._app), lambda raw: from_bytes(raw, held), self.recorder, self._clock)
        return RiskScorer(RiskHistoryStore(self._app), keeper), keeper

    async def activate(self, model: Model, trained_at_us: int = 0) -> str:
        """Activate a model as the command does."""
        model.trained_at_us += trained_at_us
        raw = to_bytes(model, self.keys)
        model.trained_at_us -= trained_at_us
        await self.store.activate(digest_of(raw), raw)
        return digest_of(raw)


@pytest.fixture
async def city(make_database: DatabaseMaker, tmp_path: Path, clock: FrozenClock) -> object:
    """Yield a city on a fresh database."""
    from control_plane.database.pools import open_pool
    from control_plane.database.roles import APP

    url = await make_database("policy_engine")
    app, owner = await open_pool(url, APP, size=2), await asyncpg.create_pool(url, min_size=1, max_size=1)
    yield _City(app, owner, tmp_path, clock)
    await app.close()
    await owner.close()


async def test_without_a_model_histories_alone_decide_and_it_is_said(city: _City) -> None:
    scorer, _ = city.process()
    await scorer.start()

    assert scorer.score(ASKED).value == COLD_START
    assert scorer.standing().model.sentence == "no trained model: histories alone decide"
    assert city.recorder.actions == []


async def test_an_activated_model_scores_in_a_process_that_runs(city: _City, trained: Model) -> None:
    scorer, keeper = city.process()
    await scorer.start()
    digest = await city.activate(trained)

    await keeper.look()
    for number in range(600):
        asked = RiskFeatures("ana", "198.51.100.7", "curl/8", 36_000_000_000 + number * 50_000, "meters.read", "",
                             f"/api/v1/meters/{number}", "GET")
        scorer.count(asked, allowed=True)
    found = scorer.score(asked)

    assert scorer.standing().model.digest == digest
    assert found.points >= 40
    assert found.value == BELOW_REFUSAL
    assert city.recorder.actions == ["risk_model_loaded"]
    assert scorer.standing().drift["requests_a_minute"] > 0.25
    assert "requests_a_minute" in scorer.standing().shifted


@pytest.mark.parametrize("damage", [
    "UPDATE policy_engine.risk_models SET artifact = substring(artifact FROM 1 FOR 5000)",
    "UPDATE policy_engine.risk_models SET artifact = set_byte(artifact, 400, (get_byte(artifact, 400) + 1) % 256)",
    "UPDATE policy_engine.risk_models SET artifact = ''",
    "UPDATE policy_engine.risk_models SET digest = repeat('0', 64)",
])
async def test_an_active_model_that_does_not_verify_makes_every_score_high(
    city: _City, trained: Model, damage: str,
) -> None:
    await city.activate(trained)
    await city.owner.execute(damage)
    scorer, _ = city.process()

    await scorer.start()
    found = scorer.score(ASKED)

    assert found.value == BELOW_REFUSAL
    assert found.reasons[0] == "the risk model cannot be verified: treated as a high risk"
    assert scorer.standing().model.sentence.startswith("every score is high")
    assert city.recorder.actions == ["risk_model_refused"]


async def test_a_process_without_the_key_believes_nothing(city: _City, trained: Model, tmp_path: Path) -> None:
    await city.activate(trained)
    scorer, _ = city.process(RiskKeys(tmp_path / "elsewhere"))

    await scorer.start()

    assert scorer.score(ASKED).value == BELOW_REFUSAL
    assert "holds no public key" in str(scorer.standing().model.refused)


async def test_a_model_swapped_for_a_bad_one_leaves_the_last_good_one_scoring(city: _City, trained: Model) -> None:
    scorer, keeper = city.process()
    good = await city.activate(trained)
    await scorer.start()
    await city.store.activate("f" * 64, b"gridwarden risk model 1\n" + b"\0" * 200)

    await keeper.look()
    await keeper.look()

    assert scorer.standing().model.digest == good
    assert "goes on; the active one is refused" in scorer.standing().model.sentence
    assert scorer.score(ASKED).value == COLD_START
    assert city.recorder.actions == ["risk_model_loaded", "risk_model_refused"]


async def test_what_cannot_be_sealed_is_not_adopted_and_doubt_stands_unsealed(city: _City, trained: Model) -> None:
    scorer, keeper = city.process()
    await scorer.start()
    digest = await city.activate(trained)
    city.recorder.down = True
    with pytest.raises(UnavailableError):
        await keeper.look()
    adopted = keeper.model
    city.recorder.down = False

    await keeper.look()

    assert adopted is None
    assert scorer.standing().model.digest == digest


async def test_a_process_that_starts_while_nothing_can_be_sealed_doubts_until_it_can(
    city: _City, trained: Model,
) -> None:
    scorer, keeper = city.process()
    digest = await city.activate(trained)
    city.recorder.down = True

    await scorer.start()
    meanwhile = scorer.score(ASKED).value
    city.recorder.down = False
    await keeper.look()

    assert meanwhile == BELOW_REFUSAL
    assert scorer.score(ASKED).value == COLD_START
    assert scorer.standing().model.digest == digest


async def test_going_back_and_switching_off_reach_a_running_process(city: _City, trained: Model) -> None:
    scorer, keeper = city.process()
    first, second = await city.activate(trained), await city.activate(trained, 1_000_000)
    await scorer.start()
    before = await city.store.previous()
    await city.store.activate(before.digest, before.artifact)
    await keeper.look()
    went_back = scorer.standing().model.digest

    await city.store.deactivate()
    await keeper.look()

    assert first != second
    assert (before.digest, went_back) == (first, first)
    assert scorer.standing().model.digest is None
    assert city.recorder.actions == ["risk_model_loaded", "risk_model_loaded", "risk_model_deactivated"]


async def test_with_nothing_to_go_back_to_it_is_said(city: _City, trained: Model) -> None:
    await city.activate(trained)

    with pytest.raises(NoOlderModelError, match="no other model"):
        await city.store.previous()


async def test_the_gateway_may_not_activate_a_model(city: _City, trained: Model) -> None:
    raw = to_bytes(trained, city.keys)

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await RiskModelStore(city._app).activate(digest_of(raw), raw)
