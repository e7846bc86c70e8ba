"""How values look on a page: times, numbers, hashes and events as people read them; tones are the CSS's classes."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

MICROSECONDS = 1_000_000
NOTHING = "-"
_SHORT_HASH = 12

_SEVERITIES = {"critical": "bad", "high": "bad", "medium": "warn", "low": "calm"}
_LABELS = {"PUBLIC": "good", "INTERNAL": "calm", "CONFIDENTIAL": "warn", "RESTRICTED": "bad"}
_RUNS = {"done": "good", "ready": "calm", "waiting_approval": "warn", "needs_human": "warn"}
_STEPS = {"done": "good", "planned": "calm", "intended": "warn", "needs_human": "warn"}
_OUTCOMES = {"success": "good", "failure": "bad"}


def time_of(value: Any) -> str:  # noqa: ANN401 - microseconds or ISO text
    """Return `2026-11-21 07:00:00 UTC` for microseconds since the epoch or an RFC 3339 text."""
    if value in {None, ""}:
        return NOTHING
    if isinstance(value, int):
        return f"{datetime.fromtimestamp(value / MICROSECONDS, UTC):%Y-%m-%d %H:%M:%S} UTC"
    try:
        return f"{datetime.fromisoformat(str(value)).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    except ValueError:
        return str(value)


def number(value: Any, digits: int = 0) -> str:  # noqa: ANN401 - a number or nothing
    """Return a number with group separators, a dash for nothing."""
    return NOTHING if value is None else f"{float(value):,.{digits}f}"


def short(value: Any) -> str:  # noqa: ANN401 - a hash or an id
    """Return the beginning of a long identifier."""
    text = str(value or NOTHING)
    return text if len(text) <= _SHORT_HASH + 4 else f"{text[:_SHORT_HASH]}…"


def words(value: Any) -> str:  # noqa: ANN401 - a name of the code
    """Return a name of the code as words."""
    return str(value).replace("_", " ")


def plain(value: Any) -> str:  # noqa: ANN401 - any JSON
    """Return a text as it is, anything else as JSON in one line."""
    return value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)


def pretty(value: Any) -> str:  # noqa: ANN401 - any JSON
    """Return JSON for reading."""
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)


def _tone(tones: Mapping[str, str], otherwise: str) -> Callable[[Any], str]:
    return lambda name: tones.get(str(name), otherwise)


FILTERS: dict[str, Callable[..., Any]] = {
    "time": time_of, "number": number, "short": short, "words": words, "plain": plain, "pretty": pretty,
    "severity_tone": _tone(_SEVERITIES, "calm"), "label_tone": _tone(_LABELS, "bad"),
    "run_tone": _tone(_RUNS, "bad"), "step_tone": _tone(_STEPS, "bad"), "outcome_tone": _tone(_OUTCOMES, "calm"),
}
