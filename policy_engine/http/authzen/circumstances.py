"""In which circumstances: the attributes of `context` that a policy of ours reads; all others are ignored.

| member | type | without it |
|---|---|---|
| `ip_address` (also in the subject's properties) | an address | unknown: 0.0.0.0, and risk is not scored |
| `user_agent` | text | "" |
| `purpose` | a lower-case word | none stated |
| `time` | RFC 3339 with an offset | now |
| `risk` | whole number 0 to 100 | what our own score says; a stated one can only raise it |
| `obligations` | list of names | what the enforcement point carries out besides yes and no: nothing |

Never is a request *from this machine*: an enforcement point cannot vouch for that.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

from policy_engine.http.authzen.city import City
from policy_engine.http.authzen.messages import Evaluation, Json
from policy_engine.http.authzen.subjects import Asked
from policy_engine.http.authzen.unaskable import UnaskableError
from policy_engine.service import RiskFeatures

NOWHERE = "0.0.0.0"  # noqa: S104 - the unspecified address, for a request without one; nothing binds to it
HIGHEST_RISK = 100
MAX_USER_AGENT = 256
_PURPOSE = re.compile(r"[a-z-]{1,40}")
_US_PER_HOUR = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What was told of a request, before the subject's risk is known."""

    source_ip: str
    is_told: bool
    user_agent: str
    purpose: str | None
    hour_utc: int
    stated_risk: int
    fulfils: frozenset[str]


def circumstances_of(asked: Evaluation, now_us: int) -> Circumstances:
    """Return the circumstances; raise UnaskableError for a member that is not what its table row says."""
    context = asked.context
    stated = _text(context, "ip_address") or _text(asked.subject.properties, "ip_address")
    return Circumstances(
        source_ip=_address(stated), is_told=stated is not None,
        user_agent=(_text(context, "user_agent") or "")[:MAX_USER_AGENT], purpose=_purpose(context),
        hour_utc=_hour(context, now_us), stated_risk=_risk(context), fulfils=_names(context, "obligations"),
    )


def to_context(told: Circumstances, subject: Asked, city: City) -> Mapping[str, Any]:
    """Return the question's context for one subject."""
    return {
        "source_ip": told.source_ip, "purpose": told.purpose, "hour_utc": told.hour_utc, "loopback": False,
        "risk": max(told.stated_risk, _scored(told, subject, city)),
    }


def _scored(told: Circumstances, subject: Asked, city: City) -> int:
    """Return our own score of a known subject; one that cannot be had is the highest."""
    if not (told.is_told and subject.is_known):
        return 0
    try:
        value = city.risk.score(RiskFeatures(
            subject.attributes["id"], told.source_ip, told.user_agent, city.clock.now_us())).value
    except Exception:  # noqa: BLE001 - an unknown risk is a high one
        return HIGHEST_RISK
    return value if type(value) is int and 0 <= value <= HIGHEST_RISK else HIGHEST_RISK


def _address(stated: str | None) -> str:
    if stated is None:
        return NOWHERE
    try:
        return str(ip_address(stated))
    except ValueError as cause:
        raise UnaskableError(400, "ip_address must be an IP address") from cause


def _hour(context: Json, now_us: int) -> int:
    stated = _text(context, "time")
    if stated is None:
        return now_us // _US_PER_HOUR % 24
    try:
        moment = datetime.fromisoformat(stated)
    except ValueError as cause:
        raise UnaskableError(400, "context.time must be an RFC 3339 time") from cause
    if moment.utcoffset() is None:
        raise UnaskableError(400, "context.time must name its offset from UTC")
    try:
        return moment.astimezone(UTC).hour
    except OverflowError as cause:
        raise UnaskableError(400, "context.time lies outside of the calendar") from cause


def _purpose(context: Json) -> str | None:
    """Return the stated purpose, a word as our own requests state it."""
    stated = _text(context, "purpose")
    if stated and not _PURPOSE.fullmatch(stated):
        raise UnaskableError(400, "context.purpose must be one lower-case word, such as outage-investigation")
    return stated or None


def _risk(context: Json) -> int:
    stated = context.get("risk", 0)
    if type(stated) is not int or not 0 <= stated <= HIGHEST_RISK:
        raise UnaskableError(400, f"context.risk must be a whole number from 0 to {HIGHEST_RISK}")
    return stated


def _names(given: Json, name: str) -> frozenset[str]:
    stated = given.get(name, [])
    if not isinstance(stated, list) or not all(isinstance(item, str) for item in stated):
        raise UnaskableError(400, f"context.{name} must be a list of names")
    return frozenset(stated)


def _text(given: Json, name: str) -> str | None:
    stated = given.get(name)
    if stated is not None and not isinstance(stated, str):
        raise UnaskableError(400, f"{name} must be a text")
    return stated
