"""The bundle that decides, kept current; the last good one goes on when a new one is refused.

A new bundle decides only after (1) it was inspected and compiled beside the one that decides, (2) `policy_loaded` was
sealed, (3) the evaluator adopted it. Whatever fails on the way leaves the last good bundle deciding.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from prometheus_client import Counter

from policy_engine.domain.bundle import Bundle, RefusedBundleError
from policy_engine.service.ports import BundleSource, Evaluator
from shared_kernel.clock import Clock
from shared_kernel.errors import UnavailableError
from shared_kernel.events import Recorder, security_event

POLL_S = 1.0
NO_REVISION = "none"

_log = structlog.get_logger()
_bundles = Counter("gridwarden_policy_bundles", "Bundles met by outcome", ["outcome"])


@dataclass(frozen=True, slots=True)
class Standing:
    """Which policy decides, by which engine, since when; and why the newest bundle does not, if so."""

    revision: str
    evaluator: str
    loaded_at_us: int | None
    refused: str | None


class Loading:
    """Brings the bundle of `source` to `evaluator`; calls `changed` when another bundle has begun to decide."""

    def __init__(self, evaluator: Evaluator, source: BundleSource, recorder: Recorder, clock: Clock, *,
                 changed: Callable[[], None]) -> None:
        self._evaluator = evaluator
        self._source = source
        self._recorder = recorder
        self._clock = clock
        self._changed = changed
        self._bundle: Bundle | None = None
        self._seen: object = None
        self._loaded_at_us: int | None = None
        self._refused: str | None = None
        self._reloading = asyncio.Lock()

    @property
    def revision(self) -> str:
        """The revision that decides, or "none"."""
        return self._bundle.revision if self._bundle else NO_REVISION

    @property
    def bundle(self) -> Bundle | None:
        """The bundle that decides."""
        return self._bundle

    def standing(self) -> Standing:
        """Return which policy decides."""
        return Standing(self.revision, self._evaluator.name, self._loaded_at_us, self._refused)

    async def start(self) -> None:
        """Load the bundle; raise RefusedBundleError or UnavailableError when there is nothing to decide by."""
        await self.reload()
        if self._bundle is None:
            raise RefusedBundleError(self._refused or "it could not be read")

    async def run(self) -> None:
        """Look for a changed bundle every second, until cancelled."""
        while True:
            await asyncio.sleep(POLL_S)
            try:
                await self.reload()
            except (UnavailableError, OSError) as error:
                _log.warning("policy_reload_postponed", detail=str(error))

    async def reload(self) -> bool:
        """Adopt the bundle if it changed; True when a new one decides now.

        A refused bundle is sealed as `policy_refused` and the last good one goes on. Raises UnavailableError
        when the event cannot be sealed or the engine cannot be reached; then the next call tries again.
        """
        async with self._reloading:
            fingerprint = self._source.fingerprint()
            if fingerprint == self._seen and not self._evaluator.needs_adoption:
                return False
            try:
                changed = await self._load()
            except RefusedBundleError as error:
                await self._refuse(error)
                changed = False
            self._seen = fingerprint
            return changed

    async def _load(self) -> bool:
        bundle = self._source.read()
        known = self._bundle is not None and bundle.revision == self._bundle.revision
        if known and not self._evaluator.needs_adoption:
            self._refused = None
            return False
        await self._evaluator.prepare(bundle)
        if not known:
            await self._seal("policy_loaded", "success", bundle.revision)
        await self._evaluator.adopt(bundle)
        self._bundle, self._loaded_at_us, self._refused = bundle, self._clock.now_us(), None
        self._changed()
        _bundles.labels("loaded").inc()
        _log.info("policy_loaded", revision=bundle.revision, evaluator=self._evaluator.name)
        return not known

    async def _refuse(self, error: RefusedBundleError) -> None:
        self._refused = error.why
        _bundles.labels("refused").inc()
        _log.error("policy_refused", detail=str(error), still_deciding=self.revision)
        await self._seal("policy_refused", "failure", self.revision, reason=str(error))

    async def _seal(self, action: str, outcome: str, revision: str, *, reason: str | None = None) -> None:
        await self._recorder.record(security_event(
            self._clock, action, category="configuration", types=("change",), outcome=outcome, reason=reason,
            grid={"policy": {"revision": revision, "evaluator": self._evaluator.name}},
        ))
