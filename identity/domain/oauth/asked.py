"""What an authorization request says, wherever it was said: in a query, a form, a request object, a pushed request."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlencode

from identity.domain.oauth.parameters import unique
from identity.domain.oauth.resource_indicators import RESOURCE, parted

Pairs = Iterable[tuple[str, str]]

_KNOWN = frozenset({
    "acr_values", "authorization_details", "claims", "client_id", "code_challenge", "code_challenge_method", "dpop_jkt",
    "id_token_hint", "login_hint", "max_age", "nonce", "prompt", "redirect_uri", "response_mode",
    "response_type", "scope", "state", "ui_locales",
})


@dataclass(frozen=True, slots=True)
class Asked:
    """Parameters that stand once, the resources (which may repeat), and the names of those that are broken.

    `is_signed`: they come from a request object that verified. `is_pushed`: they came to us from the client itself.
    `is_resumed`: they were checked when they first arrived, and a page of ours stood between.
    """

    values: Mapping[str, str]
    resources: tuple[str, ...] = ()
    broken: frozenset[str] = field(default=frozenset())
    is_signed: bool = False
    is_pushed: bool = False
    is_resumed: bool = False

    @classmethod
    def of(cls, pairs: Pairs, *, is_signed: bool = False, is_pushed: bool = False, is_resumed: bool = False) -> Self:
        """Return the parameters of a request."""
        rest, resources = parted(pairs)
        values, broken = unique(rest)
        return cls(values, resources, broken, is_signed, is_pushed, is_resumed)

    def get(self, name: str) -> str | None:
        """Return a parameter's value."""
        return self.values.get(name)

    def words(self, name: str) -> tuple[str, ...]:
        """Return the values of a space-delimited parameter, each once, in order."""
        return tuple(dict.fromkeys(word for word in self.values.get(name, "").split(" ") if word))

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The parameters we know, as pairs: what is kept of a request."""
        known = ((name, value) for name, value in self.values.items() if name in _KNOWN)
        return [*known, *((RESOURCE, each) for each in self.resources)]

    @property
    def query(self) -> str:
        """The parameters as a query string."""
        return urlencode(self.pairs)
