"""Which attributes an answer shows (RFC 7644 section 3.9)."""

from collections.abc import Mapping, Sequence
from typing import Any

from identity.domain.scim.errors import invalid_syntax, invalid_value
from identity.domain.scim.filters import AttributePath, attribute_path
from identity.domain.scim.resources import extension_named
from identity.domain.scim.schemas import ResourceType

MAX_NAMES = 50
_ALWAYS = frozenset({"schemas", "id"})


def paths_of(names: object) -> tuple[AttributePath, ...]:
    """Return the paths that a list or a text parted by commas names; raise ScimError."""
    given = [each.strip() for each in names.split(",") if each.strip()] if isinstance(names, str) else names
    if not isinstance(given, list) or len(given) > MAX_NAMES or not all(isinstance(each, str) for each in given):
        raise invalid_syntax(f"attributes must be at most {MAX_NAMES} names")
    found = [attribute_path(each) for each in given]
    if None in found:
        raise invalid_value("attributes holds a name that is none")
    return tuple(path for path in found if path is not None)


def projected(resource: Mapping[str, Any], kind: ResourceType, wanted: Sequence[AttributePath],
              unwanted: Sequence[AttributePath]) -> dict[str, Any]:
    """Return what is asked for of a resource; `schemas` and `id` are always there."""
    if wanted:
        return _only(resource, kind, wanted)
    found = dict(resource)
    for path in unwanted:
        _without(found, kind, path)
    return found


def _only(resource: Mapping[str, Any], kind: ResourceType, wanted: Sequence[AttributePath]) -> dict[str, Any]:
    found = {name: value for name, value in resource.items() if name in _ALWAYS}
    for path in wanted:
        home, target = resource, found
        extension = extension_named(kind, path.urn) if path.urn else None
        if extension is not None:
            if extension.id not in resource:
                continue
            home, target = resource[extension.id], found.setdefault(extension.id, {})
        name = _spelled(home, path.name) if path.name else None
        if not path.name and extension is not None:
            target.update(home)
        elif name is not None and path.part is None:
            target[name] = home[name]
        elif name is not None:
            target[name] = _parts(home[name], path.part or "", target.get(name))
    return found


def _parts(value: Any, part: str, known: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, list):
        before = known if isinstance(known, list) else [{} for _ in value]
        return [_parts(each, part, old) for each, old in zip(value, before, strict=True)]
    name = _spelled(value, part)
    return {**(known or {}), **({name: value[name]} if name else {})}


def _without(found: dict[str, Any], kind: ResourceType, path: AttributePath) -> None:
    home = found
    extension = extension_named(kind, path.urn) if path.urn else None
    if extension is not None:
        if extension.id not in found:
            return
        home = found[extension.id] = dict(found[extension.id])
    name = _spelled(home, path.name) if path.name else None
    if not path.name and extension is not None:
        found.pop(extension.id)
    elif name is None or (name in _ALWAYS and home is found):
        return
    elif path.part is None:
        home.pop(name)
    else:
        home[name] = _without_part(home[name], path.part)


def _without_part(value: Any, part: str) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, list):
        return [_without_part(each, part) for each in value]
    unwanted = _spelled(value, part)
    return {name: inner for name, inner in value.items() if name != unwanted}


def _spelled(home: Any, name: str) -> str | None:  # noqa: ANN401 - any JSON value
    wanted = name.lower()
    return next((each for each in home if each.lower() == wanted), None) if isinstance(home, Mapping) else None
