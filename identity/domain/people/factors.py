"""What a person can show beside, or instead of, a password; and the browsers they are known in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from identity.domain.people.assurance import MFA, PASSWORD, PHISHING_RESISTANT, meets

METHODS: Mapping[str, tuple[str, ...]] = {
    "totp": ("mfa", "otp"),
    "recovery": ("mfa", "otp"),
    "mail": ("otp",),
}
"""Method -> what it adds to the `amr` of a password; a passkey says by itself what it was."""

REACHES: Mapping[str, str] = {"passkey": PHISHING_RESISTANT, "totp": MFA, "recovery": MFA, "mail": PASSWORD}
"""Method -> the class it brings a person to who has given a password."""

MAX_FACTORS = 10
"""Of one kind and person."""


def reaching(methods: Sequence[str], wanted: Sequence[str]) -> tuple[str, ...]:
    """Return the methods that bring a person to one of the wanted classes."""
    return tuple(method for method in methods if meets(REACHES[method], wanted))


@dataclass(frozen=True, slots=True)
class Totp:
    """An authenticator app; its secret is sealed."""

    id: str
    user_id: str
    name: str
    sealed_secret: bytes
    last_step: int
    is_confirmed: bool
    created_at_us: int
    used_at_us: int | None = None


@dataclass(frozen=True, slots=True)
class Passkey:
    """A WebAuthn credential. `is_backup_eligible`: it can be copied to other devices, so it is no hardware key."""

    id: str
    user_id: str
    name: str
    credential_id: bytes
    public_key: bytes
    sign_count: int
    transports: tuple[str, ...]
    aaguid: str
    is_backup_eligible: bool
    is_backed_up: bool
    created_at_us: int
    used_at_us: int | None = None

    def amr(self, *, is_verified: bool) -> tuple[str, ...]:
        """Return what its use says; with user verification it is two factors by itself."""
        parts = ((True, "pop"), (True, "user"), (not self.is_backup_eligible, "hwk"), (is_verified, "mfa"))
        return tuple(method for applies, method in parts if applies)


@dataclass(frozen=True, slots=True)
class Device:
    """A browser in which a person has logged in; known again by its cookie."""

    id: str
    user_id: str
    user_agent: str
    source_ip: str
    place: Mapping[str, Any] | None
    created_at_us: int
    seen_at_us: int


@dataclass(frozen=True, slots=True)
class Standing:
    """Which kinds of factors a person has: what a login asks, at the same price for everybody."""

    has_totp: bool = False
    has_passkey: bool = False
    recovery_codes_left: int = 0

    @property
    def is_any(self) -> bool:
        """Whether there is a second factor; recovery codes only stand in for one."""
        return self.has_totp or self.has_passkey

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods the person can choose from, the strongest first."""
        offered = ((self.has_passkey, "passkey"), (self.has_totp, "totp"),
                   (self.is_any and self.recovery_codes_left, "recovery"))
        return tuple(method for has, method in offered if has)


@dataclass(frozen=True, slots=True)
class Factors:
    """Everything a person has."""

    totps: tuple[Totp, ...]
    passkeys: tuple[Passkey, ...]
    recovery_codes_left: int

    @property
    def is_any(self) -> bool:
        """Whether there is a second factor."""
        return bool(self.totps or self.passkeys)


@dataclass(frozen=True, slots=True)
class LoginStep:
    """A browser between the password and the second factor. `session_id` is set when a live session steps up."""

    id: str
    user_id: str
    session_id: str | None
    amr: tuple[str, ...]
    why: tuple[str, ...]
    tries: int
    expires_at_us: int
    mail_code_hash: bytes | None = None
