"""The pages: each asks the gateway as the person who looks, and shows exactly what the gateway gave."""

from control_plane.console.pages import (
    access,
    alerts,
    catalog,
    decisions,
    developers,
    grid,
    ledger,
    playbooks,
    policy,
    sessions,
)

ROUTES = (
    *grid.ROUTES, *alerts.ROUTES, *playbooks.ROUTES, *ledger.ROUTES, *catalog.ROUTES, *access.ROUTES,
    *decisions.ROUTES, *sessions.ROUTES, *policy.ROUTES, *developers.ROUTES,
)
"""Method, path, handler."""
