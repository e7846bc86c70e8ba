"""How sure we are of a person: what was used (`amr`, RFC 8176) and the class it amounts to (`acr`).

| acr | means | amr holds |
| --- | --- | --- |
| `urn:gridwarden:acr:password` | one factor | anything |
| `urn:gridwarden:acr:mfa` | two factors | `mfa` |
| `urn:gridwarden:acr:phr` | two factors and no secret that a page can phish | `mfa` and `hwk` or `swk` |

The `phr` of OpenID EAP ACR Values 1.0 (phishing-resistant) is what a passkey gives.
"""

from collections.abc import Iterable, Sequence

PASSWORD = "urn:gridwarden:acr:password"  # noqa: S105 - a name
MFA = "urn:gridwarden:acr:mfa"
PHISHING_RESISTANT = "urn:gridwarden:acr:phr"

ACR_VALUES = (PASSWORD, MFA, PHISHING_RESISTANT)
"""In rising order; each contains those before it."""

_PASSKEYS = frozenset({"hwk", "swk"})
_KINDS = {"pwd": "knowledge", "otp": "possession", "hwk": "possession", "swk": "possession", "user": "inherence"}


def acr_of(amr: Iterable[str]) -> str:
    """Return the class that these methods amount to."""
    used = frozenset(amr)
    if "mfa" not in used:
        return PASSWORD
    return PHISHING_RESISTANT if used & _PASSKEYS else MFA


def meets(acr: str | None, wanted: Sequence[str]) -> bool:
    """Whether a session of class `acr` satisfies one of the wanted classes (OIDC Core 3.1.2.1: in any order).

    No wish is always met; a class we do not know is never met.
    """
    return not wanted or any(_rank(acr) >= _rank(value) for value in wanted if value in ACR_VALUES)


def least_of(wanted: Sequence[str]) -> str | None:
    """Return the weakest wanted class that we know: reaching it is enough. None: nothing we know is wanted."""
    return min((value for value in wanted if value in ACR_VALUES), key=_rank, default=None)


def combined(first: Iterable[str], second: Iterable[str]) -> tuple[str, ...]:
    """Return the methods of both steps, with `mfa` when they are of two kinds (RFC 8176 section 2)."""
    used = {*first, *second}
    kinds = {_KINDS[method] for method in used if method in _KINDS}
    return tuple(sorted(used | ({"mfa"} if len(kinds) > 1 else set())))


def _rank(acr: str | None) -> int:
    return ACR_VALUES.index(acr) if acr in ACR_VALUES else 0
