"""Recovery codes: ten look-up secrets of 80 bits, each good once, for whoever lost every other factor.

80 bits need no slow hash: there is nothing to guess (NIST SP 800-63B-4 section 3.1.2.2). The person's id is hashed
with the code, so that two people's equal codes would not look equal.
"""

import hashlib
import re
import secrets

COUNT = 10
_LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"
"""No 0, 1, i, l, o: people copy these by hand."""
_LENGTH = 16
_SHAPE = re.compile(rf"[{_LETTERS}]{{{_LENGTH}}}", re.ASCII)


def new_codes() -> tuple[str, ...]:
    """Return fresh codes as they are shown, in groups of four."""
    return tuple(_grouped("".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))) for _ in range(COUNT))


def plain(text: str) -> str:
    """Return a typed code without what people put between its groups."""
    return re.sub(r"[\s-]", "", text).lower()


def is_code(text: str) -> bool:
    """Whether a typed text has the shape of a code."""
    return _SHAPE.fullmatch(plain(text)) is not None


def digest(user_id: str, code: str) -> bytes:
    """Return what is stored."""
    return hashlib.sha256(f"{user_id}\0{plain(code)}".encode()).digest()


def _grouped(code: str) -> str:
    return "-".join(code[start:start + 4] for start in range(0, _LENGTH, 4))
