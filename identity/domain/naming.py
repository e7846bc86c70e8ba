"""Which names people, clients and roles may have, and how an address counts for lockout."""

import ipaddress
import re
import unicodedata

from shared_kernel.errors import UnprocessableError

MAX_EMAIL = 254
_EMAIL = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
                    r"@([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]", re.ASCII)
_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}", re.ASCII)
_OWN_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)
_CLIENT_ID = re.compile(r"[a-z][a-z0-9-]{0,63}", re.ASCII)
_ROLE = re.compile(r"[a-z][a-z0-9_]{1,63}", re.ASCII)
_SCOPE = re.compile(r"[!#-\[\]-~]{1,64}", re.ASCII)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_SHOWN = 64


def account_name(text: str) -> str:
    """Return the name as it is stored and compared: compatibility-folded, lower-case, trimmed."""
    return unicodedata.normalize("NFKC", text).strip().casefold()


def is_account_name(name: str) -> bool:
    """Whether an account can have this name."""
    return _NAME.fullmatch(name) is not None


def shown_name(text: str) -> str:
    """Return an attempted name for the record: bounded and printable."""
    return "".join(char if char.isprintable() else "?" for char in text[:_SHOWN])


def new_account_name(text: str) -> str:
    """Return a name fit for a new account; raise UnprocessableError."""
    name = account_name(text)
    if not is_account_name(name) or _OWN_ID.fullmatch(name):
        raise UnprocessableError(
            "name must be 1 to 64 of a-z 0-9 . _ @ + -, start with a letter or digit, be no UUID of version 7")
    return name


def new_email(text: str) -> str:
    """Return an address as it is stored and compared: lower-case, a dot-atom of RFC 5322 at a host name."""
    email = text.strip().lower()
    if len(email) > MAX_EMAIL or len(email.partition("@")[0]) > _SHOWN or not _EMAIL.fullmatch(email):
        raise UnprocessableError("email must be an address such as ada@example.org")
    return email


def new_roles(roles: frozenset[str]) -> frozenset[str]:
    """Return roles with well-formed names; raise UnprocessableError."""
    for role in sorted(roles):
        if not _ROLE.fullmatch(role):
            raise UnprocessableError(f"{role[:_SHOWN]!r} is not a role name: use a-z, 0-9 and _")
    return roles


def new_scopes(scopes: frozenset[str]) -> frozenset[str]:
    """Return scope values the protocol can spell (RFC 6749 section 3.3); raise UnprocessableError."""
    for scope in sorted(scopes):
        if not _SCOPE.fullmatch(scope):
            raise UnprocessableError(f"{scope[:_SHOWN]!r} is not a scope value")
    return scopes


def new_client_id(text: str) -> str:
    """Return a client id that can never be mistaken for a person's id (RFC 9068 section 5): it starts with a letter."""
    if not _CLIENT_ID.fullmatch(text):
        raise UnprocessableError("client id must be 1 to 64 of a-z 0-9 - and start with a letter")
    return text


def network_of(address: str) -> str:
    """Return what counts as one address: an IPv4 address, in whatever IPv6 it is carried, or a subscriber's /64."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(ip, ipaddress.IPv6Address):
        return str(_carried(ip) or ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)


def _carried(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address in a mapped, NAT64, 6to4 or Teredo one: one subscriber of 6to4 has 65,536 of /64."""
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
    return ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
