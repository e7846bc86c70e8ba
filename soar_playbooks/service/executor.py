"""Carries out one run: intent row, sealed intent, effect, sealed outcome, outcome row with the next call's intent.

Whatever point a crash hits, the intent without an outcome is found at the next claim and *reconciled* with its
connector: done, again, or a human. It is never assumed.
"""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from prometheus_client import Counter

from shared_kernel.clock import Clock
from shared_kernel.errors import GridwardenError, TooManyRequestsError, UnavailableError
from soar_playbooks.domain.connector import (
    MAX_RESUMPTIONS,
    Connector,
    Reconciled,
    after_unknown,
    backoff_s,
    when_it_cannot_tell,
)
from soar_playbooks.domain.errors import SwitchedOffError
from soar_playbooks.domain.plan import Call, idempotency_key
from soar_playbooks.domain.run import Run, RunStatus, StepRecord, StepState
from soar_playbooks.service.seals import Seals
from soar_playbooks.store.journal import Claim, Following, JournalStore, Outcome

STEPS = Counter("gridwarden_soar_steps", "Calls concluded.", ["connector", "state"])
RECONCILE_TIMEOUT_S = 10
LEDGER_WAIT_S = 1.0
_ENDS = {StepState.FAILED: RunStatus.FAILED, StepState.NEEDS_HUMAN: RunStatus.NEEDS_HUMAN}
_Ended = tuple[Outcome, bool]
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _At:
    """Where in which run a call stands."""

    run: Run
    position: int
    call: Call
    record: StepRecord
    connector: Connector
    following: Following | None

    @property
    def key(self) -> str:
        return idempotency_key(self.run.run_id, self.call)


