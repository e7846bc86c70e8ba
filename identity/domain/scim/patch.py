"""PATCH (RFC 7644 section 3.5.2): a list of operations on a clean document, all of them or none."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from identity.domain.scim import filters
from identity.domain.scim.errors import ScimError, invalid_path, invalid_syntax, invalid_value, not_mutable
from identity.domain.scim.filters import AttributePath, Both, Filter, Test
from identity.domain.scim.matching import holds
from identity.domain.scim.resources import Document, cleaned, extension_named, require, text, value_of
from identity.domain.scim.schemas import COMMON, USERS, Attribute, ResourceType

MESSAGE = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
MAX_OPERATIONS = 100
OPERATIONS = frozenset({"add", "replace", "remove"})


@dataclass(frozen=True, slots=True)
class Target:
    """Where an operation acts: an attribute (in `home`, the document or an extension), a choice of values, a part."""

    attribute: Attribute
    extension: str | None = None
    choice: Filter | None = None
    part: Attribute | None = None


def operations_of(message: object) -> list[tuple[str, str | None, Any]]:
    """Return (operation, path, value) of a PatchOp message; raise ScimError."""
    if not isinstance(message, Mapping):
        raise invalid_syntax("a patch must be a JSON object")
    fields = {name.lower(): value for name, value in message.items()}
    if fields.get("schemas") != [MESSAGE]:
        raise invalid_syntax(f"schemas must be [{MESSAGE}]")
    given = fields.get("operations")
    if not isinstance(given, list) or not 0 < len(given) <= MAX_OPERATIONS:
        raise invalid_syntax(f"Operations must be a list of 1 to {MAX_OPERATIONS}")
    return [_operation(each) for each in given]


def _operation(given: object) -> tuple[str, str | None, Any]:
    fields = {name.lower(): value for name, value in given.items()} if isinstance(given, Mapping) else {}
    name, path = fields.get("op"), fields.get("path")
    if not isinstance(name, str) or name.lower() not in OPERATIONS:
        raise invalid_syntax("op must be add, replace or remove")
    if path is not None and not isinstance(path, str):
        raise invalid_path("must be a text")
    if name.lower() == "remove" and not path:
        raise ScimError(400, "remove needs a path", "noTarget")
    if name.lower() != "remove" and "value" not in fields:
        raise invalid_value(f"{name} needs a value")
    return name.lower(), path or None, fields.get("value")


def patched(document: Mapping[str, Any], message: object, kind: ResourceType) -> Document:
    """Return the document after all operations of a message; raise ScimError, and nothing happened."""
    found = copy.deepcopy(dict(document))
    for name, path, value in operations_of(message):
        if path is None:
            _whole(found, name, value, kind)
        else:
            _at(found, name, target_of(path, kind), value)
    require(found, kind)
    return found


def target_of(path: str, kind: ResourceType) -> Target:
    """Return what a path points at; raise ScimError (invalidPath, mutability)."""
    before, bracket, after = path.partition("[")
    inner, close, rest = after.rpartition("]")
    if bool(bracket) != bool(close) or (rest and not rest.startswith(".")):
        raise invalid_path(f"{path[:60]!r} is not of the form attribute[filter].sub")
    spelled = filters.attribute_path(before)
    if spelled is None or len(path) > filters.MAX_LENGTH:
        raise invalid_path(f"{path[:60]!r} names no attribute")
    attribute, extension = _attribute(spelled, kind)
    part_name = rest[1:] or spelled.part
    part = attribute.part(part_name) if part_name else None
    if part_name and part is None:
        raise invalid_path(f"{path[:60]!r} names no sub-attribute")
    if attribute.mutability == "readOnly" or (part is not None and part.mutability in {"readOnly", "immutable"}):
        raise not_mutable(path[:60])
    if bracket and not attribute.is_multi:
        raise invalid_path(f"{path[:60]!r} chooses among values of an attribute that has one")
    return Target(attribute, extension, filters.parse(inner) if bracket else None, part)


def _attribute(path: AttributePath, kind: ResourceType) -> tuple[Attribute, str | None]:
    if path.urn is None or path.urn.lower() == kind.schema.id.lower():
        common = next((each for each in COMMON if each.name.lower() == path.name.lower()), None)
        found = kind.schema.attribute(path.name) or common
        if found is not None and found.name == "schemas":
            raise not_mutable("schemas")
        extension = None
    else:
        schema = extension_named(kind, path.urn)
        if schema is None:
            raise invalid_path(f"{path.urn[:100]!r} is no schema of this resource")
        found, extension = (schema.attribute(path.name) if path.name else _everything(schema.id)), schema.id
    if found is None:
        raise invalid_path(f"{path} names no attribute of {kind.name}")
    return found, extension


def _everything(urn: str) -> Attribute:
    """A path that is a bare URN means all of an extension."""
    return Attribute(urn, "extension")


def _whole(document: Document, name: str, value: object, kind: ResourceType) -> None:
    """An operation without a path: its value is a set of attributes, or of paths as some directories write them."""
    if not isinstance(value, Mapping):
        raise invalid_value("without a path the value must be an object")
    for key, inner in value.items():
        if key.lower() in {"schemas", "id", "meta"}:
            continue
        extension = extension_named(kind, key)
        if extension is not None:
            clean = cleaned({key: inner}, kind, needs_schemas=False).get(extension.id, {})
            document.setdefault(extension.id, {}).update(clean)
            continue
        spelled = filters.attribute_path(key.partition("[")[0])
        known = spelled is not None and (spelled.urn or kind.schema.attribute(spelled.name)
                                         or spelled.name.lower() == "externalid")
        attribute = kind.schema.attribute(spelled.name) if spelled is not None else None
        if known and not (attribute is not None and attribute.mutability == "readOnly"):
            _at(document, name, target_of(key, kind), inner)


def _at(document: Document, name: str, target: Target, value: object) -> None:
    if target.attribute.kind == "extension":
        _extension(document, name, target.attribute.name, value)
        return
    home = document if target.extension is None else document.setdefault(target.extension, {})
    if target.attribute.is_multi:
        _MULTI[name](home, target, value)
    elif target.part is not None:
        _part(home, name, target, value)
    else:
        _plain(home, name, target.attribute, value)
    if target.extension is not None and not home:
        document.pop(target.extension)


def _extension(document: Document, name: str, urn: str, value: object) -> None:
    if name == "remove":
        document.pop(urn, None)
        return
    if not isinstance(value, Mapping):
        raise invalid_value("the value of an extension must be an object")
    clean = cleaned({urn: value}, USERS, needs_schemas=False).get(urn, {})
    kept = document.get(urn, {}) if name == "add" else {}
    document[urn] = {**kept, **clean}


def _plain(home: Document, name: str, attribute: Attribute, value: object) -> None:
    clean = None if name == "remove" else value_of(attribute, value)
    if clean is None:
        home.pop(attribute.name, None)
    elif isinstance(clean, dict):
        home[attribute.name] = {**home.get(attribute.name, {}), **clean} if name == "add" else clean
    else:
        home[attribute.name] = clean


def _part(home: Document, name: str, target: Target, value: object) -> None:
    whole = home.setdefault(target.attribute.name, {})
    clean = None if name == "remove" or target.part is None else value_of(target.part, value)
    if target.part is not None and clean is None:
        whole.pop(target.part.name, None)
    elif target.part is not None:
        whole[target.part.name] = clean
    if not whole:
        home.pop(target.attribute.name)


def _chosen(values: list[Document], target: Target) -> list[Document]:
    if target.choice is None:
        return values
    return [each for each in values if holds(target.choice, target.attribute, each)]


def _add_values(home: Document, target: Target, value: object) -> None:
    values = home.setdefault(target.attribute.name, [])
    if target.choice is None and target.part is None:
        fresh = value_of(target.attribute, value) or []
        if any(each.get("primary") for each in fresh):
            _demote(values)
        known = {_key(each) for each in values}
        values.extend(each for each in fresh if _key(each) not in known)
    else:
        chosen = _chosen(values, target) or _made(values, target)
        _set(values, chosen, target, value)
    _settle(home, target.attribute)


def _replace_values(home: Document, target: Target, value: object) -> None:
    values = home.setdefault(target.attribute.name, [])
    if target.choice is None and target.part is None:
        home[target.attribute.name] = value_of(target.attribute, value) or []
    else:
        chosen = _chosen(values, target)
        if not chosen:
            raise ScimError(400, "the path chooses no value that could be replaced", "noTarget")
        if target.part is None:
            for each in chosen:
                each.clear()
        _set(values, chosen, target, value)
    _settle(home, target.attribute)


def _remove_values(home: Document, target: Target, value: object) -> None:
    values = home.get(target.attribute.name, [])
    chosen = {id(each) for each in _chosen(values, target)}
    if target.part is not None:
        for each in values:
            if id(each) in chosen:
                each.pop(target.part.name, None)
    else:
        if value is not None and target.choice is None:
            unwanted = {_key(each) for each in value_of(target.attribute, value) or []}
            chosen = {id(each) for each in values if _key(each) in unwanted}
        values[:] = [each for each in values if id(each) not in chosen]
    _settle(home, target.attribute)


_MULTI: Mapping[str, Callable[[Document, Target, object], None]] = {
    "add": _add_values, "replace": _replace_values, "remove": _remove_values}


def _made(values: list[Document], target: Target) -> list[Document]:
    """Adding to `emails[type eq "work"]` where there is none makes one: the filter says of what kind."""
    made: Document = {}
    for test in _equalities(target.choice):
        part = target.attribute.part(test.path.name)
        if part is None or test.path.part is not None:
            raise invalid_path("chooses by what the values do not have")
        made[part.name] = value_of(part, test.value)
    values.append(made)
    return [made]


def _equalities(condition: Filter | None) -> list[Test]:
    if isinstance(condition, Both) and not condition.is_or:
        return [*_equalities(condition.left), *_equalities(condition.right)]
    if isinstance(condition, Test) and condition.operator == "eq":
        return [condition]
    raise ScimError(400, "the path chooses no value", "noTarget")


def _set(values: list[Document], chosen: list[Document], target: Target, value: object) -> None:
    if target.part is not None:
        clean = value_of(target.part, value)
        fields: Document = {target.part.name: clean}
    else:
        clean = value_of(target.attribute, value if isinstance(value, list) else [value])
        if clean is None or len(clean) != 1:
            raise invalid_value(f"{target.attribute.name} needs one value here")
        fields = clean[0]
    if fields.get("primary") is True:
        if len(chosen) > 1:
            raise invalid_value("only one value can be primary")
        _demote(values)
    for each in chosen:
        each.update({name: inner for name, inner in fields.items() if inner is not None})


def _demote(values: list[Document]) -> None:
    for each in values:
        if each.get("primary"):
            each["primary"] = False


def _settle(home: Document, attribute: Attribute) -> None:
    values = [each for each in home.get(attribute.name, []) if each]
    if values:
        home[attribute.name] = value_of(attribute, values)
    else:
        home.pop(attribute.name, None)


def _key(value: Document) -> tuple[Any, ...]:
    """What makes two values the same: a member is its id, anything else all it says."""
    if set(value) <= {"value", "$ref", "type"} and "value" in value and value.get("type") in {None, "User"}:
        return ("value", value["value"])
    return tuple(sorted((name, str(inner)) for name, inner in value.items()))


__all__ = ["MESSAGE", "Target", "operations_of", "patched", "target_of", "text"]
