"""Rate limits: who is charged for a request, and who keeps the buckets."""

from policy_engine.domain.limits.buckets import Buckets, OwnBuckets
from policy_engine.domain.limits.rules import SHIPPED, Rule, UnusableRulesError, read_rules
from policy_engine.domain.limits.standing import RateLimitedError
from policy_engine.service.limits.limiter import Limiter

__all__ = ["SHIPPED", "Buckets", "Limiter", "OwnBuckets", "RateLimitedError", "Rule", "UnusableRulesError",
           "read_rules"]
