"""The access log over HTTP: who read what, why and how masked, straight from the sealed events."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from governance.http.catalog import answer
from governance.http.queries import only, whole
from shared_kernel.clock import to_iso
from shared_kernel.endpoint import Endpoint
from shared_kernel.events import EventReader, SealedEvent

_MAX_PAGE = 500
_MAX_SEQ = 2**63 - 1


def access_log_endpoints(reader: EventReader) -> tuple[Endpoint, ...]:
    """Return the access log's one route; `person` is a user's id."""

    async def show(request: Request) -> Response:
        query = request.query_params
        only(query, "dataset", "person", "before", "limit")
        limit = max(1, whole(query, "limit", default=100, highest=_MAX_PAGE))
        before = whole(query, "before", default=_MAX_SEQ, highest=_MAX_SEQ)
        found = await reader.find(
            action="data_access", subject=query.get("person"), dataset=query.get("dataset"),
            before=None if before == _MAX_SEQ else before, limit=limit,
        )
        following = found[-1].seq if len(found) == limit else None
        return answer({"items": [_access(sealed) for sealed in found], "next": following})

    return (Endpoint("GET", "/api/v1/access-log", "access_log.read", show),)


def _access(sealed: SealedEvent) -> dict[str, Any]:
    event = sealed.event
    about, user = event["event"], event.get("user", {})
    return {
        "seq": sealed.seq, "at": event.get("@timestamp", to_iso(sealed.recorded_at_us)),
        "outcome": about["outcome"], "reason": about.get("reason"),
        "person": {"id": user.get("id"), "name": user.get("name"), "roles": user.get("roles", [])},
        "source_ip": event.get("source", {}).get("ip"),
        "request_id": event.get("http", {}).get("request", {}).get("id"),
        **event.get("grid", {}).get("data", {}),
    }
