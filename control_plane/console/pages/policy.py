"""Which policy decides, in every process; what was published before; and what scores risk beside it."""

import asyncio

from starlette.responses import Response

from control_plane.console.visit import Visit


async def show(visit: Visit) -> Response:
    """Show the policy; risk only to those who may see it."""
    standing, published, risk = await asyncio.gather(
        visit.ask("/api/v1/policy"), visit.ask("/api/v1/policy/bundles"), visit.ask("/api/v1/policy/risk"))
    if not standing.is_ok:
        return visit.refused(standing)
    return visit.live("policy.html", fragment="policy_body.html", policy=standing.body, bundles=published.items,
                      risk=risk.body if risk.is_ok else None)


ROUTES = (("GET", "/policy", show),)
