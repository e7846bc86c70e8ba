"""What is behind a user agent string: browser and system, system, kind of device; each coarser than the one before."""

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
_DEVICES = (
    ("iPad", "a tablet"), ("iPhone", "a phone"), ("Mobile", "a phone"), ("Android", "a tablet"),
    ("Windows", "a computer"), ("Mac OS X", "a computer"), ("CrOS", "a computer"), ("Linux", "a computer"),
)
NO_SYSTEM, NO_DEVICE = "no system", "a program"


def family(user_agent: str) -> str:
    """Return for example "Firefox on Linux"; what is not recognised keeps its first word, at most 32 characters.

    Only printable characters are kept: the word goes into the database, into reasons and onto terminals.
    """
    browser = _first(_BROWSERS, user_agent)
    found = _first(_SYSTEMS, user_agent)
    if browser is None:
        word = user_agent[:256].partition(" ")[0].partition("/")[0][:32]
        browser = "".join(character for character in word if character.isprintable()) or "no user agent"
    return f"{browser} on {found}" if found else browser


def system(user_agent: str) -> str:
    """Return for example "Linux"."""
    return _first(_SYSTEMS, user_agent) or NO_SYSTEM


def device(user_agent: str) -> str:
    """Return for example "a phone"."""
    return _first(_DEVICES, user_agent) or NO_DEVICE


def digest(user_agent: str) -> str:
    """Return 64 bits that stand for the whole string: the history keeps no text a client chose."""
    return hashlib.sha256(user_agent.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _first(marks: tuple[tuple[str, str], ...], user_agent: str) -> str | None:
    return next((name for mark, name in marks if mark in user_agent), None)
