"""What routes over governed data fulfil, because the guard fulfils it for them (`Endpoint.fulfils`)."""

from shared_kernel.obligations import AGGREGATE_FLOOR, MASK, ROW_FILTER

GUARDED = frozenset({MASK, ROW_FILTER})
"""Of a route whose rows all leave through the guard."""
GUARDED_SUMS = GUARDED | {AGGREGATE_FLOOR}
"""Of one that can also sum over households."""
