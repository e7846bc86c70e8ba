"""Which mails are written, what link each carries, and when one that waited too long is no longer sent.

The secret of a link is made when its mail is sent and stored only as a hash: a mail that waits holds none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

_DAY_S = 86_400
_MINUTE_US = 60 * 1_000_000
RETRIES_US = tuple(minutes * _MINUTE_US for minutes in (1, 2, 5, 15, 30, 60, 120, 240, 480, 720))
"""How long after each failure the next try comes; after about a day and a half a mail is given up."""


class LinkPurpose(StrEnum):
    """What following a link is good for; also the path of its page."""

    VERIFY = "verify"
    RESET = "reset-password"
    CONFIRM = "confirm-email"


@dataclass(frozen=True, slots=True)
class Template:
    """A kind of mail: the purpose and life of its link, and the age at which sending it would only confuse."""

    link: LinkPurpose | None = None
    link_lifetime_s: int = 0
    stale_after_s: int = 7 * _DAY_S


TEMPLATES: Mapping[str, Template] = {
    "verify_email": Template(LinkPurpose.VERIFY, _DAY_S, _DAY_S),
    "already_registered": Template(stale_after_s=_DAY_S),
    "name_taken": Template(stale_after_s=_DAY_S),
    "reset_password": Template(LinkPurpose.RESET, 3_600, 3_600),
    "set_password": Template(LinkPurpose.RESET, _DAY_S),
    "confirm_email": Template(LinkPurpose.CONFIRM, _DAY_S, _DAY_S),
    "email_changed": Template(),
    "password_changed": Template(),
    "login_code": Template(stale_after_s=600),
    "new_device": Template(),
    "impossible_travel": Template(),
    "factor_added": Template(),
    "factor_removed": Template(),
    "recovery_codes_made": Template(),
    "account_locked": Template(),
}


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail in the outbox; `fields` fill its sentences, `id` becomes its Message-ID, whatever try delivers it."""

    id: str
    user_id: str | None
    recipient: str
    template: str
    language: str
    fields: Mapping[str, Any]
    created_at_us: int
    tries: int = 0


class MailRefusedError(Exception):
    """The server will never take this mail; the text says why and names no address."""


@dataclass(frozen=True, slots=True)
class MailLink:
    """A one-time link at rest."""

    id: str
    user_id: str
    purpose: LinkPurpose
    email: str
    expires_at_us: int
