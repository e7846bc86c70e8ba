"""The one place where a new password becomes a hash: nothing unfit passes, whoever sets it."""

import asyncio
from collections.abc import Iterable

from identity.adapters.common_passwords import CommonPasswords
from identity.domain.people.password_policy import require_fit
from identity.domain.records import User
from identity.service.people.passwords import Passwords


class NewPasswords:
    """Checks and hashes."""

    def __init__(self, passwords: Passwords) -> None:
        self._passwords = passwords
        self._common = CommonPasswords()

    async def hashed(self, password: str, *, known: Iterable[str | None]) -> str:
        """Return the hash of a fit password; raise UnfitPasswordError. `known` is what a guesser knows."""
        await asyncio.to_thread(require_fit, password, common=self._common, known=tuple(known))
        return await self._passwords.hash(password)


def known_of(user: User) -> tuple[str | None, ...]:
    """Return what is known of a person, for whoever guesses their password."""
    texts = (user.profile.get(claim) for claim in ("name", "given_name", "family_name", "nickname"))
    return (user.name, user.email, *(text for text in texts if isinstance(text, str)))
