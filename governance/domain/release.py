"""What leaves: which mask each column of an answer gets, and the masked rows.

A column the catalog does not know is unclassified, so it is replaced with null whatever the decision says.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from governance.domain.entries import Dataset, effective
from governance.domain.errors import UnknownMaskError, UnknownObligationError
from governance.domain.masks import MASKS, NULL_MASK, strictest
from shared_kernel.classification import Classification
from shared_kernel.obligations import AGGREGATE_FLOOR, MASK, NOTIFY, ROW_FILTER, WATERMARK

Row = dict[str, Any]
FULFILLABLE = frozenset({MASK, ROW_FILTER, AGGREGATE_FLOOR, NOTIFY, WATERMARK})
"""The first three are fulfilled here, the others by the enforcement point; any other obligation denies."""


def masks_for(
    dataset: Dataset | None, columns: Sequence[str], obligations: Mapping[str, Mapping[str, Any]],
) -> dict[str, str]:
    """Return column -> action for every column of an answer that must not leave as it is."""
    if unknown := sorted(obligations.keys() - FULFILLABLE):
        raise UnknownObligationError(unknown[0])
    demanded = _demanded(obligations)
    known: Mapping[str, Any] = dataset.columns if dataset else {}
    masks: dict[str, str] = {}
    for column in columns:
        if column not in known:
            masks[column] = NULL_MASK
        elif column in demanded:
            actions = [action for action in (known[column].mask, demanded[column]) if action]
            masks[column] = strictest(*actions) if actions else NULL_MASK
    return masks


def _demanded(obligations: Mapping[str, Mapping[str, Any]]) -> dict[str, str | None]:
    """Return column -> demanded action (None: the catalog's own); an obligation not understood denies."""
    columns = obligations.get(MASK, {}).get("columns", ())
    if isinstance(columns, Mapping):
        return {str(column): str(action) for column, action in columns.items()}
    if isinstance(columns, (list, tuple, set, frozenset)) and all(isinstance(column, str) for column in columns):
        return dict.fromkeys(columns)
    raise UnknownMaskError(repr(columns)[:80])


def masked(rows: Sequence[Row], columns: Sequence[str], masks: Mapping[str, str], key: bytes) -> list[Row]:
    """Return rows of exactly `columns`, as far as each row has them, masked."""
    applied = {column: MASKS[action].apply for column, action in masks.items()}
    return [
        {column: applied[column](row[column], key) if column in applied else row[column]
         for column in columns if column in row}
        for row in rows
    ]


def released_label(dataset: Dataset | None, columns: Sequence[str], masks: Mapping[str, str]) -> Classification:
    """Return the label of an answer: the dataset's, joined with that of every column that leaves unmasked."""
    if dataset is None:
        return effective()
    return effective(dataset.classification, *(dataset.label(column) for column in columns if column not in masks))
