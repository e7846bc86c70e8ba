"""The composition root: the only package that names concrete stores and adapters."""

from control_plane.wiring.ledger import make_ledger
from control_plane.wiring.pools import opened
from control_plane.wiring.product import assembled

__all__ = ["assembled", "make_ledger", "opened"]
