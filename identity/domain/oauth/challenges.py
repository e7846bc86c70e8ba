"""How a resource asks for a token: both schemes, the error at the one tried (RFC 6750 section 3, RFC 9449 7.1)."""

REALM = 'realm="gridwarden"'
DPOP_ALGORITHMS = ("ES256", "PS256", "EdDSA", "Ed25519")
"""FAPI 2.0 Security Profile section 5.4.1, for everybody; Ed25519 is the newer name of EdDSA on that curve."""


def challenge(scheme: str = "Bearer", code: str | None = None) -> str:
    """Return the value of WWW-Authenticate."""
    bearer = [REALM]
    dpop = [f'algs="{" ".join(DPOP_ALGORITHMS)}"']
    if code is not None:
        (dpop if scheme == "DPoP" else bearer).append(f'error="{code}"')
    return f"Bearer {', '.join(bearer)}, DPoP {', '.join(dpop)}"
