"""How a resource asks for a token: both schemes, the error at the one tried.

RFC 6750 section 3, RFC 9449 section 7.1, RFC 9470 section 3.
"""

from collections.abc import Mapping

REALM = 'realm="gridwarden"'
DPOP_ALGORITHMS = ("ES256", "PS256", "EdDSA", "Ed25519")
"""FAPI 2.0 Security Profile section 5.4.1, for everybody; Ed25519 is the newer name of EdDSA on that curve."""


def challenge(scheme: str = "Bearer", code: str | None = None, more: Mapping[str, str] | None = None) -> str:
    """Return the value of WWW-Authenticate; `more` are further parameters of the error, free of quotes."""
    bearer = [REALM]
    dpop = [f'algs="{" ".join(DPOP_ALGORITHMS)}"']
    if code is not None:
        (dpop if scheme == "DPoP" else bearer).extend(
            f'{name}="{value}"' for name, value in {"error": code, **(more or {})}.items())
    return f"Bearer {', '.join(bearer)}, DPoP {', '.join(dpop)}"
