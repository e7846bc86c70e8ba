"""What identity asks of HashiCorp Vault; whoever hands it in knows the address, logs in and renews."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

_Answer = TypeVar("_Answer")


class Vault(Protocol):
    """A session that somebody else keeps alive."""

    async def ask(self, question: Callable[[Any], _Answer]) -> _Answer:
        """Run a blocking question with an hvac client, off the loop.

        Raise hvac's InvalidPath (it is not there) and InvalidRequest as they are, UnavailableError for the rest.
        """
