"""Steps 2 and 3 of a request: who asks (identity), how risky (risk), may they (policy). Always ends in a verdict."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import structlog

from control_plane.gateway.deadlines import DEADLINES
from control_plane.gateway.fulfilment import EVERYWHERE, fulfilled
from control_plane.gateway.peers import is_loopback
from control_plane.gateway.ports import (
    Answer,
    Authenticator,
    DecisionPoint,
    Labels,
    RiskAssessor,
    Suspects,
)
from control_plane.gateway.verdict import HIGHEST_RISK, UNKNOWN_ACTION, Verdict
from policy_engine.service import Question, RiskFeatures
from shared_kernel.credentials import NO_CREDENTIALS, Credentials
from shared_kernel.endpoint import Endpoint
from shared_kernel.errors import UnauthenticatedError
from shared_kernel.principal import ANONYMOUS, Principal, PrincipalKind

DEADLINE_S = 1.0
"""How long identity and policy together may think."""

SUSPECT = "this sign-in was used from a place and device its person does not use: sign in again"
STANDING_US, MAX_STANDING = 1_000_000, 10_000
"""How long a *yes* to an endpoint with credentials of its own stands, and to how many callers."""

_US_PER_HOUR = 3_600_000_000
_AGE_STEP_US, _AGE_STEP_S = 10_000_000, 10
"""A login's age is told in steps, rounded up, so that decisions may be remembered and no login seems fresher."""
_log = structlog.get_logger("gridwarden.gateway")


