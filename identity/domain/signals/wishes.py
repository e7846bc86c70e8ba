"""What a receiver asks of its stream, checked (SSF 1.0 8.1.1.1, 8.1.1.3, 8.1.1.4).

What the transmitter supplies may come along, and must then be what it is; what nobody knows is ignored.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from identity.domain.clients.remote_uris import Network, refusal_of
from identity.domain.signals.streams import POLL, PUSH, StreamSettings, delivered
from shared_kernel.errors import InvalidInputError

_MAX_EVENTS, _MAX_EVENT, _MAX_DESCRIPTION, _MAX_AUTHORIZATION = 64, 300, 300, 4_096

Document = Mapping[str, Any]
Seal = Callable[[str], str]


def chosen_settings(asked: Document, current: StreamSettings, *, allowed: Collection[Network],
                    seal: Seal) -> StreamSettings:
    """Return the settings after a request; what it does not name stays as in `current`."""
    method, endpoint_url, authorization = current.method, current.endpoint_url, current.sealed_authorization
    if "delivery" in asked:
        method, endpoint_url, text = _delivery(asked["delivery"], allowed)
        authorization = None if text is None else seal(text)
    requested = _events(asked["events_requested"]) if "events_requested" in asked else current.events_requested
    description = _description(asked["description"]) if "description" in asked else current.description
    return StreamSettings(method, endpoint_url, authorization, requested, delivered(requested), description)


def check_supplied_by_us(asked: Document, configuration: Document) -> None:
    """Raise InvalidInputError when a property that is ours to supply is not what it is (SSF 1.0 8.1.1.3)."""
    for name in ("iss", "aud", "events_supported", "events_delivered", "min_verification_interval",
                 "inactivity_timeout"):
        if name in asked and _unordered(asked[name]) != _unordered(configuration.get(name)):
            raise InvalidInputError(f"{name} is for the transmitter to choose, and it is another value")


def _unordered(value: object) -> object:
    """Arrays of texts are compared as sets; an audience of one may be a text."""
    values = [value] if isinstance(value, str) else value
    if isinstance(values, list) and all(isinstance(each, str) for each in values):
        return frozenset(values)
    return values


def _delivery(value: object, allowed: Collection[Network]) -> tuple[str, str | None, str | None]:
    if value is None:
        return POLL, None, None
    if not isinstance(value, dict) or value.get("method") not in {PUSH, POLL}:
        raise InvalidInputError(f"delivery.method must be {PUSH} or {POLL}")
    if value["method"] == POLL:
        return POLL, None, None
    return PUSH, _endpoint(value.get("endpoint_url"), allowed), _authorization(value.get("authorization_header"))


def _endpoint(value: object, allowed: Collection[Network]) -> str:
    if not isinstance(value, str):
        raise InvalidInputError("delivery.endpoint_url is missing")
    refusal = refusal_of(value, allowed)
    if refusal is not None:
        raise InvalidInputError(f"delivery.endpoint_url {refusal}")
    return value


def _authorization(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_AUTHORIZATION or not _is_field_value(value):
        raise InvalidInputError("delivery.authorization_header is not the value of a header field")
    return value


def _is_field_value(text: str) -> bool:
    return text.isascii() and text.isprintable() and text == text.strip()


def _events(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > _MAX_EVENTS:
        raise InvalidInputError(f"events_requested must be an array of at most {_MAX_EVENTS} event types")
    for kind in value:
        if not isinstance(kind, str) or not 0 < len(kind) <= _MAX_EVENT:
            raise InvalidInputError(f"an event type is a text of at most {_MAX_EVENT} characters")
    return tuple(dict.fromkeys(value))


def _description(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidInputError("description must be a text")
    return value[:_MAX_DESCRIPTION] or None
