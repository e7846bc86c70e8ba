"""One log line a request: no query string, no header, no credential.

It is written for every request, so it does not pass through the general redaction (30 us a line): the path is its only
field a stranger writes, and only the path is redacted.
"""

import orjson
import structlog
from structlog.typing import EventDict, WrappedLogger

from control_plane.logs import redact


def _redact_path(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    event["path"] = redact(logger, method, {"path": event["path"]})["path"]
    return event


def _as_json(value: EventDict, **_options: object) -> str:
    return orjson.dumps(value).decode()


access_log: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
    None,  # whatever logger is configured when the first line is written
    processors=[
        structlog.processors.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True, key="@timestamp"),
        _redact_path, structlog.processors.JSONRenderer(_as_json),
    ],
)
