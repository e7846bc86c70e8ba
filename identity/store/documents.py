"""Values inside jsonb columns: dataclasses of the domain, written without what is at its default, read strictly."""

from dataclasses import fields
from typing import Any, TypeVar

import msgspec
import orjson

T = TypeVar("T")


def to_document(value: Any) -> str:  # noqa: ANN401 - any dataclass of records
    """Return the JSON of a dataclass; a field at its default is left out."""
    plain = type(value)()
    return orjson.dumps({each.name: found for each in fields(value)
                         if (found := getattr(value, each.name)) != getattr(plain, each.name)}).decode()


def from_document(text: str, kind: type[T]) -> T:
    """Return what `to_document` wrote; fields that are missing have their defaults."""
    return kind() if text == "{}" else msgspec.convert(orjson.loads(text), kind)


def to_json(value: object) -> str:
    """Return the JSON of plain values."""
    return orjson.dumps(value).decode()


def from_json(text: str) -> Any:  # noqa: ANN401 - JSON
    """Return plain values."""
    return orjson.loads(text)
