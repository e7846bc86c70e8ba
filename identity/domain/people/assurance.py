"""How sure we are of a person: what was used (`amr`, RFC 8176) and the class it amounts to (`acr`).

| acr | means | amr holds |
| --- | --- | --- |
| `urn:gridwarden:acr:password` | one factor | anything |
| `urn:gridwarden:acr:mfa` | two factors | `mfa` |
| `urn:gridwarden:acr:phr` | two factors, and none that a false page can take | `mfa` and `pop` |

`phr` is the phishing-resistant class of OpenID EAP ACR Values 1.0; only a passkey gives it. A passkey is `pop`, and
`hwk` when it cannot leave its hardware; `user` says that somebody was there. A mailed code is an `otp` and never half
of `mfa`: a mailbox is no authenticator (NIST SP 800-63B-4 section 3.1.3.1).
"""

from collections.abc import Iterable, Sequence

PASSWORD = "urn:gridwarden:acr:password"  # noqa: S105 - a name
MFA = "urn:gridwarden:acr:mfa"
PHISHING_RESISTANT = "urn:gridwarden:acr:phr"

ACR_VALUES = (PASSWORD, MFA, PHISHING_RESISTANT)
"""In rising order; each contains those before it."""


def acr_of(amr: Iterable[str]) -> str:
    """Return the class that these methods amount to."""
    used = frozenset(amr)
    if "mfa" not in used:
        return PASSWORD
    return PHISHING_RESISTANT if "pop" in used else MFA


def meets(acr: str | None, wanted: Sequence[str]) -> bool:
    """Whether a session of class `acr` satisfies one of the wanted classes (OIDC Core 3.1.2.1: in any order).

    No wish is always met; a class we do not know is never met.
    """
    return not wanted or any(_rank(acr) >= _rank(value) for value in wanted if value in ACR_VALUES)


def methods(*steps: Iterable[str]) -> tuple[str, ...]:
    """Return the methods of all steps as one `amr`, in alphabetical order."""
    return tuple(sorted({method for step in steps for method in step}))


def _rank(acr: str | None) -> int:
    return ACR_VALUES.index(acr) if acr in ACR_VALUES else 0
