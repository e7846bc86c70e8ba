"""What an operator says about services of others: which there are, where, how they are asked, and by which routes."""

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, IPvAnyNetwork, StringConstraints, model_validator
from starlette.routing import compile_path

from control_plane.gateway.canonical_path import PathRefusedError, canonical_path
from policy_engine.domain.demands import KNOWN
from shared_kernel.obligations import STEP_UP

SYSTEM, PKI = "system", "pki"
_PARAMETER = re.compile(r"\{([A-Za-z_]\w*)(?::[a-z]+)?\}")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*")

_OUR_COOKIES = ("gw_", "gridwarden", "__")

Text = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=2_048)]
Name = Annotated[str, StringConstraints(strict=True, pattern=r"^[a-z][a-z0-9-]{0,62}$")]
_ACTION = r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$"
Action = Annotated[str, StringConstraints(strict=True, max_length=128, pattern=_ACTION)]
Cookie = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
Flag = Annotated[bool, Field(strict=True)]
Seconds = Annotated[float, Field(strict=True, gt=0, le=3_600)]
Bytes = Annotated[int, Field(strict=True, ge=0, le=1 << 32)]
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "WEBSOCKET"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Address(_Part):
    """Where a target listens; `is_tls` says whether it speaks TLS there."""

    host: str
    port: int
    is_tls: bool = False

    @property
    def authority(self) -> str:
        """Host and port as a URL writes them."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"{'https' if self.is_tls else 'http'}://{self.authority}"


def _address(given: object) -> object:
    """Read `https://host:port`, with nothing behind it."""
    try:
        found = _split(given)
    except ValueError:
        found = None
    if found is None:
        raise ValueError("a target is written http://host:port or https://host:port, with nothing behind it")
    return found


def _split(given: object) -> dict[str, object] | None:
    parts = urlsplit(given) if isinstance(given, str) else None
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname or not parts.port:
        return None
    if given != f"{parts.scheme}://{parts.netloc}" or "@" in parts.netloc:
        return None
    if ":" in parts.hostname or parts.hostname.replace(".", "").isdigit():
        ip_address(parts.hostname)
    elif not _HOST.fullmatch(parts.hostname):
        return None
    return {"host": parts.hostname, "port": parts.port, "is_tls": parts.scheme == "https"}


class Discovered(_Part):
    """Targets that Consul names; only addresses in `networks` are believed."""

    consul: Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9_-]{1,128}$")]
    networks: Annotated[tuple[IPvAnyNetwork, ...], Field(min_length=1)]


class Tls(_Part):
    """Whom to believe and what to show. `ca` is `system`, `pki` (the settings' authority), or a PEM file."""

    ca: Text = SYSTEM
    server_name: Text | None = None
    client_certificate: Flag = False


class Timeouts(_Part):
    """`total_s` bounds a request with its retries, `attempt_s` one attempt's head, `idle_s` the pauses of a stream."""

    connect_s: Seconds = 2.0
    attempt_s: Seconds | None = None
    total_s: Seconds = 15.0
    idle_s: Seconds = 60.0


class Retry(_Part):
    """How often a request may be asked again that is marked as repeatable, and the share of such repetitions."""

    retries: Annotated[int, Field(strict=True, ge=0, le=10)] = 3
    first_pause_s: Seconds = 1.0
    budget_percent: Annotated[int, Field(strict=True, ge=0, le=100)] = 20


class BreakerRule(_Part):
    """When a target is left alone, for how long, and what it takes to believe in it again."""

    failures: Annotated[int, Field(strict=True, ge=1, le=1_000)] = 5
    open_s: Seconds = 60.0
    successes: Annotated[int, Field(strict=True, ge=1, le=1_000)] = 2


class Service(_Part):
    """One service: targets to ask, or an application of this process."""

    targets: tuple[Annotated[Address, BeforeValidator(_address)], ...] | Discovered | None = None
    app: Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")] | None = None
    audience: Text | None = None
    tls: Tls | None = None
    timeouts: Timeouts = Timeouts()
    retry: Retry = Retry()
    breaker: BreakerRule = BreakerRule()
    max_connections: Annotated[int, Field(strict=True, ge=1, le=10_000)] = 100
    max_answer: Bytes = 32 << 20
    cookies: tuple[Cookie, ...] = ()
    fulfils: frozenset[str] = frozenset()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.targets is None) == (self.app is None):
            raise ValueError("a service has either `targets` or `app`")
        if self.targets == ():
            raise ValueError("`targets` names nobody: write at least one")
        if isinstance(self.targets, tuple):
            kinds = {target.is_tls for target in self.targets}
            if len(kinds) != 1 or len(set(self.targets)) != len(self.targets):
                raise ValueError("targets are all http or all https, each written once")
            if self.tls is not None and kinds == {False}:
                raise ValueError("`tls` is for https targets: write https, or leave `tls` out")
        if ours := [name for name in self.cookies if name.startswith(_OUR_COOKIES)]:
            raise ValueError(f"`cookies` names {', '.join(ours)}, which are the gateway's own: choose other names")
        if odd := sorted(self.fulfils - (KNOWN - {STEP_UP})):
            raise ValueError(f"`fulfils` names {', '.join(odd)}; a service can fulfil "
                             f"{', '.join(sorted(KNOWN - {STEP_UP}))}")
        return self

    @property
    def is_tls(self) -> bool:
        """Whether its targets speak TLS; those that Consul names do when `tls` is given."""
        return self.targets[0].is_tls if isinstance(self.targets, tuple) else self.tls is not None


