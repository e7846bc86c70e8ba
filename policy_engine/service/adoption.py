"""How a bundle comes to decide: compiled and warmed beside the one that decides, sealed, then adopted in one step."""

import asyncio
from collections.abc import Callable

import structlog
from prometheus_client import Counter

from policy_engine.domain.bundle import Bundle, RefusedBundleError
from policy_engine.domain.lease import Published
from policy_engine.service.ports import BundleKeeper, Evaluator
from shared_kernel.clock import Clock, to_iso
from shared_kernel.events import Recorder, security_event

NO_REVISION = "none"

_log = structlog.get_logger()
_bundles = Counter("gridwarden_policy_bundles", "Bundles met by outcome", ["outcome"])


class Adoption:
    """Which bundle decides, of which version of the channel (0: the process's own), since when.

    Calls `changed` when another bundle has begun to decide.
    """

    def __init__(self, evaluator: Evaluator, recorder: Recorder, clock: Clock, changed: Callable[[], None], *,
                 kept: BundleKeeper | None = None) -> None:
        self._evaluator = evaluator
        self._recorder = recorder
        self._clock = clock
        self._changed = changed
        self._kept = kept
        self._adopting = asyncio.Lock()
        self.bundle: Bundle | None = None
        self.version = 0
        self.loaded_at_us: int | None = None

    @property
    def revision(self) -> str:
        """The revision that decides, or "none"."""
        return self.bundle.revision if self.bundle else NO_REVISION

    @property
    def evaluator_name(self) -> str:
        """What people call the engine."""
        return self._evaluator.name

    @property
    def is_lost(self) -> bool:
        """Whether the engine lost its bundle and wants it again."""
        return self._evaluator.needs_adoption

    async def prepare(self, bundle: Bundle) -> None:
        """Compile and warm a bundle without effect; raise RefusedBundleError if it must not decide."""
        await self._evaluator.prepare(bundle)

    async def seal(self, bundle: Bundle, published: Published | None = None) -> None:
        """Keep a bundle for good and record that it decides, now or from its hour on.

        Raises UnavailableError, and then it must not.
        """
        if self._kept is not None:
            await self._kept.keep(bundle)
        told = _known(bundle)
        if published is not None:
            told |= {"version": published.version, "active_from": to_iso(published.active_from_us)}
        await self._seal("policy_loaded", "success", {"revision": bundle.revision} | told)

    async def adopt(self, bundle: Bundle, version: int = 0) -> None:
        """Let a prepared bundle decide from now on."""
        async with self._adopting:
            await self._evaluator.adopt(bundle)
            self.bundle, self.version, self.loaded_at_us = bundle, version, self._clock.now_us()
            self._changed()
        _bundles.labels("loaded").inc()
        _log.info("policy_loaded", revision=bundle.revision, version=version, evaluator=self._evaluator.name)

    async def restore(self) -> None:
        """Give the engine its bundle again, whichever decides by the time it can be given."""
        async with self._adopting:
            if self.bundle is not None:
                await self._evaluator.prepare(self.bundle)
                await self._evaluator.adopt(self.bundle)

    async def refuse(self, error: RefusedBundleError) -> None:
        """Record that a bundle was refused."""
        _bundles.labels("refused").inc()
        _log.error("policy_refused", detail=str(error), still_deciding=self.revision)
        await self._seal("policy_refused", "failure", {"revision": self.revision}, reason=str(error))

    def renew(self, bundle: Bundle) -> None:
        """Take what a bundle of the same revision says of itself: it was built, or signed, again."""
        self.bundle = bundle

    async def _seal(self, action: str, outcome: str, told: dict[str, object], *, reason: str | None = None) -> None:
        await self._recorder.record(security_event(
            self._clock, action, category="configuration", types=("change",), outcome=outcome, reason=reason,
            grid={"policy": told | {"evaluator": self._evaluator.name}},
        ))


def _known(bundle: Bundle) -> dict[str, object]:
    """Return what an author said of a bundle, where one did."""
    built_at = None if bundle.built_at_us is None else to_iso(bundle.built_at_us)
    told = {"name": bundle.name, "sequence": bundle.sequence, "built_at": built_at}
    return {key: value for key, value in told.items() if value}
