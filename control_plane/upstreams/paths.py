"""From a path of the gateway to a service's path, and back for the `Location` it answers.

Nothing is decoded on the way: the gateway takes canonical paths only, and what a parameter matched is put into the
service's path as the bytes it is, so that both sides read the same.
"""

import re
from urllib.parse import urljoin, urlsplit

from starlette.routing import compile_path

from control_plane.gateway.canonical_path import PathRefusedError, canonical_path

_PARAMETER = re.compile(r"\{([A-Za-z_]\w*)(?::[a-z]+)?\}")


class PathMap:
    """One route's two patterns."""

    def __init__(self, public: str, there: str) -> None:
        self._public, self._there = _PARAMETER.sub(r"{\1}", public), _PARAMETER.sub(r"{\1}", there)
        self._matches, _, _ = compile_path(public)
        self._there_matches, _, _ = compile_path(_typed(there, public))

    def forward(self, raw_path: bytes) -> str:
        """Return the service's path for a canonical path, which the gateway's route table has matched."""
        found = self._matches.match(raw_path.decode("ascii"))
        if found is None:
            raise PathRefusedError("route")
        return self._there.format(**found.groupdict())

    def backward(self, path: str) -> str | None:
        """Return the gateway's path for a path of the service, None when no request could have led there."""
        found = self._there_matches.match(path)
        if found is None or found.groupdict().keys() != set(_PARAMETER.findall(self._public)):
            return None
        public = self._public.format(**found.groupdict())
        try:
            canonical_path(public.encode())
        except (PathRefusedError, UnicodeEncodeError):
            return None
        return public


class Locations:
    """Rewrites references to places at a service into places at the gateway; there are no others."""

    def __init__(self, maps: tuple[PathMap, ...]) -> None:
        self._maps = maps

    def public(self, reference: str, *, origin: str, path: str) -> str | None:
        """Return where a `Location` of an answer from `origin` and `path` is for our clients, None for nowhere."""
        if not reference.isascii() or not reference.isprintable() or " " in reference or "\\" in reference:
            return None
        try:
            target = urlsplit(urljoin(origin + path, reference))
            if f"{target.scheme}://{target.netloc}" != origin:
                return None
        except ValueError:
            return None
        for each in self._maps:
            public = each.backward(target.path)
            if public is not None:
                return public + (f"?{target.query}" if target.query else "")
        return None


def _typed(there: str, public: str) -> str:
    """Give the parameters of `there` the convertors they have in `public`."""
    types = {found[1]: found[0] for found in re.finditer(_PARAMETER, public)}
    return _PARAMETER.sub(lambda found: types.get(found[1], found[0]), there)
