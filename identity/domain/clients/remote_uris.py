"""URIs that we will call because a client said so: https, and no address of our own networks.

A name is judged again when it is resolved, at the moment of each call; here falls what is wrong on its face.
"""

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
MAX_URI = 2_000
_OWN_SUFFIXES = (".localhost", ".local", ".internal", ".home.arpa", ".lan")


def refusal_of(uri: str, allowed: Collection[Network] = ()) -> str | None:
    """Return the rule that a URI breaks, or None when we may call it."""
    if not (uri.isascii() and uri.isprintable() and " " not in uri and len(uri) <= MAX_URI):
        return f"must be an ASCII URI of at most {MAX_URI} characters"
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is not a URI"
    if not host or "@" in parts.netloc or "#" in uri or "\\" in uri:
        return "must name a host, without user or fragment"
    is_ours = _is_ours(host, allowed)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_ours is False):
        return "must be https"
    if is_ours:
        return "must not point into a private network"
    return None


def _is_ours(host: str, allowed: Collection[Network]) -> bool | None:
    """Whether a literal host is private: False for one that is allowed although it is, None for a public one."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.rstrip(".").lower()
        if name == "localhost" or name.endswith(".localhost"):
            return not any(network.overlaps(_LOOPBACK) for network in allowed if network.version == 4)  # noqa: PLR2004
        is_dotless = "." not in name or name.rpartition(".")[2].isdigit() or name.startswith("0x")
        return True if (is_dotless or name.endswith(_OWN_SUFFIXES)) and not allowed else None
    if any(address.version == network.version and address in network for network in allowed):
        return False
    return None if address.is_global and not address.is_multicast else True


_LOOPBACK = ipaddress.ip_network("127.0.0.0/8")
