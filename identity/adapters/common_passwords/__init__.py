"""The passwords everybody tries first: 40,101 of them, read at the first question into one text of 370 KB.

A lookup is a search for a whole line, about 50 us; a set of strings would be as fast and ten times as large.
"""

import gzip
from functools import cached_property
from importlib.resources import files


class CommonPasswords:
    """Knows which passwords are common, whatever their case."""

    def __contains__(self, password: object) -> bool:
        """Whether a password is on the list."""
        return isinstance(password, str) and f"\n{password.lower()}\n".encode(errors="replace") in self._lines

    def __len__(self) -> int:
        """Return how many there are."""
        return self._lines.count(b"\n") - 1

    @cached_property
    def _lines(self) -> bytes:
        packed = files("identity.adapters.common_passwords") / "passwords.txt.gz"
        return b"\n" + gzip.decompress(packed.read_bytes())
