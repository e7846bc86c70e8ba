"""Who asks: a person, a client acting for itself, or nobody."""

from dataclasses import dataclass, field
from enum import StrEnum


class PrincipalKind(StrEnum):
    """What stands behind a request."""

    ANONYMOUS = "anonymous"
    PERSON = "person"
    SERVICE = "service"


class Role(StrEnum):
    """The built-in roles; custom roles are other strings."""

    GRID_VIEWER = "grid_viewer"
    GRID_OPERATOR = "grid_operator"
    ANALYST = "analyst"
    SOC_ANALYST = "soc_analyst"
    AUDITOR = "auditor"
    DATA_STEWARD = "data_steward"
    ADMIN = "admin"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller, or the anonymous one.

    `subject` is stable and opaque (a user id, or the client id of a service); `name` is for people.
    `grant_id` ties code, tokens and session together: one kill switch.
    """

    subject: str
    name: str
    kind: PrincipalKind
    roles: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    client_id: str | None = None
    grant_id: str | None = None
    session_id: str | None = None
    token_id: str | None = None
    authenticated_at_us: int | None = None
    expires_at_us: int | None = None
    amr: tuple[str, ...] = field(default=())
    acr: str | None = None


ANONYMOUS = Principal(subject="anonymous", name="anonymous", kind=PrincipalKind.ANONYMOUS)
