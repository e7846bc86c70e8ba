"""The gateway's own route table: a canonical path and a method lead to one endpoint, or to none.

Exact paths are one dictionary lookup; paths with parameters are tried by their number of segments.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from re import Pattern
from typing import Any

from starlette.convertors import Convertor
from starlette.routing import compile_path

from shared_kernel.endpoint import Endpoint
from shared_kernel.errors import GridwardenError

_NO_PARAMETERS: Mapping[str, Any] = {}


class AmbiguousRouteError(GridwardenError):
    """Two endpoints claim one method and path."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(f"{endpoint.method} {endpoint.path} is offered twice: a request must lead to one action")


@dataclass(frozen=True, slots=True)
class Match:
    """What a request leads to. Without an endpoint, `allowed` lists the methods the path does have, if any.

    `is_public`: strangers may know of the path: a probe's, or that of a protocol that authenticates its own callers.
    `echoes_request_id`: to one whose callers name their requests, and want the name back whatever is answered.
    """

    endpoint: Endpoint | None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    allowed: tuple[str, ...] = ()
    is_public: bool = False
    echoes_request_id: bool = False


UNKNOWN = Match(None)


@dataclass(frozen=True, slots=True)
class _Pattern:
    regex: Pattern[str]
    convertors: Mapping[str, Convertor[Any]]
    methods: dict[str, Endpoint]

    def parameters(self, path: str) -> dict[str, Any] | None:
        found = self.regex.match(path)
        if found is None:
            return None
        return {name: self.convertors[name].convert(text) for name, text in found.groupdict().items()}


class RouteTable:
    """All endpoints of all houses."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        self._exact: dict[str, dict[str, Endpoint]] = defaultdict(dict)
        self._matches: dict[tuple[str, str], Match] = {}
        self._patterns: dict[int, list[_Pattern]] = defaultdict(list)
        self._deep: list[_Pattern] = []
        known: dict[str, _Pattern] = {}
        for endpoint in endpoints:
            self._add(endpoint, known)

    def _add(self, endpoint: Endpoint, known: dict[str, _Pattern]) -> None:
        regex, _, convertors = compile_path(endpoint.path)
        if not convertors:
            _claim(self._exact[endpoint.path], endpoint)
            self._matches[endpoint.method, endpoint.path] = Match(
                endpoint, _NO_PARAMETERS, echoes_request_id=endpoint.echoes_request_id)
            return
        shape = "/".join("{}" if part.startswith("{") else part for part in endpoint.path.split("/"))
        if shape not in known:
            known[shape] = _Pattern(regex, convertors, {})
            is_deep = ":path}" in endpoint.path
            (self._deep if is_deep else self._patterns[endpoint.path.count("/")]).append(known[shape])
        _claim(known[shape].methods, endpoint)

    def find(self, method: str, path: str) -> Match:
        """Return the endpoint of this method and path; HEAD is served by GET."""
        wanted = "GET" if method == "HEAD" else method
        exact = self._matches.get((wanted, path))
        if exact is not None:
            return exact
        methods = self._exact.get(path)
        if methods is not None:
            return _without_endpoint(methods)
        for pattern in (*self._patterns.get(path.count("/"), ()), *self._deep):
            parameters = pattern.parameters(path)
            if parameters is not None:
                endpoint = pattern.methods.get(wanted)
                if endpoint is None:
                    return _without_endpoint(pattern.methods)
                return Match(endpoint, parameters, echoes_request_id=endpoint.echoes_request_id)
        return UNKNOWN


def _claim(methods: dict[str, Endpoint], endpoint: Endpoint) -> None:
    if endpoint.method in methods:
        raise AmbiguousRouteError(endpoint)
    methods[endpoint.method] = endpoint


def _without_endpoint(methods: Mapping[str, Endpoint]) -> Match:
    names = set(methods) - {"WEBSOCKET"}
    if "GET" in names:
        names.add("HEAD")
    return Match(None, allowed=tuple(sorted(names)),
                 is_public=any(endpoint.own_credentials or endpoint.probe for endpoint in methods.values()),
                 echoes_request_id=any(endpoint.echoes_request_id for endpoint in methods.values()))
