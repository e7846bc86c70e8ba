"""What a page must bring back: the pending request, sealed, and bound to the browser it was shown in.

    seal = BASE64URL(payload) "." BASE64URL(HMAC-SHA-256(key, "interaction" 0x00 browser 0x00 payload))

The seal is the form's CSRF token: it verifies only beside the browser's own HttpOnly cookie, for one purpose, for ten
minutes and, once somebody is logged in, for one session. Nothing is stored, so strangers cannot fill the database.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

import orjson

from shared_kernel.errors import ForbiddenError

LIFETIME_US = 600 * 1_000_000
MAX_SEAL = 10_240


class Purpose(StrEnum):
    """Which form a seal is good for."""

    LOGIN = "login"
    CONSENT = "consent"
    SELECT_ACCOUNT = "select-account"
    LOGOUT = "logout"
    DEVICE = "device"
    FACTORS = "factors"
    REGISTER = "register"
    LINK = "link"
    ACCOUNT = "account"
    PEOPLE = "people"


@dataclass(frozen=True, slots=True)
class Wishes:
    """How a login shall go: what the authorization endpoint asks of the pages.

    `acr_values` as in OIDC Core 3.1.2.1. `is_step_up`: the live session is good and only its class is too weak, so a
    further factor suffices; otherwise the person authenticates from the beginning. `form_target` is where the form's
    redirects may end. `after` is a path of ours to go to when no authorization request waits.
    """

    acr_values: tuple[str, ...] = ()
    is_step_up: bool = False
    login_hint: str | None = None
    ui_locales: str | None = None
    form_target: str | None = None
    after: str | None = None


NO_WISHES = Wishes()


@dataclass(frozen=True, slots=True)
class Interaction:
    """A page's memory: the request that led here, when, whose session it was, and what is wished.

    `query` holds an authorization request's parameters as they count (those of a signed request object, when it came in
    one), or `client_id` and the `request_uri` of a pushed one. `answered` are the prompts that need no second answer.
    """

    purpose: Purpose
    query: str
    asked_at_us: int
    session_id: str | None = None
    wishes: Wishes = field(default=NO_WISHES)
    answered: tuple[str, ...] = ()


class StaleInteractionError(ForbiddenError):
    """The form is too old, from another browser, or made up."""

    def __init__(self) -> None:
        super().__init__("This form has expired or belongs to another browser. Go back and start again.")


def seal(interaction: Interaction, *, key: bytes, browser: str) -> str:
    """Return the sealed text for the form."""
    payload = orjson.dumps(asdict(interaction))
    return f"{_encode(payload)}.{_encode(_mac(key, browser, payload))}"


def unseal(text: str, purpose: Purpose, *, key: bytes, browser: str, now_us: int) -> Interaction:
    """Return the interaction; raise StaleInteractionError unless seal, browser, purpose and age are right."""
    body, _, mac = text.partition(".")
    try:
        payload, given = _decode(body), _decode(mac)
    except ValueError as cause:
        raise StaleInteractionError from cause
    if len(text) > MAX_SEAL or not browser or not hmac.compare_digest(given, _mac(key, browser, payload)):
        raise StaleInteractionError
    found = _interaction(orjson.loads(payload))
    if found.purpose != purpose or not 0 <= now_us - found.asked_at_us <= LIFETIME_US:
        raise StaleInteractionError
    return found


def _interaction(document: dict[str, Any]) -> Interaction:
    wishes = document.pop("wishes")
    wishes["acr_values"] = tuple(wishes["acr_values"])
    return Interaction(**{**document, "answered": tuple(document["answered"]), "wishes": Wishes(**wishes)})


def _mac(key: bytes, browser: str, payload: bytes) -> bytes:
    return hmac.digest(key, b"\x00".join((b"interaction", browser.encode(), payload)), hashlib.sha256)


def _encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
