"""The PolicyEngine decides; the RiskScorer knows what is usual for whom."""

from policy_engine.domain.bundle import Bundle, RefusedBundleError
from policy_engine.domain.decision import Decision
from policy_engine.domain.question import MalformedQuestionError, Question, to_input
from policy_engine.domain.risk import RiskFeatures, RiskScore
from policy_engine.service.engine import PolicyEngine
from policy_engine.service.ports import BundleSource, Evaluator
from policy_engine.service.risk_scorer import RiskScorer

__all__ = [
    "Bundle", "BundleSource", "Decision", "Evaluator", "MalformedQuestionError", "PolicyEngine", "Question",
    "RefusedBundleError", "RiskFeatures", "RiskScore", "RiskScorer",
    "to_input",
]
