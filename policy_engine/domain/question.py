"""The question a gateway asks, and what a well-formed one holds: a table of every attribute a policy may read.

    document = JSON( {subject, action, resource, context}, keys in order, no white space )
    digest   = SHA-256( document with an empty source_ip ), its first 128 bits

One question has one document: it is what the engines read, what a decision is remembered by, and what its sealed
digest commits to.

A malformed attribute is refused before evaluation: in Rego a wrong type makes a rule undefined, and an address that is
none once made an allow (OPA's `net.cidr_contains` without strict errors).
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from ipaddress import ip_address
from typing import Any

import orjson

from shared_kernel.classification import Classification
from shared_kernel.errors import InvalidInputError

MAX_TEXT = 4_096
MAX_ITEMS = 512
HIGHEST_RISK = 100
_ACTION = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
_KINDS = frozenset({"anonymous", "person", "service"})
_LABELS = frozenset(Classification.__members__)
_HOURS = 24
_PLAIN_COLLECTIONS = frozenset({tuple, list, set, frozenset})
"""Recognised at once; anything else that is a collection of names is asked what it is, which costs a microsecond."""
_ADDRESS = b'"source_ip":"'
"""Found once: in a text, JSON escapes the quotation marks."""
_DIGEST_DIGITS = 32
_OLDEST_S = 10 * 366 * 86_400

Check = Callable[[Any], bool]


class MalformedQuestionError(InvalidInputError):
    """An attribute is missing, unknown, or not what a policy may rely on."""

    def __init__(self, attribute: str, wanted: str) -> None:
        super().__init__(f"the attribute {attribute} must be {wanted}")
        self.attribute = attribute


@dataclass(frozen=True, slots=True)
class Question:
    """Asks whether `subject` may do `action` on `resource` in `context`."""

    subject: Mapping[str, Any]
    action: str
    resource: Mapping[str, Any]
    context: Mapping[str, Any]


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_TEXT


def _is_text_or_none(value: object) -> bool:
    return value is None or (isinstance(value, str) and 0 < len(value) <= MAX_TEXT)


def _are_names(value: Any) -> bool:  # noqa: ANN401 - whatever somebody sent
    if type(value) not in _PLAIN_COLLECTIONS and (
            not isinstance(value, Collection) or isinstance(value, str | bytes | Mapping)):
        return False
    if len(value) > MAX_ITEMS:
        return False
    for name in value:  # noqa: SIM110 - a generator would cost as much as the rest of the check
        if not isinstance(name, str) or not 0 < len(name) <= MAX_TEXT:
            return False
    return True


def _are_labels(value: Any) -> bool:  # noqa: ANN401 - whatever somebody sent
    if type(value) is not dict and not isinstance(value, Mapping):
        return False
    return not value or (len(value) <= MAX_ITEMS and all(
        _is_text(column) and (label is None or (isinstance(label, str) and label in _LABELS))
        for column, label in value.items()
    ))


@lru_cache(maxsize=16_384)
def _address(text: str) -> str | None:
    """Return an address as policies see it, an IPv4 one never as IPv6, of which engines think differently."""
    try:
        found = ip_address(text)
    except ValueError:
        return None
    mapped = getattr(found, "ipv4_mapped", None)
    return str(mapped) if mapped else text


def _is_address(value: object) -> bool:
    return isinstance(value, str) and _address(value) is not None


def _whole(value: object, *, most: int) -> bool:
    return type(value) is int and 0 <= value <= most


_CHECKS: Mapping[str, Mapping[str, tuple[Check, str]]] = {
    "subject": {
        "id": (_is_text, "a text"),
        "kind": (lambda v: isinstance(v, str) and v in _KINDS, "anonymous, person or service"),
        "roles": (_are_names, "a list of names"),
        "scopes": (_are_names, "a list of names"),
        "client_id": (_is_text_or_none, "a text or null"),
        "acr": (_is_text_or_none, "a text or null"),
        "amr": (_are_names, "a list of names"),
        "auth_age_s": (lambda v: v is None or _whole(v, most=_OLDEST_S), "a whole number of seconds or null"),
    },
    "resource": {
        "path": (_is_text, "a text"),
        "method": (_is_text, "a text"),
        "dataset": (_is_text_or_none, "a text or null"),
        "classification": (lambda v: v is None or (isinstance(v, str) and v in _LABELS), "a classification or null"),
        "columns": (_are_labels, "an object of column to classification or null"),
    },
    "context": {
        "source_ip": (_is_address, "an IP address"),
        "purpose": (_is_text_or_none, "a text or null"),
        "risk": (lambda v: _whole(v, most=HIGHEST_RISK), "a whole number from 0 to 100"),
        "hour_utc": (lambda v: _whole(v, most=_HOURS - 1), "a whole number from 0 to 23"),
        "loopback": (lambda v: type(v) is bool, "true or false"),
    },
}

ATTRIBUTES: Mapping[str, tuple[str, ...]] = {"action": (), **{name: tuple(checks) for name, checks in _CHECKS.items()}}
"""What a document holds: each section with the names in it; the action has none."""

_UNSTATED: Mapping[str, Mapping[str, Any]] = {
    "subject": {"acr": None, "amr": (), "auth_age_s": None},
    "resource": {},
    "context": {},
}
"""What may be left unsaid, and what that means: how, and when, somebody logged in is then unknown."""


def to_document(question: Question) -> bytes:
    """Return the question's one spelling; raise MalformedQuestionError for anything odd."""
    return spelled(to_input(question))


def spelled(document: Mapping[str, Any]) -> bytes:
    """Return the one spelling of a document that `to_input` made, or of a part of it."""
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)


def digest_of(document: bytes) -> str:
    """Return what stands for a document in a sealed decision, in hexadecimal.

    The caller's address is left out: it is erased with the person, and a hash of it would let every address be tried.
    """
    start = document.index(_ADDRESS) + len(_ADDRESS)
    return sha256(document[:start] + document[document.index(b'"', start):]).hexdigest()[:_DIGEST_DIGITS]


def to_input(question: Question) -> dict[str, Any]:
    """Return the document a policy reads, lists in order; raise MalformedQuestionError for anything odd."""
    if not isinstance(question.action, str) or not _ACTION.fullmatch(question.action):
        raise MalformedQuestionError("action", "house.verb in lower case")
    document: dict[str, Any] = {
        "subject": _checked("subject", question.subject),
        "action": question.action,
        "resource": _checked("resource", question.resource),
        "context": _checked("context", question.context),
    }
    subject = document["subject"]
    for names in ("roles", "scopes", "amr"):
        subject[names] = sorted(subject[names])
    document["resource"]["columns"] = dict(document["resource"]["columns"])
    document["context"]["source_ip"] = _address(document["context"]["source_ip"])
    return document


def _checked(section: str, given: object) -> dict[str, Any]:
    wanted = _CHECKS[section]
    if type(given) is not dict and not isinstance(given, Mapping):
        raise MalformedQuestionError(section, "an object")
    stated = given if given.keys() == wanted.keys() else {**_UNSTATED[section], **given}
    if stated.keys() != wanted.keys():
        raise MalformedQuestionError(section, f"an object of exactly {', '.join(wanted)}")
    for name, (is_right, description) in wanted.items():
        if not is_right(stated[name]):
            raise MalformedQuestionError(f"{section}.{name}", description)
    return dict(stated)
