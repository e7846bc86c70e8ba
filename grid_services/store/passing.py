"""A row filter as SQL: it narrows before a LIMIT counts, so that a page of permitted rows is a full page."""

from shared_kernel.obligations import RowFilter

Arguments = tuple[list[str] | None, list[str] | None]


def passes(column: str, first: int) -> str:
    """Return the condition on `column`; its two parameters are numbered from `first` on."""
    exact, prefixes = f"${first}::text[]", f"${first + 1}::text[]"
    listed = f"({exact} IS NULL OR {column} = ANY({exact}))"
    begun = f"SELECT 1 FROM unnest({prefixes}) AS prefix(text) WHERE starts_with({column}, prefix.text)"  # noqa: S608 - ours
    return f"({listed} AND ({prefixes} IS NULL OR EXISTS ({begun})))"


def arguments(only: RowFilter | None) -> Arguments:
    """Return the values of the two parameters; without a filter everything passes."""
    if only is None:
        return None, None
    return _listed(only.values), _listed(only.starts_with)


def _listed(texts: tuple[str, ...] | None) -> list[str] | None:
    return None if texts is None else list(texts)