class Route(_Part):
    """A path of the gateway that leads to a service. `to` is the path there, by default the same."""

    method: Method
    path: Text
    action: Action
    service: Name
    to: Text | None = None
    dataset: Text | None = None
    max_body: Bytes = 65_536
    idempotent: Flag = False
    stream: Flag = False

    @model_validator(mode="after")
    def _paths_agree(self) -> Self:
        known = _parameters(self.path, "path")
        if unknown := sorted(_parameters(self.there, "to") - known):
            raise ValueError(f"`to` uses {', '.join(unknown)}, which `path` does not have")
        return self

    @property
    def there(self) -> str:
        """The path at the service."""
        return self.to or _PARAMETER.sub(r"{\1}", self.path)


class Plan(_Part):
    """The whole file."""

    services: Annotated[dict[Name, Service], Field(min_length=1)]
    routes: Annotated[tuple[Route, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _services_exist(self) -> Self:
        for number, route in enumerate(self.routes):
            if route.service not in self.services:
                raise ValueError(f"routes.{number} leads to the service {route.service}, which is not described")
            if route.method == "WEBSOCKET" and (route.idempotent or route.stream):
                raise ValueError(f"routes.{number} is a websocket: `idempotent` and `stream` are for requests")
        return self

    @property
    def needs_pki(self) -> bool:
        """Whether the authority of the settings is used at all."""
        return any(service.tls and (service.tls.client_certificate or service.tls.ca == PKI)
                   for service in self.services.values())


def authority_file(tls: Tls) -> Path | None:
    """Return the file that `ca` names, None for a word."""
    return None if tls.ca in {SYSTEM, PKI} else Path(tls.ca)


def _parameters(path: str, name: str) -> frozenset[str]:
    """Return the names in a path pattern; raise ValueError when it could never match a path the gateway takes."""
    try:
        canonical_path(_PARAMETER.sub("x", path).encode())
        _, _, convertors = compile_path(path)
    except (PathRefusedError, AssertionError, ValueError) as cause:
        why = cause.reason if isinstance(cause, PathRefusedError) else cause
        raise ValueError(f"`{name}` is no path pattern ({why}): write /a/{{name}} or /a/{{rest:path}}") from cause
    found: dict[str, Any] = convertors
    return frozenset(found)
