"""A request through to a service and its answer back: targets, repetitions and deadlines come together here.

1. What the service may see is put together, with a signed assertion of who asks (`errand`, `assertion`).
2. A target is chosen and asked; what may be repeated is, while time, targets and the budget last.
3. The answer is checked, and what our client may see of it goes out (`answers`).

A request that never left, because nobody listened, goes to another target at once: that is no repetition. Otherwise it
is repeated only when it carries one Idempotency-Key or its route is declared idempotent, when its body can be sent once
more, and when nothing has been sent to the client.
"""

import asyncio
import random
from dataclasses import dataclass

import structlog
from starlette.requests import Request
from starlette.responses import Response

from control_plane.upstreams import answers
from control_plane.upstreams.answers import Bodiless, Flowing, Limits, Whole
from control_plane.upstreams.assertion import Assertions
from control_plane.upstreams.bodies import unless_left
from control_plane.upstreams.client import Answer, BrokenError, Client, UnreachableError
from control_plane.upstreams.errand import Errand, errand_of
from control_plane.upstreams.errors import BadAnswerError, NoTargetError, SlowClientError, TooSlowError
from control_plane.upstreams.paths import Locations, PathMap
from control_plane.upstreams.plan import Route, Service
from control_plane.upstreams.targets import RETRIES, Attempt, RetryBudget, Target, Targets
from shared_kernel.context import context_of

BACKOFF_BASE = 2.0
"""Before the nth repetition a random pause up to first_pause_s times this to the power n - 1 (full jitter)."""
_WORTH_REPEATING = frozenset({502, 503, 504})
_log = structlog.get_logger("gridwarden.upstreams")


@dataclass(frozen=True, slots=True)
class Remote:
    """A service with everything that is kept for it."""

    name: str
    service: Service
    targets: Targets
    client: Client
    assertions: Assertions
    budget: RetryBudget
    locations: Locations
    public_host: str