class _PostponedError(Exception):
    """The call is tried again after a while; not an error of anybody's."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"again in {wait_s:.1f} s")
        self.wait_s = wait_s


class Executor:
    """Carries out claimed runs; `lease_margin_s` is how long beyond a step's time-out its lease lasts."""

    def __init__(
        self, journal: JournalStore, connectors: Mapping[str, Connector], seals: Seals, clock: Clock, *,
        lease_margin_s: float,
    ) -> None:
        self._journal, self._connectors, self._seals, self._clock = journal, connectors, seals, clock
        self._margin_s = lease_margin_s

    async def carry_out(self, claim: Claim) -> None:
        """Run a claimed run as far as it goes now."""
        run = claim.run
        try:
            status, reason = await self._all_calls(claim)
            await self._finish(run, status, reason)
        except _PostponedError as wait:
            await self._journal.postpone(run, wait.wait_s)
        except UnavailableError as error:
            # The ledger or the database is down: what is intended stays intended, and is reconciled later.
            log.warning("playbook_run_waits", run_id=run.run_id, why=error.detail)
            await self._journal.postpone(run, LEDGER_WAIT_S)

    async def _all_calls(self, claim: Claim) -> tuple[RunStatus, str]:
        run = claim.run
        if run.plan.hash != run.plan_hash:
            return RunStatus.NEEDS_HUMAN, "the stored plan is not the one that was opened and approved"
        is_intended = False
        for position, (call, record) in enumerate(zip(run.plan.calls, claim.steps, strict=True)):
            if record.state is StepState.DONE:
                continue
            connector = self._connectors.get(call.connector)
            if connector is None:
                return RunStatus.NEEDS_HUMAN, f"the connector {call.connector!r} is not installed"
            at = _At(run, position, call, record, connector, self._following(claim, position))
            try:
                outcome, is_intended = await self._one_call(at, is_intended=is_intended)
            except SwitchedOffError as stop:
                return RunStatus.STOPPED, stop.detail
            if outcome.state in _ENDS:
                return _ENDS[outcome.state], f"{call.step} on {call.target}: {outcome.error}"
        return RunStatus.DONE, run.reason

    def _following(self, claim: Claim, position: int) -> Following | None:
        """Return the call after this one, when it was not begun yet and there is a connector for it."""
        after = position + 1
        if after == len(claim.steps) or claim.steps[after].state is not StepState.PLANNED:
            return None
        call = claim.run.plan.calls[after]
        return Following(after, call.timeout_s + self._margin_s) if call.connector in self._connectors else None

    async def _one_call(self, at: _At, *, is_intended: bool) -> _Ended:
        """Resume or begin one call; answer how it ended and whether the next is intended already.

        `is_intended` says that this worker itself has just written the intent. Raises _PostponedError to try again.
        """
        if is_intended:
            await self._seal_intent(at)
            return await self._effect(at)
        resumptions = at.record.resumptions
        if at.record.state is StepState.INTENDED:
            resumptions += 1
            known = await self._known(at)
            if known is Reconciled.DONE:
                return await self._done(at, {"reconciled": True}, "reconciled:done")
            if known is Reconciled.HUMAN or resumptions > MAX_RESUMPTIONS:
                return await self._human(at, "it was cut off, and nobody knows whether it took effect")
        await self._intend(at, resumptions)
        return await self._effect(at)

    async def _intend(self, at: _At, resumptions: int) -> None:
        await self._journal.intend(
            at.run, at.position, resumptions=resumptions, at_us=self._clock.now_us(),
            lease_s=at.call.timeout_s + self._margin_s,
        )
        await self._seal_intent(at)

    async def _seal_intent(self, at: _At) -> None:
        try:
            await self._seals.intended(at.run, at.call, at.record.attempts)
        except UnavailableError as cause:
            # Nothing happened yet: the intent is taken back, so that an outage of the ledger costs no attempt.
            outcome = Outcome(StepState.PLANNED, "not_sealed", at.record.attempts, error=cause.detail)
            await self._journal.conclude(at.run, at.position, outcome, self._clock.now_us())
            raise _PostponedError(LEDGER_WAIT_S) from cause

    async def _effect(self, at: _At) -> _Ended:
        try:
            async with asyncio.timeout(at.call.timeout_s):
                result = await at.connector.run(at.call.params, idempotency_key=at.key)
        except (UnavailableError, TooManyRequestsError) as error:
            return await self._unknown(at, error.detail)
        except GridwardenError as refusal:
            failed = Outcome(StepState.FAILED, "failed", at.record.attempts + 1, error=refusal.detail)
            return await self._conclude(at, failed)
        except TimeoutError:
            return await self._unknown(at, f"no answer within {at.call.timeout_s} s")
        except Exception as error:  # noqa: BLE001 - a connector's own bug must not take the worker with it
            # Its text may hold a secret, its type does not.
            kind = type(error).__name__
            log.warning("connector_raised", connector=at.call.connector, run_id=at.run.run_id, error=kind)
            return await self._unknown(at, f"the connector raised {kind}")
        return await self._done(at, result, "done")

    async def _unknown(self, at: _At, error: str) -> _Ended:
        attempts = at.record.attempts + 1
        known = after_unknown(at.connector.kind, await self._asked(at), attempts)
        if known is Reconciled.DONE:
            return await self._done(at, {"reconciled": True}, "reconciled:done")
        if known is Reconciled.HUMAN:
            return await self._human(at, error)
        again = Outcome(StepState.PLANNED, "retry", attempts, error=error)
        await self._seals.failed(at.run, at.call, error, attempts)
        await self._journal.conclude(at.run, at.position, again, self._clock.now_us())
        raise _PostponedError(backoff_s(attempts, random.random()))  # noqa: S311 - jitter, not a secret

    async def _known(self, at: _At) -> Reconciled:
        return after_unknown(at.connector.kind, await self._asked(at), at.record.attempts)

    async def _asked(self, at: _At) -> Reconciled:
        """Return what the connector knows; one that cannot tell is called again only if calling twice is harmless."""
        try:
            async with asyncio.timeout(RECONCILE_TIMEOUT_S):
                return await at.connector.reconcile(at.key, at.call.params)
        except Exception as error:  # noqa: BLE001 - whatever it raises, it could not tell
            log.warning("connector_cannot_tell", connector=at.call.connector, why=type(error).__name__)
            return when_it_cannot_tell(at.connector.kind)

    async def _done(self, at: _At, result: Mapping[str, Any], what: str) -> _Ended:
        return await self._conclude(at, Outcome(StepState.DONE, what, at.record.attempts, result=result))

    async def _human(self, at: _At, error: str) -> _Ended:
        asked = Outcome(StepState.NEEDS_HUMAN, "needs_human", at.record.attempts + 1, error=error)
        return await self._conclude(at, asked)

    async def _conclude(self, at: _At, outcome: Outcome) -> _Ended:
        """Seal the outcome, then write it, with the next call's intent when this one took effect."""
        following = at.following if outcome.state is StepState.DONE else None
        if outcome.state is StepState.DONE:
            await self._seals.done(at.run, at.call)
        else:
            await self._seals.failed(at.run, at.call, outcome.error or "", outcome.attempts)
        goes_on = await self._journal.conclude(
            at.run, at.position, outcome, self._clock.now_us(), following=following,
        )
        STEPS.labels(at.call.connector, outcome.state).inc()
        return outcome, goes_on

    async def _finish(self, run: Run, status: RunStatus, reason: str) -> None:
        await self._seals.finished(run, status, reason)
        await self._journal.finish(run, status, reason, self._clock.now_us())

    async def give_up(self, run: Run, error: Exception) -> None:
        """End a run that this code itself could not carry out."""
        await self._finish(run, RunStatus.NEEDS_HUMAN, f"the executor raised {type(error).__name__}: see the log")
