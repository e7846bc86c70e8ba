"""Query parameters of the load's routes: known names only, each at most once, each checked."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from starlette.requests import Request

from grid_services.domain.forecast_recipe import Variant
from grid_services.domain.load_ranges import moment
from shared_kernel.errors import InvalidInputError

T = TypeVar("T")
YEARS = range(2000, 2101)


class UnknownParameterError(InvalidInputError):
    """A parameter the route does not have, or one given twice."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        takes = "takes no parameters" if not known else f"takes each of {', '.join(known)} at most once"
        super().__init__(f"parameter {name[:40]!r} is unknown or repeated: this route {takes}")


class WrongValueError(InvalidInputError):
    """A parameter's value is none of those it may have."""

    def __init__(self, name: str, text: str, remedy: str) -> None:
        super().__init__(f"{name}={text[:40]!r} is not understood: {remedy}")


def parameters(request: Request, *known: str) -> dict[str, str]:
    """Return the query; raise UnknownParameterError unless all names are known and none is repeated."""
    found: dict[str, str] = {}
    for name, text in request.query_params.multi_items():
        if name not in known or name in found:
            raise UnknownParameterError(name, known)
        found[name] = text
    return found


def range_of(query: dict[str, str]) -> tuple[datetime | None, datetime | None]:
    """Return `from` and `to`, each None when it is not given."""
    start, end = (moment(name, query[name]) if name in query else None for name in ("from", "to"))
    return start, end


def variant_of(query: dict[str, str]) -> Variant:
    """Return the forecast meant; without the operator's figures unless asked."""
    remedy = f"one of {', '.join(Variant)}"
    return _read("variant", query.get("variant", Variant.WITHOUT_OPERATOR.value), Variant, remedy)


def year_of(query: dict[str, str]) -> int:
    """Return the year asked for; there is no default."""
    remedy = f"a year from {YEARS[0]} to {YEARS[-1]}, such as 2025"
    text = query.get("year", "")
    year = _read("year", text if text.isascii() and text.isdigit() else "none", int, remedy)
    if year not in YEARS:
        raise WrongValueError("year", text, remedy)
    return year


def _read(name: str, text: str, convert: Callable[[str], T], remedy: str) -> T:
    try:
        return convert(text)
    except ValueError as cause:
        raise WrongValueError(name, text, remedy) from cause
