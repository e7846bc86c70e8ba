"""What a decision demands is done by somebody, or nothing is done: an *allow* with a demand nobody meets is a *no*.

The enforcement point itself tells (`notify`: the sealed decision carries it, and GR-009 raises the alert) and marks;
what concerns rows is up to the route (`Endpoint.fulfils`).
"""

from collections.abc import Mapping
from dataclasses import replace

from control_plane.gateway.verdict import Verdict
from shared_kernel.endpoint import Endpoint
from shared_kernel.obligations import AGGREGATE_FLOOR, NOTIFY, WATERMARK

EVERYWHERE = frozenset({NOTIFY})
MARKING = EVERYWHERE | {WATERMARK}
_NOTHING: frozenset[str] = frozenset()
_REMEDIES: Mapping[str, str] = {
    AGGREGATE_FLOOR: "you may see sums over households, never one of them: ask "
                     "GET /api/v1/analytics/consumption/windows",
}
_NO_REMEDY = "ask for another route, or have the policy corrected"


def fulfilled(verdict: Verdict, endpoint: Endpoint | None, ours: frozenset[str]) -> Verdict:
    """Return the verdict, or the *no* it becomes when a demand of its *yes* is met neither by us nor by the route."""
    if not verdict.allow or not verdict.obligations:
        return verdict
    unmet = verdict.obligations.keys() - ours - (endpoint.fulfils if endpoint else _NOTHING)
    if not unmet:
        return verdict
    names = tuple(sorted(unmet))
    remedy = _REMEDIES.get(names[0], _NO_REMEDY)
    why = f"this route cannot fulfil {', '.join(names)}, which the policy demands: {remedy}"
    return replace(verdict, allow=False, reasons=(why, *verdict.reasons), unfulfilled=names)
