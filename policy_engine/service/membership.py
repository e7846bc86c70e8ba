"""A process as a member of the fleet: which version of the channel is due here now, and why none is, if so.

A member with a verification key lives by its lease: unless it reads the channel again in time, it answers nothing. One
without a key cannot believe the channel; it decides by its own folder or file, until it sees that somebody published.
"""

import asyncio
import time

from policy_engine.adapters.bundle_archive import opened
from policy_engine.domain.bundle import Bundle, RefusedBundleError
from policy_engine.domain.bundle_signature import VerificationKey
from policy_engine.domain.lease import Published, Reading
from policy_engine.store.bundle_channel import BundleChannel, RolledBackError

_FOREVER_US = 2**63
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def steady_us() -> int:
    """Return microseconds that no operator sets and that go on while this process, or its machine, is stopped."""
    return time.clock_gettime_ns(_CLOCK) // 1_000


class Membership:
    """What one process knows of the channel."""

    def __init__(self, channel: BundleChannel, key: VerificationKey | None) -> None:
        self._channel = channel
        self._key = key
        self._reading: Reading | None = None
        self._highest = 0

    @property
    def reading(self) -> Reading | None:
        """What was read last."""
        return self._reading

    @property
    def is_leased(self) -> bool:
        """Whether it must have read the channel lately in order to answer."""
        return self._key is not None

    async def refresh(self) -> Reading:
        """Read the channel; raise UnavailableError when it is not reached, and go on by what was read before."""
        self._reading = await self._channel.read()
        return self._reading

    async def bundle(self, published: Published) -> Bundle:
        """Return a published bundle, proven to be the author's; raise RefusedBundleError or UnavailableError."""
        found = await asyncio.to_thread(opened, await self._channel.archive(published.version), self._key)
        if found.sequence is None or found.revision != published.revision or found.sequence != published.sequence:
            raise RefusedBundleError(f"version {published.version} of the channel is not what its row says: somebody "
                                     "changed the database")
        if found.sequence < self._highest:
            raise RolledBackError(found.sequence)
        return found

    async def admit(self, bundle: Bundle) -> None:
        """Remember a signed bundle before it decides; raise RolledBackError when a newer one has decided before."""
        if self._key is not None and bundle.sequence is not None:
            await self._channel.admit(bundle)

    def adopted(self, bundle: Bundle) -> None:
        """Remember the place in line of the bundle that decides now."""
        self._highest = max(self._highest, bundle.sequence or 0)

    def due(self, now_us: int) -> int:
        """Return the version that is to decide now; 0 is the process's own folder or file."""
        return self._reading.due(now_us) if self._reading and self.is_leased else 0

    def is_between(self, now_us: int) -> bool:
        """Tell whether that is uncertain for a moment."""
        return self._reading is not None and self.is_leased and self._reading.is_between(now_us)

    def steady_until(self, now_us: int) -> int:
        """Return until when (steady clock) nothing of this can change without another reading."""
        if not self.is_leased:
            return _FOREVER_US
        return self._reading.steady_until(now_us) if self._reading else 0

    def doubt(self, now_us: int) -> str | None:
        """Return why this process may not answer at all, as a sentence."""
        if self._reading is None:
            return "stale_policy: this process has not reached the policy channel yet: denied" if self._key else None
        if self._key is None:
            return ("stale_policy: policies are published to this database, and this process has no "
                    "GRIDWARDEN_POLICY_VERIFICATION_KEY to believe them by: denied" if self._reading.bundles else None)
        if self._reading.is_fresh(now_us):
            return None
        silent_s = (now_us - self._reading.asked_us) / 1_000_000
        return (f"stale_policy: this process has not reached the policy channel for {silent_s:.0f} seconds and cannot "
                "know which policy decides: denied")
