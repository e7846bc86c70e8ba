"""A Windows event log record, in the JSON that evtx tools write, as the flat document Sigma rules are written for."""

from typing import Any


def is_windows_event(event: dict[str, Any]) -> bool:
    """Tell a record with the `Event/System` envelope from an ECS document."""
    envelope = event.get("Event")
    return isinstance(envelope, dict) and isinstance(envelope.get("System"), dict)


def flattened(event: dict[str, Any]) -> dict[str, Any]:
    """Return System and EventData (or UserData) as one flat document; EventData wins, as in Sigma's field names."""
    envelope = event["Event"]
    system: dict[str, Any] = envelope["System"]
    flat = system.copy()
    for name, value in system.items():
        if value.__class__ is dict:
            flat[name] = value.get("#text")
    flat["Provider_Name"] = _attribute(system, "Provider", "Name")
    flat["@timestamp"] = _attribute(system, "TimeCreated", "SystemTime")
    for section in (envelope.get("UserData"), envelope.get("EventData")):
        if isinstance(section, dict):
            _add_fields(section, flat)
    return flat


def _add_fields(section: dict[str, Any], flat: dict[str, Any]) -> None:
    """Add a section's fields; UserData wraps them in one element named after the provider's schema."""
    if dict not in set(map(type, section.values())):
        flat.update(section)
        return
    for name, value in section.items():
        if not isinstance(value, dict):
            flat[name] = value
        elif "#text" in value:
            flat[name] = value["#text"]
        else:
            _add_fields({key: item for key, item in value.items() if key != "#attributes"}, flat)


def _attribute(system: dict[str, Any], element: str, name: str) -> Any:  # noqa: ANN401 - JSON is any JSON value
    node = system.get(element)
    attributes = node.get("#attributes") if isinstance(node, dict) else None
    return attributes.get(name) if isinstance(attributes, dict) else None
