"""How values look on a page: times, numbers, hashes and events as people read them."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

MICROSECONDS = 1_000_000
_SHORT_HASH = 12
_RUN_TONES = {"done": "good", "ready": "warn", "waiting_approval": "warn"}


def time_of(value: Any) -> str:  # noqa: ANN401 - microseconds or ISO text
    """Return `2026-11-21 07:00:00 UTC` for microseconds since the epoch or an RFC 3339 text."""
    if value in {None, ""}:
        return "-"
    if isinstance(value, int):
        return f"{datetime.fromtimestamp(value / MICROSECONDS, UTC):%Y-%m-%d %H:%M:%S} UTC"
    return f"{datetime.fromisoformat(str(value)).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def number(value: Any, digits: int = 0) -> str:  # noqa: ANN401 - a number or nothing
    """Return a number with thin group separators, a dash for nothing."""
    return "-" if value is None else f"{float(value):,.{digits}f}"


def short(value: Any) -> str:  # noqa: ANN401 - a hash or an id
    """Return the beginning of a long identifier."""
    text = str(value or "-")
    return text if len(text) <= _SHORT_HASH + 4 else f"{text[:_SHORT_HASH]}…"


def pretty(value: Any) -> str:  # noqa: ANN401 - any JSON
    """Return JSON for reading."""
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)


def run_tone(status: str) -> str:
    """Return the colour class of a playbook run's state."""
    return _RUN_TONES.get(status, "bad")


FILTERS: dict[str, Callable[..., Any]] = {
    "time": time_of, "number": number, "short": short, "pretty": pretty, "run_tone": run_tone,
}
