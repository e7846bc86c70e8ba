"""A Windows event log record, in the JSON that evtx tools write, as the flat document Sigma rules are written for."""

from typing import Any


def is_windows_event(event: dict[str, Any]) -> bool:
    """Tell a record with the `Event/System` envelope from an ECS document."""
    envelope = event.get("Event")
    return isinstance(envelope, dict) and isinstance(envelope.get("System"), dict)


def flattened(event: dict[str, Any]) -> dict[str, Any]:
    """Return System and EventData (or UserData) as one flat document; EventData wins, as in Sigma's field names."""
    envelope = event["Event"]
    system = envelope["System"]
    flat = {name: _plain(value) for name, value in system.items()}
    flat["Provider_Name"] = _attribute(system, "Provider", "Name")
    flat["@timestamp"] = _attribute(system, "TimeCreated", "SystemTime")
    for section in ("UserData", "EventData"):
        flat.update(_fields(envelope.get(section)))
    return flat


def _fields(section: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON is any JSON value
    """Return a section's fields; UserData wraps them in one element named after the provider's schema."""
    found: dict[str, Any] = {}
    for name, value in (section or {}).items():
        if isinstance(value, dict) and "#text" not in value:
            found.update(_fields({key: item for key, item in value.items() if key != "#attributes"}))
        else:
            found[name] = _plain(value)
    return found


def _plain(value: Any) -> Any:  # noqa: ANN401 - JSON is any JSON value
    return value.get("#text") if isinstance(value, dict) else value


def _attribute(system: dict[str, Any], element: str, name: str) -> Any:  # noqa: ANN401 - JSON is any JSON value
    node = system.get(element)
    return node.get("#attributes", {}).get(name) if isinstance(node, dict) else None
