"""What the enforcement point asks of the houses: the few methods it calls, and the shapes it hands over."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from policy_engine.service import Question, RiskFeatures
from shared_kernel.classification import Classification
from shared_kernel.context import RequestContext
from shared_kernel.credentials import Credentials
from shared_kernel.principal import Principal


class Authenticator(Protocol):
    """Tells who stands behind a request (identity)."""

    async def authenticate(self, credentials: Credentials) -> Principal:
        """Return the principal; nobody without an Authorization. Raise UnauthenticatedError for a bad credential."""

    async def standing(self, principal: Principal) -> Principal:
        """Return a principal as it stands now; raise UnauthenticatedError when it stands no more."""

    def fresh_nonce(self) -> str:
        """Return what the next DPoP proof should carry (RFC 9449 section 8.2)."""


class Answer(Protocol):
    """A decision, as the policy engine gives it; every part is checked before it is believed."""

    @property
    def allow(self) -> bool:
        """Whether the request may pass."""

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why, in words."""

    @property
    def obligations(self) -> Mapping[str, Mapping[str, Any]]:
        """What must be done when it passes."""

    @property
    def revision(self) -> str:
        """Which policy said so."""

    @property
    def ttl_s(self) -> int:
        """For how many seconds the answer is good."""

    @property
    def digest(self) -> str:
        """What stands for the question; empty when it could not be read."""

    @property
    def bundle_age_s(self) -> int | None:
        """How long ago the policy was built, None when it does not say."""


class DecisionPoint(Protocol):
    """Answers questions (policy_engine)."""

    async def decide(self, question: Question, /) -> Answer:
        """Decide."""


class Score(Protocol):
    """How unusual a request is, from 0 to 100."""

    @property
    def value(self) -> int:
        """The score."""

    @property
    def reasons(self) -> tuple[str, ...]:
        """What was unusual."""


class RiskAssessor(Protocol):
    """Knows what is usual for whom (policy_engine)."""

    def score(self, features: RiskFeatures, /) -> Score:
        """Score a request before it is decided."""

    def count(self, features: RiskFeatures, /, *, allowed: bool) -> None:
        """Count a decided request as behaviour."""

    def observe(self, features: RiskFeatures, /) -> None:
        """Learn from a request that was accepted."""


class Suspects(Protocol):
    """Knows which grants were used as their person never does (control_plane.continuous)."""

    def seen(self, grant_id: str | None, score: int, now_us: int) -> None:
        """Notice the score of a request."""

    def of(self, grant_id: str | None, now_us: int) -> int:
        """Return the score a grant is held at, 0 when it is not suspect."""


class Limits(Protocol):
    """Knows who may ask how often (policy_engine); refuses by a TooManyRequestsError."""

    async def arrived(
        self, source_ip: str, action: str, context: Callable[[], RequestContext], /,
    ) -> Sequence[tuple[bytes, str]]:
        """Charge a request to its address; return header fields that say what is left."""

    async def known(
        self, principal: Principal, action: str, context: Callable[[], RequestContext], /,
    ) -> Sequence[tuple[bytes, str]]:
        """Charge a request to its subject and client; return header fields that say what is left."""


class Labels(Protocol):
    """Knows how sensitive a dataset and its columns are (governance)."""

    def classification(self, dataset: str) -> Classification:
        """Return the label of the dataset itself."""

    def labels(self, dataset: str) -> Mapping[str, Classification]:
        """Return the labels of its columns."""