class Forwarder:
    """Answers one route by one service."""

    def __init__(self, remote: Remote, route: Route) -> None:
        self._remote, self._route = remote, route
        self._paths = PathMap(route.path, route.there)

    async def __call__(self, request: Request) -> Response:
        """Return the service's answer; raise what the gateway renders."""
        remote, context = self._remote, context_of(request.scope)
        errand = errand_of(
            request.scope, request.receive, context, service=remote.service, paths=self._paths,
            public_host=remote.public_host, is_idempotent=self._route.idempotent)
        remote.budget.asked()
        return await unless_left(errand.body, self._answered(errand))

    async def _answered(self, errand: Errand) -> Response:
        """Ask targets, one after the other, until one answers for good."""
        remote, tried = self._remote, list[Target]()
        errand.assertion = (await remote.assertions.about(
            errand.context, method=errand.method, path=errand.path, lifetime_s=errand.left_s())).encode()
        unreached: NoTargetError | None = None
        while True:
            if errand.left_s() <= 0:
                raise TooSlowError(remote.name)
            attempt = remote.targets.choose(tried, others_only=unreached is not None)
            if attempt is None:
                error = unreached or NoTargetError(remote.name, remote.targets.retry_after_s())
                if unreached is None or not await self._may_repeat(errand, len(tried)):
                    raise error
                unreached = None
                continue
            tried.append(attempt.target)
            try:
                response = await self._attempted(errand, attempt)
            except NoTargetError as error:
                unreached = error
            except (TooSlowError, BadAnswerError):
                if not await self._may_repeat(errand, len(tried)):
                    raise
            else:
                is_final = response.status_code not in _WORTH_REPEATING
                if is_final or not await self._may_repeat(errand, len(tried)):
                    return response

    async def _attempted(self, errand: Errand, attempt: Attempt) -> Response:
        """Return what one target answers; a flowing answer ends its attempt itself, later."""
        is_flowing = False
        try:
            answer = await self._asked(errand, attempt)
            try:
                response = await self._response(errand, attempt, answer)
            except BaseException:
                answer.drop()
                raise
            is_flowing = isinstance(response, Flowing)
            return response
        finally:
            if not is_flowing:
                attempt.end()

    async def _asked(self, errand: Errand, attempt: Attempt) -> Answer:
        """Return the head of a target's answer; raise NoTargetError, TooSlowError, BadAnswerError, SlowClientError."""
        name, body, left_s = self._remote.name, errand.body, errand.left_s()
        try:
            async with asyncio.timeout(min(left_s, self._remote.service.timeouts.attempt_s or left_s)):
                return await self._remote.client.send(
                    attempt.target.address, errand.outgoing(), body.chunks() if body.is_present else None)
        except UnreachableError as cause:
            attempt.failed("unreachable")
            _tell(name, attempt, str(cause))
            raise NoTargetError(name) from cause
        except TimeoutError as cause:
            if body.is_begun and not body.is_whole:
                raise SlowClientError from cause
            attempt.failed("slow")
            _tell(name, attempt, "slow")
            raise TooSlowError(name) from cause
        except BrokenError as cause:
            if body.failure is not None:
                raise body.failure from cause
            attempt.failed("broken")
            _tell(name, attempt, str(cause))
            raise BadAnswerError(name, "the connection broke, or what came is not HTTP") from cause

    async def _response(self, errand: Errand, attempt: Attempt, answer: Answer) -> Response:
        """Return the answer as our client gets it."""
        remote, timeouts = self._remote, self._remote.service.timeouts
        head = answer.head
        if head.status >= answers.SERVER_ERROR:
            attempt.failed("5xx")
            answer.drop()
            return answers.failure_of(remote.name, head, errand.context.request_id)
        answers.refuse_refusal(remote.name, head)
        fields = answers.head_of(
            remote.name, head, cookies=remote.service.cookies, secrets=(errand.assertion,),
            locations=remote.locations, origin=attempt.target.address.origin, path=errand.path)
        if not answers.has_body(errand.method, head):
            answer.release()
            attempt.succeeded()
            return Bodiless(head.status, fields, length=head.length)
        limits = Limits(remote.service.max_answer, errand.deadline_s, timeouts.idle_s)
        beginning, is_stream = b"", self._route.stream or answers.is_event_stream(head)
        if is_stream:
            attempt.succeeded()
        else:
            beginning, is_all = await self._beginning(errand, attempt, answer, limits)
            if is_all:
                answer.release()
                attempt.succeeded()
                return Whole(head.status, fields, beginning)
        errand.body.leave()
        return Flowing(remote.name, answer, fields, limits=limits, attempt=attempt, body=errand.body,
                       beginning=beginning, is_stream=is_stream)

    async def _beginning(self, errand: Errand, attempt: Attempt, answer: Answer, limits: Limits) -> tuple[bytes, bool]:
        name = self._remote.name
        try:
            async with asyncio.timeout(errand.left_s()):
                return await answers.beginning_of(name, answer, limits)
        except TimeoutError as cause:
            attempt.failed("slow")
            raise TooSlowError(name) from cause
        except BrokenError as cause:
            attempt.failed("broken")
            _tell(name, attempt, str(cause))
            raise BadAnswerError(name, "its answer broke off") from cause

    async def _may_repeat(self, errand: Errand, attempts: int) -> bool:
        """Pause and tell whether to ask once more."""
        rule = self._remote.service.retry
        pause_s = random.uniform(0, rule.first_pause_s * BACKOFF_BASE ** (attempts - 1))  # noqa: S311 - no secret
        may = (errand.may_be_repeated and errand.body.may_be_repeated and attempts <= rule.retries
               and pause_s < errand.left_s() and self._remote.budget.take())
        if may:
            RETRIES.labels(self._remote.name).inc()
            await asyncio.sleep(pause_s)
        return may


def _tell(service: str, attempt: Attempt, why: str) -> None:
    _log.warning("target_failed", service=service, target=attempt.target.address.authority, why=why)
