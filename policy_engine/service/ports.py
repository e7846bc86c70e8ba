"""What the engine needs: something that evaluates Rego (regorus, an OPA server), and a place bundles come from."""

from typing import Any, Protocol

from policy_engine.domain.bundle import Bundle
from policy_engine.domain.reads import Reads


class Evaluator(Protocol):
    """Evaluates `data.gateway.decision` of the bundle it adopted last."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def is_remote(self) -> bool:
        """Whether it is another process, whose silence must be noticed at every question."""

    @property
    def reads(self) -> Reads:
        """What the policies that decide can read of a question: `evaluate` needs no more of it."""

    @property
    def needs_adoption(self) -> bool:
        """Whether it was seen without its bundle and wants it again."""

    async def prepare(self, bundle: Bundle) -> None:
        """Check a bundle without effect on decisions; raise RefusedBundleError if it must not decide."""

    async def adopt(self, bundle: Bundle) -> None:
        """Decide by the prepared bundle from now on; if that raises, the one before still decides or nobody does."""

    async def evaluate(self, document: bytes) -> Any:  # noqa: ANN401 - an answer is any JSON until it is decoded
        """Return the parsed answer to an input document, or raise."""

    async def close(self) -> None:
        """Release what it holds."""


class BundleKeeper(Protocol):
    """Where every bundle that decides is kept, so that its decisions can be asked again."""

    async def keep(self, bundle: Bundle) -> None:
        """Keep it for good; raise UnavailableError when that fails."""


class BundleSource(Protocol):
    """Where the bundle is kept."""

    def fingerprint(self) -> object:
        """Return a value that differs when the bundle may have changed."""

    def read(self) -> Bundle:
        """Return the bundle; raise RefusedBundleError when that is impossible."""
