"""The decision point: a question in, a decision out, never an exception."""

import asyncio
from time import perf_counter

import structlog
from prometheus_client import Counter, Histogram

from policy_engine.domain.bundle import Bundle
from policy_engine.domain.decision import Decision, denied, from_answer
from policy_engine.domain.question import MalformedQuestionError, Question, digest_of, spelled, to_input
from policy_engine.service.known_decisions import KnownDecisions
from policy_engine.service.loading import Loading, Standing
from policy_engine.service.membership import Membership
from policy_engine.service.ports import BundleKeeper, BundleSource, Evaluator
from shared_kernel.clock import Clock
from shared_kernel.errors import UnavailableError
from shared_kernel.events import Recorder

DEADLINE_S = 0.25
ATTEMPTS = 2
"""A bundle that takes over in the midst of a question is asked itself; takeovers are seconds apart."""

_log = structlog.get_logger()
_decisions = Counter("gridwarden_policy_decisions", "Decisions by outcome", ["outcome"])
_allowed, _denied = _decisions.labels("allowed"), _decisions.labels("denied")
_seconds = Histogram(
    "gridwarden_policy_decision_seconds", "Time to decide",
    buckets=(25e-6, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 5e-3, 2.5e-2, 0.25),
)


class PolicyEngine:
    """Decides by the bundle of `source`, evaluated by `evaluator`."""

    def __init__(  # noqa: PLR0913 - one a collaborator
        self, evaluator: Evaluator, source: BundleSource, recorder: Recorder, clock: Clock, *,
        membership: Membership | None = None, kept: BundleKeeper | None = None,
    ) -> None:
        self._evaluator = evaluator
        self._clock = clock
        self._known = KnownDecisions()
        self._loading = Loading(evaluator, source, recorder, clock, changed=self._known.forget, membership=membership,
                                kept=kept)

    @property
    def revision(self) -> str:
        """The revision that decides, or "none"."""
        return self._loading.revision

    @property
    def bundle(self) -> Bundle | None:
        """The bundle that decides."""
        return self._loading.bundle

    def standing(self) -> Standing:
        """Return which policy decides."""
        return self._loading.standing()

    async def check(self) -> None:
        """Raise UnavailableError while nobody may decide here because another policy may decide elsewhere."""
        if stale := self.standing().stale:
            raise UnavailableError(stale)

    async def decide(self, question: Question) -> Decision:
        """Answer a question; every doubt is a *no* with a reason."""
        started = perf_counter()
        decision = await self._decided(question)
        _seconds.observe(perf_counter() - started)
        (_allowed if decision.allow else _denied).inc()
        return decision

    async def _decided(self, question: Question) -> Decision:
        for _ in range(ATTEMPTS):
            if not self._loading.is_certain(self.revision) and (doubt := await self._loading.doubt()):
                return denied(doubt, self.revision)
            revision = self.revision
            decision = await self._asked(question, revision)
            if self._loading.is_certain(revision):
                return decision
        return denied("stale_policy: another bundle took over while this one answered: denied", self.revision)

    async def _asked(self, question: Question, revision: str) -> Decision:
        try:
            document = to_input(question)
            digest = digest_of(spelled(document))
            subject_id = document["subject"]["id"]
            seen = spelled(self._evaluator.reads.narrow(document))
            if self._evaluator.is_remote:
                async with asyncio.timeout(DEADLINE_S):
                    return from_answer(await self._evaluator.evaluate(seen), revision, digest=digest,
                                       bundle_age_s=self._bundle_age_s(self._clock.now_us()))
            return await self._known_or_asked(subject_id, seen, revision, digest)
        except MalformedQuestionError as error:
            return denied(f"{error}: denied", revision)
        except Exception as error:  # noqa: BLE001 - doubt of any kind is a no
            _log.error("policy_engine_failed", error=type(error).__name__, detail=str(error)[:500])
            return denied("the policy engine did not answer: denied", revision)

    async def _known_or_asked(self, subject_id: str, seen: bytes, revision: str, digest: str) -> Decision:
        """Return a decision of an engine in this process, where no answer takes long and none can be lost."""
        now_us, generation = self._clock.now_us(), self._known.generation
        if known := self._known.find(subject_id, seen, now_us, digest=digest, bundle_age_s=self._bundle_age_s(now_us)):
            return known
        decision = from_answer(await self._evaluator.evaluate(seen), revision, digest=digest,
                               bundle_age_s=self._bundle_age_s(now_us))
        self._known.keep(subject_id, seen, decision, now_us, generation=generation)
        return decision

    def forget_subject(self, subject_id: str) -> None:
        """Decide anew whatever this subject asks next: a session, a role or an account of theirs changed."""
        self._known.forget_subject(subject_id)

    def forget(self) -> None:
        """Decide everything anew."""
        self._known.forget()

    def _bundle_age_s(self, now_us: int) -> int | None:
        built_at_us = self.bundle.built_at_us if self.bundle else None
        return None if built_at_us is None else max(0, now_us - built_at_us) // 1_000_000

    async def start(self) -> None:
        """Load the bundle; raise RefusedBundleError or UnavailableError when there is nothing to decide by."""
        await self._loading.start()

    async def run(self) -> None:
        """Look for a changed bundle every second, until cancelled."""
        await self._loading.run()

    async def reload(self) -> bool:
        """Adopt the bundle if it changed; True when a new one decides now."""
        return await self._loading.reload()

    async def close(self) -> None:
        """Release what the evaluator holds."""
        await self._evaluator.close()
