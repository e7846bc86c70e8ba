"""What counts as one caller: spellings, mappings and neighbours of an address are one.

A subscriber of IPv6 owns a /64 and has 2^64 addresses to rotate through; a site owns a /48. Addresses that carry an
IPv4 address (mapped, NAT64 of RFC 6052, 6to4 of RFC 3056, Teredo of RFC 4380) are that address.
"""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

_NAT64 = IPv6Network("64:ff9b::/96")
_UNKNOWN = "unknown"


@lru_cache(maxsize=65_536)
def address_key(text: str) -> str:
    """Return one IPv4 address or one IPv6 /64; what cannot be read is one caller, called unknown."""
    return _network(text, 32, 64)


@lru_cache(maxsize=65_536)
def network_key(text: str) -> str:
    """Return the /24 or /48 an address lies in."""
    return _network(text, 24, 48)


@lru_cache(maxsize=65_536)
def is_this_machine(text: str) -> bool:
    """Tell whether an address is this machine's own."""
    found = _address(text)
    return found is not None and found.is_loopback


def _network(text: str, narrow: int, wide: int) -> str:
    found = _address(text)
    if found is None:
        return _UNKNOWN
    return str(ip_network((found, narrow if isinstance(found, IPv4Address) else wide), strict=False))


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return _carried(found) or found if isinstance(found, IPv6Address) else found


def _carried(address: IPv6Address) -> IPv4Address | None:
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
