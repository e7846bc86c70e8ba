"""Charges requests to quotas: by address before anybody looks at who asks, by caller as soon as it is known."""

from collections.abc import Callable, Sequence

import structlog
from prometheus_client import Counter

from policy_engine.domain.limits.buckets import Buckets
from policy_engine.domain.limits.callers import address_key, is_this_machine, network_key
from policy_engine.domain.limits.rules import BEFORE_IDENTITY, By, Rule
from policy_engine.domain.limits.standing import Charge, RateLimitedError, field, policy_field
from shared_kernel.clock import Clock
from shared_kernel.context import RequestContext
from shared_kernel.events import Recorder, security_event
from shared_kernel.principal import Principal, PrincipalKind

TELL_EVERY_US = 60_000_000
MAX_TOLD = 10_000

Fields = Sequence[tuple[bytes, str]]
_refused = Counter("gridwarden_rate_limited_total", "Requests refused by a rate limit", ["rule"])
_log = structlog.get_logger()
_BY_ADDRESS: dict[By, Callable[[str], str]] = {By.ADDRESS: address_key, By.NETWORK: network_key}


class Limiter:
    """Refuses by RateLimitedError; a caller's first refusal in a minute is sealed as `rate_limited`."""

    def __init__(self, rules: Sequence[Rule], buckets: Buckets, recorder: Recorder, clock: Clock) -> None:
        self._early = tuple(rule for rule in rules if rule.by in BEFORE_IDENTITY)
        self._late = tuple(rule for rule in rules if rule.by not in BEFORE_IDENTITY)
        self._buckets, self._recorder, self._clock = buckets, recorder, clock
        self._told: dict[str, int] = {}

    async def arrived(self, source_ip: str, action: str, context: Callable[[], RequestContext]) -> Fields:
        """Charge a request to its address."""
        is_ours = is_this_machine(source_ip)
        return await self._charge([
            Charge(_key(rule, _BY_ADDRESS[rule.by](source_ip), action), rule) for rule in self._early
            if rule.covers(action) and (rule.this_machine_too or not is_ours)], context)

    async def known(self, principal: Principal, action: str, context: Callable[[], RequestContext]) -> Fields:
        """Charge a request to its subject and client."""
        if principal.kind is PrincipalKind.ANONYMOUS:
            return ()
        callers = {By.SUBJECT: principal.subject, By.CLIENT: principal.client_id}
        return await self._charge([
            Charge(_key(rule, caller, action), rule) for rule in self._late
            if (caller := callers[rule.by]) is not None and rule.covers(action)], context)

    async def _charge(self, charges: Sequence[Charge], context: Callable[[], RequestContext]) -> Fields:
        if not charges:
            return ()
        try:
            backlogs = await self._buckets.charge(charges, self._clock.now_us())
        except RateLimitedError as refusal:
            _refused.labels(refusal.charge.rule.name).inc()
            await self._tell(refusal, context)
            raise
        return ((b"ratelimit", field(charges, backlogs)),
                (b"ratelimit-policy", ", ".join(policy_field(charge.rule) for charge in charges)))

    async def _tell(self, refusal: RateLimitedError, context: Callable[[], RequestContext]) -> None:
        """Seal the first refusal of a bucket in a minute: a flood must not become one in the ledger."""
        now_us, key = self._clock.now_us(), refusal.charge.key
        if now_us - self._told.get(key, -TELL_EVERY_US) < TELL_EVERY_US:
            return
        if len(self._told) >= MAX_TOLD:
            self._told.clear()
        self._told[key] = now_us
        about = context()
        _log.warning("rate_limited", rule=refusal.charge.rule.name, source_ip=about.source_ip)
        await self._recorder.record(security_event(
            self._clock, "rate_limited", category="web", types=("denied",), outcome="failure", reason=refusal.detail,
            context=about, grid={"limit": {"rule": refusal.charge.rule.name, "bucket": key}}))


def _key(rule: Rule, caller: str, action: str) -> str:
    return f"{rule.name} {caller} {action}" if rule.each_action else f"{rule.name} {caller}"
