"""Which model scores: the active one when it verifies, else the last good one, else doubt.

No model was ever activated: histories alone decide, and the standing says so. One is active and cannot be verified:
the one adopted before goes on; a process that has none treats every request as a high risk. Both are sealed.
"""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import structlog
from prometheus_client import Gauge

from policy_engine.domain.risk import Behaviour
from policy_engine.domain.risk_behaviour import Vector
from policy_engine.domain.risk_model import Model
from policy_engine.store.risk_models import RiskModelStore
from shared_kernel.clock import Clock, to_iso
from shared_kernel.errors import GridwardenError, UnavailableError
from shared_kernel.events import Recorder, security_event

LOOK_EVERY_S = 5.0
_log = structlog.get_logger()
_doubtful = Gauge("gridwarden_policy_risk_model_doubtful", "1 while the active risk model cannot be verified")
_NO_MODEL = Behaviour()


class ModelReader(Protocol):
    """Verifies an artifact and reads it; raises a GridwardenError that says what is wrong."""

    def __call__(self, artifact: bytes) -> Model:
        """Return the model."""


@dataclass(frozen=True, slots=True)
class ModelStanding:
    """Which model scores, and why another one does not."""

    digest: str | None
    trained_at: str | None
    samples: int
    refused: str | None

    @property
    def sentence(self) -> str:
        """The same in words."""
        if self.digest is None:
            return f"every score is high: {self.refused}" if self.refused else (
                "no trained model: histories alone decide")
        return f"model {self.digest[:12]} of {self.samples} requests" + (
            f" goes on; the active one is refused: {self.refused}" if self.refused else "")


class ModelKeeper:
    """Follows what is active; the behaviour of a moment is judged from memory."""

    def __init__(self, store: RiskModelStore, read: ModelReader, recorder: Recorder, clock: Clock) -> None:
        self._store, self._read = store, read
        self._recorder, self._clock = recorder, clock
        self.model: Model | None = None
        self._refused: str | None = None
        self._looked_at: str | None = None

    @property
    def is_needed(self) -> bool:
        """Whether behaviour is judged at all."""
        return self.model is not None or self._refused is not None

    def behaviour(self, vector: Vector) -> Behaviour:
        """Return what the model says of a behaviour."""
        if self.model is not None:
            return self.model.behaviour(vector)
        if self._refused is not None:
            return Behaviour(0, ("the risk model cannot be verified: treated as a high risk",), is_doubtful=True)
        return _NO_MODEL

    def standing(self) -> ModelStanding:
        """Return which model scores."""
        model = self.model
        if model is None:
            return ModelStanding(None, None, 0, self._refused)
        return ModelStanding(model.digest, to_iso(model.trained_at_us), model.samples, self._refused)

    async def start(self) -> None:
        """Look for the first time; what cannot be told or sealed yet is doubt until the next look."""
        try:
            await self.look()
        except UnavailableError as error:
            self._refused = self._refused or error.detail
            _doubtful.set(1)
            _log.warning("risk_model_not_looked_at", detail=error.detail)

    async def look(self) -> None:
        """Adopt what became active; raise UnavailableError when that cannot be told, and nothing changes then."""
        digest = await self._store.active_digest()
        if digest == self._looked_at and (digest is not None or not self.is_needed):
            return
        active = await self._store.active()
        if active is None:
            await self._let_go()
            return
        try:
            if hashlib.sha256(active.artifact).hexdigest() != active.digest:
                await self._refuse(active.digest, "these are not the bytes that were activated")
                return
            model = await asyncio.to_thread(self._read, active.artifact)
        except UnavailableError:
            raise
        except GridwardenError as error:
            await self._refuse(active.digest, error.detail)
            return
        await self._seal("risk_model_loaded", "success", {"digest": model.digest, "samples": model.samples})
        self.model, self._refused, self._looked_at = model, None, active.digest
        _doubtful.set(0)

    async def run(self) -> None:
        """Look every few seconds; a database that is away changes nothing."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                await self.look()
            except UnavailableError as error:
                _log.warning("risk_model_not_looked_at", detail=str(error))

    async def _refuse(self, digest: str, why: str) -> None:
        """Doubt stands whether it can be sealed or not; it is sealed again at the next look until it can."""
        self._refused = why
        _doubtful.set(1)
        _log.error("risk_model_refused", digest=digest, why=why, last_good=self.model.digest if self.model else None)
        await self._seal("risk_model_refused", "failure", {"digest": digest}, why)
        self._looked_at = digest

    async def _let_go(self) -> None:
        if self._looked_at is not None:
            await self._seal("risk_model_deactivated", "success", {})
        self.model, self._refused, self._looked_at = None, None, None
        _doubtful.set(0)

    async def _seal(self, action: str, outcome: str, about: Mapping[str, object], why: str | None = None) -> None:
        await self._recorder.record(security_event(
            self._clock, action, category="configuration", types=("change",), outcome=outcome, reason=why,
            grid={"risk_model": dict(about)}))
