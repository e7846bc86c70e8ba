"""Reads the catalog's declaration: a YAML document into datasets, with the place of every mistake."""

from types import MappingProxyType
from typing import Any

from governance.domain.entries import Category, Column, Dataset
from governance.domain.errors import DeclarationError, UnknownLabelError
from governance.domain.masks import MASKS
from shared_kernel.classification import UNCLASSIFIED, Classification

_DATASET_KEYS = frozenset({"title", "description", "classification", "provenance", "source", "attribution", "columns"})
_COLUMN_KEYS = frozenset({"classification", "categories", "mask"})


def classification_named(name: str) -> Classification:
    """Return the label of that name; another word raises UnknownLabelError."""
    try:
        return Classification[name]
    except KeyError:
        raise UnknownLabelError(name) from None


def datasets_from(document: object) -> tuple[Dataset, ...]:
    """Return the declared datasets; raise DeclarationError at the first mistake."""
    entries = _mapping(document, "top level").get("datasets")
    return tuple(_dataset(name, _mapping(entry, name)) for name, entry in _mapping(entries, "datasets").items())


def _dataset(name: str, entry: dict[str, Any]) -> Dataset:
    _refuse_unknown(entry, _DATASET_KEYS, name)
    columns = {
        column: _column(column, _mapping(about or {}, f"{name}.{column}"), f"{name}.{column}")
        for column, about in _mapping(entry.get("columns", {}), f"{name}.columns").items()
    }
    texts = {key: str(entry.get(key, "")).strip() for key in ("title", "description", "source", "attribution")}
    return Dataset(
        name=name, classification=_label(entry, name), columns=MappingProxyType(columns),
        provenance=str(entry.get("provenance", "unknown")), **texts,
    )


def _column(name: str, about: dict[str, Any], place: str) -> Column:
    _refuse_unknown(about, _COLUMN_KEYS, place)
    mask = about.get("mask")
    if mask is not None and mask not in MASKS:
        raise DeclarationError(place, f"{mask!r} is not a mask: use {', '.join(MASKS)}")
    return Column(name, _label(about, place), _categories(about, place), mask)


def _categories(about: dict[str, Any], place: str) -> tuple[Category, ...]:
    try:
        return tuple(Category(category) for category in about.get("categories", ()))
    except ValueError as cause:
        raise DeclarationError(place, str(cause)) from cause


def _label(about: dict[str, Any], place: str) -> Classification:
    if "classification" not in about:
        return UNCLASSIFIED
    try:
        return classification_named(str(about["classification"]))
    except UnknownLabelError as cause:
        raise DeclarationError(place, cause.detail) from cause


def _mapping(value: object, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DeclarationError(place, "a mapping is wanted here")
    return value


def _refuse_unknown(about: dict[str, Any], known: frozenset[str], place: str) -> None:
    if unknown := sorted(set(about) - known):
        raise DeclarationError(place, f"{unknown[0]!r} is not a known key: use {', '.join(sorted(known))}")
