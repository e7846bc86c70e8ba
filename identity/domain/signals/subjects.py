"""Whom an event is about (RFC 9493, SSF 1.0 section 3): read from receivers, matched, and written into events.

A person is `iss_sub` under our issuer, or `email` for a receiver that added them by their address. One of several
sessions is a complex subject of the person and the session's `sid`.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

from shared_kernel.errors import InvalidInputError

_MEMBERS: Mapping[str, tuple[str, ...]] = {
    "account": ("uri",), "did": ("url",), "email": ("email",), "iss_sub": ("iss", "sub"), "jwt_id": ("iss", "jti"),
    "opaque": ("id",), "phone_number": ("phone_number",), "uri": ("uri",),
    "saml_assertion_id": ("issuer", "assertion_id"),
}
"""Format -> the members it must have, each a text (RFC 9493 3.2, SSF 1.0 3.4)."""

_PLAIN, _COMPLEX, _ALIASES, _ADDRESSES = "format", "complex", "aliases", "ip-addresses"
_COMPLEX_MEMBERS = frozenset({"user", "device", "session", "application", "tenant", "org_unit", "group"})
_MAX_TEXT = 512


def well_formed_subject(value: object) -> dict[str, Any]:
    """Return a subject identifier as it came; raise InvalidInputError for anything else.

    Unknown formats pass when they are flat (a proprietary one may be meant): they match nobody here.
    """
    if not isinstance(value, dict) or not isinstance(value.get(_PLAIN), str):
        raise InvalidInputError("a subject is an object with a format (RFC 9493)")
    if len(orjson.dumps(value)) > 4 * _MAX_TEXT:
        raise InvalidInputError("the subject is too large")
    kind = value[_PLAIN]
    if kind == _COMPLEX:
        _check_complex(value)
    elif kind == _ALIASES:
        _check_list(value.get("identifiers"))
    elif kind == _ADDRESSES:
        _check_texts({str(n): text for n, text in enumerate(value.get(_ADDRESSES) or ("",))})
    else:
        _check_texts({name: value.get(name) for name in _MEMBERS.get(kind, ())})
    return value


def _check_complex(value: Mapping[str, Any]) -> None:
    parts = {name: part for name, part in value.items() if name != _PLAIN}
    if not parts or not parts.keys() <= _COMPLEX_MEMBERS:
        raise InvalidInputError("a complex subject has at least one of user, device, session, application, tenant, "
                                "org_unit and group, and nothing else (SSF 1.0 3.3)")
    _check_list(list(parts.values()))


def _check_list(parts: object) -> None:
    if not isinstance(parts, list) or not parts:
        raise InvalidInputError("the subject has no identifiers")
    for part in parts:
        if isinstance(part, dict) and part.get(_PLAIN) in {_COMPLEX, _ALIASES}:
            raise InvalidInputError("subjects do not nest")
        well_formed_subject(part)


def _check_texts(members: Mapping[str, object]) -> None:
    for name, text in members.items():
        if not isinstance(text, str) or not 0 < len(text) <= _MAX_TEXT:
            raise InvalidInputError(f"the subject's {name} must be a text of at most {_MAX_TEXT} characters")


def digest_of(subject: Mapping[str, Any], issuer: str) -> bytes:
    """Return what a subject is known by: a person by id or address, whatever else by itself."""
    user = subject["user"] if subject[_PLAIN] == _COMPLEX and subject.keys() == {_PLAIN, "user"} else subject
    if user[_PLAIN] == "iss_sub" and user["iss"] == issuer:
        return _sha256(f"sub:{user['sub']}")
    if user[_PLAIN] == "email":
        return _sha256(f"email:{user['email'].lower()}")
    return _sha256("other:" + orjson.dumps(subject, option=orjson.OPT_SORT_KEYS).decode())


def _sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def subject_of(issuer: str, user_id: str, *, email: str | None, session_id: str | None) -> dict[str, Any]:
    """Return the `sub_id` of an event about a person, or about one session of theirs."""
    user = {"format": "email", "email": email} if email else {"format": "iss_sub", "iss": issuer, "sub": user_id}
    if session_id is None:
        return user
    return {"format": "complex", "user": user, "session": {"format": "opaque", "id": session_id}}


def stream_subject(stream_id: str) -> dict[str, str]:
    """Return the `sub_id` of an event about a stream itself (SSF 1.0 8.1.4.1)."""
    return {"format": "opaque", "id": stream_id}
