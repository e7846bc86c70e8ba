"""Authenticator apps."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from identity.domain.people import totp
from identity.domain.people.factors import Totp
from identity.domain.people.sealed_secrets import derived_key, opened, sealed
from identity.store.database import Tables
from shared_kernel.ids import uuid7

SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True)
class NewTotp:
    """An app being enrolled: what the person scans or types."""

    id: str
    uri: str = field(repr=False)
    secret: str = field(repr=False)


class TotpApps:
    """Checks codes of apps; their secrets are sealed under a key derived from the form key."""

    def __init__(self, form_key: bytes, issuer: str) -> None:
        self._key = derived_key(form_key, "totp")
        self._issuer = f"Gridwarden {urlsplit(issuer).hostname}"

    def begin(self, user_id: str, now_us: int) -> Totp:
        """Return a new app, not confirmed yet."""
        factor_id = uuid7()
        return Totp(factor_id, user_id, "", self._sealed(factor_id, user_id), 0, is_confirmed=False,
                    created_at_us=now_us)

    def shown(self, factor: Totp, account: str) -> NewTotp:
        """Return what the person scans."""
        secret = self._opened(factor)
        return NewTotp(factor.id, totp.provisioning_uri(secret, account=account, issuer=self._issuer),
                       totp.shown_secret(secret))

    def step_of(self, factor: Totp, code: str, now_us: int) -> int | None:
        """Return the step of a code that is good now."""
        return totp.step_of(self._opened(factor), code, now_s=now_us // SECOND_US, last_step=factor.last_step)

    async def take(self, tables: Tables, factors: tuple[Totp, ...], code: str, now_us: int) -> bool:
        """Use a code up; of simultaneous takers one wins (RFC 6238 section 5.2)."""
        for factor in factors:
            step = self.step_of(factor, code, now_us)
            if step is not None and await tables.factors.take_step(factor.id, step, now_us):
                return True
        return False

    def _sealed(self, factor_id: str, user_id: str) -> bytes:
        return sealed(totp.new_secret(), key=self._key, owner=f"{user_id}/{factor_id}")

    def _opened(self, factor: Totp) -> bytes:
        return opened(factor.sealed_secret, key=self._key, owner=f"{factor.user_id}/{factor.id}")
