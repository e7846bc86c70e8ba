"""The origin of a URL: what an issuer below a path shares with the API at its host's root."""

from urllib.parse import urlsplit


def origin_of(url: str) -> str:
    """Return scheme, host and port (RFC 6454 section 4), without a path."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
