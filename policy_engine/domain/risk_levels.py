"""What risk sees of a request: the value of each level of each feature, from the exact one to what contains it.

    place     address > subnet (/24, /64) > network (/16, /48) > country (by the operator's GeoIP file, else left out)
    agent     the whole string > browser and system > system > device
    action    `meters.read` > its group `meters` (left out at a login, which has none)
    hour      of the day, UTC

An IPv4 address in IPv6 clothes is the IPv4 address; a zone (`%eth0`) is dropped. What cannot be read raises.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from types import MappingProxyType

from policy_engine.domain.user_agents import device, digest, family, system

HOURS = 24
US_PER_HOUR = 3_600_000_000
LONGEST_SUBJECT = 256
_LONG_AGENT = 512
"""Longer strings are read each time: remembering sixteen thousand of them would be a lever on our memory."""
ACTED = "yes"

STORED = ("address", "subnet", "network", "country", "agent", "family", "system", "device", "hour", "action", "group",
          "acted")
"""Every level a history may count; `acted` counts the requests that had an action at all."""


@dataclass(frozen=True, slots=True)
class RiskFeatures:
    """What risk may know of a request.

    `action`, `dataset`, `path` and `method` are empty where nothing is asked for yet, as at a login.
    """

    subject: str
    source_ip: str
    user_agent: str
    at_us: int
    action: str = ""
    dataset: str = ""
    path: str = ""
    method: str = ""


class UnreadableFeaturesError(ValueError):
    """A feature is missing or malformed; its text says which."""


def values_of(features: RiskFeatures, country: str | None = None) -> Mapping[str, str]:
    """Return the value of each level (not to be changed); raise UnreadableFeaturesError for what cannot be read."""
    if not isinstance(features.subject, str) or not 0 < len(features.subject) <= LONGEST_SUBJECT:
        raise UnreadableFeaturesError("the subject")
    if not isinstance(features.source_ip, str):
        raise UnreadableFeaturesError("the address")
    if not isinstance(features.user_agent, str):
        raise UnreadableFeaturesError("the user agent")
    if not isinstance(features.action, str):
        raise UnreadableFeaturesError("the action")
    if type(features.at_us) is not int or features.at_us < 0:
        raise UnreadableFeaturesError("the time")
    if not features.subject.isprintable():
        raise UnreadableFeaturesError("the subject")
    hour = features.at_us // US_PER_HOUR % HOURS
    read = _values if len(features.user_agent) <= _LONG_AGENT else _read
    return read(features.source_ip, features.user_agent, features.action, hour, country)


def place_key(source_ip: str) -> str:
    """Return the subnet of an address, or the text itself when it is none."""
    try:
        return _place(source_ip)["subnet"]
    except UnreadableFeaturesError:
        return source_ip[:64]


def _read(source_ip: str, user_agent: str, action: str, hour: int, country: str | None) -> Mapping[str, str]:
    found = {**_place(source_ip), **_agent(user_agent), "hour": str(hour)}
    if country is not None:
        found["country"] = country
    if action:
        found |= {"action": action, "group": action.partition(".")[0], "acted": ACTED}
    return MappingProxyType(found)


_values = lru_cache(maxsize=16_384)(_read)


@lru_cache(maxsize=16_384)
def _place(source_ip: str) -> Mapping[str, str]:
    try:
        address = ip_address(source_ip.partition("%")[0])
    except ValueError as cause:
        raise UnreadableFeaturesError("the address") from cause
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    near, far = (24, 16) if address.version == 4 else (64, 48)  # noqa: PLR2004 - the versions of IP
    return {"address": str(address), "subnet": str(ip_network((address, near), strict=False)),
            "network": str(ip_network((address, far), strict=False))}


def _agent(user_agent: str) -> Mapping[str, str]:
    return {"agent": digest(user_agent), "family": family(user_agent), "system": system(user_agent),
            "device": device(user_agent)}
