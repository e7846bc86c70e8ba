"""A pushed authorization request (RFC 9126): the client says it to us directly, and the browser carries a reference."""

from dataclasses import dataclass

from identity.domain.opaque import Kind, Opaque, read

PREFIX = "urn:ietf:params:oauth:request_uri:"
LIFETIME_S = 90
"""From the push to the browser's arrival; FAPI 2.0 Security Profile 5.3.2.2 wants less than 600. Time spent on our
pages does not count, they have a limit of their own."""

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class StoredRequest:
    """A pushed request at rest. `grant_id` is the grant its use gave; a request that was denied is used without one."""

    id: str
    client_id: str
    pairs: Pairs
    expires_at_us: int
    is_signed: bool = False
    used_at_us: int | None = None
    grant_id: str | None = None


def uri_of(reference: Opaque) -> str:
    """Return the request_uri."""
    return f"{PREFIX}{reference.text}"


def reference_in(request_uri: str) -> Opaque | None:
    """Return the reference of a request_uri that we may have given, None for any other."""
    return read(request_uri.removeprefix(PREFIX), Kind.REQUEST) if request_uri.startswith(PREFIX) else None
