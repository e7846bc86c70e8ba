"""Which action a request at somebody else's service is: a file of the operator's, an allow-list.

    origin: https://api.example.com     # what clients call Envoy; without it tokens bound by DPoP are refused
    routes:
      - path: /reports/{name}           # as our own routes are written; {rest:path} takes slashes too
        methods: [GET]
        action: analytics.read          # what the policy decides on
        dataset: grid.sensor_data       # optional: a catalogued dataset, whose labels then count
        fulfils: [mask]                 # optional: the obligations that the service behind carries out

A request that no entry names is decided as `gateway.unknown`, which no policy of ours allows.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import yaml

from control_plane.config import ConfigurationError
from control_plane.gateway.routes import AmbiguousRouteError, RouteTable
from policy_engine.domain.demands import KNOWN
from shared_kernel.endpoint import Endpoint, Handler

SETTING = "GRIDWARDEN_EXT_AUTHZ_ROUTES"
NO_ORIGIN = "https://unnamed.invalid"
"""An origin no proof of possession can name (RFC 6761 section 6.4)."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class _Route(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    path: str
    methods: tuple[str, ...]
    action: str
    dataset: str | None = None
    fulfils: tuple[str, ...] = ()


class _File(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    routes: tuple[_Route, ...]
    origin: str = NO_ORIGIN


class RouteMap(msgspec.Struct, frozen=True):
    """The origin that clients call, and what is decided where."""

    origin: str
    endpoints: tuple[Endpoint, ...]


class UnusableRoutesError(ConfigurationError):
    """The file is no route map."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{SETTING} names {path}, which is no route map: {why}")


def read_route_map(path: Path, permitting: Callable[[frozenset[str]], Handler]) -> RouteMap:
    """Return the map; `permitting` makes the handler of a route by what it fulfils. Raise UnusableRoutesError."""
    try:
        found = msgspec.convert(yaml.safe_load(path.read_text(encoding="utf-8")), _File)
        endpoints = tuple(endpoint for route in found.routes for endpoint in _endpoints(route, permitting))
        RouteTable(endpoints)
        _check_origin(found.origin)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, msgspec.ValidationError, ValueError, AssertionError,
            AmbiguousRouteError) as cause:
        raise UnusableRoutesError(path, str(cause)) from cause
    return RouteMap(found.origin, endpoints)


def _endpoints(route: _Route, permitting: Callable[[frozenset[str]], Handler]) -> list[Endpoint]:
    _check(route.path.startswith("/"), f"the path {route.path} must begin with /")
    _check(bool(route.methods) and set(route.methods) <= METHODS,
           f"{route.path} must name methods among {', '.join(sorted(METHODS))}")
    _check(set(route.fulfils) <= KNOWN, f"{route.path} may fulfil {', '.join(sorted(KNOWN))}")
    fulfils = frozenset(route.fulfils)
    handler = permitting(fulfils)
    return [Endpoint(method, route.path, route.action, handler, dataset=route.dataset, fulfils=fulfils)
            for method in route.methods]


def _check_origin(origin: str) -> None:
    parts: Any = urlsplit(origin)
    _check(parts.scheme in {"http", "https"} and bool(parts.netloc) and not parts.path.strip("/"),
           "origin must be scheme and host, as in https://api.example.com")


def _check(holds: bool, why: str) -> None:  # noqa: FBT001 - a condition and its sentence
    if not holds:
        raise ValueError(why)
