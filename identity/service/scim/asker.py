"""Who asks, and what a directory may not do: touch administrators unless it is one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from identity.domain.records import User
from identity.domain.scim.errors import ScimError
from identity.domain.scim.filters import AttributePath, Filter
from shared_kernel.context import RequestContext
from shared_kernel.principal import Role


@dataclass(frozen=True, slots=True)
class Asker:
    """The caller; `if_match` are the versions a change may act on, none meaning any."""

    context: RequestContext
    base: str
    if_match: tuple[str, ...] = ()

    @property
    def is_administrator(self) -> bool:
        """Whether the caller could give itself every role anyway."""
        return Role.ADMIN in self.context.principal.roles

    def guard(self, user: User) -> None:
        """Raise ScimError: whoever is no administrator must not come by an administrator's account."""
        if Role.ADMIN in user.roles and not self.is_administrator:
            raise ScimError(403, f"{user.name} is an administrator: only administrators may change that account")

    def expect(self, etag: str) -> None:
        """Raise ScimError when the caller meant another version (RFC 7644 section 3.14)."""
        if self.if_match and "*" not in self.if_match and etag not in self.if_match:
            raise ScimError(412, f"the resource has changed: it is {etag} now")


@dataclass(frozen=True, slots=True)
class Search:
    """A question for resources; `start` counts from 1."""

    condition: Filter | None = None
    sort: AttributePath | None = None
    is_descending: bool = False
    start: int = 1
    count: int = 100
    is_lenient: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """A resource as it is answered, and its version."""

    document: Mapping[str, Any]
    etag: str

    @property
    def id(self) -> str:
        """The resource's id."""
        return str(self.document["id"])


@dataclass(frozen=True, slots=True)
class Page:
    """How many there are, and some of them."""

    total: int
    items: Sequence[Shown]
