"""What still stands between a request and its code: an ordered table, of which the first rule that applies wins.

A session counts as fresh when the person authenticated after the request arrived: then `login` and `max_age` are
answered, and whoever is still the wrong person, or not sure enough, will not become so by being asked once more.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from identity.domain.oauth.authorization import AuthorizationRequest
from identity.domain.people.assurance import meets
from identity.domain.records import Session

SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True)
class Consented:
    """What a person has allowed a client before."""

    scopes: frozenset[str] = frozenset()
    resources: frozenset[str] = frozenset()
    authorization_details: tuple[object, ...] = ()

    def covers(self, request: AuthorizationRequest) -> bool:
        """Whether the request asks for nothing beyond."""
        return (request.disclosed_scopes <= self.scopes and self.resources.issuperset(request.resources)
                and all(detail in self.authorization_details for detail in request.authorization_details))


class Due(Enum):
    """A page that must come first, or the reason why no page will help."""

    LOGIN = auto()
    STEP_UP = auto()
    ACCOUNT = auto()
    CONSENT = auto()
    OTHER_PERSON = auto()
    UNMET = auto()


@dataclass(frozen=True, slots=True)
class Moment:
    """A request, the session it meets, and when. `asked_at_us`: when it first arrived, if a page stood between."""

    request: AuthorizationRequest
    session: Session
    now_us: int
    asked_at_us: int | None
    answered: frozenset[str]
    consented: Consented

    @property
    def is_fresh(self) -> bool:
        """Whether the person authenticated for this very request."""
        return self.asked_at_us is not None and self.session.authenticated_at_us >= self.asked_at_us

    @property
    def age_us(self) -> int:
        """How long ago the person authenticated."""
        return self.now_us - self.session.authenticated_at_us


def _is_someone_else(moment: Moment) -> bool:
    return any(subject != moment.session.user_id for subject in moment.request.subjects)


def _is_weak(moment: Moment) -> bool:
    return not meets(moment.session.acr, moment.request.acr.values)


def _is_old(moment: Moment) -> bool:
    limit_s = moment.request.max_age_s
    return limit_s is not None and moment.age_us >= limit_s * SECOND_US


def _wants_account(moment: Moment) -> bool:
    return "select_account" in moment.request.prompts - moment.answered and not moment.is_fresh


def _wants_consent(moment: Moment) -> bool:
    if "consent" in moment.request.prompts:
        return True
    return not moment.request.client.first_party and not moment.consented.covers(moment.request)


RULES: tuple[tuple[Callable[[Moment], bool], Due], ...] = (
    (_wants_account, Due.ACCOUNT),
    (lambda moment: _is_someone_else(moment) and moment.is_fresh, Due.OTHER_PERSON),
    (_is_someone_else, Due.LOGIN),
    (lambda moment: "login" in moment.request.prompts and not moment.is_fresh, Due.LOGIN),
    (lambda moment: _is_old(moment) and not moment.is_fresh, Due.LOGIN),
    (lambda moment: _is_weak(moment) and moment.is_fresh, Due.UNMET),
    (_is_weak, Due.STEP_UP),
    (_wants_consent, Due.CONSENT),
)

REFUSALS = {
    Due.LOGIN: ("login_required", "prompt=none allows no page, and the person must log in"),
    Due.STEP_UP: ("login_required", "prompt=none allows no page, and the person must log in more surely"),
    Due.ACCOUNT: ("account_selection_required", "prompt=none allows no page, and an account must be chosen"),
    Due.CONSENT: ("consent_required", "prompt=none allows no page, and the person must consent"),
    Due.OTHER_PERSON: ("login_required", "somebody else logged in than the request is about"),
    Due.UNMET: ("unmet_authentication_requirements", "the person could not authenticate in the way asked for"),
}
"""What the client is told when no page may be shown, or none would help (OIDC Core 3.1.2.6, RFC 9470 section 5)."""

HOPELESS = frozenset({Due.OTHER_PERSON, Due.UNMET})


def due(moment: Moment) -> Due | None:
    """Return what is due before a code may be given, None when nothing is."""
    return next((found for applies, found in RULES if applies(moment)), None)
