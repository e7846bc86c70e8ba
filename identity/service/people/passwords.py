"""Password hashing: argon2id with 19 MiB, two passes, one lane (OWASP; RFC 9106), off the event loop and bounded.

A hash takes about 20 ms of one core and 19 MiB. At most two run at once, and beyond a short queue callers are told to
slow down, so that a flood of logins cannot starve everything else of memory or processor.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from identity.domain.people.password_policy import MAX_BYTES
from shared_kernel.errors import TooManyRequestsError
from shared_kernel.ids import secret

WORKERS = 2
MAX_WAITING = 100
HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1_024, parallelism=1, type=Type.ID)


class Passwords:
    """Hashes and verifies passwords."""

    def __init__(self, hasher: PasswordHasher = HASHER) -> None:
        self._hasher = hasher
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="argon2")
        self._dummy = self._hasher.hash(secret())
        self._waiting = 0

    def close(self) -> None:
        """Stop the workers."""
        self._workers.shutdown(wait=False, cancel_futures=True)

    async def hash(self, password: str) -> str:
        """Return the encoded hash with a fresh salt."""
        return await asyncio.get_running_loop().run_in_executor(self._workers, self._hasher.hash, password)

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether the password is right; without a stored hash it costs the same and is wrong."""
        if self._waiting >= MAX_WAITING:
            raise TooManyRequestsError("too many people are logging in at this moment: try again in a minute")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._workers, self._check, stored, password)
        finally:
            self._waiting -= 1

    def _check(self, stored: str | None, password: str) -> bool:
        fits = len(password.encode(errors="replace")) <= MAX_BYTES
        try:
            matches = self._hasher.verify(stored or self._dummy, password if fits else "")
        except (VerificationError, InvalidHashError, UnicodeError):
            return False
        return matches and fits and stored is not None
