"""One log line a request: no query string, no header, no credential.

It is written for every request, so it takes the short way: the path is its only field a stranger writes, and only the
path is redacted; the lines of one turn of the event loop leave in one write.
"""

import asyncio
import sys
from datetime import UTC, datetime

import orjson

from control_plane import logs

_waiting: list[bytes] = []


def log_request(*, path: str, duration_us: int, **fields: str | int) -> None:
    """Write the line of a request that has been answered, unless the log level leaves it out."""
    if not logs.is_saying("info"):
        return
    line = {"@timestamp": datetime.now(UTC), "level": "info", "event": "request", "path": logs.cleaned(path),
            "duration_us": duration_us, **fields}
    _waiting.append(orjson.dumps(line, option=orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE))
    if len(_waiting) == 1:
        asyncio.get_running_loop().call_soon(_write)


def _write() -> None:
    text = b"".join(_waiting).decode()
    _waiting.clear()
    sys.stderr.write(text)
