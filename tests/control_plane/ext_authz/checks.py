"""Checks of a small city: its gateway stands before somebody else's routes."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from control_plane.ext_authz.checker import Check, Checker, Denied
from control_plane.ext_authz.permission import Mutations, permitting
from control_plane.ext_authz.route_map import RouteMap, read_route_map
from tests.control_plane.gateway_city import City

ROUTES = """
origin: https://api.example.com
routes:
  - {path: "/admin/users", methods: [GET], action: users.read, fulfils: [mask]}
  - {path: "/readings/{meter}", methods: [GET, POST], action: grid.read, dataset: grid.meter_readings, fulfils: [mask]}
  - {path: "/unmasked", methods: [GET], action: grid.read, dataset: grid.meter_readings}
  - {path: "/public", methods: [GET], action: public.read}
"""


def routes(folder: Path, text: str = ROUTES) -> RouteMap:
    """Write a route map and read it."""
    file = folder / "routes.yaml"
    file.write_text(text)
    return read_route_map(file, permitting)


class Before(City):
    """A city whose gateway has no routes but the mapped ones."""

    def endpoints(self) -> Any:
        return ()


@dataclass(slots=True)
class Checks:
    """A checker and its city."""

    city: Before
    checker: Checker
    seen: list[Any] = field(default_factory=list)

    async def ask(self, method: str, target: str | bytes, *, source_ip: str = "203.0.113.9", **fields: str,
                  ) -> Mutations | Denied:
        """Check a request; field names have underscores for hyphens."""
        sent = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in fields.items()]
        return await self.asked(method, target, sent, source_ip=source_ip)

    async def asked(self, method: str, target: str | bytes, sent: list[tuple[bytes, bytes]], *,
                    source_ip: str = "203.0.113.9") -> Mutations | Denied:
        """Check a request with its fields as they are."""
        raw = target if isinstance(target, bytes) else target.encode()
        return await self.checker.check(Check(method=method, target=raw, fields=sent, source_ip=source_ip))


def checks(folder: Path, **parts: Any) -> Checks:
    """Build it; `parts` replace those of the city."""
    city = Before(more=routes(folder).endpoints, **parts)
    return Checks(city, Checker(city.gateway()))
