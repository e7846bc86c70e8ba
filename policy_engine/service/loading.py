"""The bundle that decides, kept current; the last good one goes on when a new one is refused.

A new bundle decides only after (1) it was inspected and compiled beside the one that decides, (2) it was found to be no
older than what decided before, (3) `policy_loaded` was sealed, (4) the evaluator adopted it. Whatever fails on the way
leaves the last good bundle deciding. Once bundles are published to the channel, the process's own no longer counts.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from policy_engine.domain.bundle import Bundle, RefusedBundleError
from policy_engine.service.adoption import Adoption
from policy_engine.service.following import Following
from policy_engine.service.membership import Membership
from policy_engine.service.ports import BundleKeeper, BundleSource, Evaluator
from shared_kernel.clock import Clock
from shared_kernel.errors import UnavailableError
from shared_kernel.events import Recorder

POLL_S = 1.0

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Standing:
    """Which policy decides, by which engine, since when; why the newest bundle does not, and why nobody does, if so.

    `version` counts the publications of the channel; 0 is the process's own folder or file.
    """

    revision: str
    evaluator: str
    loaded_at_us: int | None
    refused: str | None
    name: str = ""
    built_at_us: int | None = None
    sequence: int | None = None
    version: int = 0
    stale: str | None = None


class Loading:
    """Brings the bundle of `source`, or of the channel, to `evaluator`; calls `changed` when another one decides."""

    def __init__(  # noqa: PLR0913 - who takes part in a loading
        self, evaluator: Evaluator, source: BundleSource, recorder: Recorder, clock: Clock, *,
        changed: Callable[[], None], membership: Membership | None = None, kept: BundleKeeper | None = None,
    ) -> None:
        self._source = source
        self._adoption = Adoption(evaluator, recorder, clock, changed, kept=kept)
        self._following = Following(self._adoption, membership) if membership else None
        self._seen: object = None
        self._refused: str | None = None
        self._reloading = asyncio.Lock()

    @property
    def revision(self) -> str:
        """The revision that decides, or "none"."""
        return self._adoption.revision

    @property
    def bundle(self) -> Bundle | None:
        """The bundle that decides."""
        return self._adoption.bundle

    def standing(self) -> Standing:
        """Return which policy decides."""
        adoption, following = self._adoption, self._following
        bundle = adoption.bundle or Bundle({})
        return Standing(
            self.revision, adoption.evaluator_name, adoption.loaded_at_us,
            (following.refused() if following else None) or self._refused, name=bundle.name,
            built_at_us=bundle.built_at_us, sequence=bundle.sequence, version=adoption.version,
            stale=following.standing() if following else None)

    async def doubt(self) -> str | None:
        """Return why nobody may decide now, as a sentence; let a bundle decide whose hour has come."""
        return await self._following.doubt() if self._following else None

    def is_certain(self, revision: str) -> bool:
        """Tell whether what this revision answered a moment ago is still the answer."""
        return revision == self.revision and (self._following is None or self._following.is_certain)

    async def start(self) -> None:
        """Load the bundle; raise RefusedBundleError or UnavailableError when there is nothing to decide by."""
        await self.reload()
        if self._adoption.bundle is None:
            raise RefusedBundleError(self.standing().refused or "it could not be read")

    async def run(self) -> None:
        """Look for a changed bundle every second, and let the next one decide at its hour, until cancelled."""
        while True:
            await asyncio.sleep(self._following.pause_s() if self._following else POLL_S)
            try:
                await self.doubt()
                await self.reload()
            except (UnavailableError, RefusedBundleError, OSError) as error:
                _log.warning("policy_reload_postponed", detail=str(error))

    async def reload(self) -> bool:
        """Adopt the bundle if it changed; True when a new one decides now.

        A refused bundle is sealed as `policy_refused` and the last good one goes on. Raises UnavailableError
        when the event cannot be sealed or the engine cannot be reached; then the next call tries again.
        """
        async with self._reloading:
            followed = await self._following.follow() if self._following else False
            if self._following is None or self._following.owes_nothing:
                return await self._reload_own() or followed
            if self._adoption.is_lost:
                await self._adoption.restore()
            return followed

    async def _reload_own(self) -> bool:
        fingerprint = self._source.fingerprint()
        if fingerprint == self._seen and not self._adoption.is_lost:
            return False
        try:
            changed = await self._load()
        except RefusedBundleError as error:
            self._refused = error.why
            await self._adoption.refuse(error)
            changed = False
        self._seen = fingerprint
        return changed

    async def _load(self) -> bool:
        bundle = await asyncio.to_thread(lambda: self._source.read().whole())
        known = bundle.revision == self.revision
        if known and not self._adoption.is_lost:
            await self._admit(bundle)
            self._adoption.renew(bundle)
            self._refused = None
            return False
        await self._adoption.prepare(bundle)
        await self._admit(bundle)
        if not known:
            await self._adoption.seal(bundle)
        await self._adoption.adopt(bundle)
        self._refused = None
        return not known

    async def _admit(self, bundle: Bundle) -> None:
        if self._following is not None:
            self._following.forget_ready()
            await self._following.admit(bundle)
