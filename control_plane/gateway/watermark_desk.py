"""POST a mark found somewhere, and be told whether it is ours and whose answer it was in."""

import msgspec
import orjson
from starlette.requests import Request
from starlette.responses import Response

from control_plane.gateway.watermark import Watermarks, read_mark
from shared_kernel.clock import to_iso
from shared_kernel.endpoint import Endpoint
from shared_kernel.errors import UnprocessableError
from shared_kernel.events import EventReader
from shared_kernel.strict_json import parse_strict

MAX_BODY = 1_024
_UNKNOWN = "no sealed decision has its request id: it is forged, or of another installation"
_FORGED = "its signature is not ours: it was altered, or made by somebody else"


class _Found(msgspec.Struct, forbid_unknown_fields=True):
    watermark: str


def endpoints(watermarks: Watermarks, ledger: EventReader) -> tuple[Endpoint, ...]:
    """Return the desk."""

    async def verify(request: Request) -> Response:
        try:
            found = msgspec.convert(parse_strict(await request.body()), _Found)
        except msgspec.ValidationError as cause:
            raise UnprocessableError('send {"watermark": "gw1...."}') from cause
        mark = read_mark(found.watermark)
        sealed = await ledger.find(action="access_decision", request_id=mark.request_id, limit=1)
        subject = sealed[0].event.get("user", {}).get("id", "") if sealed else ""
        is_genuine = bool(sealed) and watermarks.is_genuine(mark, subject)
        answer = {"genuine": True, "request_id": mark.request_id, "subject": subject, "at": to_iso(mark.at_us),
                  "seq": sealed[0].seq} if is_genuine else {"genuine": False, "why": _FORGED if sealed else _UNKNOWN}
        return Response(orjson.dumps(answer), media_type="application/json")

    return (Endpoint("POST", "/api/v1/watermarks/verify", "watermarks.verify", verify, max_body=MAX_BODY),)
