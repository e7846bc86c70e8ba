"""One request on its way through the gateway, and what is told of it once it is answered: a log line and a measure."""

import time

from starlette.types import Scope

from control_plane.gateway import metrics
from control_plane.gateway.access_log import log_request
from control_plane.gateway.judge import Asked
from control_plane.gateway.peers import NOWHERE
from control_plane.gateway.reply import Reply
from control_plane.gateway.verdict import UNKNOWN_ACTION
from shared_kernel.principal import ANONYMOUS

_CLIENT_LEFT = 499


class Visit:
    """What the steps of the gateway find out about a request, each for those after it."""

    __slots__ = ("action", "asked", "certificate", "path", "principal", "reply", "request_id", "source_ip", "started_s")

    def __init__(self, request_id: str, reply: Reply) -> None:
        self.request_id, self.reply = request_id, reply
        self.action, self.path, self.source_ip = UNKNOWN_ACTION, "", NOWHERE
        self.certificate: bytes | None = None
        self.asked: Asked | None = None
        self.principal = ANONYMOUS
        self.started_s = time.perf_counter()


def accounted(scope: Scope, visit: Visit) -> None:
    """Write the access log line (no query, no credential) and the metrics."""
    seconds = time.perf_counter() - visit.started_s
    status = visit.reply.status or _CLIENT_LEFT
    metrics.seconds_of(visit.action, status).observe(seconds)
    log_request(
        request_id=visit.request_id, method=scope.get("method", "WEBSOCKET"), path=visit.path, action=visit.action,
        status=status, subject=visit.principal.subject, source_ip=visit.source_ip, duration_us=int(seconds * 1_000_000),
    )
