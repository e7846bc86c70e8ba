"""A poll: what a receiver acknowledges, what it could not take, and how much it wants (RFC 8936 section 2.4)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared_kernel.errors import InvalidInputError

MAX_EVENTS = 100
_MAX_ACK, _MAX_ID = 1_000, 256


@dataclass(frozen=True, slots=True)
class Poll:
    """One poll request."""

    max_events: int = MAX_EVENTS
    return_immediately: bool = False
    acknowledged: tuple[str, ...] = ()
    refused: Mapping[str, str] | None = None


def read_poll(asked: Mapping[str, Any]) -> Poll:
    """Return the poll; raise InvalidInputError (RFC 8936 2.4.1: members not understood are ignored)."""
    return Poll(_max_events(asked.get("maxEvents")), _flag(asked.get("returnImmediately", False)),
                _ids(asked.get("ack", [])), _errors(asked.get("setErrs", {})))


def _max_events(value: object) -> int:
    if value is None:
        return MAX_EVENTS
    if type(value) is not int or value < 0:
        raise InvalidInputError("maxEvents must be a whole number, zero or more")
    return min(value, MAX_EVENTS)


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidInputError("returnImmediately must be true or false")
    return value


def _ids(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > _MAX_ACK or not all(_is_id(each) for each in value):
        raise InvalidInputError(f"ack must be an array of at most {_MAX_ACK} jti values")
    return tuple(value)


def _errors(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or len(value) > _MAX_ACK or not all(_is_id(each) for each in value):
        raise InvalidInputError("setErrs must be an object of jti values")
    found: dict[str, str] = {}
    for token_id, error in value.items():
        if not isinstance(error, dict) or not isinstance(error.get("err"), str):
            raise InvalidInputError("every member of setErrs has an err (RFC 8936 2.4.4)")
        found[token_id] = error["err"]
    return found


def _is_id(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _MAX_ID
