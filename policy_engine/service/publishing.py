"""Publishing a bundle to every process of the fleet: proven, compiled and tried here before anybody hears of it."""

import asyncio
from collections.abc import Callable

from policy_engine.adapters.bundle_archive import opened
from policy_engine.domain.bundle import Bundle, RefusedBundleError
from policy_engine.domain.bundle_signature import VerificationKey
from policy_engine.domain.lease import Published
from policy_engine.service.ports import Evaluator
from policy_engine.store.bundle_channel import BundleChannel, PendingBundleError, RolledBackError
from shared_kernel.clock import Clock, to_iso
from shared_kernel.context import RequestContext
from shared_kernel.errors import ConflictError
from shared_kernel.events import Recorder, security_event

MOST_SHOWN = 100
AHEAD_US = 300_000_000
"""Five minutes of difference between two machines' clocks are nothing to worry about."""


class NoVerificationKeyError(ConflictError):
    """This process could not tell an author's bundle from a forged one."""

    def __init__(self) -> None:
        super().__init__("bundles cannot be published here: set GRIDWARDEN_POLICY_VERIFICATION_KEY to the author's "
                         "public key in every process, and restart them")


class Publisher:
    """Puts signed bundles into the channel; `trial` makes an engine to try one in."""

    def __init__(
        self, channel: BundleChannel, key: VerificationKey | None, trial: Callable[[], Evaluator], recorder: Recorder,
        clock: Clock,
    ) -> None:
        self._channel = channel
        self._key = key
        self._trial = trial
        self._recorder = recorder
        self._clock = clock

    async def published(self) -> tuple[Published, ...]:
        """Return the bundles published last, newest first."""
        return await self._channel.newest(MOST_SHOWN)

    async def publish(self, archive: bytes, context: RequestContext) -> Published:
        """Let a signed bundle decide everywhere, one lease from now.

        Sealed as `policy_published` before it stands, or as `policy_refused`. Raises RefusedBundleError, ConflictError,
        and UnavailableError, after which it may stand or not; publishing it again is safe.
        """
        if self._key is None:
            raise NoVerificationKeyError
        try:
            bundle = await self._proven(archive, self._key)
        except RefusedBundleError as error:
            await self._seal("policy_refused", "failure", {}, context, reason=str(error))
            raise
        told: dict[str, object] = {"revision": bundle.revision, "name": bundle.name, "sequence": bundle.sequence,
                                   "built_at": to_iso(bundle.built_at_us or 0)}
        await self._seal("policy_published", "success", told, context)
        await self._channel.publish(bundle, archive, by=context.principal.name)
        return (await self._channel.newest(1))[0]

    async def _proven(self, archive: bytes, key: VerificationKey) -> Bundle:
        bundle = await asyncio.to_thread(opened, archive, key)
        self._refuse_the_future(bundle)
        await self._refuse_old(bundle)
        engine = self._trial()
        try:
            await engine.prepare(bundle)
        finally:
            await engine.close()
        return bundle

    def _refuse_the_future(self, bundle: Bundle) -> None:
        """A bundle dated ahead would make every honest one after it look old."""
        if (bundle.built_at_us or 0) > self._clock.now_us() + AHEAD_US:
            raise RefusedBundleError("it was built in the future: set the clock of the machine that builds bundles")

    async def _refuse_old(self, bundle: Bundle) -> None:
        last = (*await self._channel.newest(1), None)[0]
        if last is None or (last.sequence, last.revision) == (bundle.sequence, bundle.revision):
            return
        if last.sequence >= (bundle.sequence or 0) or last.built_at_us > (bundle.built_at_us or 0):
            raise RolledBackError(bundle.sequence)
        reading = await self._channel.read()
        if last.active_from_us > reading.database_us:
            raise PendingBundleError

    async def _seal(self, action: str, outcome: str, told: dict[str, object], context: RequestContext, *,
                    reason: str | None = None) -> None:
        await self._recorder.record(security_event(
            self._clock, action, category="configuration", types=("change",), outcome=outcome, reason=reason,
            context=context, grid={"policy": told},
        ))
