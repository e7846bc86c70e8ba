"""What people call the browser behind a User-Agent: enough to recognise one's own, never to decide on."""

_BROWSERS = (("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("CriOS/", "Chrome"), ("Chrome/", "Chrome"),
             ("Safari/", "Safari"), ("curl/", "curl"), ("python", "Python"))
_SYSTEMS = (("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"),
            ("Mac OS X", "macOS"), ("CrOS", "ChromeOS"), ("Linux", "Linux"))
_SHOWN = 40


def browser_name(user_agent: str) -> str:
    """Return `Firefox · Linux`, or the beginning of what we do not know; empty when it said nothing."""
    parts = [next((name for mark, name in table if mark in user_agent), "") for table in (_BROWSERS, _SYSTEMS)]
    return " · ".join(part for part in parts if part) or user_agent[:_SHOWN]
