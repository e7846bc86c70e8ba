"""Which passwords are fit (NIST SP 800-63B 3.1.1.2): long, not common, hard to guess. No rules of composition.

The steps, the cheapest first: length, the list of common passwords, then an estimate of the guesses it takes
(zxcvbn's 0 to 4) for somebody who knows the person's name, address and our product's name.
"""

from collections.abc import Container, Iterable
from enum import StrEnum

from zxcvbn import zxcvbn

from shared_kernel.errors import UnprocessableError

MIN_LENGTH = 12
MAX_BYTES = 1_024
MIN_SCORE = 3
"""Safely unguessable: 10^8 guesses and more, which argon2id makes slow."""

ESTIMATED_LENGTH = 72
"""The estimate takes quadratic time, and what is strong in its first 72 characters is strong."""

_PRODUCT = ("gridwarden", "grid", "warden")
_MAX_KNOWN = 64


class Fault(StrEnum):
    """What is wrong with a password; also the key of its sentence on the pages."""

    SHORT = "short"
    LONG = "long"
    COMMON = "common"
    GUESSABLE = "guessable"


_SENTENCES = {
    Fault.SHORT: f"password must have at least {MIN_LENGTH} characters",
    Fault.LONG: f"password must have at most {MAX_BYTES} bytes",
    Fault.COMMON: "password is among the ones that are tried first: choose another",
    Fault.GUESSABLE: "password is easy to guess: use several unrelated words, and not your name or address",
}


class UnfitPasswordError(UnprocessableError):
    """The password protects nobody; nothing was stored."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(_SENTENCES[fault])
        self.fault = fault


def require_fit(password: str, *, common: Container[str], known: Iterable[str | None] = ()) -> None:
    """Return for a fit password, raise UnfitPasswordError otherwise; `known` is what a guesser knows of the person.

    Takes milliseconds of processor: call it off the event loop.
    """
    if len(password) < MIN_LENGTH:
        raise UnfitPasswordError(Fault.SHORT)
    if len(password.encode(errors="replace")) > MAX_BYTES:
        raise UnfitPasswordError(Fault.LONG)
    if password in common:
        raise UnfitPasswordError(Fault.COMMON)
    if zxcvbn(password[:ESTIMATED_LENGTH], user_inputs=_hints(known))["score"] < MIN_SCORE:
        raise UnfitPasswordError(Fault.GUESSABLE)


def _hints(known: Iterable[str | None]) -> list[str]:
    """Return what is known, whole and in its parts: `ada@grid.test` also gives `ada`, `grid` and `test`."""
    found = [*_PRODUCT]
    for text in known:
        plain = (text or "")[:_MAX_KNOWN].lower()
        found += [plain, *"".join(char if char.isalnum() else " " for char in plain).split()]
    return [each for each in found if each]
