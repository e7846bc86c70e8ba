"""A decision the gateway can stand behind, and the ways a request is turned away.

Doubt is a *no* with a reason: a collaborator that raises, stays silent or answers nonsense never lets a request pass.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from control_plane.problems import REFUSED_CHALLENGE
from identity.domain.oauth.challenges import challenge
from policy_engine.domain.demands import StepUp
from policy_engine.service import Question, RiskFeatures
from shared_kernel.errors import ForbiddenError, GridwardenError, NotFoundError, UnauthenticatedError, UnavailableError
from shared_kernel.principal import ANONYMOUS, Principal, PrincipalKind

UNKNOWN_ACTION = "gateway.unknown"
"""What a request for a path or method we do not have is decided as."""
HIGHEST_RISK = 100


@dataclass(frozen=True, slots=True)
class Verdict:
    """Who asked, how risky, what was answered. `is_doubt` marks a *no* that came from a fault of ours.

    `digest`, `bundle_age_s` and `ttl_s` are the policy's; `question` is what it was asked, None when it was not.
    `features` are what risk may know of the request, None for strangers.
    `unfulfilled` are demands of the policy's *yes* that nobody could meet, which made it a *no*.
    `challenge` are the header fields with which identity refused a credential (WWW-Authenticate, DPoP-Nonce).
    """

    principal: Principal = ANONYMOUS
    allow: bool = False
    reasons: tuple[str, ...] = ()
    obligations: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    revision: str = ""
    risk: int = 0
    risk_reasons: tuple[str, ...] = ()
    is_doubt: bool = False
    refused_credential: str | None = None
    challenge: Mapping[str, str] = field(default_factory=dict)
    digest: str = ""
    bundle_age_s: int | None = None
    ttl_s: int = 0
    question: Question | None = None
    features: RiskFeatures | None = None
    unfulfilled: tuple[str, ...] = ()


class CredentialsRequiredError(UnauthenticatedError):
    """A stranger asked for what strangers may not have, whether it exists or not."""

    def __init__(self) -> None:
        super().__init__("this needs a bearer token: obtain one at the token endpoint")


class CredentialRefusedError(UnauthenticatedError):
    """The credential is not good; the challenge says so (RFC 6750 section 3.1)."""

    def __init__(self, detail: str, challenge: Mapping[str, str]) -> None:
        super().__init__(detail)
        self.headers = {"WWW-Authenticate": REFUSED_CHALLENGE, **challenge}


class DeniedError(ForbiddenError):
    """Policy said no; the reasons are the policy's own words."""

    def __init__(self, reasons: tuple[str, ...], request_id: str) -> None:
        super().__init__("the policy does not allow this")
        self.members = {"reasons": list(reasons), "why": f"/why/{request_id}"}


class LoginTooWeakError(UnauthenticatedError):
    """The token is good and its login too old or too weak for this: log in again (RFC 9470 section 3)."""

    kind: ClassVar[str] = "insufficient-user-authentication"

    def __init__(self, wanted: StepUp, reasons: tuple[str, ...], request_id: str, scheme: str) -> None:
        super().__init__(
            "this needs a fresher or stronger login: log in again as acr_values and max_age say, then retry")
        asked = {"acr_values": wanted.acr, "max_age": wanted.max_age}
        demanded = {name: value for name, value in asked.items() if value is not None}
        self.members = {"reasons": list(reasons), "why": f"/why/{request_id}", **demanded}
        self.headers = {"WWW-Authenticate": challenge(
            scheme, "insufficient_user_authentication", {name: str(value) for name, value in demanded.items()})}


class UndecidedError(UnavailableError):
    """No decision could be reached, so the answer is no for now."""

    def __init__(self, reasons: tuple[str, ...]) -> None:
        super().__init__("no decision could be reached, and without one nothing is allowed: retry later")
        self.members = {"reasons": list(reasons)}


class NotSealedError(UnavailableError):
    """The decision could not be written to the ledger, so nothing was done."""

    def __init__(self) -> None:
        super().__init__("the ledger cannot record this decision, and unrecorded nothing is done: retry later")


class NoSuchRouteError(NotFoundError):
    """Nothing answers at this path."""

    def __init__(self) -> None:
        super().__init__("there is nothing at this path")


class MethodNotAllowedError(GridwardenError):
    """The path exists and does not take this method (405)."""

    kind: ClassVar[str] = "method-not-allowed"

    def __init__(self, allowed: tuple[str, ...]) -> None:
        super().__init__(f"this path takes {', '.join(allowed)}")
        self.headers = {"Allow": ", ".join(allowed)}


def refusal_of(  # noqa: PLR0913 - what a refusal says
    verdict: Verdict, *, is_known: bool, allowed: tuple[str, ...], request_id: str, is_public: bool = False,
    scheme: str = "Bearer",
) -> GridwardenError | None:
    """Return the error a verdict amounts to, None when the request passes; strangers learn nothing of unknown paths.

    The paths of probes and public protocols are no secret: another method there is 405 for all (RFC 9126 section 2.3).
    """
    if verdict.refused_credential is not None:
        return CredentialRefusedError(verdict.refused_credential, verdict.challenge)
    if verdict.is_doubt:
        return UndecidedError(verdict.reasons)
    if is_public and not is_known:
        return MethodNotAllowedError(allowed)
    if not verdict.allow and verdict.principal.kind is PrincipalKind.ANONYMOUS:
        return CredentialsRequiredError()
    if not is_known:
        return MethodNotAllowedError(allowed) if allowed else NoSuchRouteError()
    return None if verdict.allow else _denied(verdict, request_id, scheme)


def _denied(verdict: Verdict, request_id: str, scheme: str) -> GridwardenError:
    wanted = StepUp.of(verdict.obligations)
    if wanted is not None:
        return LoginTooWeakError(wanted, verdict.reasons, request_id, scheme)
    return DeniedError(verdict.reasons, request_id)
