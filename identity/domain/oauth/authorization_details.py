"""Rich Authorization Requests (RFC 9396): what a client asks for in objects rather than in scope words.

Our types are made of the common data fields of section 2.2 and nothing else; a client may use the types it is
registered for.
"""

from collections.abc import Mapping
from typing import Any

from identity.domain.oauth.errors import OAuthError
from shared_kernel.errors import InvalidInputError
from shared_kernel.strict_json import parse_strict

MAX_DETAILS = 16
_MAX_CHARS = 8_192
_MAX_WORDS = 32
_MAX_WORD = 500
_LISTS = ("locations", "actions", "datatypes", "privileges")
_WORDS = ("type", "identifier")

Details = tuple[Mapping[str, Any], ...]


def read(text: str, allowed_types: tuple[str, ...]) -> Details:
    """Return the details of a JSON text; raise OAuthError `invalid_authorization_details` (section 5)."""
    try:
        found = parse_strict(text[:_MAX_CHARS + 1].encode())
    except (InvalidInputError, UnicodeEncodeError) as cause:
        raise _refusal("it is not one well-formed JSON text") from cause
    if not isinstance(found, list) or not 0 < len(found) <= MAX_DETAILS or len(text) > _MAX_CHARS:
        raise _refusal(f"it must be a JSON array of 1 to {MAX_DETAILS} objects")
    return tuple(_checked(detail, allowed_types) for detail in found)


def _checked(detail: object, allowed_types: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(detail, dict) or detail.get("type") not in allowed_types:
        raise _refusal("each object needs a `type` this client is registered for")
    for name, value in detail.items():
        if not (_is_word(value) if name in _WORDS else name in _LISTS and _are_words(value)):
            raise _refusal("beside `type` and `identifier` (texts) only lists of texts named "
                           f"{', '.join(_LISTS)} are known")
    return detail


def _is_word(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _MAX_WORD and value.isprintable()


def _are_words(value: object) -> bool:
    return isinstance(value, list) and 0 < len(value) <= _MAX_WORDS and all(_is_word(each) for each in value)


def _refusal(why: str) -> OAuthError:
    return OAuthError("invalid_authorization_details", f"authorization_details: {why} (RFC 9396)")
