"""The family behind a user agent string: browser and operating system, as coarse as a change of version leaves them."""

import hashlib

_BROWSERS = (
    ("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"),
    ("curl/", "curl"), ("python-httpx", "httpx"), ("aiohttp/", "aiohttp"), ("Go-http-client", "Go"),
    ("okhttp", "okhttp"),
)
_SYSTEMS = (
    ("Windows", "Windows"), ("Android", "Android"), ("iPhone", "iOS"), ("iPad", "iOS"), ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"), ("Linux", "Linux"),
)


def family(user_agent: str) -> str:
    """Return for example "Firefox on Linux"; what is not recognised keeps its first word, at most 32 characters."""
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), None)
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), None)
    if browser is None:
        browser = user_agent.partition(" ")[0].partition("/")[0][:32] or "no user agent"
    return f"{browser} on {system}" if system else browser


def digest(user_agent: str) -> str:
    """Return 64 bits that stand for the whole string: the history keeps no text a client chose."""
    return hashlib.sha256(user_agent.encode("utf-8", "surrogatepass")).hexdigest()[:16]