class UnsupportedSchemeError(UnauthenticatedError):
    """The Authorization field is neither a token nor a client's own Basic credentials."""

    def __init__(self) -> None:
        super().__init__("only Bearer and DPoP tokens are accepted here")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as far as deciding on it needs to know."""

    method: str
    path: str
    endpoint: Endpoint | None
    credentials: Credentials
    source_ip: str
    user_agent: str
    purpose: str | None
    at_us: int


class Judge:
    """Turns what was asked into a verdict; whatever goes wrong becomes a *no* that says what."""

    def __init__(  # noqa: PLR0913 - one a collaborator
        self, identity: Authenticator, policy: DecisionPoint, risk: RiskAssessor, labels: Labels,
        suspicion: Suspects, *, fulfils: frozenset[str] = EVERYWHERE,
    ) -> None:
        self._identity, self._policy, self._risk, self._labels = identity, policy, risk, labels
        self._suspicion = suspicion
        self._fulfils = fulfils
        self._standing: dict[tuple[str, str], tuple[int, Verdict]] = {}

    def standing(self, action: str, source_ip: str, at_us: int) -> Verdict | None:
        """Return the *yes* that a caller of such an endpoint got less than a second ago."""
        known = self._standing.get((action, source_ip))
        return known[1] if known is not None and 0 <= at_us - known[0] < STANDING_US else None

    async def verdict_on_stranger(self, asked: Asked) -> Verdict:
        """Decide as about a stranger; a *yes* stands for a second, a *no* or a doubt is asked about again."""
        verdict = await self.verdict_on(replace(asked, credentials=NO_CREDENTIALS))
        if verdict.allow and asked.endpoint is not None:
            if len(self._standing) >= MAX_STANDING:
                self._standing.clear()
            self._standing[asked.endpoint.action, asked.source_ip] = (asked.at_us, verdict)
        return verdict

    async def verdict_on(self, asked: Asked) -> Verdict:
        """Authenticate, score, decide; what was decided counts as behaviour."""
        verdict = await self._judged(asked, lambda: self._identity.authenticate(_token(asked.credentials)))
        if verdict.features is not None:
            self._counted(verdict.features, allowed=verdict.allow)
        return verdict

    async def verdict_again(self, asked: Asked, principal: Principal) -> Verdict:
        """Decide on what was let in before: the proofs were about that moment, the principal must still stand."""
        return await self._judged(asked, lambda: self._identity.standing(principal))

    async def _judged(self, asked: Asked, authenticated: Callable[[], Awaitable[Principal]]) -> Verdict:
        part, principal, risk = "identity", ANONYMOUS, 0
        risk_reasons: tuple[str, ...] = ()
        try:
            with DEADLINES.within(DEADLINE_S):
                principal = await authenticated()
                features = _features(principal, asked)
                if features is not None:
                    risk, risk_reasons = self._scored(features, principal.grant_id)
                part = "catalog"
                question = self._question(principal, risk, asked)
                part = "policy"
                answer = await self._policy.decide(question)
            _check(answer)
        except UnauthenticatedError as error:
            return Verdict(reasons=("the credential is not valid",), refused_credential=error.detail,
                           challenge=getattr(error, "headers", {}))
        except Exception as error:  # noqa: BLE001 - doubt is a no, whatever raised it
            return Verdict(principal, reasons=(_doubt(part, error),), risk=risk, risk_reasons=risk_reasons,
                           is_doubt=True)
        verdict = Verdict(
            principal, answer.allow, tuple(answer.reasons), answer.obligations, answer.revision, risk, risk_reasons,
            digest=answer.digest, bundle_age_s=answer.bundle_age_s, ttl_s=answer.ttl_s, question=question,
            features=features)
        return fulfilled(verdict, asked.endpoint, self._fulfils)

    def learn(self, verdict: Verdict) -> None:
        """Let risk know what was accepted; its failure costs knowledge, not the answer."""
        if verdict.features is None:
            return
        try:
            self._risk.observe(verdict.features)
        except Exception as error:  # noqa: BLE001 - said above
            _log.warning("risk_not_observed", error=type(error).__name__)

    def _scored(self, features: RiskFeatures, grant_id: str | None) -> tuple[int, tuple[str, ...]]:
        try:
            score = self._risk.score(features)
            if type(score.value) is int and 0 <= score.value <= HIGHEST_RISK:
                return self._suspected(grant_id, features.at_us, score.value, tuple(score.reasons))
        except Exception as error:  # noqa: BLE001 - an unknown risk is a high one
            _log.error("risk_failed", error=type(error).__name__)
        return HIGHEST_RISK, ("the risk could not be scored",)

    def _suspected(
        self, grant_id: str | None, at_us: int, score: int, reasons: tuple[str, ...],
    ) -> tuple[int, tuple[str, ...]]:
        """Return the score, or that of a request this grant was once used for as its person never does."""
        self._suspicion.seen(grant_id, score, at_us)
        held = self._suspicion.of(grant_id, at_us)
        return (held, (SUSPECT, *reasons)) if held > score else (score, reasons)

    def _counted(self, features: RiskFeatures, *, allowed: bool) -> None:
        """Let risk know what was decided; its failure costs knowledge, not the answer."""
        try:
            self._risk.count(features, allowed=allowed)
        except Exception as error:  # noqa: BLE001 - said above
            _log.warning("risk_not_counted", error=type(error).__name__)

    def _question(self, principal: Principal, risk: int, asked: Asked) -> Question:
        endpoint = asked.endpoint
        return Question(
            subject={
                "id": principal.subject, "kind": principal.kind.value, "roles": sorted(principal.roles),
                "scopes": sorted(principal.scopes), "client_id": principal.client_id,
                "acr": principal.acr, "amr": sorted(principal.amr), "auth_age_s": _login_age(principal, asked.at_us),
            },
            action=endpoint.action if endpoint else UNKNOWN_ACTION,
            resource={
                "path": asked.path, "method": asked.method,
                **self._data(endpoint.dataset if endpoint else None),
            },
            context={
                "source_ip": asked.source_ip, "purpose": asked.purpose, "risk": risk,
                "hour_utc": asked.at_us // _US_PER_HOUR % 24, "loopback": is_loopback(asked.source_ip),
            },
        )

    def _data(self, dataset: str | None) -> Mapping[str, Any]:
        if dataset is None:
            return {"dataset": None, "classification": None, "columns": {}}
        columns = {column: label.name for column, label in self._labels.labels(dataset).items()}
        return {"dataset": dataset, "classification": self._labels.classification(dataset).name, "columns": columns}


def _token(credentials: Credentials) -> Credentials:
    """Return a token with its proofs; Basic is a client's business with the token endpoint, and to us a stranger's."""
    if credentials.authorization is None:
        return NO_CREDENTIALS
    scheme = credentials.authorization.partition(" ")[0].lower()
    if scheme in {"bearer", "dpop"}:
        return credentials
    if scheme == "basic":
        return NO_CREDENTIALS
    raise UnsupportedSchemeError


def _login_age(principal: Principal, at_us: int) -> int | None:
    if principal.authenticated_at_us is None:
        return None
    return max(0, -((principal.authenticated_at_us - at_us) // _AGE_STEP_US)) * _AGE_STEP_S


def _features(principal: Principal, asked: Asked) -> RiskFeatures | None:
    """Return what risk may know; a stranger has no habits."""
    if principal.kind is PrincipalKind.ANONYMOUS:
        return None
    endpoint = asked.endpoint
    return RiskFeatures(
        principal.subject, asked.source_ip, asked.user_agent, asked.at_us,
        endpoint.action if endpoint else UNKNOWN_ACTION, (endpoint.dataset or "") if endpoint else "", asked.path,
        asked.method)


class MalformedDecisionError(TypeError):
    """What policy answered is no decision."""


def _check(answer: Answer) -> None:
    """Refuse a decision with an odd part; `"true"`, null or a missing part is not an *allow*."""
    if (
        type(answer.allow) is not bool
        or not isinstance(answer.obligations, Mapping)
        or not isinstance(answer.revision, str)
        or not all(isinstance(reason, str) for reason in answer.reasons)
    ):
        raise MalformedDecisionError


def _doubt(part: str, error: Exception) -> str:
    """Log a collaborator's failure and return the reason it gives for saying no."""
    _log.error("no_decision", part=part, error=type(error).__name__, detail=str(error))
    return f"{part} {'did not answer in time' if isinstance(error, TimeoutError) else 'could not answer'}"
