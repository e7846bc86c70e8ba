"""Security event tokens (RFC 8417 as narrowed by SSF 1.0 section 4): one event each, no `sub`, no `exp`.

They are signed with RS256, which every receiver of the CAEP Interoperability Profile must read (2.6).
"""

from collections.abc import Mapping
from typing import Any

SET_TYPE = "secevent+jwt"
SET_ALGORITHM = "RS256"
MEDIA_TYPE = "application/secevent+jwt"


def set_claims(*, issuer: str, audience: tuple[str, ...], token_id: str, issued_at_s: int,  # noqa: PLR0913 - the claims
               subject: Mapping[str, Any], kind: str, event: Mapping[str, Any], txn: str) -> dict[str, Any]:
    """Return the claims of one token; `txn` ties together what one cause set off."""
    return {
        "iss": issuer, "aud": audience[0] if len(audience) == 1 else list(audience), "iat": issued_at_s,
        "jti": token_id, "txn": txn, "sub_id": dict(subject), "events": {kind: dict(event)},
    }
