"""Everything that goes into the tokens of one answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from identity.domain.records import GrantTerms, User


@dataclass(frozen=True, slots=True)
class Issuance:
    """Whom tokens are issued to, for what, until when.

    `person` is read only when an ID token must tell more than their name (`claims.asks_about_person`).
    """

    subject: str
    client_id: str
    grant_id: str
    token_id: str
    scopes: frozenset[str]
    roles: frozenset[str]
    issued_at_s: int
    expires_at_s: int
    terms: GrantTerms = field(default_factory=GrantTerms)
    name: str | None = None
    session_id: str | None = None
    authenticated_at_us: int | None = None
    nonce: str | None = None
    person: User | None = None
    may_act: Mapping[str, Any] | None = None
