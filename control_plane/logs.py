"""Logs: one JSON object a line on standard error, with request ids, and no secret at any level.

Redaction is the last resort, not the plan: code does not log secrets. What looks like one is still removed here,
by key name and by shape (our own opaque secrets, JWTs, Basic and Bearer credentials, URL passwords).
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

REDACTED = "[redacted]"
_SECRET_KEY = re.compile(
    "password|passwd|secret|token|authorization|cookie|credential|private|verifier", re.IGNORECASE,
)
_SECRET_VALUE = re.compile(
    r"gw_[a-z]+_[\w-]+\.[\w-]{20,}"
    r"|eyJ[\w-]{10,}\.[\w-]+\.[\w-]*"
    r"|(?i:basic|bearer|dpop)\s+[\w.~+/=-]{8,}"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"
    r"|(?<=[?&]code=)[^&\s]+",
)
_HARMLESS_KEYS = frozenset({"token_kind", "grant_type"})

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace secrets in a log event, however deep they stand."""
    for key, value in event.items():
        event[key] = _clean(key, value)
    return event


def _clean(key: str, value: Any) -> Any:  # noqa: ANN401 - whatever was logged
    if _SECRET_KEY.search(key) and key not in _HARMLESS_KEYS and not isinstance(value, int | bool):
        return REDACTED
    if isinstance(value, str):
        return cleaned(value)
    if isinstance(value, dict):
        return {name: _clean(str(name), inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(key, inner) for inner in value]
    return value


_level = "debug"


def is_saying(level: str) -> bool:
    """Tell whether lines of this level are written."""
    return _LEVELS[level] >= _LEVELS[_level]


def cleaned(text: str) -> str:
    """Return a text with everything that looks like a secret taken out."""
    return _SECRET_VALUE.sub(REDACTED, text)


def configure_logs(level: str) -> None:
    """Send our logs and those of the libraries through one redacting JSON renderer."""
    global _level  # noqa: PLW0603 - logging is the process's, not an object's
    _level = level
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="@timestamp"),
        structlog.processors.format_exc_info,
        redact,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        ),
    )
    logging.basicConfig(handlers=[handler], level=max(_LEVELS[level], logging.WARNING), force=True)
