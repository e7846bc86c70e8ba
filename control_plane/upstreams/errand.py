"""One request on its way to a service: what is sent, in whose name, until when, and whether it may be sent again."""

import asyncio
import re
from dataclasses import dataclass

from starlette.types import Receive, Scope

from control_plane.upstreams.bodies import ClientBody
from control_plane.upstreams.client import Outgoing
from control_plane.upstreams.errors import UnusableQueryError
from control_plane.upstreams.fields import ASSERTION, DEADLINE, Headers, single, to_service
from control_plane.upstreams.paths import PathMap
from control_plane.upstreams.plan import Service
from control_plane.upstreams.trace import next_hop
from shared_kernel.context import RequestContext

_QUERY = re.compile(rb"[\x21\x22\x24-\x7e]*")
_KEY = re.compile(rb"[\x21-\x7e]{1,255}")


@dataclass(slots=True)
class Errand:
    """`path` is the service's, `target` with the query; `deadline_s` is of the loop's clock."""

    context: RequestContext
    method: str
    path: str
    target: str
    fields: Headers
    body: ClientBody
    length: int | None
    deadline_s: float
    may_be_repeated: bool
    assertion: bytes = b""

    def left_s(self) -> float:
        """Return the seconds it still has."""
        return self.deadline_s - asyncio.get_running_loop().time()

    def outgoing(self) -> Outgoing:
        """Return what is sent now; the time that is left tells the service from when on nobody waits."""
        left_ms = max(int(self.left_s() * 1000), 1)
        return Outgoing(self.method, self.target, [
            *self.fields, (DEADLINE, str(left_ms).encode()), (ASSERTION, self.assertion)], self.length)


def errand_of(  # noqa: PLR0913 - what a request consists of
    scope: Scope, receive: Receive, context: RequestContext, *, service: Service, paths: PathMap, public_host: str,
    is_idempotent: bool,
) -> Errand:
    """Return a request as the service will see it; raise UnusableQueryError."""
    fields: Headers = scope["headers"]
    query: bytes = scope["query_string"]
    if not _QUERY.fullmatch(query):
        raise UnusableQueryError
    path = paths.forward(scope["raw_path"])
    declared = single(fields, b"content-length")
    is_present = declared not in {None, b"0"} or single(fields, b"transfer-encoding") is not None
    sent = to_service(fields, context, cookies=service.cookies, public_host=public_host)
    key = single(sent, b"idempotency-key")  # as the service sees it: `Connection` may have named it
    return Errand(
        context, scope.get("method", "GET"), path, path + (f"?{query.decode('ascii')}" if query else ""),
        [*sent, *next_hop(fields), (b"x-forwarded-proto", _PROTOCOLS[scope["scheme"]])],
        ClientBody(receive, is_present=is_present), None if declared is None else int(declared),
        asyncio.get_running_loop().time() + service.timeouts.total_s,
        is_idempotent or (key is not None and _KEY.fullmatch(key) is not None))


_PROTOCOLS = {"http": b"http", "https": b"https", "ws": b"http", "wss": b"https"}
