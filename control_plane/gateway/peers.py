"""Where a request comes from: the nearest address that is not one of our own proxies.

`X-Forwarded-For` is read only when the peer is a trusted proxy, from the right, because everything left of the first
untrusted address is that stranger's word.
"""

import ipaddress
from collections.abc import Sequence
from functools import lru_cache

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

NOWHERE = "0.0.0.0"  # noqa: S104 - the unspecified address, for a peer without one; nothing binds to it
_REMEMBERED = 4096


@lru_cache(maxsize=_REMEMBERED)
def address_of(text: str) -> Address | None:
    """Parse an address as RFC 5952 writes it (no octal, decimal or zoned forms); IPv4-mapped becomes IPv4."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address):
        return None if found.scope_id else found.ipv4_mapped or found
    return found


class Proxies:
    """The proxies we run in front of the gateway."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = tuple(networks)

    def are_trusted(self, address: Address | None) -> bool:
        """Tell whether an address is one of ours."""
        if not self._networks or address is None:
            return False
        return any(address in network for network in self._networks)

    def source_of(self, peer: str, forwarded_for: Sequence[bytes]) -> str:
        """Return the rightmost untrusted address; an unreadable one ends the search at the last we know."""
        nearest = address_of(peer)
        if not self.are_trusted(nearest):
            return _normal(peer)
        hops = b",".join(forwarded_for).decode("latin-1").split(",") if forwarded_for else []
        for hop in reversed(hops):
            address = address_of(hop.strip())
            if address is None:
                break
            nearest = address
            if not self.are_trusted(address):
                break
        return _text(nearest)


@lru_cache(maxsize=_REMEMBERED)
def _normal(text: str) -> str:
    return _text(address_of(text))


def _text(address: Address | None) -> str:
    return NOWHERE if address is None else str(address)


@lru_cache(maxsize=_REMEMBERED)
def is_loopback(text: str) -> bool:
    """Tell whether an address is this machine's own."""
    address = address_of(text)
    return address is not None and address.is_loopback
