"""A bundle over HTTP: for one case; a whole ledger is for the command line."""

from starlette.datastructures import QueryParams
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from audit_ledger.domain.c2sp.checkpoint import plain_decimal
from audit_ledger.service.archive.export import Exporter, Request
from shared_kernel.endpoint import Endpoint
from shared_kernel.errors import InvalidInputError

_KNOWN = frozenset({"from", "until", "entry"})


def endpoints(exporter: Exporter) -> tuple[Endpoint, ...]:
    """Return the one route: `from`, `until` and any number of `entry`, as the command line has them."""

    async def bundle(request: HttpRequest) -> Response:
        content = await exporter.packed(_asked(request.query_params))
        return Response(content, media_type="application/zip",
                        headers={"Content-Disposition": 'attachment; filename="ledger.zip"'})

    return (Endpoint("GET", "/api/v1/ledger/bundle", "ledger.read", bundle),)


def _asked(query: QueryParams) -> Request:
    unknown = sorted({*query} - _KNOWN)
    if unknown:
        raise InvalidInputError(f"a bundle is asked for by from, until and entry, not by {unknown[0]!r}")
    entries = tuple(plain_decimal(text, "an entry") for text in query.getlist("entry"))
    return Request(_number(query, "from"), _number(query, "until"), entries)


def _number(query: QueryParams, name: str) -> int | None:
    """Read one number; an empty one, as a form sends it, is none."""
    given = query.getlist(name)
    if len(given) > 1:
        raise InvalidInputError(f"{name} is given twice")
    return plain_decimal(given[0], name) if given and given[0] else None
