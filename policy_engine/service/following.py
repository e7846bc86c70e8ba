"""Bundles of the channel: prepared ahead of their hour, switched to exactly then, and never half.

A member that cannot prepare a bundle answers nothing once that bundle decides elsewhere: to go on by the old policy
would split the fleet, and to withdraw the bundle would give a broken member a veto over a policy that closes a hole.
"""

import asyncio
from dataclasses import dataclass

from policy_engine.domain.bundle import Bundle, RefusedBundleError
from policy_engine.domain.lease import Published, Reading
from policy_engine.service.adoption import Adoption
from policy_engine.service.membership import Membership, steady_us
from shared_kernel.clock import to_iso
from shared_kernel.errors import UnavailableError

PATIENCE_S = 0.2
"""How long a question waits while one bundle takes over from another; longer than a round trip."""
POLL_S = 1.0
POLLS_A_LEASE = 5


@dataclass(frozen=True, slots=True)
class _Ready:
    """A bundle that was prepared and sealed, and decides when its version is due."""

    bundle: Bundle
    version: int


class Following:
    """Follows the channel for one process."""

    def __init__(self, adoption: Adoption, membership: Membership) -> None:
        self._adoption = adoption
        self._membership = membership
        self._ready: _Ready | None = None
        self._refused: tuple[int, str] = (0, "")
        self._switching: asyncio.Task[None] | None = None
        self._steady_until_us = 0

    @property
    def owes_nothing(self) -> bool:
        """Whether the process's own folder or file decides, as far as the channel is known."""
        return self._membership.due(steady_us()) == 0 and self._adoption.version == 0

    @property
    def is_certain(self) -> bool:
        """Whether nothing can have changed since this was last looked at."""
        return steady_us() < self._steady_until_us

    async def admit(self, bundle: Bundle) -> None:
        """Remember a bundle of our own folder or file; raise RolledBackError when a newer one has decided before."""
        await self._membership.admit(bundle)

    def forget_ready(self) -> None:
        """Prepare again what was prepared: another bundle took its place in the engine."""
        self._ready = None

    async def follow(self) -> bool:
        """Read the channel and prepare what it holds; True when another version decides now.

        Raises UnavailableError when the channel is not reached, the event is not sealed or the engine not reached. Who
        holds no lease owes the channel no reading.
        """
        before = self._adoption.version
        try:
            reading = await self._membership.refresh()
        except UnavailableError:
            if self._membership.is_leased:
                raise
            return False
        self._look()
        if self._membership.is_leased:
            await self._switch()
            for published in reading.bundles:
                if self._is_wanted(published, reading):
                    await self._prepare(published)
                    await self._switch()
        self._look()
        return self._adoption.version != before

    async def doubt(self) -> str | None:
        """Return why nobody may decide now, as a sentence; let a bundle decide whose hour has come."""
        if self.is_certain:
            return None
        try:
            async with asyncio.timeout(PATIENCE_S):
                while self._membership.is_between(steady_us()):  # noqa: ASYNC110 - time passes, nobody signals it
                    await asyncio.sleep(0.001)
                await self._switch()
        except TimeoutError:
            return "stale_policy: the bundle that decides now is still being adopted: denied"
        except Exception as error:  # noqa: BLE001 - an engine that does not adopt, for whatever reason, must not decide
            return f"stale_policy: the bundle that decides now was not adopted ({error}): denied"
        return self._look()

    def standing(self) -> str | None:
        """Return why nobody may decide now, without doing anything about it."""
        now_us = steady_us()
        return self._membership.doubt(now_us) or self._mismatch(now_us)

    def refused(self) -> str | None:
        """Return why the newest bundle of the channel does not decide here."""
        return self._refused[1] or None

    def pause_s(self) -> float:
        """Return how long to wait before looking again: often within a lease, and at a bundle's hour."""
        reading, now_us = self._membership.reading, steady_us()
        if reading is None:
            return POLL_S
        waits = [reading.lease_us / POLLS_A_LEASE, *(
            bundle.active_from_us - reading.earliest(now_us) for bundle in reading.bundles
            if bundle.version > self._adoption.version and bundle.active_from_us > reading.earliest(now_us))]
        return min(POLL_S, max(min(waits), 1_000) / 1_000_000)

    def _look(self) -> str | None:
        """Return why nobody may decide now; when somebody may, note until when that is certain."""
        now_us = steady_us()
        doubt = self.standing()
        is_settled = doubt is None and not self._membership.is_between(now_us)
        self._steady_until_us = self._membership.steady_until(now_us) if is_settled else 0
        return doubt

    def _mismatch(self, now_us: int) -> str | None:
        due, version = self._membership.due(now_us), self._adoption.version
        if due == version or not self._membership.is_leased:
            return None
        if due < version:
            return (f"stale_policy: the channel no longer holds version {version}, which decides here; its database "
                    "was set back: denied")
        why = self._refused[1] if self._refused[0] == due else "it is being prepared"
        return f"stale_policy: version {due} decides everywhere and is not ready here ({why}): denied"

    def _is_wanted(self, published: Published, reading: Reading) -> bool:
        number = published.version
        is_known = number == self._refused[0] or (self._ready is not None and number == self._ready.version)
        return number > self._adoption.version and number >= reading.due(steady_us()) and not is_known

    async def _prepare(self, published: Published) -> None:
        self._ready = None
        try:
            bundle = await self._membership.bundle(published)
            await self._adoption.prepare(bundle)
        except RefusedBundleError as error:
            await self._refuse(published, error)
            return
        await self._adoption.seal(bundle, published)
        self._ready = _Ready(bundle, published.version)

    async def _refuse(self, published: Published, error: RefusedBundleError) -> None:
        told = RefusedBundleError(f"version {published.version} of the channel, which decides from "
                                  f"{to_iso(published.active_from_us)} on: {error.why}")
        await self._adoption.refuse(told)
        self._refused = (published.version, told.why)

    async def _switch(self) -> None:
        """Adopt the bundle that is due, if it is ready; whoever asks meanwhile waits for the same adoption."""
        if self._switching is None:
            ready = self._ready
            if ready is None or ready.version != self._membership.due(steady_us()):
                return
            self._switching = asyncio.create_task(self._adopt(ready))
            self._switching.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.shield(self._switching)

    async def _adopt(self, ready: _Ready) -> None:
        try:
            await self._adoption.adopt(ready.bundle, ready.version)
            self._membership.adopted(ready.bundle)
            self._ready, self._refused = None, (0, "")
        except RefusedBundleError as error:
            self._ready, self._refused = None, (ready.version, error.why)
            await self._adoption.refuse(error)
        finally:
            self._switching = None
